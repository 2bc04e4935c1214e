"""Read one JSON document as it comes, in pieces of any size; no IO, no prose around it.

RFC 8259 to the letter, as pydantic's own parser reads it: no comments, no trailing commas, no NaN,
no control characters in strings, no half surrogate pairs. Work is linear in the characters taken:
nothing is read twice but an escape that was cut in two. It keeps its own stack, so that depth costs
no recursion.
"""

from __future__ import annotations

import re
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rxwizard.operators.growing import GrowingArray, GrowingObject, Open, Text

if TYPE_CHECKING:
    from collections.abc import Callable

#: Levels of nesting. Answers have five; beyond some hundreds Python itself can neither print nor
#: compare a value.
MAX_DEPTH = 100
#: Characters of a number: what Python's int() takes.
_LONGEST_NUMBER = 4300
#: Characters of the offending text in an error.
_SHOWN = 40

_SPACE = re.compile(r"[ \t\n\r]*+")
_PLAIN = r"[ !#-\[\]-\ud7ff\ue000-\U0010ffff]"
_RUN = re.compile(rf"{_PLAIN}+")
_STRING = re.compile(rf'"({_PLAIN}*+)"')
_KEY = re.compile(rf'[ \t\n\r]*+"({_PLAIN}*+)"[ \t\n\r]*+:[ \t\n\r]*+')
_SCALAR = re.compile(r"[-+.0-9A-Za-z]+")
_SCALAR_STARTS: Final = frozenset("-0123456789tfn")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][-+]?[0-9]++)?")
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}

_ESCAPE = re.compile(
    r"\\(?:(?P<short>[\"\\/bfnrt])"
    r"|u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u(?P<unit>(?![dD][89a-fA-F])[0-9a-fA-F]{4}))"
)
_HALF_ESCAPE = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}"
    r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]{0,1})?)?)?)?))?\Z"
)
_SHORT: Final = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))


class NotJsonError(ValueError):
    """The document is broken, at `position`: characters from its start. `text` stands there."""

    def __init__(self, message: str, position: int, text: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.text = text


class Place(Enum):
    """Where a document stands, and so what may be one."""

    ALONE = "alone"  #: it begins the text or a code fence: whatever is JSON
    LIKELY = "likely"  #: an array that begins a line or follows a colon: not ``[1]``, nor ``[]``
    PROSE = "prose"  #: in a line of words: nor an array that begins with a number or a word


class JsonScanner:
    """Read one object or array.

    Attributes:
        whole: Whether the document has ended; `value` is it, and what comes after is ignored.
        certain: Whether no prose looks like this: an object has a name and a colon, an array a
            first element, or it is whole.
        changed: Whether `moment` differs from what it was when this was last set to False.
        first_quote: Where the first string began: characters from the start; -1: none yet.
        taken: Characters of the document that came before the text at hand.
        mark: How many of them are held no more.

    Args:
        max_depth: Levels of nesting it takes.
        place: Where it stands; see `Place`.
        growing_strings: Whether a string counts while it is read.
    """

    def __init__(
        self,
        max_depth: int = MAX_DEPTH,
        *,
        place: Place = Place.ALONE,
        growing_strings: bool = True,
    ) -> None:
        self.whole = self.certain = self.changed = False
        self.value: Any = None
        self.first_quote = -1
        self.taken = self.mark = 0
        self._max_depth = max_depth
        self._place = place
        self._began_with_scalar = False
        self._growing_strings = growing_strings
        # The ground, on which the root stands as its only element.
        self._open = self._root = Open(None, is_array=True)
        self._view: type[GrowingArray | GrowingObject] = GrowingArray
        self._depth = 0
        self._text: Text | None = None
        self._reads_key = False
        #: Whether the string at hand is seen before it is whole.
        self._shows = False
        self._scalar: list[str] = []
        self._scalar_length = 0
        self._held = ""
        # What comes next. A function of the class: a method of its own would be a reference cycle,
        # which keeps the document until the garbage collector comes.
        self._step: _Step = JsonScanner._value

    def push(self, text: str) -> None:
        """Take the next characters.

        Raises:
            NotJsonError: They cannot go on so. What came before stays readable.
        """
        if self._held:
            text = self._held + text
            self.taken -= len(self._held)
            self._held = ""
        at, end = 0, len(text)
        try:
            while at < end:
                at = self._step(self, text, at)
        except NotJsonError as flaw:
            flaw.text = (flaw.text or text[flaw.position - self.taken :])[:_SHOWN]
            raise
        self.taken += end

    def moment(self) -> Any:
        """Give the value as it is now: a view that never changes, or `value` when it is whole."""
        if self.whole:
            return self.value
        opened, text = self._open, self._text
        if text is None or not self._shows:
            return self._view(self._root, (opened, opened.count, opened.key, None, 0))
        return self._view(self._root, (opened, opened.count, opened.key, text, text.length))

    # -- what comes next: each takes some characters and says where they end -------------------

    def _value(self, text: str, at: int) -> int:
        first = text[at]
        if first == '"':
            if self.first_quote < 0:
                self.first_quote = self.taken + at
            match = _STRING.match(text, at)
            if match is not None:
                self._add(match[1])
                return match.end()
            self._begin_text(reads_key=False)
            return at + 1
        if first in _SCALAR_STARTS:
            if not self.certain:
                if self._place is Place.PROSE:
                    raise self._flaw("a number or a word in brackets is prose", at)
                self._began_with_scalar = True
            self._step = JsonScanner._read_scalar
            return self._read_scalar(text, at)
        if first in "{[":
            self._enter(first == "[", at)
            return at + 1
        return self._space(text, at, "a value")

    def _first_value(self, text: str, at: int) -> int:
        return self._leave(at) if text[at] == "]" else self._value(text, at)

    def _key(self, text: str, at: int) -> int:
        match = _KEY.match(text, at)
        if match is not None:
            if self.first_quote < 0:
                self.first_quote = self.taken + match.start(1) - 1
            self._open.key = match[1]
            self.certain = True
            self._step = JsonScanner._value
            return match.end()
        if text[at] != '"':
            at = self._space(text, at, "a name in double quotes")
            if at == len(text) or text[at] != '"':
                return at
        if self.first_quote < 0:
            self.first_quote = self.taken + at
        self._begin_text(reads_key=True)
        return at + 1

    def _first_key(self, text: str, at: int) -> int:
        return self._leave(at) if text[at] == "}" else self._key(text, at)

    def _colon(self, text: str, at: int) -> int:
        if text[at] != ":":
            return self._space(text, at, "a colon")
        self.certain = True
        self._step = JsonScanner._value
        return at + 1

    def _after_element(self, text: str, at: int) -> int:
        first = text[at]
        if first == ",":
            self.certain = True
            self._step = JsonScanner._value
            return at + 1
        if first == "]":
            if self._began_with_scalar and not self.certain and self._place is not Place.ALONE:
                raise self._flaw("one number or word in brackets is prose", at)
            self.certain = True
            return self._leave(at)
        return self._space(text, at, "a comma or a closing bracket")

    def _after_member(self, text: str, at: int) -> int:
        first = text[at]
        if first == ",":
            self._step = JsonScanner._key
            at += 1
            return at if at == len(text) else self._key(text, at)
        if first == "}":
            return self._leave(at)
        return self._space(text, at, "a comma or a closing brace")

    def _space(self, text: str, at: int, expected: str) -> int:
        match = _SPACE.match(text, at)
        if match is None or match.end() == at:
            raise self._flaw(f"expected {expected}", at)
        return match.end()

    def _over(self, text: str, at: int) -> int:
        self.taken -= len(text) - at  # they are none of the document's
        return len(text)

    # -- containers ----------------------------------------------------------------------------

    def _enter(self, is_array: bool, at: int) -> None:
        if self._depth == self._max_depth:
            # No prose has a hundred brackets; to look for a document among them would take long.
            self.certain = True
            raise self._flaw(f"nested deeper than {self._max_depth} levels", at)
        self._open = Open(self._open, is_array)
        if not self._depth:
            self._root = self._open
            self._view = GrowingArray if is_array else GrowingObject
        self._depth += 1
        self._step = JsonScanner._first_value if is_array else JsonScanner._first_key
        self.changed = True

    def _leave(self, at: int) -> int:
        if self._place is not Place.ALONE and not self.certain:
            raise self._flaw("empty brackets are prose", at)
        closed = self._open
        parent = closed.parent
        assert parent is not None  # noqa: S101 -- the ground is never closed
        self._open = parent
        self._depth -= 1
        if self._depth:
            self._add(closed.items)
        else:
            self.value = closed.items
            self.whole = self.certain = self.changed = True
            self._step = JsonScanner._over
        return at + 1

    def _add(self, value: Any) -> None:
        """Take a whole value into the innermost container."""
        self._open.add(value)
        self._go_on()

    def _go_on(self) -> None:
        """Expect what comes behind a value."""
        self.changed = True
        self._step = (
            JsonScanner._after_element if self._open.is_array else JsonScanner._after_member
        )

    # -- strings -------------------------------------------------------------------------------

    def _begin_text(self, *, reads_key: bool) -> None:
        self._text = Text()
        self._reads_key = reads_key
        self._shows = self._growing_strings and not reads_key
        if self._shows:
            self.changed = True
        self._step = JsonScanner._read_text

    def _read_text(self, text: str, at: int) -> int:
        reading = self._text
        assert reading is not None  # noqa: S101 -- it has begun
        match = _RUN.match(text, at)
        if match is not None:
            end = match.end()
            reading.pieces.append(match[0])
            reading.length += end - at
            at = end
            if self._shows:
                self.changed = True
            if at == len(text):
                return at
        first = text[at]
        if first == '"':
            self._end_text(reading)
            return at + 1
        if first == "\\":
            return self._escape(reading, text, at)
        raise self._flaw("a character that strings must escape", at)

    def _escape(self, reading: Text, text: str, at: int) -> int:
        match = _ESCAPE.match(text, at)
        if match is None:
            if _HALF_ESCAPE.match(text, at) is None:
                raise self._flaw("no such escape, or half a surrogate pair", at)
            self._held = text[at:]
            return len(text)
        if match["short"]:
            piece = _SHORT[match["short"]]
        elif match["unit"]:
            piece = chr(int(match["unit"], 16))
        else:
            high, low = int(match["high"], 16) - 0xD800, int(match["low"], 16) - 0xDC00
            piece = chr(0x10000 + (high << 10) + low)
        reading.pieces.append(piece)
        reading.length += 1
        if self._shows:
            self.changed = True
        return match.end()

    def _end_text(self, reading: Text) -> None:
        whole = reading.read(reading.length)
        self._text = None
        if self._reads_key:
            self._open.key = whole
            self._step = JsonScanner._colon
        else:
            self._add(whole)

    # -- numbers and words ---------------------------------------------------------------------

    def _read_scalar(self, text: str, at: int) -> int:
        """Read on until something else comes: only then is it known that nothing is missing."""
        match = _SCALAR.match(text, at)
        if match is not None:
            at = match.end()
            self._scalar_length += len(match[0])
            if self._scalar_length > _LONGEST_NUMBER:
                raise self._flaw("a number or word that is too long", at - 1)
            self._scalar.append(match[0])
            if at == len(text):
                return at
        scalar = "".join(self._scalar)
        self._scalar.clear()
        self._scalar_length = 0
        self._add(self._scalar_value(scalar, at))
        return at

    def _scalar_value(self, scalar: str, at: int) -> Any:
        if scalar in _WORDS:
            return _WORDS[scalar]
        match = _NUMBER.fullmatch(scalar)
        if match is None:
            raise self._flaw("expected a value", at - len(scalar), scalar)
        if match.lastindex is None:
            return int(scalar)
        number = float(scalar)
        if not isfinite(number):
            raise self._flaw("a number out of range", at - len(scalar), scalar)
        return number

    def _flaw(self, message: str, at: int, text: str = "") -> NotJsonError:
        return NotJsonError(message, self.taken + at, text)


_Step: TypeAlias = "Callable[[JsonScanner, str, int], int]"
