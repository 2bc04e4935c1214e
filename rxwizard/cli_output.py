"""What the command writes: the answer to stdout, and what is said about it to stderr."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, TokenUsage, WizardResponse
from rxwizard.sinks.items import json_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import FrameType

    from rxwizard.errors import WizardError

#: Exit codes. An answer that came to its end is 0.
FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 128 + 2, 128 + 13

#: A model's words must not steer a terminal: control characters become U+FFFD there.
_HARMLESS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class Output:
    """Stdout, flushed after each chunk.

    Args:
        as_json: Whether each chunk becomes a line, instead of its text.
        quiet: Whether warnings are kept back.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        #: Whether anything of an answer came; a warning is none.
        self.has_begun = False
        #: What could not be said without breaking a line of the answer.
        self.warnings: list[str] = []
        self._as_json = as_json
        self._quiet = quiet
        self._is_terminal = sys.stdout.isatty()
        self._is_writing = False
        self._in_line = False
        self._has_text = False

    def show(self, chunk: StreamChunk) -> None:
        """Write a chunk, or what is to be seen of it.

        Raises:
            OutputError: Stdout cannot be written to.
        """
        if chunk.kind is ChunkKind.WARNING:
            self._warn(f"warning: {chunk.data}")
        else:
            self.has_begun = True
        if self._as_json:
            self.write(f"{_as_json(chunk)}\n")
        elif chunk.kind is ChunkKind.RETRACT:
            self._begin_anew()
        elif chunk.text and chunk.choice == 0:
            self.write(chunk.text.translate(_HARMLESS) if self._is_terminal else chunk.text)

    def _warn(self, warning: str) -> None:
        if self._quiet:
            return
        if self._in_line:
            self.warnings.append(warning)
        else:
            say(warning)  # at once: it may be a wait that it tells of

    def _begin_anew(self) -> None:
        """Say that what was written does not count; it cannot be taken back, not even from here."""
        if self._has_text:
            self.end_line()
            say("warning: the answer begins anew, what stands above does not count")
            self._has_text = False

    def end_line(self) -> None:
        """End the line that the answer left open, unless a write waits for a full pipe."""
        if self._is_writing and not _has_room():
            _drop_stdout()
        elif self._in_line:
            self.write("\n")

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            OutputError: Stdout cannot be written to.
        """
        self._in_line = not text.endswith("\n")
        self._has_text = True
        self._is_writing = True
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            raise OutputError(error) from error
        # Not in a `finally`: where Ctrl+C broke it off, this is how one knows.
        self._is_writing = False

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Let Ctrl+C also end a write that waits for a full pipe.

        asyncio's own way is to cancel the task, and a task that writes does not get to know.
        """
        cancel_task = signal.getsignal(signal.SIGINT)

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self._is_writing:
                raise KeyboardInterrupt
            if callable(cancel_task):
                cancel_task(number, frame)

        if callable(cancel_task):  # else the process was started to ignore it
            signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, cancel_task)


class OutputError(Exception):
    """Stdout cannot be written to: its reader went away, or the disk is full."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause

    def report(self) -> int:
        """Say so, unless it is a pipe that was closed; give the exit code."""
        _drop_stdout()
        if isinstance(self.cause, BrokenPipeError):
            return BROKEN_PIPE
        reason = self.cause.strerror or self.cause
        say(f"error: The answer cannot be written: {reason}. Check where stdout goes.")
        return FAILED


def _has_room() -> bool:
    """Tell whether a write to stdout would go on at once."""
    try:
        return bool(select.select([], [sys.stdout], [], 0)[1])
    except (OSError, ValueError):  # no file, or a system that can ask sockets only
        return False


def _drop_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter would try again on its way out."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _as_json(chunk: StreamChunk) -> str:
    # Escapes lose nothing where stdout cannot show a character; a "?" would.
    plain = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json_of(chunk, ascii_only=not plain)


def status(response: WizardResponse, provider: str, ending: str) -> str:
    """Say in one line what is known; what the provider did not report is a question mark."""
    usage = response.usage or TokenUsage()
    facts = response.metadata
    so_far = " so far" if ending and usage.completion_tokens is not None else ""
    first, speed = facts.time_to_first_token, None
    if usage.completion_tokens is not None and facts.duration and not ending:
        speed = usage.completion_tokens / facts.duration
    return (
        f"{provider}:{response.model}: "
        f"{_known(usage.prompt_tokens)} tokens in, {_known(usage.completion_tokens)} out{so_far}; "
        f"first token after {'?' if first is None else f'{first:.2f}'} s; "
        f"{'?' if speed is None else f'{speed:.1f}'} tokens/s; "
        f"ended: {ending or _reason(response)}"
    )


def _reason(response: WizardResponse) -> str:
    if response.finish_reason is FinishReason.OTHER:
        return f"other ({response.raw_finish_reason})"
    return response.finish_reason or "?"


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def fail(error: WizardError, code: int = FAILED) -> int:
    """Say what went wrong and what to do about it, in one line."""
    say(f"error: {error}")
    return code


def say_all(lines: Iterable[str]) -> None:
    """Say several things."""
    for line in lines:
        say(line)


def say(line: str) -> None:
    """Write a line to stderr, whatever line ends are in it."""
    with suppress(OSError):  # nobody listens
        sys.stderr.write(f"rxwizard: {' '.join(line.split())}\n")
        sys.stderr.flush()
