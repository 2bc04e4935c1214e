"""Reasoning that a model writes into its text, between ``<think>`` and ``</think>``."""

from __future__ import annotations

from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Part(NamedTuple):
    """What some characters of the text are.

    Attributes:
        is_reasoning: Whether they stand between the tags.
        text: The characters themselves; nothing where they are a tag.
        length: How many they are.
    """

    is_reasoning: bool
    text: str
    length: int


class ThinkTags:
    """Tell text from reasoning, though a tag may be cut anywhere.

    Text that may be the beginning of a tag is held back until the next piece shows whether it is:
    at most one character less than the tag has. Joining all that comes out gives all that went in,
    but the tags. Linear in the length of the text.

    Args:
        opening: What reasoning begins after.
        closing: What it ends before.
        is_inside: Whether the text begins with reasoning.
    """

    def __init__(
        self, opening: str = OPEN, closing: str = CLOSE, *, is_inside: bool = False
    ) -> None:
        self._held = ""
        self._is_inside = is_inside
        #: The tag that is looked for outside, and inside.
        self._tags = opening, closing

    def split(self, text: str) -> list[Part]:
        """Take the next piece; give what is certain."""
        parts: list[Part] = []
        text = self._held + text
        at = 0
        while (found := text.find(tag := self._tags[self._is_inside], at)) >= 0:
            if found > at:
                parts.append(self._part(text[at:found]))
            parts.append(Part(self._is_inside, "", len(tag)))
            self._is_inside = not self._is_inside
            at = found + len(tag)
        certain = len(text) - _half_a_tag(text, tag, at)
        if certain > at:
            parts.append(self._part(text[at:certain]))
        self._held = text[certain:]
        return parts

    def flush(self) -> list[Part]:
        """Give what was held back, now that nothing follows that could make it a tag."""
        held, self._held = self._held, ""
        return [self._part(held)] if held else []

    def _part(self, text: str) -> Part:
        return Part(self._is_inside, text, len(text))


def _half_a_tag(text: str, tag: str, begin: int) -> int:
    """Count the characters after `begin`, at the end, that may be the beginning of `tag`."""
    at = max(begin, len(text) - len(tag) + 1)
    while (at := text.find(tag[0], at)) >= 0:
        if tag.startswith(text[at:]):
            return len(text) - at
        at += 1
    return 0
