"""Reasoning that a vendor sends twice, in full and as a summary, is told once."""

from __future__ import annotations

from io import SEEK_END, StringIO

#: Characters of one item's reasoning that are kept, to know them when they come a second time.
MAX_ECHO = 1 << 20


class Thoughts:
    """The reasoning of one item of the output."""

    def __init__(self) -> None:
        self._item: object = None
        self._first = ""
        self._said = StringIO()
        #: Characters that came a second time; None where the second turned out to be another text.
        self._again: int | None = 0

    def news(self, item: object, what: str, text: str) -> str:
        """Give what has not been told: all of the text, nothing, or it with what was held back.

        Args:
            item: The item it belongs to; another one begins anew.
            what: The form it comes in; what comes in the first form is always news.
            text: The next piece.
        """
        if item != self._item or not self._first:
            self._item, self._first, self._said, self._again = item, what, StringIO(), 0
        if what == self._first:
            if self._said.tell() < MAX_ECHO:
                self._said.write(text)
            return text
        if self._again is None:
            return text
        start, is_full = self._again, self._said.tell() >= MAX_ECHO
        self._said.seek(start)
        known = self._said.read(len(text))
        # What goes beyond that which was kept is taken for more of the same.
        if text.startswith(known) and (len(known) == len(text) or is_full):
            self._again = start + len(text)
            self._said.seek(0, SEEK_END)
            return ""
        self._again = None
        self._said.seek(0)
        held_back = self._said.read(start)
        self._said.seek(0, SEEK_END)
        return held_back + text
