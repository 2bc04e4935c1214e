"""Where words, lines and paragraphs end, found part by part."""

# ruff: noqa: RUF001 -- the punctuation of other scripts is meant as it stands

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.operators.held import Ends

_LINE_END = re.compile("\n")
_NOT_SPACE = re.compile(r"\S")

# Chinese and Japanese put no spaces between words, and finding them takes a dictionary: there each
# character is one, with the punctuation that belongs to it. Katakana, which spell foreign words,
# are letters like others.
_SIGNS = "\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_OPENERS = "「『（【《〈〔"
_CLOSERS = "」』）】》〉〕。、，！？；：々"
_WORD_BEGINS = re.compile(
    r"(?<=\s)(?=\S)"
    rf"|(?<=[^\s{_OPENERS}(\[{{\"'“‘])(?=[{_OPENERS}{_SIGNS}])(?![々ー])"
    rf"|(?<=[{_SIGNS}{_CLOSERS}])(?=[\w“‘(\[{{])(?![々ー])"
)

_LINES_BEGIN = re.compile(r"\n\s*")
_SPACE_BEGINS = re.compile(r"(?<=\S)(?=\s)")


def word_ends() -> Ends:
    """Find where words end: where the next one begins, so the white space belongs to the first."""
    before = ""  # the last character, once there was one that is no white space

    def ends(part: str) -> Sequence[int]:
        nonlocal before
        words = part.split()
        if not words:
            before = part[-1:] if before else ""
            return ()
        if not before:
            start = part.index(words[0]) + 1
            found = [match.start() for match in _WORD_BEGINS.finditer(part, start)]
        elif len(words) == 1 and part.isascii() and before.isascii():
            # Nine of ten pieces are of this kind, and this costs a third.
            start = part.index(words[0])
            found = [start] if start or before.isspace() else []
        else:
            found = [match.start() - 1 for match in _WORD_BEGINS.finditer(before + part, 1)]
        before = part[-1]
        return found

    return ends


def line_ends() -> Ends:
    """Find where lines end: after each line feed, so that a carriage return stays before it."""

    def ends(part: str) -> Sequence[int]:
        return [match.end() for match in _LINE_END.finditer(part)] if "\n" in part else ()

    return ends


def paragraph_ends() -> Ends:
    """Find where paragraphs end: before the first line with something on it after a blank one."""
    has_begun = False
    feeds = 0  # line feeds since the last character that is no white space
    indent = 0  # characters since the last of them

    def ends(part: str) -> Sequence[int]:
        nonlocal has_begun, feeds, indent
        found: list[int] = []
        start = 0
        if feeds or not has_begun:
            first = _NOT_SPACE.search(part)
            start = first.start() if first else len(part)
            here = part.count("\n", 0, start)
            feeds += here
            indent = start - part.rindex("\n", 0, start) - 1 if here else indent + start
            if first is None:
                return ()
            if feeds > 1 and has_begun:
                found.append(start - indent)
            has_begun, feeds = True, 0
        if "\n" in part:
            for match in _LINES_BEGIN.finditer(part, start):
                space = match.group()
                indent = len(space) - space.rindex("\n") - 1
                if match.end() == len(part):
                    feeds = space.count("\n")
                elif space.count("\n") > 1:
                    found.append(match.end() - indent)
        return found

    return ends


def token_ends() -> Ends:
    """Find where words end before their white space, for vocabularies have it with the next one."""
    before = " "

    def ends(part: str) -> Sequence[int]:
        nonlocal before
        if not part:
            return ()
        text, before = before + part, part[-1]
        return [match.start() - 1 for match in _SPACE_BEGINS.finditer(text, 1)]

    return ends


def no_ends() -> Ends:
    """Find none: only the bound cuts."""

    def ends(_part: str) -> Sequence[int]:
        return ()

    return ends
