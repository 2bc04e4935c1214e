"""A screen that shows Markdown while it grows, without flicker.

Finished blocks are printed once, for good. Only the block that still grows is drawn anew, in place,
below them; of it, no more than fits the screen, because a terminal cannot take back what it has
scrolled away. Both happen in one write, so that no line is ever seen twice or not at all.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.markdown import CodeBlock, Markdown
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from rxwizard.sinks.blocks import LARGEST, PARSER, cut
from rxwizard.sinks.terminal_plain import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

# Lines of reasoning that are shown while it grows, and the characters they can be made of.
_THOUGHT_LINES = 3
_THOUGHT = 2_000


class MarkdownScreen:
    """Show an answer on a terminal.

    Args:
        console: It must be a terminal that can move its cursor.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._region = _Region()
        self._printed: list[RenderableType] = []  # waits to be printed for good
        self._pieces: list[str] = []  # not yet part of the block that grows
        self._growing = ""
        self._gap = False  # whether a blank line comes before the next block
        self._is_printed = False  # whether any of the answer is there for good
        self._gap_before = False  # the gap before the answer
        self._thought = ""
        self._thoughts = 0

    def add(self, text: str) -> None:
        """Take a piece of the answer."""
        text = printable(text)
        if not text:
            return
        if self._thought:
            self._thought = ""
            # Amid a block, it would be torn apart.
            if not self._growing.strip() and not "".join(self._pieces).strip():
                self._fold_thoughts()
        self._pieces.append(text)

    def think(self, text: str) -> None:
        """Take a piece of reasoning."""
        text = printable(text)
        self._thoughts += len(text)
        self._thought = (self._thought + text)[-_THOUGHT:]

    def draw(self) -> None:
        """Show what has been taken."""
        new = "".join(self._pieces)
        self._pieces.clear()
        self._growing += new
        if "\n" in new or len(self._growing) > LARGEST:
            done, self._growing, seam = cut(self._growing, self._console.size.height)
            self._finish(done, seam=seam)
        self._region.show(self._tail())
        self._put_out()

    def retract(self, words: str) -> None:
        """Take away what grows; say in a dim line that what is there for good does not count."""
        self._printed.clear()
        self._pieces.clear()
        self._growing = self._thought = ""
        self._thoughts = 0
        if self._is_printed:
            self.note(words)
            self._is_printed = False
            self._gap_before = self._gap
        else:
            self._gap = self._gap_before

    def note(self, words: str) -> None:
        """Print a dim line of our own below all that has been taken."""
        self._finish_all()
        self._print_dim(words)
        self._put_out()

    def stop(self) -> None:
        """Print the rest, and give the cursor back."""
        try:
            self._finish_all()
            if self._printed:
                self._put_out()
        finally:
            live, self._live = self._live, None
            if live is not None:
                self._region.show(())
                live.stop()

    def _finish_all(self) -> None:
        self._finish(self._growing + "".join(self._pieces), seam=False)
        self._growing = ""
        self._pieces.clear()
        self._thought = ""
        self._fold_thoughts()
        self._region.show(())

    def _finish(self, done: str, *, seam: bool) -> None:
        document = _Document(done)
        if document.parsed:
            self._print(document)
            self._gap = not seam and document.parsed[-1].type != "hr"  # which has a line of its own

    def _fold_thoughts(self) -> None:
        if self._thoughts:
            self._print_dim(f"{self._thoughts:,} characters of reasoning")
            self._thoughts = 0

    def _print_dim(self, words: str) -> None:
        self._print(Text(f"({printable(words)})", style="dim"))
        self._gap = True

    def _print(self, block: RenderableType) -> None:
        if self._gap:
            self._printed.append(Text())
        self._printed.append(block)

    def _tail(self) -> list[RenderableType]:
        parts: list[RenderableType] = []
        document = _Document(self._growing)
        if document.parsed:
            parts.append(document)
        if self._thought:
            parts.append(_Thought(self._thought))
        spaced: list[RenderableType] = []
        for part in parts:
            if self._gap or spaced:
                spaced.append(Text())
            spaced.append(part)
        return spaced

    def _put_out(self) -> None:
        live = self._live
        if live is None:
            # Whatever else is printed to this terminal meanwhile is to come out above the region;
            # what goes into a file must not be brought here.
            owns = self._console.file in (sys.stdout, sys.stderr)
            live = self._live = Live(
                self._region,
                console=self._console,
                auto_refresh=False,
                transient=True,
                vertical_overflow="crop",
                redirect_stdout=owns and sys.stdout.isatty(),
                redirect_stderr=owns and sys.stderr.isatty(),
            )
            live.start()
        if self._printed:
            printed, self._printed = self._printed, []
            self._is_printed = True
            self._console.print(Group(*printed))  # and with it the region, as it is now
        else:
            live.refresh()


class _Region:
    """What is drawn anew: one object that changes, so that each print finds it up to date."""

    def __init__(self) -> None:
        self._parts: Sequence[RenderableType] = ()

    def show(self, parts: Sequence[RenderableType]) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._parts:
            # One line of what stands above remains in sight.
            room = max(console.size.height - 1, 1)
            yield from _last_lines(Group(*self._parts), room, console, options)


class _Thought:
    """The last lines of the reasoning so far."""

    def __init__(self, text: str) -> None:
        self._text = Text(text.strip(), style="dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _last_lines(self._text, _THOUGHT_LINES, console, options)


def _last_lines(
    content: RenderableType, number: int, console: Console, options: ConsoleOptions
) -> Iterator[Segment]:
    for line in console.render_lines(content, options, pad=False)[-number:]:
        yield from line
        yield Segment.line()


class _Code(CodeBlock):
    """Code without blank lines around it, so that parts of one block meet without a seam."""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 1))


class _Document(Markdown):
    """Markdown in which nothing is hidden: not HTML, not where a link leads."""

    elements = Markdown.elements | {"fence": _Code, "code_block": _Code}

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = PARSER.parse(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # rich parts a list, a table and a quotation from what is before them even where there is
        # nothing; the gap is for the screen to decide, and at a seam there is none.
        segments = iter(super().__rich_console__(console, options))
        first = next(segments, None)
        is_code = self.parsed[0].type in ("fence", "code_block")
        if first is not None and (is_code or first != Segment.line()):
            yield first
        yield from segments
