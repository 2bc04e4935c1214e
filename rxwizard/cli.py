"""The command ``rxwizard``: one prompt, and its answer streamed to the terminal.

``rxwizard replay FILE`` shows an answer that was recorded. The answer goes to stdout, all that is
said about it to stderr. The exit code is 0 where the answer came to its end, 1 where it failed, 2
where the command was used wrongly, 130 after Ctrl+C, 141 where whoever read stdout went away.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rxwizard.arguments import parser, replay_parser
from rxwizard.cli_output import (
    FAILED,
    INTERRUPTED,
    USAGE,
    Output,
    OutputError,
    fail,
    say,
    say_all,
    status,
)
from rxwizard.client import StreamingClient
from rxwizard.config import WizardConfig, default_model
from rxwizard.errors import ConfigError, InvalidPromptError, StreamInterruptedError, WizardError
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.providers import VENDORS
from rxwizard.providers.listing import provider_table
from rxwizard.recording import Recorder, load

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from rxwizard.chunks import StreamChunk
    from rxwizard.stream import Stream


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; None: with the arguments of this process. Gives the exit code."""
    _replace_what_is_closed()
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal or a pipe cannot show must not end an answer.
            stream.reconfigure(errors="replace")
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["replay"]:
            return _replay(replay_parser().parse_args(given[1:]))
        options = parser().parse_args(given)
        if options.prompt == "providers":
            return _list_providers()
        return _ask(options)
    except InvalidPromptError as error:
        return fail(error, USAGE)
    except WizardError as error:
        return fail(error)
    except OutputError as error:
        return error.report()
    except KeyboardInterrupt:
        return INTERRUPTED


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
    output = Output(as_json=False)
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        output.write("  ".join(cells).rstrip() + "\n")
    return 0


def _ask(options: argparse.Namespace) -> int:
    """Ask, and show the answer while it comes."""
    text = sys.stdin.read() if options.prompt == "-" else _unescaped(options.prompt)
    prompt = Prompt(text, system=options.system and _unescaped(options.system))
    config, notice = _configure(options)
    recorder = None if options.record is None else Recorder(options.record)

    @asynccontextmanager
    async def answer() -> AsyncGenerator[Stream[StreamChunk]]:
        async with StreamingClient(config, record=recorder) as client:
            yield client.generate_stream(prompt)

    code = _show(answer, config.provider, notice, options)
    if recorder is not None and recorder.failure is not None:
        say(f"warning: the recording is not whole: {recorder.failure}")
    return code


def _replay(options: argparse.Namespace) -> int:
    """Show an answer that was recorded."""
    recording = load(options.file)
    number = options.exchange
    exchange = recording.answered() if number is None else recording.exchange(number)
    stream = recording.stream(exchange.number, speed=options.speed, split=options.split)
    notice = "note: this is a recording"
    if (count := len(recording.exchanges)) > 1:
        notice += f" of {count} requests; number {exchange.number} is shown (--exchange)"

    @asynccontextmanager
    async def answer() -> AsyncGenerator[Stream[StreamChunk]]:
        yield stream

    return _show(answer, exchange.provider, notice, options)


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


def _show(
    answer: Callable[[], AbstractAsyncContextManager[Stream[StreamChunk]]],
    provider: str,
    notice: str | None,
    options: argparse.Namespace,
) -> int:
    """Show an answer while it comes, and say in the end what is known; give the exit code."""
    if not options.quiet and notice:
        say(notice)
    output = Output(as_json=options.json, quiet=options.quiet)
    builder = ResponseBuilder()
    error: WizardError | None = None
    ending, code = "", 0
    try:
        asyncio.run(_stream(answer, output, builder))
    except KeyboardInterrupt:
        ending, code = "interrupted", INTERRUPTED
    except WizardError as failure:
        ending = "cut off" if isinstance(failure, StreamInterruptedError) else "failed"
        error, code = failure, FAILED
    output.end_line()
    say_all(output.warnings)
    response = builder.build()
    if not options.json:
        say_all(f"tool call: {call.name}({call.arguments_raw})" for call in response.tool_calls)
    if error is not None:
        fail(error)
    if not options.quiet and (error is None or output.has_begun):
        say(status(response, provider, ending))
    return code


async def _stream(
    answer: Callable[[], AbstractAsyncContextManager[Stream[StreamChunk]]],
    output: Output,
    builder: ResponseBuilder,
) -> None:
    """Show the answer chunk by chunk. However it ends, the connection is closed after it."""
    with output.interruptible():
        async with answer() as stream, stream.open() as chunks:
            async for chunk in chunks:
                builder.add(chunk)
                output.show(chunk)
