"""Reading all that waits at a time."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex.subject import Subject

from rxwizard import ConfigError
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def read_batches(batches: AsyncIterator[list[int]], into: list[list[int]]) -> None:
    async with asyncio.timeout(10):
        async for batch in batches:
            into.append(batch)  # noqa: PERF401 - what came before an error counts


@pytest.mark.parametrize("most", [1, 3, 64, sys.maxsize])
@pytest.mark.parametrize("overflow", ["pause", "coalesce"])
async def test_rule_11_batches_give_the_same_items(overflow: str, most: int) -> None:
    reader = BoundedSubscriber[int](8, overflow=overflow, merge=lambda _a, _b: None)
    batches = [batch async for batch in reader.attach(Numbers(1000)).batches(most)]

    assert [item for batch in batches for item in batch] == list(range(1000))
    assert all(0 < len(batch) <= most for batch in batches)


async def test_rule_11_the_error_comes_after_the_last_batch() -> None:
    reader = BoundedSubscriber[int](64).attach(Numbers(20, fails=1))
    batches: list[list[int]] = []
    with pytest.raises(OSError, match="reset"):
        await read_batches(reader.batches(), batches)

    assert [item for batch in batches for item in batch] == list(range(20))


async def test_a_batch_is_what_waits() -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](64).attach(subject)
    batches = reader.batches()
    for number in range(5):
        subject.on_next(number)
    assert await anext(batches) == [0, 1, 2, 3, 4]

    waiting = asyncio.ensure_future(anext(batches))
    await settle()
    subject.on_next(5)
    subject.on_next(6)
    assert await waiting == [5, 6]  # it is woken by the first, and takes both


async def test_a_batch_is_no_longer_than_asked() -> None:
    reader = BoundedSubscriber[int](64).attach(reactivex.range(0, 8))

    assert [batch async for batch in reader.batches(3)] == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.mark.parametrize("most", [0, -1])
async def test_batches_of_nothing_are_refused(most: int) -> None:
    source = Numbers(3)
    reader = BoundedSubscriber[int](8).attach(source)
    with pytest.raises(ConfigError, match=f"batches of {most} items"):
        reader.batches(most)

    assert [item async for item in reader] == [0, 1, 2]


async def test_an_empty_source_has_no_batch() -> None:
    assert [batch async for batch in BoundedSubscriber[int](8).attach(Numbers(0)).batches()] == []


async def test_a_held_source_goes_on_when_a_batch_is_taken() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers())
    batches = reader.batches()
    for turn in range(20):
        await settle()
        assert await anext(batches) == list(range(8 * turn, 8 * turn + 8))
        assert not reader.ring.group.holding
    assert reader.statistics().pauses == 20
    reader.cancel()


async def test_a_source_is_let_go_at_the_low_mark_between_short_batches() -> None:
    reader = BoundedSubscriber[int](8, low=2).attach(Numbers(batch=1))
    batches = reader.batches(3)
    await settle()
    await anext(batches)
    assert (reader.statistics().waiting, reader.ring.group.holding) == (5, True)
    await anext(batches)
    assert (reader.statistics().waiting, reader.ring.group.holding) == (2, False)
    reader.cancel()


async def test_leaving_the_loop_over_batches_closes_the_source() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](8).attach(source)
    async for _ in reader.batches():
        break
    await settle()

    assert source.is_closed
    assert [item async for item in reader] == []


async def test_a_batch_can_be_followed_by_single_items() -> None:
    reader = BoundedSubscriber[int](64).attach(reactivex.range(0, 8))
    batches = reader.batches(3)
    assert await anext(batches) == [0, 1, 2]
    assert await anext(reader) == 3

    assert await anext(batches) == [4, 5, 6]


async def test_cancelling_the_task_that_waits_for_a_batch_ends_a_loops_own_reader() -> None:
    source = Numbers(0, leaves_slowly=10**6)
    reader = BoundedSubscriber[int](8).attach(reactivex.merge(source, reactivex.never()))
    reader.end_with_its_task()
    waiting = asyncio.ensure_future(read_batches(reader.batches(), []))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert reader.ring.ended


@settings(deadline=None, max_examples=40)
@given(
    capacity=st.integers(1, 20),
    batch=st.integers(1, 30),
    mosts=st.lists(st.integers(1, 25), min_size=1, max_size=5),
    turns=st.integers(0, 4),
)
def test_any_mixture_of_batches_gives_everything_once(
    capacity: int, batch: int, mosts: list[int], turns: int
) -> None:
    async def read() -> list[int]:
        source = Numbers(200, batch=batch)
        reader = BoundedSubscriber[int](capacity).attach(source)
        got: list[int] = []
        while len(got) < 200:
            most = mosts[len(got) % len(mosts)]
            got += (part := await reader.ring.take_batch(most))
            assert 0 < len(part) <= most
            await settle(turns)
        assert reader.statistics().peak <= capacity
        assert source.given == 200
        return got

    assert run_in_virtual_time(read()) == list(range(200))
