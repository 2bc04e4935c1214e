"""A screen that shows plain text: what is written stays, and nothing is drawn twice."""

from __future__ import annotations

import re
from typing import IO

# Control characters but line end and tab, in both of their ranges, and halves of surrogate pairs,
# which no encoding can write.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Take out what could drive a terminal: move its cursor, set its title, answer for its user.

    What is left of a sequence, such as ``[31m``, shows that it was there.
    """
    return _UNPRINTABLE.sub("", text)


class PlainScreen:
    """Write text as it comes.

    Args:
        file: Where to.
        is_terminal: Whether it is one. To anything else each character is passed on as it is, and
            no line end is added to an answer that ends well.
    """

    def __init__(self, file: IO[str], *, is_terminal: bool) -> None:
        self._file = file
        self._is_terminal = is_terminal
        self._is_within_line = False
        self._has_answer = False

    def add(self, text: str) -> None:
        """Write a piece of the answer."""
        text = printable(text) if self._is_terminal else text
        if text:
            self._write(text)
            self._has_answer = True

    def think(self, text: str) -> None:
        """Leave reasoning out: written once, it could not be folded away."""

    def draw(self) -> None:
        """Nothing waits to be drawn."""

    def retract(self, words: str) -> None:
        """Say in a line of our own that the answer so far does not count, if any is there."""
        if self._has_answer:
            self.note(words)
            self._has_answer = False

    def note(self, words: str) -> None:
        """Write a line of our own."""
        self._end_line()
        self._write(f"({printable(words)})\n")

    def stop(self) -> None:
        """End the last line."""
        if self._is_terminal:
            self._end_line()

    def _end_line(self) -> None:
        if self._is_within_line:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._is_within_line = not text.endswith("\n")
        self._file.write(text)
        self._file.flush()
