"""One answer in OpenAI's format, over real HTTP, into five sinks at once; two are browsers."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from browser import INSTALLING, Page
from rich.console import Console
from streaming import client

from rxwizard import StreamChunk, StreamInterruptedError, fan_out, latest, live, lossless
from rxwizard import operators as ops
from rxwizard.sinks import JsonLines, ServerSentEvents, SQLite
from rxwizard.testing import Cut, Hold, Script, Text, Usage

if TYPE_CHECKING:
    from pathlib import Path

    from rxwizard.testing.plugin import SimulatorFactory

# Also for the first start of the browser, and in CI for installing it.
pytestmark = pytest.mark.timeout(2 * INSTALLING)

FIRST, SECOND = "Half of it. ", "And the rest, <b>as it is</b>."


async def test_one_stream_into_five_sinks_at_once(
    simulator: SimulatorFactory, page: Page, tmp_path: Path
) -> None:
    sim = await simulator(Script(Text(FIRST), Hold(), Text(SECOND), Usage(7, 9)))
    screen = Console(file=io.StringIO(), force_terminal=True, width=60, height=20)
    events = ServerSentEvents()
    words: list[int] = []
    other = await page.another()
    async with events.serve(port=0) as url, client(sim) as asking:
        for window in (page, other):
            await window.open(url)
        running = asyncio.ensure_future(
            fan_out(
                asking.generate_stream("Hello"),
                screen=live(screen),
                file=lossless(JsonLines(tmp_path / "answer.jsonl"), required=True),
                table=SQLite(tmp_path / "answers.db"),
                browsers=events,
                words=latest(words.append, ops.accumulate_text(), _count_words),
            )
        )
        # While it runs: both browsers show the first half, the file and the table have it.
        for window in (page, other):
            await window.until("#answer", lambda text: text == FIRST)
        assert _text_in_lines(tmp_path / "answer.jsonl.part") == FIRST
        assert _text_in_table(tmp_path / "answers.db") == FIRST
        sim.requests[0].release()
        report = await running
        for window in (page, other):
            await window.until("#status", lambda text: text == "complete")
            assert await window.text("#answer") == FIRST + SECOND
    await other.close()

    assert report.failed == {}
    assert len(sim.requests) == 1
    assert _text_in_lines(tmp_path / "answer.jsonl") == FIRST + SECOND
    assert _text_in_table(tmp_path / "answers.db") == FIRST + SECOND
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "Half of it. And the rest, <b>as it is</b>." in shown
    assert words[-1] == 9
    assert report["file"].delivered == report["browsers"].delivered == report["table"].delivered
    assert report["screen"].delivered + report["screen"].merged == report["file"].delivered


async def test_a_stream_that_is_cut_is_nowhere_called_complete(
    simulator: SimulatorFactory, tmp_path: Path
) -> None:
    sim = await simulator(Text("Half an ans"), Cut())
    events = ServerSentEvents()
    with pytest.raises(StreamInterruptedError) as caught:
        await fan_out(
            client(sim).generate_stream("Hello"),
            file=JsonLines(tmp_path / "answer.jsonl"),
            table=SQLite(tmp_path / "answers.db"),
            browsers=events,
        )

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Half an ans"
    assert caught.value.report is not None
    assert not (tmp_path / "answer.jsonl").exists()
    assert _text_in_lines(tmp_path / "answer.jsonl.part") == "Half an ans"
    with closing(sqlite3.connect(tmp_path / "answers.db")) as database:
        (complete,) = database.execute("SELECT complete FROM responses").fetchone()
        (error,) = database.execute("SELECT error FROM streams").fetchone()
    assert not complete
    assert error.startswith("StreamInterruptedError")


def _count_words(source):
    from reactivex import operators as rx

    return source.pipe(rx.map(lambda answer: len(answer.split())))


def _text_in_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))
    return "".join(StreamChunk.model_validate_json(line).text for line in lines)


def _text_in_table(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT text FROM chunks ORDER BY seq").fetchall()
    return "".join(text for (text,) in rows)
