"""Find the JSON in what a model says: behind prose, in a code fence, or alone.

A model that is asked for JSON often says something before it, and something after. The document is
the first thing that reads as one:

- a ``{`` anywhere, when a name in double quotes and a colon have followed;
- a ``[`` anywhere, when an object, an array or a string has followed as its first element;
- a ``[`` that begins a line or follows a colon, when a number or a word and a comma have followed;
- a ``[`` that begins the text or a code fence (only white space between), whatever follows;
- an empty ``{}`` that begins a line.

What begins like one and turns out not to be before that is prose, and the search goes on behind
it; from there on a mistake is a mistake. What comes after the document is ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

from rxwizard.errors import StructureError
from rxwizard.operators.growing import plain
from rxwizard.operators.json_scanner import JsonScanner, NotJsonError, Place

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S", bound=JsonScanner)

#: Characters of a document. The longest answers of today's models are about 1 MB; what is longer is
#: no answer, and is not to fill the memory.
MAX_CHARACTERS = 16 * 1024 * 1024

_TOKEN = re.compile(r"\n|[{\[]|[^\n{\[]+")
_FENCES = ("```", "~~~")
_STEP = 256
_BLANK = " \t\r\n\ufeff"  # a byte-order mark is none of the text


class JsonDocument(Generic[S]):
    """The first document in a text that comes in pieces.

    Args:
        make: Makes a scanner for a place.
        max_characters: Characters of the document that may be held.
    """

    def __init__(self, make: Callable[[Place], S], max_characters: int = MAX_CHARACTERS) -> None:
        self._make = make
        self._max_characters = max_characters
        self._scanner: S | None = None
        #: The text of a candidate that is not certain yet.
        self._raw: list[str] = []
        #: Characters of the text before the candidate.
        self._before = 0
        self._has_text = False
        self._first_flaw: tuple[NotJsonError, int] | None = None
        # The beginning of the line, and whether nothing but white space came before it.
        self._line = ""
        self._is_fresh = True
        self._is_after_colon = False

    @property
    def scanner(self) -> S | None:
        """What reads the document; None before it is certain that there is one."""
        scanner = self._scanner
        return scanner if scanner is not None and scanner.certain else None

    def push(self, text: str) -> S | None:
        """Take the next piece of the text; give what reads it, as `scanner`.

        Raises:
            StructureError: The document is broken.
        """
        scanner = self._scanner
        if scanner is None or not scanner.certain:
            self._search(text)
            return self.scanner
        if not scanner.whole:
            self._read(scanner, text)
        return scanner

    def end(self) -> None:
        """Take the end of the text.

        Raises:
            StructureError: The document is cut, or there is text and no document in it.
        """
        scanner = self._scanner
        if scanner is not None:
            if not scanner.whole:
                message = "the JSON is cut: the text ended before it"
                raise StructureError(message, value=plain(scanner.moment()))
        elif self._has_text:
            message = "there is no JSON in the text"
            if self._first_flaw is None:
                raise StructureError(message)
            flaw, before = self._first_flaw
            message = f"{message}; what begins like it at character {before:,} is none: {flaw}"
            raise StructureError(message, position=before + flaw.position)

    def _read(self, scanner: S, text: str) -> None:
        try:
            scanner.push(text)
        except NotJsonError as flaw:
            raise self._broken(scanner, flaw) from None
        if scanner.taken - scanner.mark > self._max_characters:
            raise self._too_long(scanner)

    def _search(self, text: str) -> None:
        """Go on with a candidate that is not certain, or look for the next one."""
        at = 0
        while at < len(text):
            scanner = self._scanner
            if scanner is None:
                found, place = self._candidate(text, at)
                self._before += found - at
                at = found
                if at == len(text):
                    return
                self._scanner = scanner = self._make(place)
            # In small steps: a text may be full of brackets, and all of it is read for none.
            piece = text[at : at + _STEP]
            self._raw.append(piece)
            at += len(piece)
            try:
                scanner.push(piece)
            except NotJsonError as flaw:
                if scanner.certain:
                    raise self._broken(scanner, flaw) from None
                raw, end = self._give_up(scanner, flaw)
                if len(raw) > at:  # it began in an earlier piece
                    text, at = raw + text[at:], len(raw)
                at -= len(raw) - end
                continue
            if scanner.certain:
                self._raw.clear()
                self._read(scanner, text[at:])
                return
            if scanner.taken > self._max_characters:
                raise self._too_long(scanner)

    def _candidate(self, text: str, at: int) -> tuple[int, Place]:
        """Find the next opening bracket, and where it stands."""
        for match in _TOKEN.finditer(text, at):
            part = match[0]
            if part in ("{", "["):
                self._has_text = True
                return match.start(), self._place(is_array=part == "[")
            self._note(part)
        return len(text), Place.ALONE

    def _place(self, *, is_array: bool) -> Place:
        begins_line = not self._line
        if self._line in _FENCES or (begins_line and (self._is_fresh or not is_array)):
            return Place.ALONE
        if is_array and (begins_line or self._is_after_colon):
            return Place.LIKELY
        return Place.PROSE

    def _note(self, part: str) -> None:
        """Keep what is to be known of the line: whether it is blank, or begins a code fence."""
        if part == "\n":
            if self._line:
                self._is_fresh = self._line in _FENCES
            self._line = ""
            self._is_after_colon = False
            return
        if words := part.rstrip(_BLANK):
            self._is_after_colon = words.endswith(":")
        if len(self._line) < len(_FENCES[0]):
            begun = part if self._line else part.lstrip(_BLANK)
            self._line = (self._line + begun)[: len(_FENCES[0])]
            self._has_text = self._has_text or bool(begun)

    def _give_up(self, scanner: S, flaw: NotJsonError) -> tuple[str, int]:
        """Drop a candidate that is none; give its text, and where in it to search on."""
        if self._first_flaw is None:
            self._first_flaw = flaw, self._before
        raw = "".join(self._raw)
        self._raw.clear()
        self._scanner = None
        # The brackets before its first string fail as it does; in the string there may be others.
        end = flaw.position if scanner.first_quote < 0 else scanner.first_quote + 1
        for part in _TOKEN.findall(raw[:end]):
            self._note(part)
        self._before += end
        return raw, end

    def _broken(self, scanner: S, flaw: NotJsonError) -> StructureError:
        return StructureError(
            f"the JSON is broken: {flaw}",
            value=plain(scanner.moment()),
            text=flaw.text,
            position=self._before + flaw.position,
        )

    def _too_long(self, scanner: S) -> StructureError:
        message = f"the JSON is longer than {self._max_characters:,} characters"
        return StructureError(message, value=plain(scanner.moment()))
