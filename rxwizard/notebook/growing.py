"""A text that grows, rendered block by block: what is finished is rendered once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.operators.blocks import block_ends

if TYPE_CHECKING:
    from collections.abc import Callable

#: Characters of one text that are shown. A page with more of them hardly scrolls, and the response
#: has all of it.
LONGEST = 1_000_000

# Characters of a formula that is not closed yet, for which blocks are held together.
_FORMULA = 4_000


class GrowingMarkdown:
    """The HTML of a Markdown text at any point of it.

    Args:
        longest: Characters that are shown; what comes after them is counted.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._ends = block_ends()
        self._done: list[str] = []
        self._tail = ""
        self._new: list[str] = []
        self._html: str | None = ""
        #: Characters taken.
        self.size = 0

    def add(self, text: str) -> None:
        """Take the next piece of the text."""
        room = self._longest - self.size
        self.size += len(text)
        if room > 0:
            self._new.append(text[:room])
            self._html = None

    def html(self) -> str:
        """Render it as it stands now, as if it ended here."""
        if self._html is None:
            # Imported here, for plain text is shown without the extra.
            from rxwizard.notebook.markdown import render

            self._take("".join(self._new), render)
            self._new.clear()
            self._html = "".join(self._done) + render(self._tail)
        if self.size <= self._longest:
            return self._html
        left = self.size - self._longest
        return f"{self._html}<p><em>{left:,} more characters are not shown.</em></p>"

    def _take(self, new: str, render: Callable[[str], str]) -> None:
        before, text = len(self._tail), self._tail + new
        start = 0
        for end in self._ends(new):
            block = text[start : before + end]
            if block and not _is_open_formula(block):
                self._done.append(render(block))
                start = before + end
        self._tail = text[start:]


def _is_open_formula(text: str) -> bool:
    """Tell whether blocks belong together, since a line of a formula can look like a list's."""
    text = text.strip()
    for opening, closing in (("$$", "$$"), ("\\[", "\\]")):
        if text.startswith(opening):
            is_open = closing not in text[2:] and "\n\n" not in text
            return is_open and len(text) < _FORMULA
    return False
