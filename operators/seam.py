"""Where a cut answer and its continuation meet: what is said twice there is dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Letters that a repetition has to have in one word: what is shorter repeats by chance.
_WORD = 3

#: Characters of a repetition where the model goes on by itself, and seldom repeats anything.
_EXACT = 16

#: What may stand before a repetition: white space, and the dots of one who takes up a thread.
_LEAD = re.compile(r"[\s.…]")

# Scripts without spaces between words, where finding them takes a dictionary: a word may begin at
# each character. Those of Thai, Lao, Burmese and Khmer, Hiragana and Chinese; Katakana, which spell
# foreign words, are letters like others.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_OTHER, _SPACED, _SIGN = range(3)

# What a repetition has from some character on: no word, one that may go on, one that does not.
_NONE, _ANY, _WHOLE = range(3)


class Seam:
    """Takes a continuation piece by piece, and gives what is new of it.

    Three things are dropped:

    - White space, where the answer ends with some and the continuation begins with it again: of the
      two, the longer one is left where it begins or ends with the other. Some providers take no
      beginning of an answer that ends in white space, so the model says it a second time.
    - What the continuation repeats of the end of the answer, with white space and dots before it.
      It counts where it runs to the very end (but for white space), begins at the beginning of a
      word and has a word of three letters or digits. That may be the last one, of which the cut
      left a part; but not where white space comes before it, as in "the | theory". Of several, the
      longest is taken. In scripts without spaces each character may begin a word, and three in a
      row are one.
    - With `is_echoed`, the whole answer, where the continuation begins with it.

    Joining what it gives is the same for every way to cut the continuation into pieces. It takes
    time in proportion to `overlap`, and none once `is_open`.

    It cannot know what was meant. Two words or a line that are meant twice in a row and were cut in
    between are left once, unless `is_exact`; a repetition of less than three letters is left twice.
    A continuation that begins with a new word and without the space before it is joined to the last
    one, as the rest of a word is. What is said again in other words, or after a preamble, stays.

    Args:
        said: The answer up to the cut.
        overlap: Most characters of its end that are looked for, white space and dots before them
            included; 0 or more. As many are held back at most, or as many as the white space that
            `said` ends with.
        is_exact: Whether the model goes on from `said` itself, rather than being told to. Then a
            repetition has 16 characters or more and nothing before it: a line that comes twice is
            meant.
        is_echoed: Whether the provider gives back `said` before what follows it. It costs no
            memory, so it has no bound.
    """

    def __init__(
        self, said: str, overlap: int = 256, *, is_exact: bool = False, is_echoed: bool = False
    ) -> None:
        ended = said.rstrip()
        self.is_open = False
        """Whether all is decided: whatever comes now is given as it is."""
        self._space = said[len(ended) :]
        self._space_again = ""
        self._overlap = overlap
        self._lead = ""
        self._is_apart = False
        self._most_lead = 0 if is_exact else overlap
        first, self._begins = _beginnings(ended, overlap, _EXACT if is_exact else _WORD)
        self._end = ended[first:]
        # The automaton of Knuth, Morris and Pratt, with a pattern that grows: it looks for what was
        # repeated so far in the end of the answer, and reads that only once.
        self._repeated: list[str] = []
        self._borders: list[int] = []
        self._at = 0
        self._matched = 0
        self._echo = ended if is_echoed else ""
        self._echoed = 0
        self._step: Callable[[str], str] = self._read_echo
        if not self._echo:
            self._begin()

    def take(self, piece: str) -> str:
        """Take the next piece of the continuation; give what is certainly new."""
        given = ""
        for at, character in enumerate(piece):
            if self.is_open:
                return given + piece[at:]
            given += self._step(character)
        return given

    def rest(self) -> str:
        """Give what was held back, once nothing more comes."""
        given = ""
        if self._step == self._read_lead:
            given = self._join(self._lead)
        elif self._step == self._read_repetition:
            given = self._decide()
        if not self.is_open and self._step == self._read_space:
            given += self._open()
        self.is_open = True
        return given

    # -- one step a character, until it is open --------------------------------------------------

    def _begin(self) -> None:
        self._step = self._read_lead if self._end else self._read_space
        if not self._end and not self._space:
            self.is_open = True

    def _read_echo(self, character: str) -> str:
        if character == self._echo[self._echoed]:
            self._echoed += 1
            if self._echoed == len(self._echo):
                self._begin()
            return ""
        self._begin()
        return self.take(self._echo[: self._echoed] + character)

    def _read_lead(self, character: str) -> str:
        if not _LEAD.match(character):
            self._step = self._read_repetition
            return self._step(character)
        self._lead += character
        self._is_apart = self._is_apart or character.isspace()
        return "" if len(self._lead) < self._most_lead else self._join(self._lead)

    def _read_repetition(self, character: str) -> str:
        repeated, borders, end = self._repeated, self._borders, self._end
        border = borders[-1] if borders else 0
        while border and repeated[border] != character:
            border = borders[border - 1]
        borders.append(border + 1 if repeated and repeated[border] == character else 0)
        repeated.append(character)
        self._look(len(repeated))
        # The character after it tells whether the last word goes on.
        is_next_missing = self._is_apart and self._matched == len(repeated)
        is_undecided = self._at < len(end) or is_next_missing
        has_room = len(self._lead) + len(repeated) < self._overlap
        return "" if is_undecided and has_room else self._decide()

    def _look(self, most: int) -> None:
        """Read the end of the answer, until `most` characters match or there is no more of it."""
        repeated, borders, end = self._repeated, self._borders, self._end
        at, matched = self._at, self._matched
        while at < len(end) and matched < most:
            if matched < len(repeated) and end[at] == repeated[matched]:
                at += 1
                matched += 1
            elif matched:
                matched = borders[matched - 1]
            else:
                at += 1
        self._at, self._matched = at, matched

    def _decide(self) -> str:
        """Find the longest repetition that counts, and give what follows it."""
        self._look(len(self._repeated) + 1)
        text, length = "".join(self._repeated), self._matched
        while length and not self._counts(text, length):
            length = self._borders[length - 1]
        return self._join(text[length:] if length else self._lead + text)

    def _counts(self, text: str, length: int) -> bool:
        """Tell whether the first characters of a text, so many, are a repetition that counts."""
        if self._begins[-length] < self._least(text[length : length + 1]):
            return False
        # With white space before it a single word, a cell of a table or a line may be meant twice.
        return not self._is_apart or _words(text[:length]) > 1

    def _least(self, following: str) -> int:
        """Tell what a repetition has to have, before this character."""
        goes_on = _kinds(self._end[-1] + following)[1:] == [_SPACED]
        return _WHOLE if self._is_apart and goes_on else _ANY

    def _join(self, text: str) -> str:
        self._step = self._read_space
        return self.take(text) if self._space else self._open(text)

    def _read_space(self, character: str) -> str:
        if not character.isspace():
            return self._open(character)
        self._space_again += character
        return "" if len(self._space_again) < len(self._space) else self._open()

    def _open(self, text: str = "") -> str:
        self.is_open = True
        before, again = self._space, self._space_again
        if before.startswith(again):
            return text
        common = len(again)
        while not before.endswith(again[:common]):
            common -= 1
        return again[common:] + text


def _beginnings(said: str, overlap: int, least: int) -> tuple[int, Sequence[int]]:
    """Tell from where on, and at which characters from there, a repetition may begin."""
    start = max(len(said) - overlap, 0)
    # The character before it tells whether a word begins there.
    kinds = [_OTHER, *_kinds(said)] if not start else _kinds(said[start - 1 :])
    begins = [_NONE] * (len(kinds) - 1)
    word, letters, is_last = _NONE, 0, True
    for at in range(len(begins) - 1, -1, -1):
        before, kind = kinds[at : at + 2]
        # Digits repeat in numbers and tables: they are no evidence.
        letters += not said[start + at].isdigit()
        is_first = kind != _SPACED or before != _SPACED
        if is_first and kind == _SIGN and category(said[start + at])[0] == "M":
            is_first = False
        if is_first and kind != _OTHER and letters >= _WORD:
            word = max(word, _ANY if is_last and kind == _SPACED else _WHOLE)
        if is_first and len(begins) - at >= least and not _LEAD.match(said[start + at]):
            begins[at] = word
        if before != kind:
            letters, is_last = 0, False
    first = next((at for at, word in enumerate(begins) if word), len(begins))
    return start + first, begins[first:]


def _words(text: str) -> int:
    """Count the words of a text that have a letter; in scripts without spaces, three characters."""
    signs = len(_UNSPACED.findall(text))
    words = re.findall(r"\w+", _UNSPACED.sub(" ", text))
    return signs // _WORD + sum(not word.isdigit() for word in words)


def _kinds(text: str) -> list[int]:
    """Tell of each character what it is of: a word, a script without spaces, or neither."""
    kinds: list[int] = []
    for character in text:
        if _UNSPACED.match(character):
            kind = _SIGN
        elif character.isalnum() or character == "_":
            kind = _SPACED
        elif kinds and category(character)[0] == "M":
            # Vowel signs and accents belong to the letter before them.
            kind = kinds[-1]
        else:
            kind = _OTHER
        kinds.append(kind)
    return kinds
