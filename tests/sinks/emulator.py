"""A terminal to write to, which can tell what stands on it."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import pyte
from rich.console import Console

from rxwizard.sinks.terminal import Terminal
from rxwizard.testing import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Emulator(io.StringIO):
    """A screen of some size, with all that has been scrolled away above it.

    Args:
        width: In columns.
        height: In lines.
        color_system: None: none of rich's styles are written.
        watch: Called after each line, and after each write.
    """

    def __init__(
        self,
        width: int = 40,
        height: int = 10,
        *,
        color_system: Any = None,
        watch: Callable[[Emulator], None] | None = None,
    ) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(width, height, history=100_000)
        self.screen.set_mode(pyte.modes.LNM)  # a line end returns to the first column
        self._stream = pyte.Stream(self.screen)
        self._watch = watch
        #: What each write brought.
        self.frames: list[str] = []
        self.console = Console(
            file=self,
            force_terminal=True,
            width=width,
            height=height,
            color_system=color_system,
            _environ={"TERM": "xterm"},
        )

    def write(self, text: str, /) -> int:
        self.frames.append(text)
        # With each line end something has come to stand where it stays for a moment.
        for line in text.splitlines(keepends=True) if self._watch else [text]:
            self._stream.feed(line)
            if self._watch:
                self._watch(self)
        return len(text)

    @property
    def raw(self) -> str:
        return "".join(self.frames)

    @property
    def visible(self) -> list[str]:
        """The lines of the screen, without empty ones at its end."""
        return _trimmed(self.screen.display)

    @property
    def lines(self) -> list[str]:
        """All lines, also those that have been scrolled away."""
        columns = range(self.screen.columns)
        gone = ["".join(line[x].data for x in columns) for line in self.screen.history.top]
        return _trimmed([*gone, *self.screen.display])

    @property
    def cursor_is_shown(self) -> bool:
        return not self.screen.cursor.hidden


def _trimmed(lines: Iterable[str]) -> list[str]:
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def show(
    emulator: Emulator,
    *items: object,
    error: BaseException | None = None,
    look: Callable[[], None] | None = None,
    **options: Any,
) -> Emulator:
    """Write items to a Terminal, each of them drawn, `look`, and close it."""

    async def run() -> None:
        terminal = Terminal(emulator.console, refresh_per_second=math.inf, **options)
        for item in items:
            await terminal.write(item)
        if look is not None:
            look()
        await terminal.close(error)

    run_in_virtual_time(run())
    return emulator


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
