"""The command, as a process of its own, against a simulator in this one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from rxwizard import StreamChunk
from rxwizard.cli import main
from rxwizard.providers.listing import provider_table
from rxwizard.testing import (
    Close,
    Cut,
    Finish,
    Hold,
    HttpError,
    Reasoning,
    Repeat,
    Reset,
    Script,
    StreamError,
    Text,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from rxwizard.testing import Simulator
    from rxwizard.testing.plugin import SimulatorFactory

KEY = "sk-test-4242424242"
#: Ask but once.
ONCE = {"WIZARD_RETRY_RETRIES": "0"}
HELLO = Script(Text("Hello there."), usage=Usage(12, 3))


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def asks(simulator: Simulator, protocol: str = "openai") -> dict[str, str]:
    """Give the environment in which the command asks this simulator."""
    name = protocol.upper()
    return {
        "WIZARD_MODEL": f"{protocol}:gpt-x",
        f"{name}_API_KEY": KEY,
        f"{name}_ENDPOINT": simulator.endpoint(protocol),
    }


async def start(*arguments: str, stdout: int | None = None, **environment: str) -> Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rxwizard",
        *arguments,
        stdin=pipe,
        stdout=pipe if stdout is None else stdout,
        stderr=pipe,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        # A suite that runs in the background was started to ignore it, and its children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


async def end(process: Process, stdin: str = "") -> Ended:
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


async def run(*arguments: str, stdin: str = "", **environment: str) -> Ended:
    return await end(await start(*arguments, **environment), stdin)


# -- an answer -------------------------------------------------------------------------------------


async def test_text_on_stdout_and_one_status_line_on_stderr(simulator: SimulatorFactory) -> None:
    ended = await run("Hi", **asks(await simulator(HELLO)))

    assert (ended.code, ended.out) == (0, "Hello there.\n")
    assert re.fullmatch(
        r"rxwizard: openai:gpt-x: 12 tokens in, 3 out; first token after \d+\.\d\d s; "
        r"\d+\.\d tokens/s; ended: stop\n",
        ended.err,
    )


async def test_each_chunk_is_flushed(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("Hello"), Hold(), Text(" there.\n"))
    process = await start("Hi", **asks(sim))
    exchange = await sim.request()
    assert process.stdout is not None

    assert await process.stdout.readexactly(5) == b"Hello"

    exchange.release()
    assert (await end(process)).out == " there.\n"  # and no second end of line


async def test_what_was_not_reported_is_a_question_mark(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("Hello"), Finish("length"), Usage(1, 1, usage_at="never"))
    ended = await run("Hi", **asks(sim))

    assert ended.code == 0
    assert "? tokens in, ? out;" in ended.err
    assert "; ? tokens/s; ended: length" in ended.err


async def test_anthropic(simulator: SimulatorFactory) -> None:
    ended = await run("Hi", **asks(await simulator(HELLO), "anthropic"))

    assert (ended.code, ended.out) == (0, "Hello there.\n")
    assert ended.err.startswith("rxwizard: anthropic:gpt-x: 12 tokens in, 3 out; ")


async def test_quiet(simulator: SimulatorFactory) -> None:
    ended = await run("--quiet", "Hi", **asks(await simulator(HELLO)))

    assert ended == (0, "Hello there.\n", "")


async def test_json_is_one_chunk_a_line(simulator: SimulatorFactory) -> None:
    sim = await simulator(Reasoning("Hm."), Text("Grüße, 世界."), ToolCall("now"))
    ended = await run("--json", "-q", "Hi", **asks(sim))

    chunks = [StreamChunk.model_validate_json(line) for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    assert "".join(chunk.text for chunk in chunks) == "Grüße, 世界."
    assert "".join(chunk.reasoning for chunk in chunks) == "Hm."
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.is_final for chunk in chunks].index(True) == len(chunks) - 1
    assert all({"seq", "kind", "text"} <= {*json.loads(line)} for line in ended.out.splitlines())


async def test_reasoning_is_not_printed_and_tool_calls_go_to_stderr(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Reasoning("Hm."), Text("Wait."), ToolCall("look", {"at": "Oslo"}))
    ended = await run("Hi", **asks(sim))

    assert (ended.code, ended.out) == (0, "Wait.\n")
    call, status = ended.err.splitlines()
    assert call == 'rxwizard: tool call: look({"at":"Oslo"})'
    assert status.endswith("ended: tool_calls")


async def test_prompt_from_stdin(simulator: SimulatorFactory) -> None:
    sim = await simulator(HELLO)
    await run("-", stdin="What is\nRust?", **asks(sim))

    messages = (await sim.request()).json["messages"]
    assert [message["content"] for message in messages] == ["What is\nRust?"]


async def test_options_reach_the_provider(simulator: SimulatorFactory) -> None:
    sim = await simulator(HELLO)
    options = ("--system", "Be brief.", "--max-tokens", "9", "--temperature", "0.5")
    await run(*options, "--model", "openai:gpt-y", "Hi", **asks(sim))

    body = (await sim.request()).json
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["model"] == "gpt-y"
    assert (body["max_completion_tokens"], body["temperature"]) == (9, 0.5)


async def test_stdout_that_cannot_show_a_character(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("naïve"))
    ended = await run("Hi", **asks(sim), PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert (ended.code, ended.out) == (0, "na?ve\n")


async def test_argument_that_is_not_text(simulator: SimulatorFactory) -> None:
    sim = await simulator(HELLO)
    ended = await run("caf\udce9", **asks(sim))

    assert ended.code == 0
    assert (await sim.request()).json["messages"][0]["content"] == "caf\ufffd"


@pytest.mark.parametrize(
    "arguments",
    [("-m", "gpt"), ("--max-tokens", "0"), ("--temperature", "9"), ("--temperature", "hot")],
)
async def test_an_option_that_cannot_be_is_wrong_use(arguments: tuple[str, str]) -> None:
    ended = await run("Hi", *arguments)

    assert ended.code == 2
    assert arguments[1] in ended.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
async def test_a_stream_that_was_closed_before_is_no_traceback(
    closed: str, simulator: SimulatorFactory
) -> None:
    sim = await simulator(HELLO)
    process = await asyncio.create_subprocess_shell(
        f'exec "{sys.executable}" -m rxwizard Hi {closed}',
        env={**os.environ, **asks(sim)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert b"Traceback" not in out + err
    assert process.returncode == 0
    assert (b"Hello there." in out) == (closed != ">&-")


async def test_json_loses_nothing_where_a_character_cannot_be_shown(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Text("naïve", pieces=1))
    ended = await run("Hi", "--json", "-q", **asks(sim), PYTHONIOENCODING="ascii")

    assert "naïve" in [json.loads(line)["text"] for line in ended.out.splitlines()]


async def test_providers_are_listed() -> None:
    ended = await run("providers")
    rows = [re.split(r" {2,}", line) for line in ended.out.splitlines()]

    assert ended.code == 0
    assert rows == [list(row) for row in provider_table()]
    assert ["groq", "chat", "GROQ_API_KEY", "https://api.groq.com/openai/v1"] in rows


def test_the_installed_command_is_this_one() -> None:
    (script,) = entry_points(group="console_scripts", name="rxwizard")

    assert script.load() is main


# -- whom to ask -----------------------------------------------------------------------------------


async def test_with_nothing_configured_the_simulator_answers_and_says_so() -> None:
    ended = await run("Why?")

    assert ended.code == 0
    assert "You wrote: “Why?”" in ended.out
    notice, status = ended.err.splitlines()
    assert "no model is configured" in notice
    assert "simulator" in notice
    assert status.startswith("rxwizard: simulator:default: ")


async def test_the_simulator_is_silent_when_asked_to() -> None:
    ended = await run("-q", "Why?")

    assert (ended.code, ended.err) == (0, "")


async def test_a_key_without_a_model_is_named() -> None:
    ended = await run("Why?", TOGETHER_API_KEY=KEY)

    assert ended.code == 0
    assert "TOGETHER_API_KEY is set but no model (WIZARD_MODEL=together:...)" in ended.err


async def test_a_key_in_the_environment_is_enough(simulator: SimulatorFactory) -> None:
    sim = await simulator(HELLO)
    ended = await run("Hi", OPENAI_API_KEY=KEY, OPENAI_ENDPOINT=sim.endpoint("openai"))

    assert ended.code == 0
    assert len(ended.err.splitlines()) == 1  # no notice
    exchange = await sim.request()
    assert exchange.headers["Authorization"] == f"Bearer {KEY}"


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (HttpError(401), "Check the key in OPENAI_API_KEY."),
        (HttpError(404), 'Check the model "gpt-x" and the endpoint'),
        (HttpError(429, headers={"retry-after": "7"}), "Try again in 7 seconds."),
        (HttpError(429), "Try again a little later."),
        (HttpError(500, body=b""), "Try again a little later."),
        (HttpError(401, {"error": {"message": f"bad key\n{KEY}"}}), "bad key ***"),
    ],
    ids=["401", "404", "429 wait", "429", "500 empty", "key echoed"],
)
async def test_a_refusal_is_one_line_with_the_remedy(
    simulator: SimulatorFactory, reply: HttpError, said: str
) -> None:
    ended = await run("Hi", **asks(await simulator(reply)), **ONCE)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("rxwizard: error: ")
    assert len(ended.err.splitlines()) == 1
    assert said in ended.err
    assert KEY not in ended.err


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        (Cut(), "cut off"),
        (Close(), "cut off"),
        (Reset(), "cut off"),
        (StreamError("Out of cheese."), "failed"),
    ],
    ids=["cut", "close", "reset", "error"],
)
async def test_half_an_answer_is_an_error_and_what_is_known(
    simulator: SimulatorFactory, last: Cut | Close | Reset | StreamError, ending: str
) -> None:
    sim = await simulator(Text("Half an"), Hold(), last)
    process = await start("Hi", **asks(sim))
    assert process.stdout is not None
    assert await process.stdout.readexactly(7) == b"Half an"
    (await sim.request()).release()
    ended = await end(process)

    assert (ended.code, ended.out) == (1, "\n")
    error, status = ended.err.splitlines()
    assert error.startswith("rxwizard: error: ")
    assert "gain" in error  # ask again, try again
    assert "; first token after 0." in status
    assert status.endswith(f"; ? tokens/s; ended: {ending}")


async def test_a_retry_is_told_at_once(simulator: SimulatorFactory) -> None:
    sim = await simulator(Script(HttpError(503, headers={"retry-after": "0"})), HELLO)
    ended = await run("Hi", **asks(sim), WIZARD_RETRY_BASE="0.001")

    assert (ended.code, ended.out) == (0, "Hello there.\n")
    warning, status = ended.err.splitlines()
    assert warning.startswith("rxwizard: warning: ")
    assert "HTTP 503" in warning
    assert status.endswith("ended: stop")


async def test_retries_that_fail_are_told_and_so_is_the_last_error(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(HttpError(500))
    settings = {"WIZARD_RETRY_RETRIES": "1", "WIZARD_RETRY_BASE": "0.001"}
    loud = await run("Hi", **asks(sim), **settings)
    quiet = await run("-q", "Hi", **asks(sim), **settings)

    assert (loud.code, quiet.code) == (1, 1)
    warning, error = loud.err.splitlines()
    assert warning.startswith("rxwizard: warning: ")
    assert error.startswith("rxwizard: error: ")
    assert len(quiet.err.splitlines()) == 1


async def test_an_answer_that_begins_anew_says_so(simulator: SimulatorFactory) -> None:
    sim = await simulator(Script(Text("Half an"), Hold(), Reset()), HELLO)
    settings = {"WIZARD_RETRY_AFTER_FIRST_TOKEN": "restart", "WIZARD_RETRY_BASE": "0.001"}
    process = await start("-q", "Hi", **asks(sim), **settings)
    assert process.stdout is not None
    assert await process.stdout.readexactly(7) == b"Half an"
    (await sim.request()).release()
    ended = await end(process)

    assert (ended.code, ended.out) == (0, "\nHello there.\n")
    assert ended.err == (
        "rxwizard: warning: the answer begins anew, what stands above does not count\n"
    )


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}/v1"
    ended = await run("Hi", OPENAI_API_KEY=KEY, OPENAI_ENDPOINT=endpoint, **ONCE)

    assert (ended.code, ended.out) == (1, "")
    assert re.fullmatch(r"rxwizard: error: Nobody answers at .*check the endpoint.*\n", ended.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "openai:gpt-x"), "set OPENAI_API_KEY"),
        (("--model", "acme:one"), 'There is no provider named "acme". There are: alibaba, '),
    ],
    ids=["no key", "unknown provider"],
)
async def test_settings_that_cannot_work(arguments: tuple[str, ...], said: str) -> None:
    ended = await run(*arguments, "Hi")

    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert said in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        (" \n",),
        ("-",),
        ("Hi", "--max-tokens", "many"),
        ("Hi", "--loud"),
        ("two", "words"),
    ],
    ids=" ".join,
)
async def test_wrong_use(arguments: tuple[str, ...]) -> None:
    ended = await run(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert "error: " in ended.err.splitlines()[-1]


async def test_version() -> None:
    ended = await run("--version")

    assert ended.code == 0
    assert re.fullmatch(r"rxwizard \d+\.\d+\.\d+\n", ended.out)


# -- leaving early ---------------------------------------------------------------------------------


async def test_ctrl_c_closes_the_connection_and_says_what_is_known(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Text("Hello"), Hold(), Text(" there."))
    process = await start("Hi", **asks(sim))
    exchange = await sim.request()
    await exchange.held()
    assert process.stdout is not None
    assert await process.stdout.readexactly(5) == b"Hello"
    process.send_signal(signal.SIGINT)
    await exchange.gone()
    ended = await end(process)

    assert (ended.code, ended.out) == (130, "\n")
    assert re.fullmatch(
        r"rxwizard: openai:gpt-x: \? tokens in, \? out; first token after \d+\.\d\d s; "
        r"\? tokens/s; ended: interrupted\n",
        ended.err,
    )


async def test_ctrl_c_before_the_answer(simulator: SimulatorFactory) -> None:
    sim = await simulator(Hold(), HttpError(500))
    process = await start("Hi", **asks(sim))
    exchange = await sim.request()
    await exchange.held()
    process.send_signal(signal.SIGINT)
    await exchange.gone()
    ended = await end(process)

    assert (ended.code, ended.out) == (130, "")
    assert ended.err.endswith("; first token after ? s; ? tokens/s; ended: interrupted\n")


async def test_ctrl_c_while_a_full_pipe_blocks_the_write(simulator: SimulatorFactory) -> None:
    sim = await simulator(Repeat((Text("and so on, " * 100, pieces=1),)))
    unread, stdout = os.pipe()
    try:
        process = await start("Hi", stdout=stdout, **asks(sim))
        os.close(stdout)
        exchange = await sim.request()
        await exchange.stalled(quiet=2_000)
        process.send_signal(signal.SIGINT)
        await exchange.gone()
        ended = await end(process)
    finally:
        os.close(unread)

    assert ended.code == 130
    assert ended.err.endswith("ended: interrupted\n")
    assert len(ended.err.splitlines()) == 1


async def test_a_closed_pipe_closes_the_connection_quietly(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("one\n"), Hold(), Text("two\n"), Hold())
    reader, stdout = os.pipe()
    process = await start("Hi", stdout=stdout, **asks(sim))
    os.close(stdout)
    exchange = await sim.request()
    await exchange.held()
    os.close(reader)
    exchange.release()
    await exchange.gone()
    ended = await end(process)

    assert (ended.code, ended.err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")
async def test_a_full_disk(simulator: SimulatorFactory) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = await end(await start("Hi", stdout=full, **asks(await simulator(HELLO))))
    finally:
        os.close(full)

    assert ended.code == 1
    assert re.fullmatch(r"rxwizard: error: The answer cannot be written: .*\n", ended.err)
