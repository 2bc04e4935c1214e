"""Text, sentence by sentence: for speech, translation, and readers who want no half words."""

# ruff: noqa: RUF001, RUF002 -- the full stops and quotes of other scripts are meant as they stand

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rxwizard.operators.cuts import after_space
from rxwizard.operators.held import buffered
from rxwizard.operators.making import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.chunks import StreamChunk
    from rxwizard.operators.making import Operator

#: Five times a long sentence, and a quarter of what speech services take at once. Longer stretches
#: without an end are tables and code, which nobody wants to wait for.
MAX_CHARACTERS = 1000

_STOPS = ".!?…؟۔।"
_WIDE = "。！？｡"
_CLOSERS = "\"'”’»›)]}*_`」』）】》〉"
_CLOSER = f"[{re.escape(_CLOSERS)}]"
# Where one of these follows a full stop at once, it closes what German quotes: „Ja.“, »Ja.«
_CLOSERS_TOO = f"[{re.escape(_CLOSERS)}“‘«‹]"

# Where a sentence may end; the white space after it belongs to it. A run is taken whole or not at
# all, so that a text of nothing but dots costs linear time.
_END = re.compile(
    rf"(?P<stop>(?<![{_STOPS}])[{_STOPS}]++{_CLOSERS_TOO}*+\s++)"  # it counts before white space
    rf"|(?P<wide>(?<![{_WIDE}])[{_WIDE}]++{_CLOSER}*+\s*+)"  # a CJK one always does
    r"|(?P<blank>\n[ \t\r]*+\n\s*+)"  # a blank line ends a heading or a list
)
_BEGINS_END = re.compile(rf"[{_STOPS}{_WIDE}\n]")
# Characters that are part of an end: where they stand last, more may follow. The last white space
# of Unicode is the ideographic one.
_ENDING = f"{_STOPS}{_WIDE}{_CLOSERS}“‘«‹" + "".join(filter(str.isspace, map(chr, range(0x3001))))

# Initials are one letter and need no list.
_ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "inc", "ltd", "co"),
        *("vs", "etc", "e.g", "i.e", "cf", "al", "approx", "vol", "fig", "eq", "ca", "nr"),
        *("bzw", "z.b", "d.h", "u.a", "usw", "bspw", "ggf", "evtl"),
    )
)
_LONGEST_WORD = 8
_OPENERS = r"\s(\[{\"'“‘«„*_"
_WORD_BEFORE = re.compile(rf"(?:\A|(?<=[{_OPENERS}]))[^{_OPENERS}]{{1,{_LONGEST_WORD}}}\Z")


def buffer_sentences(max_characters: int = MAX_CHARACTERS) -> Operator[StreamChunk | str, str]:
    """Give whole sentences instead of pieces; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. The sentences do not
    depend on how the text was cut into pieces.

    A sentence ends where the next one's first character has been seen, after

    - ``.``, ``!``, ``?``, ``…`` or what Arabic, Urdu and Hindi have for them, closing quotes or
      brackets, and white space;
    - a CJK full stop (``。！？｡``), with or without white space;
    - a blank line.

    A full stop does *not* end it before a lower-case letter ("approx. half"), after a common
    abbreviation ("Dr. No"), after a single capital ("J. Bach"), or after a number that begins a
    line ("1. Open"). "3.14" has no white space to begin with. So a few sentences come together
    that are two ("It is plan B. We go."), and none comes in halves.

    .. marble::
        -H-i._-y-o-u.--|
        [buffer_sentences()]
        -------Hi._----(you.,|)

    Emits non-empty strings with the white space that follows each sentence. What is left comes
    at completion, and before an error. A chunk of a newer epoch, a second start or a retraction
    drops what is held of the text that no longer counts. Disposing lets go of the source; what is
    held is dropped.

    Args:
        max_characters: Most characters a piece has; 1 or more. A longer sentence is given in
            several, cut after the last white space that fits, else in the middle of a word.

    Raises:
        ConfigError: `max_characters` is below 1.

    Example:
        >>> text = "It is 3.14. Dr. No knows."
        >>> reactivex.of(*text).pipe(ops.buffer_sentences(), rx.to_list()).run()
        ['It is 3.14. ', 'Dr. No knows.']
    """
    check_count("buffer_sentences", max_characters=max_characters)
    return buffered(lambda: _Sentences(max_characters))


class _Sentences:
    """The text that has not been given out yet: at most `limit` characters of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0
        # Nothing ends before this character, however the text goes on.
        self._searched = 0

    def take(self, piece: str) -> Sequence[str]:
        """Add a piece of text, not an empty one; give the sentences that are now known."""
        size = self._size + len(piece)
        if size <= self._limit:
            if self._searched == self._size and not _BEGINS_END.search(piece):
                self._parts.append(piece)
                self._searched = self._size = size
                return ()
            if piece.isspace():  # and what comes after it tells
                self._parts.append(piece)
                self._size = size
                return ()
        text, search = "".join((*self._parts, piece)), self._searched
        found: list[str] = []
        start = 0
        # One character more than the limit: the one that shows that the sentence is over. Each
        # window begins where a sentence does, so what came before cannot matter.
        while end := self._end(window := text[start : start + self._limit + 1], search):
            found.append(window[:end])
            start, search = start + end, 0
        self._keep(text[start:])
        return found

    def rest(self) -> Sequence[str]:
        """Give what is left, as one string or none, and forget it."""
        rest = "".join(self._parts)
        self._keep("")
        return (rest,) if rest else ()

    def _keep(self, text: str) -> None:
        self._parts = [text]
        self._size = len(text)
        self._searched = len(text.rstrip(_ENDING))

    def _end(self, window: str, search: int) -> int:
        """Give the length of the sentence that begins the window; 0: more has to be seen."""
        for match in _END.finditer(window, search):
            if match.end() < len(window) and _is_end(window, match):
                return match.end()
        if len(window) <= self._limit:
            return 0
        return after_space(window, self._limit)


def _is_end(window: str, match: re.Match[str]) -> bool:
    """Tell whether the sentence ends here; the window goes on after the match."""
    stop = match.group().rstrip()
    if match.lastgroup == "blank":
        return not window[: match.start()].isspace() and match.start() > 0
    if match.lastgroup == "wide" or match.group().count("\n") > 1:
        return True
    if window[match.end()].islower():
        # "What? no" is two sentences; "Well... no", "approx. half" and '"What?" he said' are one.
        return not stop.strip("!?")
    if stop != ".":
        return True
    word = _WORD_BEFORE.search(window, max(0, match.start() - _LONGEST_WORD - 1), match.start())
    if word is None:
        return True
    before = word.group()
    if before.lower() in _ABBREVIATIONS or (len(before) == 1 and before.isupper()):
        return False
    return not (before.isdecimal() and _begins_line(window, word.start()))


def _begins_line(window: str, position: int) -> bool:
    return not window[:position].rpartition("\n")[2].strip()
