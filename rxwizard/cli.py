"""The command ``rxwizard``: one prompt, and its answer streamed to the terminal.

The answer goes to stdout, all that is said about it to stderr. The exit code is 0 where the answer
came to its end, 1 where it failed, 2 where the command was used wrongly, 130 after Ctrl+C, 141
where whoever read stdout went away.
"""

from __future__ import annotations

import asyncio
import io
import os
import select
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rxwizard.arguments import parser
from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, TokenUsage, WizardResponse
from rxwizard.client import StreamingClient
from rxwizard.config import WizardConfig, default_model
from rxwizard.errors import (
    ConfigError,
    InvalidPromptError,
    StreamInterruptedError,
    WizardError,
)
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.providers import VENDORS
from rxwizard.providers.listing import provider_table
from rxwizard.sinks.items import json_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Iterable, Sequence
    from types import FrameType

_FAILED, _USAGE, _INTERRUPTED, _BROKEN_PIPE = 1, 2, 128 + 2, 128 + 13


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; None: with the arguments of this process. Gives the exit code."""
    _replace_what_is_closed()
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal or a pipe cannot show must not end an answer.
            stream.reconfigure(errors="replace")
    options = parser().parse_args(arguments)
    try:
        if options.prompt == "providers":
            return _list_providers()
        return _run(options)
    except InvalidPromptError as error:
        return _fail(error, _USAGE)
    except WizardError as error:
        return _fail(error)
    except _OutputError as error:
        return error.report()
    except KeyboardInterrupt:
        return _INTERRUPTED


def _replace_what_is_closed() -> None:
    """Open the null device for each of the three streams that this process was started without.

    Python has None there, and would give their numbers to the next file or socket.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _list_providers() -> int:
    """Write the table of providers: name, protocol, variables of the key, endpoint."""
    rows = provider_table()
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    output = _Output(as_json=False)
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        output.write("  ".join(cells).rstrip() + "\n")
    return 0


def _run(options: argparse.Namespace) -> int:
    text = sys.stdin.read() if options.prompt == "-" else _unescaped(options.prompt)
    prompt = Prompt(text, system=options.system and _unescaped(options.system))
    config, notice = _configure(options)
    if not options.quiet and notice:
        _say(notice)
    output = _Output(as_json=options.json)
    answer = ResponseBuilder()
    error: WizardError | None = None
    ending, code = "", 0
    try:
        asyncio.run(_stream(config, prompt, output, answer))
    except KeyboardInterrupt:
        ending, code = "interrupted", _INTERRUPTED
    except WizardError as failure:
        ending = "cut off" if isinstance(failure, StreamInterruptedError) else "failed"
        error, code = failure, _FAILED
    output.end_line()
    if not options.quiet:
        _say_all(output.warnings)
    response = answer.build()
    if not options.json:
        _say_all(f"tool call: {call.name}({call.arguments_raw})" for call in response.tool_calls)
    if error is not None:
        _fail(error)
    if not options.quiet and (error is None or output.has_begun):
        _say(_status(response, config.provider, ending))
    return code


def _unescaped(argument: str) -> str:
    """Replace what the system could not decode: it cannot be sent as JSON."""
    return os.fsencode(argument).decode(errors="replace")


def _configure(options: argparse.Namespace) -> tuple[WizardConfig, str | None]:
    """Find out whom to ask, and what to say about it where that is the simulator."""
    names = ("model", "max_tokens", "temperature")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    notice = "note: this is the built-in simulator, not a language model"
    if "model" not in given and not os.environ.get("WIZARD_MODEL"):
        try:
            default_model()
        except ConfigError:
            given["model"] = "simulator:default"
            notice = f"note: {_unconfigured()}, so the built-in simulator answers"
    config = WizardConfig.from_env(**given)
    is_simulated = config.vendor.in_process and config.endpoint is None
    return config, notice if is_simulated else None


def _unconfigured() -> str:
    for vendor in VENDORS.values():
        for name in vendor.key_variables:
            if vendor.key_required and os.environ.get(name):
                return f"{name} is set but no model (WIZARD_MODEL={vendor.name}:...)"
    return "no model is configured (set OPENAI_API_KEY, ANTHROPIC_API_KEY or WIZARD_MODEL)"


async def _stream(
    config: WizardConfig, prompt: Prompt, output: _Output, answer: ResponseBuilder
) -> None:
    """Show the answer chunk by chunk. However it ends, the connection is closed after it."""
    with output.interruptible():
        async with (
            StreamingClient(config) as client,
            client.generate_stream(prompt).open() as chunks,
        ):
            async for chunk in chunks:
                answer.add(chunk)
                output.show(chunk)


#: A model's words must not steer a terminal: control characters become U+FFFD there.
_HARMLESS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class _Output:
    """Stdout, flushed after each chunk."""

    def __init__(self, *, as_json: bool) -> None:
        self.has_begun = False
        self.warnings: list[str] = []
        self._as_json = as_json
        self._is_terminal = sys.stdout.isatty()
        self._is_writing = False
        self._in_line = False

    def show(self, chunk: StreamChunk) -> None:
        """Write a chunk, or what is to be seen of it.

        Raises:
            _OutputError: Stdout cannot be written to.
        """
        self.has_begun = True
        if chunk.kind is ChunkKind.WARNING:
            self.warnings.append(f"warning: {chunk.data}")
        if self._as_json:
            self.write(f"{_as_json(chunk)}\n")
        elif chunk.text and chunk.choice == 0:
            self.write(chunk.text.translate(_HARMLESS) if self._is_terminal else chunk.text)

    def end_line(self) -> None:
        """End the line that the answer left open, unless a write waits for a full pipe."""
        if self._is_writing and not _has_room():
            _drop_stdout()
        elif self._in_line:
            self.write("\n")

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            _OutputError: Stdout cannot be written to.
        """
        self._in_line = not text.endswith("\n")
        self._is_writing = True
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            raise _OutputError(error) from error
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


class _OutputError(Exception):
    """Stdout cannot be written to: its reader went away, or the disk is full."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause

    def report(self) -> int:
        """Say so, unless it is a pipe that was closed; give the exit code."""
        _drop_stdout()
        if isinstance(self.cause, BrokenPipeError):
            return _BROKEN_PIPE
        reason = self.cause.strerror or self.cause
        _say(f"error: The answer cannot be written: {reason}. Check where stdout goes.")
        return _FAILED


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


def _status(response: WizardResponse, provider: str, ending: str) -> str:
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


def _fail(error: WizardError, code: int = _FAILED) -> int:
    """Say what went wrong and what to do about it, in one line."""
    _say(f"error: {error}")
    return code


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        _say(line)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody listens
        print(f"rxwizard: {' '.join(line.split())}", file=sys.stderr, flush=True)
