"""The six policies, and what is counted."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import BufferOverflowError, ConfigError, MissingBackpressureError, StreamChunk
from rxwizard.chunks import ChunkKind, ToolCallDelta
from rxwizard.demand import BoundedSubscriber, Overflow, Statistics
from rxwizard.stream import Stream, join_text, weight_in_bytes, weight_in_characters
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle


def statistics(capacity: int = 3, **counted: float) -> Statistics:
    nothing = {field.name: 0 for field in dataclasses.fields(Statistics)}
    return Statistics(**{**nothing, "capacity": capacity, **counted})  # type: ignore[arg-type]


def push(overflow: Overflow, count: int = 5, capacity: int = 3) -> BoundedSubscriber[int]:
    """Push 0, 1, ... at a reader that sleeps, from a source that cannot be paused."""
    reader = BoundedSubscriber[int](capacity, overflow=overflow)
    return reader.attach(reactivex.range(0, count))


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"),
    [
        (Overflow.DROP_OLDEST, [2, 3, 4], 2),
        (Overflow.DROP_NEWEST, [0, 1, 2], 2),
        (Overflow.LATEST, [4], 4),
    ],
)
async def test_a_lossy_policy_keeps_some_and_counts_the_others(
    overflow: Overflow, kept: list[int], dropped: int
) -> None:
    reader = push(overflow)
    capacity = 1 if overflow is Overflow.LATEST else 3
    before = reader.statistics()

    assert await read_all(reader) == kept
    assert before == statistics(capacity, waiting=len(kept), peak=len(kept), dropped=dropped)
    assert reader.statistics() == statistics(
        capacity, peak=len(kept), dropped=dropped, delivered=len(kept)
    )


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.LATEST])
async def test_a_lossy_reader_holds_nobody(overflow: Overflow) -> None:
    source = Numbers(1000)
    reader = BoundedSubscriber[int](8, overflow=overflow).attach(source)
    await settle(300)

    assert source.is_closed
    assert reader.statistics().pauses == 0


async def test_pause_is_an_error_where_the_source_cannot() -> None:
    reader = push(Overflow.PAUSE)
    with pytest.raises(MissingBackpressureError):
        await read_all(reader)


async def test_error_delivers_what_fitted_and_then_says_what_did_not() -> None:
    reader = push(Overflow.ERROR)
    got = [await anext(reader) for _ in range(3)]
    with pytest.raises(BufferOverflowError, match=r"more than 3 items wait.*a policy that pauses"):
        await anext(reader)

    assert got == [0, 1, 2]
    assert reader.statistics() == statistics(peak=3, delivered=3, dropped=1)


async def test_error_closes_its_source() -> None:
    source = Numbers()
    BoundedSubscriber[int](8, overflow="error").attach(source)
    reader = BoundedSubscriber[int](8, overflow="error").attach(source)
    await settle()

    assert source.is_closed
    with pytest.raises(BufferOverflowError):
        await read_all(reader)


async def test_error_bounds_the_weight_as_well() -> None:
    subject: Subject[str] = Subject()
    reader = BoundedSubscriber[str](100, overflow="error", weigh=len, max_weight=10)
    reader.attach(subject)
    subject.on_next("12345")
    subject.on_next("12345")
    assert await anext(reader) == "12345"
    subject.on_next("abcde")  # what was read weighs no more
    subject.on_next("!")
    assert [await anext(reader), await anext(reader)] == ["12345", "abcde"]
    with pytest.raises(BufferOverflowError, match="a weight of 10"):
        await anext(reader)


async def test_coalesce_loses_nothing_and_keeps_the_order() -> None:
    text = Numbers(5000).pipe(rx.map(lambda number: f"{number},"))
    reader = BoundedSubscriber[str](4, overflow="coalesce", merge=str.__add__, weigh=len)
    reader.attach(text)
    got: list[str] = []
    async for piece in reader:
        got.append(piece)
        await settle(3)
    counted = reader.statistics()

    assert "".join(got) == "".join(f"{number}," for number in range(5000))
    assert counted.merged > 1000
    assert counted.delivered + counted.merged == 5000
    assert counted.peak <= 4


async def test_coalesce_is_bounded_by_weight_and_pauses_there() -> None:
    source = Numbers()
    reader = BoundedSubscriber[str](
        1, overflow=Overflow.COALESCE, merge=str.__add__, weigh=len, max_weight=100
    ).attach(source.pipe(rx.map(lambda _: "0123456789")))
    await settle()

    counted = reader.statistics()
    assert (counted.waiting, counted.merged, counted.pauses) == (1, 9, 1)
    assert source.given <= 11
    assert len(await anext(reader)) == 100
    await settle()
    assert [len(await anext(reader)), reader.statistics().pauses] == [100, 2]
    reader.cancel()


async def test_coalesce_pauses_where_two_must_not_be_merged() -> None:
    source = Numbers(100)
    reader = BoundedSubscriber[int](4, overflow="coalesce", merge=lambda _a, _b: None)
    reader.attach(source)
    await settle()

    assert reader.statistics().waiting == 5  # capacity + k: rule 2
    assert await read_all(reader) == list(range(100))


@pytest.mark.parametrize("capacity", [0, -1, 2.5, None, "8", float("inf")])
@pytest.mark.parametrize("overflow", [*Overflow])
async def test_a_capacity_below_one_is_refused(overflow: Overflow, capacity: Any) -> None:
    with pytest.raises(ConfigError, match=f"screen: a capacity of {capacity} .* 1 or more"):
        BoundedSubscriber[int](capacity, overflow=overflow, merge=max, name="screen")


@pytest.mark.parametrize("low", [-1, 8, 9, 1.5])
async def test_a_low_mark_outside_of_the_capacity_is_refused(low: Any) -> None:
    with pytest.raises(ConfigError, match=f"a low mark of {low} .* from 0 to below the capacity"):
        BoundedSubscriber[int](8, low=low)


async def test_a_reader_that_cannot_be_made_costs_the_others_nothing() -> None:
    source = Numbers(100)
    shared = source.pipe(rx.share())
    reader = BoundedSubscriber[int](8).attach(shared)
    await settle()
    with pytest.raises(ConfigError):
        BoundedSubscriber[int](0).attach(shared)

    assert await read_all(reader) == list(range(100))
    assert source.is_closed


async def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'bounce'.*pause, coalesce, drop_oldest"):
        BoundedSubscriber[int](8, overflow="bounce")


async def test_coalesce_needs_to_know_how() -> None:
    with pytest.raises(ConfigError, match="screen: coalesce needs a merge function"):
        BoundedSubscriber[int](4, overflow="coalesce", name="screen")


@pytest.mark.parametrize("which", ["merge", "weigh"])
async def test_a_merge_that_raises_is_the_readers_error(which: str) -> None:
    def fail(*_: object) -> int:
        message = "my fault"
        raise ValueError(message)

    functions = {"merge": lambda _a, _b: None, "weigh": lambda _: 1, which: fail}
    source = Numbers()
    reader = BoundedSubscriber[int](2, overflow="coalesce", **functions).attach(source)
    with pytest.raises(ValueError, match="my fault"):
        await read_all(reader)
    await settle()

    assert source.is_closed


async def test_statistics_count() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(100))
    assert reader.statistics() == statistics(8)
    await settle()
    seen = reader.statistics()
    assert (seen.waiting, seen.peak, seen.delivered, seen.pauses) == (8, 8, 0, 1)

    await read_all(reader)
    seen = reader.statistics()
    assert (seen.waiting, seen.peak, seen.delivered, seen.dropped, seen.merged) == (0, 8, 100, 0, 0)
    assert 2 <= seen.pauses <= 100 / 6 + 1


def test_paused_seconds_are_the_loops() -> None:
    async def measure() -> list[float]:
        reader = BoundedSubscriber[int](8).attach(Numbers(12))
        seen: list[float] = []
        await settle()
        await asyncio.sleep(30)
        seen.append(reader.statistics().paused_seconds)  # while it is held
        for _ in range(6):
            await anext(reader)
        await asyncio.sleep(500)  # it is not held: six more fit
        seen.append(reader.statistics().paused_seconds)
        await read_all(reader)
        seen.append(reader.statistics().paused_seconds)
        return seen

    assert run_in_virtual_time(measure()) == [30, 30, 30]


def test_a_source_that_is_over_is_not_paused() -> None:
    async def measure() -> float:
        reader = BoundedSubscriber[int](8).attach(Numbers(8).pipe(reactivex.operators.take(8)))
        await settle()
        await asyncio.sleep(1000)
        return reader.statistics().paused_seconds

    assert run_in_virtual_time(measure()) == 0


async def test_a_stream_of_text_knows_how_to_merge() -> None:
    words = Stream(Numbers(1000).pipe(rx.map(str))._subscribe_core)
    reader = words.bounded(1, Overflow.COALESCE)
    await settle(300)

    assert await read_all(reader) == ["".join(map(str, range(1000)))]


def text(words: str, **fields: object) -> StreamChunk:
    return StreamChunk(**{"text": words, "kind": ChunkKind.TEXT, **fields})  # type: ignore[arg-type]


def test_chunks_are_merged_where_they_bring_only_text() -> None:
    joined = join_text(text("a", seq=1, at=1.0), text("b", seq=2, at=2.0))
    thought = ChunkKind.REASONING

    assert joined == text("ab", seq=2, at=2.0)
    assert join_text(text("", reasoning="a", kind=thought), text("", reasoning="b", kind=thought))
    for other in (
        text("", kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(index=0)),
        text("b", kind=ChunkKind.REFUSAL),
        text("b", choice=1),
        text("b", index=1),
        text("b", epoch=1),
        text("b", data={}),
        text("b", raw={}),
        text("", kind=ChunkKind.FINAL, is_final=True),
    ):
        assert join_text(text("a"), other) is None
        assert join_text(other, text("a")) is None
    assert join_text(1, 2) is None


def test_weights() -> None:
    call = text("", kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(index=0, arguments="{}"))

    assert [weight_in_characters(item) for item in ("abc", text("ab"), call, 7)] == [3, 2, 2, 1]
    assert weight_in_bytes(text("ab")) == 1024 + 8
