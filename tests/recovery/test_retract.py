"""Whoever takes chunks ends with the final answer, whatever was begun and taken back before it.

Every operator and every sink is in a table here, or is excused with a reason.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import reactivex
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from reactivex.subject import Subject
from reactivex.testing import TestScheduler
from sinks.emulator import Emulator

import rxwizard
from rxwizard import ChunkKind, StreamChunk, WizardResponse, fan_out, sinks
from rxwizard import operators as ops
from rxwizard.fan_out import live
from rxwizard.operators.growing import plain
from rxwizard.stream import join_text
from rxwizard.testing import run_in_virtual_time

from .recovered import Recovered, fold, json_streams, recovered, streams

Placed = list[tuple[int, Any]]
"""What came out, each with the number of the chunk that went in last."""

quick = settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
few = settings(quick, max_examples=4)

MARK = "(starting anew; the above no longer counts)"


def words(text: str) -> int:
    """Count in a way that is the same however a text is cut."""
    return len(text.split())


# -- what is compared --------------------------------------------------------------------------


def facts(response: WizardResponse) -> dict[str, Any]:
    """Give all of a response that is the answer's own; of its usage what it has used itself."""
    usage = response.usage
    own = (usage.latest or usage) if usage else None
    told = own.model_dump(exclude={"latest", "wasted", "raw"}) if own else None
    if told is not None and not any(told[name] for name in told if name != "source"):
        told = None  # nothing was reported
    # A piece that was joined has the time of its last part.
    times = {"metadata": {"time_to_first_token", "duration"}}
    return response.model_dump(exclude={"usage": True, **times}) | {"usage": told}


def folded(came: Placed, _since: int) -> Any:
    return facts(fold([item for _, item in came]))


def flattened(came: Placed, _since: int) -> Any:
    return facts(fold([chunk for _, chunks in came for chunk in chunks]))


def joined(came: Placed, since: int) -> Any:
    return "".join(item for place, item in came if place >= since)


def listed(came: Placed, since: int) -> Any:
    return [item for place, item in came if place >= since]


def last(came: Placed, _since: int) -> Any:
    return came[-1][1] if came else ""


def last_value(came: Placed, since: int) -> Any:
    given_out = listed(came, since)
    return plain(given_out[-1]) if given_out else None


def last_response(came: Placed, _since: int) -> Any:
    return facts(came[-1][1])


def last_tokens(came: Placed, _since: int) -> Any:
    return came[-1][1] if came and came[-1][1].tokens else None


@dataclass(frozen=True)
class Case:
    """One consumer: how it is made, and what it ends with."""

    make: Callable[[], Any]
    ends_with: Callable[[Placed, int], Any] = folded
    drawn: Callable[[], st.SearchStrategy[Recovered]] = streams
    on_loop: bool = False


class Items(BaseModel):
    items: list[str]
    n: int


async def _same(chunk: StreamChunk) -> StreamChunk:
    return chunk


def _each(*operators: Any) -> Any:
    return lambda source: source.pipe(*operators)


def _pairs(source: Any) -> Any:
    numbers = rxwizard.from_iterable(range(10_000))
    return source.pipe(ops.zip_with(numbers), reactivex.operators.map(lambda pair: pair[0]))


def _items(source: Any) -> Any:
    named = ops.merge_streams({"x": source})
    return named.pipe(reactivex.operators.map(lambda item: item.item))


def _within(source: Any) -> Any:
    plain_one = [StreamChunk(kind=ChunkKind.START), StreamChunk(text="<"), StreamChunk()]
    before, after = (reactivex.from_iterable(plain_one) for _ in range(2))
    return ops.concat_streams(before, source, after)


def _usage_dropped(came: Placed, _since: int) -> Any:
    response = fold([item for _, item in came])
    return response.model_dump(exclude={"usage": True, "metadata": {"attempt"}})


def _one_buffer(make: Callable[[], Any]) -> Case:
    return Case(make, joined)


OPERATORS: dict[str, Case] = {
    "accumulate": Case(ops.accumulate, last_response),
    "accumulate_text": Case(ops.accumulate_text, last),
    "batched": Case(lambda: ops.batched(3, 1.0), flattened, on_loop=True),
    "bounded": Case(lambda: ops.bounded(1, "coalesce"), on_loop=True),
    "budget": Case(lambda: ops.budget(tokens=10**6)),
    "buffer": Case(lambda: ops.buffer(count=3, seconds=1), flattened),
    "buffer_characters": _one_buffer(lambda: ops.buffer_characters(3)),
    "buffer_code_blocks": _one_buffer(ops.buffer_code_blocks),
    "buffer_lines": _one_buffer(ops.buffer_lines),
    "buffer_markdown": _one_buffer(ops.buffer_markdown),
    "buffer_paragraphs": _one_buffer(ops.buffer_paragraphs),
    "buffer_sentences": _one_buffer(ops.buffer_sentences),
    "buffer_tokens": _one_buffer(lambda: ops.buffer_tokens(2, words)),
    "buffer_until": _one_buffer(lambda: ops.buffer_until(r"\n+")),
    "buffer_words": _one_buffer(ops.buffer_words),
    "choice": Case(lambda: ops.choice(1)),
    "coalesce": Case(lambda: ops.coalesce(1.0)),
    "collect": Case(ops.collect, last_response),
    "concat_streams": Case(lambda: _within, _usage_dropped),
    "count_tokens": Case(lambda: ops.count_tokens(words), last_tokens),
    "final": Case(ops.final, lambda came, _: [(c.finish_reason, c.complete) for _, c in came]),
    "heartbeat": Case(lambda: ops.heartbeat(0.7)),
    "json_items": Case(lambda: ops.json_items("items[*]"), listed, json_streams),
    "log": Case(ops.log),
    "map_async": Case(lambda: ops.map_async(_same, concurrency=2), on_loop=True),
    "merge_streams": Case(lambda: _items),
    "pace": Case(lambda: ops.pace(3, max_lag=2), joined),
    "partial": Case(
        lambda: ops.partial(Items),
        lambda came, since: listed(came, since)[-1].model_dump(),
        json_streams,
    ),
    "partial_json": Case(ops.partial_json, last_value, json_streams),
    "progress": Case(lambda: ops.progress(lambda _: None, seconds=1)),
    "race": Case(lambda: lambda source: ops.race([source, reactivex.never()])),
    "reasoning": Case(ops.reasoning, joined),
    "redact": Case(lambda: ops.redact("ab+")),
    "replace": Case(lambda: ops.replace(r"ab|ld\. Dr", "xyz")),
    "share": Case(ops.share, on_loop=True),
    "smooth": Case(lambda: ops.smooth(1.0), joined),
    "split_think_tags": Case(ops.split_think_tags),
    "strip_fences": Case(ops.strip_fences),
    "tap_metrics": Case(lambda: ops.tap_metrics(lambda _: None)),
    "text": Case(ops.text, joined),
    "throttle_latest": Case(lambda: _each(ops.accumulate_text(), ops.throttle_latest(1)), last),
    "tool_arguments": Case(lambda: ops.tool_arguments(0), joined),
    "tool_calls": Case(ops.tool_calls, listed),
    "usage": Case(
        ops.usage,
        lambda came, _: facts(WizardResponse(usage=came[-1][1] if came else None))["usage"],
    ),
    "zip_with": Case(lambda: _pairs, on_loop=True),
}

EXCUSED = {
    "cost": "what was retracted is paid for: a test of its own",
    "map_prompts": "it gives what `generate_complete` gives, a fold",
    "tokens_per_second": "it says how fast tokens came, and the retracted ones have come",
}

#: They make such streams, and have tests of their own.
MAKERS = {"deadline", "fallback", "hedging", "retry"}


def _public() -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(ops).items()
        if not name.startswith("_") and inspect.isfunction(value)
    }


def test_every_operator_is_in_the_table_or_excused() -> None:
    taking = {
        name
        for name, value in _public().items()
        if value.__module__.rpartition(".")[2] not in MAKERS
    }

    assert taking - OPERATORS.keys() - EXCUSED.keys() == set()
    assert not OPERATORS.keys() & EXCUSED.keys()
    assert (OPERATORS.keys() | EXCUSED.keys()) <= _public().keys()


# -- operators ---------------------------------------------------------------------------------


def pushed(operator: Any, chunks: list[StreamChunk], seconds: float) -> Placed:
    """Push chunks in virtual time, so many seconds apart."""
    scheduler, source = TestScheduler(), Subject[Any]()
    came: Placed = []
    errors: list[Exception] = []
    place = -1

    def take(item: Any) -> None:
        came.append((place, item))

    held = source.pipe(operator).subscribe(take, errors.append, scheduler=scheduler)
    for chunk in chunks:
        place += 1
        source.on_next(chunk)
        if seconds:
            scheduler.advance_by(seconds)
    source.on_completed()
    scheduler.advance_by(10)
    held.dispose()
    if errors:
        raise errors[0]
    return came


def pulled(operator: Any, chunks: list[StreamChunk]) -> Placed:
    """Read chunks slowly on a loop in virtual time."""

    async def read() -> Placed:
        came: Placed = []
        async for item in rxwizard.from_iterable(chunks).pipe(operator):
            await asyncio.sleep(0.3)
            came.append((0, item))
        return came

    return run_in_virtual_time(read())


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_ends_with_the_final_answer(name: str) -> None:
    case = OPERATORS[name]

    @quick
    @given(case.drawn(), st.sampled_from([0, 0.4, 1.5]))
    def check(stream: Recovered, seconds: float) -> None:
        def run(chunks: list[StreamChunk], since: int) -> Any:
            operator = case.make()
            if case.on_loop:
                return case.ends_with(pulled(operator, chunks), 0)
            return case.ends_with(pushed(operator, chunks, seconds), since)

        assert run(stream.chunks, stream.last_retract) == run(stream.clean, 0)

    check()


#: Chunks in, chunks out.
TELLING = [name for name, case in OPERATORS.items() if case.ends_with is folded]


@pytest.mark.parametrize("name", [*TELLING, "concat_streams"])
def test_an_operator_keeps_the_laws_of_epochs(name: str) -> None:
    case = OPERATORS[name]

    @quick
    @given(streams(), st.sampled_from([0, 0.4]))
    def check(stream: Recovered, seconds: float) -> None:
        operator = case.make()
        came = (
            pulled(operator, stream.chunks)
            if case.on_loop
            else pushed(operator, stream.chunks, seconds)
        )
        epoch = characters = 0
        for chunk in (item for _, item in came):
            if chunk.kind is ChunkKind.RETRACT:
                assert chunk.data == {"epoch": epoch, "characters": characters}
                epoch, characters = epoch + 1, 0
            assert chunk.epoch == epoch
            characters += 0 if chunk.choice else len(chunk.text)

    check()


@quick
@given(streams())
def test_merging_never_joins_two_attempts(stream: Recovered) -> None:
    merged: list[StreamChunk] = []
    for chunk in stream.chunks:
        if chunk.kind in (ChunkKind.WARNING, ChunkKind.RETRACT):
            continue  # as where a lossy policy has dropped what is between them
        both = join_text(merged[-1], chunk) if merged else None
        if both is None:
            merged.append(chunk)
        else:
            assert merged[-1].source is chunk.source
            merged[-1] = both

    assert facts(fold(merged)) == facts(fold(stream.clean))


# -- what is used ------------------------------------------------------------------------------


@quick
@given(streams())
def test_the_usage_is_the_sum_of_the_attempts(stream: Recovered) -> None:
    usage = fold(stream.chunks).usage
    used = stream.used

    assert bool(used) is (usage is not None)
    if usage is not None:
        assert usage.prompt_tokens == sum(one.prompt_tokens or 0 for one in used)
        assert usage.completion_tokens == sum(one.completion_tokens or 0 for one in used)


PRICE = ops.Price(input=1, output=2)


@settings(quick, max_examples=40)
@given(streams())
def test_cost_is_what_the_attempts_cost_each_by_itself(stream: Recovered) -> None:
    def cost(chunks: list[StreamChunk]) -> Any:
        came = pushed(ops.cost(price=PRICE, tokenizer=words, prompt_tokens=5), chunks, 0)
        return came[-1][1] if came else None

    alone = [one for one in map(cost, stream.attempts) if one is not None]
    assume(cost(stream.clean) is not None)  # else nobody says that it was a request at all
    together = cost(stream.chunks)

    assert together.usd == sum(one.usd for one in alone)
    assert together.input_usd == sum(one.input_usd for one in alone)
    reported = all(one.source == "reported" for one in alone)
    assert together.source == ("reported" if reported else "estimated")


@quick
@given(streams())
def test_metrics_are_one_record_of_all_that_came(stream: Recovered) -> None:
    records: list[ops.StreamMetrics] = []
    pushed(ops.tap_metrics(records.append), stream.chunks, 0)
    alone: list[ops.StreamMetrics] = []
    pushed(ops.tap_metrics(alone.append), stream.clean, 0)

    (record,), (clean,) = records, alone
    assert record.attempts == clean.attempts == len(stream.attempts)
    assert record.characters - record.retracted == clean.characters
    assert record.chunks == len(stream.chunks)
    assert record.finish_reason == clean.finish_reason
    assert record.usage == fold(stream.chunks).usage


# -- sinks -------------------------------------------------------------------------------------


async def _fill(sink: Any, chunks: Iterable[StreamChunk]) -> None:
    for chunk in chunks:
        await sink.write(chunk)
    await sink.close()


def _after_mark(text: str) -> str:
    return text.rpartition(f"{MARK}\n")[2]


async def _memory(chunks: list[StreamChunk], _folder: Path) -> Any:
    memory = sinks.Memory[StreamChunk]()
    await _fill(memory, chunks)
    return facts(fold(memory.items))


async def _callback(chunks: list[StreamChunk], _folder: Path) -> Any:
    items: list[StreamChunk] = []
    await _fill(sinks.Callback(items.append), chunks)
    return facts(fold(items))


async def _text_file(chunks: list[StreamChunk], folder: Path) -> Any:
    read: list[str] = []
    for encoding in ("utf-8", "utf-16"):
        path = folder / "answer.txt"
        path.write_text("before ", encoding=encoding)
        await _fill(sinks.TextFile(path, append=True, encoding=encoding), chunks)
        read.append(path.read_bytes().decode(encoding))
    return read


async def _text_writer(chunks: list[StreamChunk], folder: Path) -> Any:
    memory, pipe = io.StringIO(), Pipe()
    path = folder / "mine.txt"
    with path.open("w", encoding="utf-8") as text, (folder / "b").open("wb") as binary:
        for target in (memory, pipe, text, binary):
            await _fill(sinks.TextWriter(target), chunks)
    return (
        memory.getvalue(),
        _after_mark("".join(pipe.pieces)),
        path.read_bytes().decode(),
        (folder / "b").read_bytes().decode(),
    )


class Pipe:
    """What takes text for good."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def write(self, text: str) -> None:
        self.pieces.append(text)


async def _json_lines(chunks: list[StreamChunk], folder: Path) -> Any:
    path = folder / "answer.jsonl"
    await _fill(sinks.JsonLines(path), chunks)
    lines = path.read_text(encoding="utf-8").splitlines()
    return facts(fold([StreamChunk.model_validate_json(line) for line in lines]))


async def _sqlite(chunks: list[StreamChunk], folder: Path) -> Any:
    sink = sinks.SQLite(folder / "answers.db")
    await _fill(sink, chunks)
    with sqlite3.connect(folder / "answers.db") as connection:
        mine = "stream_id = ?", (sink.stream_id,)
        (kept,) = connection.execute(f"SELECT json FROM responses WHERE {mine[0]}", mine[1])
        rows = connection.execute(
            f"SELECT json FROM chunks WHERE {mine[0]} ORDER BY seq", mine[1]
        ).fetchall()
        (answer,) = connection.execute(f"SELECT text FROM responses WHERE {mine[0]}", mine[1])
        visible = connection.execute(
            "SELECT text FROM chunks WHERE stream_id = ? AND choice = 0 AND epoch ="
            " (SELECT max(epoch) FROM chunks WHERE stream_id = ?) ORDER BY seq",
            mine[1] * 2,
        ).fetchall()
    connection.close()
    response = facts(WizardResponse.model_validate_json(kept[0]))
    assert facts(fold([StreamChunk.model_validate_json(row[0]) for row in rows])) == response
    assert "".join(row[0] for row in visible) == answer[0]
    return response


async def _log(chunks: list[StreamChunk], _folder: Path) -> Any:
    logger = logging.Logger("of its own", logging.INFO)
    records: list[Any] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    await _fill(sinks.Log(logger), chunks)
    return records[-1].characters


async def _terminal(chunks: list[StreamChunk], _folder: Path) -> Any:
    # Reasoning shown or not: what is printed for good may be in front of the answer.
    markdown, unformatted = Emulator(width=200, height=40), Emulator(width=200, height=40)
    await _fill(sinks.Terminal(markdown.console, refresh_per_second=1e9), chunks)
    await _fill(sinks.Terminal(unformatted.console, markdown=False), chunks)
    shown: list[list[str]] = []
    for emulator in (markdown, unformatted):
        lines = emulator.lines
        while MARK in lines:
            lines = lines[lines.index(MARK) + 1 :]
        while lines and not lines[0]:
            lines = lines[1:]
        shown.append(lines)
    return shown


SINKS: dict[str, Callable[[list[StreamChunk], Path], Any]] = {
    "Callback": _callback,
    "JsonLines": _json_lines,
    "Log": _log,
    "Memory": _memory,
    "SQLite": _sqlite,
    "Terminal": _terminal,
    "TextFile": _text_file,
    "TextWriter": _text_writer,
}

NO_SINKS = {"BrowserStatistics", "Sink", "Slow", "as_sink"}

EXCUSED_SINKS = {
    "ServerSentEvents": "every chunk is an event; that the page erases is in tests/sinks",
    "WebSocket": "every chunk is a message, as a line of JsonLines",
}


def test_every_sink_is_in_the_table_or_excused() -> None:
    assert SINKS.keys() | EXCUSED_SINKS.keys() == set(sinks.__all__) - NO_SINKS
    assert not SINKS.keys() & EXCUSED_SINKS.keys()


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_ends_with_the_final_answer(name: str) -> None:
    fill = SINKS[name]

    @(few if name in ("SQLite", "Terminal") else quick)
    @given(streams())
    def check(stream: Recovered) -> None:
        async def both() -> None:
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
                got = await fill(stream.chunks, Path(one))
                assert got == await fill(stream.clean, Path(other))

        asyncio.run(both())

    check()


@few
@given(streams())
def test_a_live_branch_of_a_fan_out_ends_with_the_final_answer(stream: Recovered) -> None:
    async def run() -> list[StreamChunk]:
        got: list[StreamChunk] = []

        async def slow(chunk: StreamChunk) -> None:
            await asyncio.sleep(1)
            got.append(chunk)

        await fan_out(rxwizard.from_iterable(stream.chunks), slow=live(slow))
        return got

    assert facts(fold(run_in_virtual_time(run()))) == facts(fold(stream.clean))


def test_the_streams_of_this_file_keep_the_laws() -> None:
    @settings(quick, max_examples=60)
    @given(streams())
    def check(stream: Recovered) -> None:
        chunks = stream.chunks
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.kind for chunk in chunks].count(ChunkKind.START) == 1
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        attempts = [chunk.source.attempt for chunk in chunks]
        assert attempts == sorted(attempts)
        assert facts(fold(chunks)) == facts(fold(stream.clean))
        # Times are those of the attempt that the answer is of.
        assert fold(chunks).metadata == fold(stream.clean).metadata

    check()


def test_a_fault_behind_each_chunk_is_told() -> None:
    text = [StreamChunk(text=word) for word in "abc"]
    begin, end = StreamChunk(kind=ChunkKind.START), StreamChunk(kind=ChunkKind.FINAL, is_final=True)
    for cut in range(1, 5):
        stream = recovered([[begin, *text][:cut], [begin, *text, end]])
        kinds = [chunk.kind for chunk in stream.chunks]
        assert kinds.count(ChunkKind.RETRACT) == (cut > 1)
        assert fold(stream.chunks).text == "abc"
