"""Operators of RxPY that no reader can hold, and ours beside them: each is shown to be needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

from .sources import settle
from .timed import Paced

CAPACITY = 8
README = Path(__file__).parents[2] / "README.md"

Operator = Callable[[Observable[Any]], Observable[Any]]


@dataclass(frozen=True)
class Case:
    """An operator of RxPY and what does the same within a bound.

    Attributes:
        queues: Makes RxPY's.
        by: The name of ours.
        bounded: Makes ours.
        most: Items that wait above a reader of `CAPACITY` that sleeps, ours included; with the one
            in the hand of the source.
        ticks: Whether RxPY's goes on while its reader is full, rather than keeping what comes.
        same: What both give alike: the items at the same "times", in the same "order", or the same
            items in "any" order.
        flattens: Whether items are compared one by one where they come in lists.
        seconds: Between two batches of the source.
        batch: Items of a batch.
        k: What one push of ours expands to.
    """

    queues: Callable[[], Operator]
    by: str
    bounded: Callable[[], Operator]
    most: int
    ticks: bool = False
    same: str = "times"
    flattens: bool = False
    seconds: float = 0.1
    batch: int = 10
    k: int = 1

    def source(self, count: int | None = None) -> Paced:
        return Paced(count, seconds=self.seconds, batch=self.batch)


async def five_seconds(number: int) -> int:
    await asyncio.sleep(5)
    return number


def started(number: int) -> Observable[int]:
    return reactivex.from_future(asyncio.ensure_future(five_seconds(number)))


def slow() -> Paced:
    return Paced(seconds=1, batch=1)


def inner(number: int) -> Paced:
    return Paced(20, start=100 * number, seconds=1, batch=1)


async def read(number: int) -> list[int]:
    return [item async for item in BoundedSubscriber[int](CAPACITY).attach(inner(number))]


def read_whole(concurrency: int, ordered: bool = True) -> Operator:
    whole = ops.map_async(read, concurrency=concurrency, ordered=ordered)
    return lambda source: source.pipe(whole, rx.flat_map(reactivex.from_iterable))


#: By the words of the table in the README.
CASES: dict[str, Case] = {
    "`observe_on`": Case(
        lambda: rx.observe_on(AsyncIOScheduler(asyncio.get_running_loop())),
        "bounded",
        lambda: ops.bounded(4),
        CAPACITY + 4 + 1,
        batch=100,
    ),
    "`delay`": Case(
        lambda: rx.delay(5),
        "map_async",
        lambda: ops.map_async(five_seconds, concurrency=40),
        CAPACITY + 40 + 40 + 1,
        batch=100,
        seconds=1,
    ),
    "`buffer_with_time`": Case(
        lambda: rx.buffer_with_time(1),
        "batched",
        lambda: ops.batched(10, 1),
        CAPACITY * 10 + 64 + 1,
        ticks=True,
        same="order",
        flattens=True,
    ),
    "`buffer_with_time_or_count`": Case(
        lambda: rx.buffer_with_time_or_count(1, 10),
        "batched",
        lambda: ops.batched(10, 1),
        CAPACITY * 10 + 64 + 1,
        ticks=True,
        same="order",
        flattens=True,
    ),
    "`window_with_time`": Case(
        lambda: rx.compose(rx.window_with_time(1), rx.flat_map(rx.to_list())),
        "batched",
        lambda: ops.batched(10, 1),
        CAPACITY * 10 + 64 + 1,
        ticks=True,
        same="order",
        flattens=True,
    ),
    "`zip`": Case(
        lambda: rx.zip(slow()),
        "zip_with",
        lambda: ops.zip_with(slow(), capacity=4),
        CAPACITY + 4 + 1,
    ),
    "`flat_map` of futures": Case(
        lambda: rx.flat_map(started),
        "map_async",
        lambda: ops.map_async(five_seconds, concurrency=4),
        CAPACITY + 4 + 4 + 1,
        same="any",  # timers of one time run in any order
    ),
    "`merge(max_concurrent=n)`": Case(
        lambda: rx.compose(rx.map(inner), rx.merge(max_concurrent=2)),
        "map_async",
        lambda: read_whole(2, ordered=False),
        CAPACITY + 2 + 2 + 1,
        k=20,
        same="any",
    ),
    "`concat_map`": Case(
        lambda: rx.concat_map(inner),
        "map_async",
        lambda: read_whole(1),
        CAPACITY + 1 + 1 + 1,
        k=20,
        same="order",
    ),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def asleep(case: Case, make: Callable[[], Operator]) -> list[tuple[int, int]]:
    """Say what an endless source has given, and what waits at a reader that sleeps, and later."""

    async def sleep() -> list[tuple[int, int]]:
        source = case.source()
        seen: list[tuple[int, int]] = []
        async with BoundedSubscriber[Any](CAPACITY).attach(source.pipe(make())) as reader:
            for _ in range(2):
                await asyncio.sleep(100)
                seen.append((source.given, reader.statistics().waiting))
        await settle()
        assert source.is_closed
        return seen

    return run_in_virtual_time(sleep())


def awake(case: Case, make: Callable[[], Operator]) -> list[tuple[float, Any]]:
    """Give what comes of a finite source, and when, to a reader that keeps up."""

    async def follow() -> list[tuple[float, Any]]:
        loop = asyncio.get_running_loop()
        reader = BoundedSubscriber[Any](1000).attach(case.source(30).pipe(make()))
        got: list[tuple[float, Any]] = []
        async for item in reader:
            items = item if case.flattens else [item]
            got += [(loop.time(), each) for each in items]
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return got

    return run_in_virtual_time(follow())


@every
def test_behind_rxpys_more_waits_than_there_is_room_for(case: Case) -> None:
    (given, waiting), (_, later) = asleep(case, case.queues)

    if case.ticks:
        assert waiting > 2 * CAPACITY
        assert later > 1.5 * waiting  # and it does not end
    else:
        assert given > 2 * case.most


@every
def test_behind_ours_no_more_waits_than_was_said(case: Case) -> None:
    (given, waiting), later = asleep(case, case.bounded)

    assert given <= case.most
    assert waiting >= CAPACITY
    assert later == (given, waiting)


@every
def test_ours_gives_what_rxpys_gives(case: Case) -> None:
    theirs, ours = awake(case, case.queues), awake(case, case.bounded)

    assert len(theirs) >= 30
    if case.same == "times":
        assert ours == theirs
    elif case.same == "order":
        assert [item for _, item in ours] == [item for _, item in theirs]
    else:
        assert sorted(item for _, item in ours) == sorted(item for _, item in theirs)


@every
def test_to_a_slow_reader_ours_gives_the_same(case: Case) -> None:
    async def follow() -> list[Any]:
        reader = BoundedSubscriber[Any](1).attach(case.source(30).pipe(case.bounded()))
        got: list[Any] = []
        async for item in reader:
            got += item if case.flattens else [item]
            await asyncio.sleep(3)
        assert reader.statistics().peak <= case.k
        return got

    assert run_in_virtual_time(follow()) == [item for _, item in awake(case, case.bounded)]


def table() -> list[list[str]]:
    """Give the rows of the README's table, without its head."""
    chapter = README.read_text(encoding="utf-8").partition("### Operators that queue\n")[2]
    lines = chapter[chapter.index("\n|") + 1 :].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["RxPY", "holds of its own", "within a bound"]
    return rows[2:]


def test_the_readme_names_what_is_shown_here() -> None:
    assert [row[0] for row in table()] == [*CASES]


def test_the_readme_names_ours_beside_it() -> None:
    for (_, _, remedy), case in zip(table(), CASES.values(), strict=True):
        assert remedy.startswith(f"`{case.by}(")
        assert hasattr(ops, case.by)
