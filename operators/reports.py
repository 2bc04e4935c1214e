"""What the operators that observe have to say, in words."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

from rxwizard.chunks import StreamChunk
from rxwizard.operators.metrics import Outcome


class LogLine:
    """An item that is written out, on one line, where a handler wants to read it."""

    __slots__ = ("_item",)

    def __init__(self, item: object) -> None:
        self._item = item

    def __str__(self) -> str:
        item = self._item
        if not isinstance(item, StreamChunk):
            # A model's repr may have line feeds where a string in it has none.
            return repr(item).replace("\n", "\\n").replace("\r", "\\r")
        told = [
            f"{name}={getattr(item, name)!r}"
            for name, field in StreamChunk.model_fields.items()
            if name not in _LEFT_OUT and getattr(item, name) != field.default
        ]
        return " ".join((item.kind.value, f"seq={item.seq}", *told))


#: It is the same for all, or said elsewhere in the line.
_LEFT_OUT = {"kind", "seq", "source", "raw", "at"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stream is."""

    chunks: int
    """Items that have come, but for heartbeats; of all attempts."""
    characters: int
    """Characters of text, reasoning and tool arguments, of all choices and attempts."""
    tokens: int | None
    """Output tokens so far, as the provider reported them; None where it has not yet."""
    seconds: float
    """Time since the subscription."""
    outcome: Outcome | None
    """How it ended; None while it goes on."""

    def __str__(self) -> str:
        tokens = "" if self.tokens is None else f", {self.tokens:,} tokens"
        end = "" if self.outcome in (None, "completed") else f", {self.outcome}"
        return (
            f"{self.chunks:,} chunks, {self.characters:,} characters{tokens}, "
            f"{self.seconds:.1f} s{end}"
        )


class TerminalLine:
    """One line of the standard error that is written anew each time, while that is a terminal."""

    def __init__(self) -> None:
        self._length = 0

    def __call__(self, progress: Progress) -> None:
        """Write it; the last time, with its line end."""
        stream = sys.stderr
        ended = progress.outcome is not None
        if stream is None or not (ended or stream.isatty()):
            return
        line = str(progress)
        again = "\r" if stream.isatty() else ""
        with suppress(OSError):  # nobody looks
            stream.write(f"{again}{line.ljust(self._length)}{chr(10) if ended else ''}")
            stream.flush()
        self._length = len(line)
