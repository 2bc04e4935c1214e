"""A sink that shows an answer on a terminal while it grows."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from rxwizard.chunks import StreamChunk
from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.epochs import ANEW, EpochWatch
from rxwizard.sinks.items import text_of
from rxwizard.sinks.terminal_plain import PlainScreen

if TYPE_CHECKING:
    from rich.console import Console

# A drawing that takes long, such as that of a table of a thousand lines, is done less often: at
# most a tenth of the loop's time goes into drawing.
_REST = 10

# Characters of an error's words; some bring a whole page of HTML.
_WORDS = 200


class Terminal:
    """Show an answer as Markdown, live: chunks, or pieces of text.

    Finished paragraphs and blocks are printed for good; what still grows is drawn anew below them,
    `refresh_per_second` times a second at most. A list or a block of code that is longer than the
    screen is printed as far as it goes (so numbers may shift by a column, and the colours of a
    quotation that spans the screen may be off); of any other block, the last lines are shown until
    it is finished. It holds the text of one block, up to 100,000 characters; a longer one is
    printed in parts. A window that is made narrower meanwhile may keep some lines of the growing
    block: it wraps them itself, and tells nobody.

    Where the console is not a terminal, the text is written as it is, piece by piece, as it comes.
    So it is, without control characters, where a terminal cannot move its cursor, with
    ``markdown=False``, and without a `console` where rich is not installed
    (``pip install 'rxwizard[cli]'``).

    The text cannot drive the terminal: control characters are taken out, rich's markup is text, and
    a link shows where it leads.

    Reasoning is shown dim, its last lines, and folds into one line when the answer begins; plain
    text leaves it out. Only the first choice is shown. Where the answer is begun anew (a
    retraction, a newer epoch, a second start), what still grows is taken away; what was printed for
    good cannot be, and a line below it says that it no longer counts.

    Writing is synchronous and short. A terminal that is blocked, by Ctrl-S or a slow line, blocks
    the event loop.

    `close` shows what is left, and how it ended if not well, and gives the cursor back. Closing
    again does nothing.

    Args:
        console: Where to; None: the standard output.
        markdown: Whether to render Markdown.
        refresh_per_second: Drawings a second, at most.
        reasoning: Whether to show that there is reasoning.

    Raises:
        ConfigError: `refresh_per_second` is not above 0.
        SinkError: The terminal cannot be written to, and no call has said so yet; from `write`
            also once it is closed.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        markdown: bool = True,
        refresh_per_second: float = 12.0,
        reasoning: bool = True,
    ) -> None:
        if not refresh_per_second > 0:
            message = f"refresh_per_second is a number above 0, not {refresh_per_second!r}"
            raise ConfigError(message)
        self._screen = _screen(console, markdown=markdown)
        self._reasoning = reasoning
        self._interval = 1 / refresh_per_second
        self._due = 0.0  # in seconds of the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._untold: SinkError | None = None  # of a drawing that nobody waited for
        self._closed = False
        self._watch = EpochWatch()

    async def write(self, item: object, /) -> None:
        """Take a chunk or a piece of text, and show it now or very soon."""
        if self._closed:
            message = "this Terminal is closed and shows no more"
            raise SinkError(message)
        self._tell()
        if not self._do(lambda: self._take(item)) or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._due:
            self._draw(loop)
        else:
            self._timer = loop.call_at(self._due, self._draw_later, loop)

    async def close(self, error: BaseException | None = None, /) -> None:
        """Show what is left and how it ended, and give the cursor back."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        is_known = self._has_failed and self._untold is None
        try:
            self._do(lambda: self._end(error))
        except SinkError:
            if not is_known:
                raise
        self._tell()

    def _take(self, item: object) -> bool:
        """Give an item to the screen, and tell whether there is anything new to see."""
        text, thought, is_anew = text_of(item), "", False
        if isinstance(item, StreamChunk):
            is_anew = self._watch.begins_anew(item)
            if is_anew:
                self._screen.retract(ANEW)
            if item.choice or item.epoch < self._watch.epoch:
                return is_anew
            thought = item.reasoning if self._reasoning else ""
        if thought:
            self._screen.think(thought)
        if text:
            self._screen.add(text)
        return is_anew or bool(text or thought)

    def _end(self, error: BaseException | None) -> bool:
        try:
            if error is not None:
                self._screen.note(_words(error))
        finally:
            self._screen.stop()
        return True

    def _draw(self, loop: asyncio.AbstractEventLoop) -> None:
        start = loop.time()
        self._do(self._screen.draw)
        self._due = start + max(self._interval, (loop.time() - start) * _REST)

    def _draw_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        try:
            self._draw(loop)
        except SinkError as failure:
            self._untold = failure

    def _tell(self) -> None:
        if self._untold is not None:
            failure, self._untold = self._untold, None
            raise failure

    def _do(self, work: Callable[[], object]) -> bool:
        try:
            return bool(work())
        except SystemExit as end:  # what rich makes of a broken pipe
            cause = end.__context__ or end
        except Exception as error:  # of the terminal, or of rich, which renders what a model wrote
            cause = error
        self._has_failed = True
        message = f"the terminal cannot be written to: {cause}"
        raise SinkError(message) from cause


class _Screen(Protocol):
    def add(self, text: str) -> None: ...

    def think(self, text: str) -> None: ...

    def draw(self) -> None: ...

    def retract(self, words: str) -> None: ...

    def note(self, words: str) -> None: ...

    def stop(self) -> None: ...


def _screen(console: Console | None, *, markdown: bool) -> _Screen:
    if console is None and markdown:
        try:
            from rich.console import Console
        except ImportError:
            markdown = False
        else:
            console = Console()
    if console is None:
        return PlainScreen(sys.stdout, is_terminal=sys.stdout.isatty())
    can_move = console.is_interactive and not console.is_dumb_terminal
    if markdown and console.is_terminal and can_move:
        from rxwizard.sinks.terminal_markdown import MarkdownScreen

        return MarkdownScreen(console)
    return PlainScreen(console.file, is_terminal=console.is_terminal)


def _words(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    first = str(error).strip().partition("\n")[0]
    name = type(error).__name__
    return f"{name}: {first[:_WORDS]}" if first else name
