"""The command that records, and the one that replays; as processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_cli import HELLO, KEY, asks, end, run, start

from rxwizard import StreamChunk
from rxwizard.testing import HttpError, Reset, Script, Text

if TYPE_CHECKING:
    from rxwizard.testing.plugin import SimulatorFactory

STATUS = (
    r"rxwizard: openai:gpt-x: 12 tokens in, 3 out; first token after \d+\.\d\d s; "
    r"\d+\.\d tokens/s; ended: stop\n"
)


def contents(path: str) -> str:
    return Path(path).read_text()


def untimed(out: str) -> list[StreamChunk]:
    """The chunks of an output, but for their times."""
    chunks = [StreamChunk.model_validate_json(line) for line in out.splitlines()]
    return [
        chunk.model_copy(
            update={
                "at": 0.0,
                "source": chunk.source.model_copy(update={"requested_at": None}),
            }
        )
        for chunk in chunks
    ]


async def test_an_answer_is_recorded_and_replayed(
    simulator: SimulatorFactory, tmp_path: Path
) -> None:
    path = str(tmp_path / "recording.jsonl")
    live = await run("--json", "-q", "--record", path, "Hi", **asks(await simulator(HELLO)))
    text, chunks = await asyncio.gather(
        run("replay", path, "--split", "7"), run("replay", path, "--json", "-q", "--speed", "max")
    )

    assert (live.code, live.err) == (0, "")
    assert KEY not in contents(path)
    assert (text.code, text.out) == (0, "Hello there.\n")
    assert re.fullmatch(rf"rxwizard: note: this is a recording\n{STATUS}", text.err)
    assert (chunks.code, chunks.err) == (0, "")
    assert untimed(chunks.out) == untimed(live.out)


async def test_a_failed_answer_fails_again_with_the_same_words(
    simulator: SimulatorFactory, tmp_path: Path
) -> None:
    path = str(tmp_path / "recording.jsonl")
    sim = await simulator(Script(Text("Half an"), Reset()))
    live = await run("--record", path, "Hi", **asks(sim))
    again = await run("replay", path, "--speed", "0")

    assert (live.code, live.out) == (again.code, again.out) == (1, "Half an\n")
    note, error, status = again.err.splitlines()
    assert "recording" in note
    assert error == live.err.splitlines()[0]
    assert status.endswith("; ended: cut off")


async def test_of_several_requests_the_last_is_shown_or_the_one_that_is_named(
    simulator: SimulatorFactory, tmp_path: Path
) -> None:
    path = str(tmp_path / "recording.jsonl")
    sim = await simulator(Script(HttpError(503, headers={"retry-after": "0"})), HELLO)
    retried = await run("--record", path, "Hi", **asks(sim), WIZARD_RETRY_BASE="0.001")
    last, first = await asyncio.gather(
        run("replay", path), run("replay", path, "--exchange", "0", "-q")
    )

    assert (retried.code, retried.out) == (0, "Hello there.\n")
    assert (last.code, last.out) == (0, "Hello there.\n")
    assert "recording of 2 requests; number 1 is shown (--exchange)" in last.err
    assert (first.code, first.out) == (1, "")
    assert "HTTP 503" in first.err


async def test_ctrl_c_ends_a_replay(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    event = {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    asked = {"provider": "openai", "model": "gpt-x", "protocol": "chat", "method": "POST"}
    lines = [
        {"format": "rxwizard-recording", "version": 1},
        {"exchange": 0, "at": 0, **asked, "url": "http://x.example/v1/chat/completions"},
        {"exchange": 0, "at": 0, "status": 200},
        {"exchange": 0, "at": 0, "text": f"data: {json.dumps(event)}\n\n"},
        {"exchange": 0, "at": 3600, "end": "eof"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    process = await start("replay", str(path))
    assert process.stdout is not None
    assert await process.stdout.readexactly(5) == b"Hello"
    process.send_signal(signal.SIGINT)
    ended = await end(process)

    assert (ended.code, ended.out) == (130, "\n")
    assert ended.err.endswith("ended: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")
async def test_a_full_disk_is_told_and_the_answer_goes_on(simulator: SimulatorFactory) -> None:
    sim = await simulator(HELLO)
    ended = await run("-q", "--record", "/dev/full", "Hi", **asks(sim))

    assert (ended.code, ended.out) == (0, "Hello there.\n")
    assert re.fullmatch(
        r"rxwizard: warning: the recording is not whole: /dev/full: .*\n", ended.err
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("replay",), 2, "FILE"),
        (("replay", "x", "--speed", "-1"), 2, "'-1' is no number of 0 or more"),
        (("replay", "x", "--split", "0"), 2, "'0' is no number of 1 or more"),
        (("replay", "missing.jsonl"), 1, "missing.jsonl cannot be read: No such file"),
        (("replay", os.devnull), 1, "is no recording"),
        (("--record", "missing/x.jsonl", "Hi"), 1, "does not exist"),
    ],
    ids=["no file", "speed", "split", "missing", "no recording", "no directory"],
)
async def test_what_cannot_be(arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = await run(*arguments)

    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err.splitlines()[-1]
