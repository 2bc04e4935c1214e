"""Reasoning that a model writes into its text, between ``<think>`` and ``</think>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rxwizard.chunks import ChunkKind

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Tell text from reasoning, though a tag may be cut anywhere.

    Text that may be the beginning of a tag is held back until the next piece shows whether it is:
    at most seven characters. Joining all that comes out gives all that went in, but the tags.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_inside = False

    def split(self, text: str) -> list[tuple[bool, str]]:
        """Take the next piece; give what is certain, each with whether it is reasoning."""
        parts: list[tuple[bool, str]] = []
        rest = self._held + text
        while True:
            tag = _CLOSE if self._is_inside else _OPEN
            before, found, after = rest.partition(tag)
            if not found:
                break
            if before:
                parts.append((self._is_inside, before))
            self._is_inside = not self._is_inside
            rest = after
        certain = len(rest) - _half_a_tag(rest, tag)
        if certain:
            parts.append((self._is_inside, rest[:certain]))
        self._held = rest[certain:]
        return parts

    def flush(self) -> list[tuple[bool, str]]:
        """Give what was held back, now that nothing follows that could make it a tag."""
        held, self._held = self._held, ""
        return [(self._is_inside, held)] if held else []


def _half_a_tag(text: str, tag: str) -> int:
    """Count the characters at the end of `text` that may be the beginning of `tag`."""
    lengths = range(min(len(tag) - 1, len(text)), 0, -1)
    return next((n for n in lengths if tag.startswith(text[-n:])), 0)


class TaggedText:
    """The think tags of each choice, applied to chunks that are still drafts."""

    def __init__(self) -> None:
        self._choices: dict[int, ThinkTags] = {}

    def split(self, draft: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Make reasoning of what stands between the tags in a draft's text."""
        bare = {**draft, "text": ""}
        if not draft.get("text") or draft.get("kind", ChunkKind.TEXT) is not ChunkKind.TEXT:
            return [dict(draft)]
        tags = self._choices.setdefault(draft.get("choice", 0), ThinkTags())
        parts = [bare | _said(*part) for part in tags.split(draft["text"])]
        # What a draft brings beside text (usage, log probabilities) must not wait with the text.
        return parts or ([bare] if bare.keys() - {"text", "choice", "index"} else [])

    def flush(self) -> Iterator[dict[str, Any]]:
        """Give what was held back, now that nothing follows."""
        for choice, tags in self._choices.items():
            for part in tags.flush():
                yield {"choice": choice, **_said(*part)}


def _said(is_reasoning: bool, text: str) -> dict[str, Any]:
    if is_reasoning:
        return {"kind": ChunkKind.REASONING, "text": "", "reasoning": text}
    return {"text": text}
