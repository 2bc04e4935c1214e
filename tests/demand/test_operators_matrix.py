"""The bound through RxPY's operators: asleep, the sources stand still; then everything arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.subject import Subject

from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.stream import Stream

from .sources import Numbers, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CAPACITY = 8


@dataclass(frozen=True)
class Case:
    """A chain and what it must give.

    `k`: what one push expands to. `sources`: how many pumps push at a time. `mixed`: several
    sources, so that only the order within each can be known; items are then unique or counted.
    `sleeps`: whether a sleeping reader is full in the end.
    """

    build: Callable[[], Observable[Any]]
    expected: list[Any]
    k: int = 1
    sources: int = 1
    mixed: bool = False
    sleeps: bool = True


def numbers(count: int, start: int = 0) -> list[int]:
    return list(range(start, start + count))


def inner(number: int) -> Numbers:
    return Numbers(20, start=100 * number)


def parts(count: int) -> list[Numbers]:
    return [Numbers(20, start=100 * number) for number in range(count)]


def all_parts(count: int) -> list[int]:
    return [100 * number + n for number in range(count) for n in range(20)]


def repeat_it(number: int) -> Observable[int]:
    return reactivex.from_iterable([number] * 50)


def bridge() -> Observable[int]:
    def subscribe(observer: Any, scheduler: Any = None) -> CompositeDisposable:
        subject: Subject[int] = Subject()
        return CompositeDisposable(
            subject.subscribe(observer), Numbers(100).subscribe(subject, scheduler=scheduler)
        )

    return reactivex.create(subscribe)


def fallback(_error: Exception, _source: Observable[int]) -> Numbers:
    return Numbers(30, start=30)


def once() -> Callable[[Any], bool]:
    answers = [False, True]
    return lambda _: answers.pop()


def nap(number: int) -> Awaitable[int]:
    return asyncio.sleep(0, number)


def auto_connected() -> Observable[int]:
    return Numbers(100).pipe(rx.publish()).auto_connect(1)


CASES: dict[str, Case] = {
    "map": Case(lambda: Numbers(100).pipe(rx.map(str)), [*map(str, range(100))]),
    "filter": Case(
        lambda: Numbers(500).pipe(rx.filter(lambda n: n % 10 == 0)), [*range(0, 500, 10)]
    ),
    "filter none": Case(lambda: Numbers(500).pipe(rx.filter(lambda _: False)), [], sleeps=False),
    "scan": Case(
        lambda: Numbers(100).pipe(rx.scan(lambda a, b: a + b, 0)),
        [n * (n + 1) // 2 for n in range(100)],
    ),
    "buffer_with_count": Case(
        lambda: Numbers(140).pipe(rx.buffer_with_count(7)),
        [numbers(7, start) for start in range(0, 140, 7)],
    ),
    "window_with_count": Case(
        lambda: Numbers(140).pipe(rx.window_with_count(7), rx.flat_map(lambda w: w)), numbers(140)
    ),
    "flat_map 1 to 50": Case(
        lambda: Numbers(40).pipe(rx.flat_map(repeat_it)),
        [n for n in range(40) for _ in range(50)],
        k=50,
    ),
    "flat_map of sources": Case(
        lambda: Numbers(10, batch=1).pipe(rx.flat_map(inner)),
        all_parts(10),
        sources=11,
        mixed=True,
    ),
    "concat_map of sources": Case(
        lambda: Numbers(10, batch=1).pipe(rx.concat_map(inner)), all_parts(10), sources=2
    ),
    "merge 2": Case(lambda: reactivex.merge(*parts(2)), all_parts(2), sources=2, mixed=True),
    "merge 32": Case(lambda: reactivex.merge(*parts(32)), all_parts(32), sources=32, mixed=True),
    "merge, 4 at a time": Case(
        lambda: reactivex.from_iterable(parts(12)).pipe(rx.merge(max_concurrent=4)),
        all_parts(12),
        sources=4,
        mixed=True,
    ),
    "concat": Case(lambda: reactivex.concat(*parts(3)), all_parts(3)),
    "retry": Case(lambda: Numbers(30, fails=2).pipe(rx.retry(3)), numbers(30) * 3),
    "catch": Case(lambda: Numbers(30, fails=1).pipe(rx.catch(fallback)), numbers(60)),
    "on_error_resume_next": Case(
        lambda: Numbers(30, fails=1).pipe(rx.on_error_resume_next(Numbers(30, start=30))),
        numbers(60),
    ),
    "repeat": Case(lambda: Numbers(30).pipe(rx.repeat(3)), numbers(30) * 3),
    "share": Case(lambda: Numbers(100).pipe(rx.share()), numbers(100)),
    "publish, ref_count": Case(
        lambda: Numbers(100).pipe(rx.publish(), rx.ref_count()), numbers(100)
    ),
    "auto_connect": Case(auto_connected, numbers(100)),
    "replay, ref_count": Case(lambda: Numbers(100).pipe(rx.replay(), rx.ref_count()), numbers(100)),
    "publish with a mapper": Case(
        lambda: Numbers(100).pipe(rx.publish(lambda shared: shared.pipe(rx.map(abs)))),
        numbers(100),
    ),
    "take": Case(lambda: Numbers().pipe(rx.take(100)), numbers(100)),
    "take_while": Case(lambda: Numbers().pipe(rx.take_while(lambda n: n < 100)), numbers(100)),
    "skip": Case(lambda: Numbers(200).pipe(rx.skip(100)), numbers(100, 100)),
    "start_with": Case(lambda: Numbers(100).pipe(rx.start_with(-1)), numbers(101, -1)),
    "switch_latest": Case(
        lambda: reactivex.from_iterable(parts(3)).pipe(rx.switch_latest()), numbers(20, 200)
    ),
    "with_latest_from": Case(
        lambda: Numbers(100).pipe(rx.with_latest_from(reactivex.of("a")), rx.map(lambda p: p[0])),
        numbers(100),
    ),
    "zip": Case(
        lambda: Numbers(100).pipe(rx.zip(Numbers(100, start=0))),
        [(n, n) for n in range(100)],
        sources=2,
    ),
    "zip of three": Case(
        lambda: reactivex.zip(*(Numbers(100, batch=size) for size in (1, 5, 8))),
        [(n, n, n) for n in range(100)],
        sources=3,
    ),
    "combine_latest": Case(
        lambda: Numbers(100).pipe(rx.combine_latest(reactivex.of("a")), rx.map(lambda p: p[0])),
        numbers(100),
    ),
    "amb": Case(lambda: reactivex.amb(Numbers(100), reactivex.never()), numbers(100)),
    "buffer with a boundary": Case(
        lambda: Numbers(100).pipe(
            rx.publish(lambda s: s.pipe(rx.buffer(s.pipe(rx.filter(lambda n: n % 5 == 4))))),
            rx.flat_map(reactivex.from_iterable),
        ),
        numbers(100),
        k=5,
    ),
    "group_by": Case(
        lambda: Numbers(100).pipe(
            rx.group_by(lambda n: n % 3), rx.flat_map(lambda group: group.pipe(rx.map(abs)))
        ),
        numbers(100),
    ),
    "defer": Case(lambda: reactivex.defer(lambda _: Numbers(100)), numbers(100)),
    "using": Case(lambda: reactivex.using(Disposable, lambda _: Numbers(100)), numbers(100)),
    "materialize": Case(
        lambda: Numbers(100).pipe(rx.materialize(), rx.dematerialize()), numbers(100)
    ),
    "do_action": Case(lambda: Numbers(100).pipe(rx.do_action(lambda _: None)), numbers(100)),
    "pairwise": Case(lambda: Numbers(101).pipe(rx.pairwise()), [(n, n + 1) for n in range(100)]),
    "distinct_until_changed": Case(
        lambda: Numbers(100).pipe(rx.distinct_until_changed()), numbers(100)
    ),
    "take_until": Case(lambda: Numbers(100).pipe(rx.take_until(reactivex.never())), numbers(100)),
    "expand": Case(
        lambda: Numbers(1, start=1).pipe(
            rx.expand(lambda n: Numbers(1, start=n + 1) if n < 50 else reactivex.empty())
        ),
        numbers(50, 1),
        sources=50,
    ),
    "while_do": Case(
        lambda: reactivex.concat(*(Numbers(10, start=10 * n) for n in range(10))).pipe(
            rx.while_do(once())
        ),
        numbers(100),
    ),
    "our share": Case(lambda: Numbers(100).pipe(ops.share()), numbers(100)),
    "our share, replaying": Case(lambda: Numbers(100).pipe(ops.share(replay="all")), numbers(100)),
    "our bounded": Case(lambda: Numbers(100).pipe(ops.bounded(4)), numbers(100), sources=2),
    "our batched": Case(
        lambda: Numbers(140, batch=7).pipe(ops.batched(7, 1)),
        [numbers(7, start) for start in range(0, 140, 7)],
        sources=2,
    ),
    "our map_async": Case(
        lambda: Numbers(100).pipe(ops.map_async(nap, concurrency=4)), numbers(100), sources=2
    ),
    "our zip_with": Case(
        lambda: Numbers(100).pipe(ops.zip_with(Numbers(100, batch=3), capacity=4)),
        [(n, n) for n in range(100)],
        sources=3,
    ),
    "a Subject as bridge": Case(bridge, numbers(100)),
    "seven operators": Case(
        lambda: Numbers(200).pipe(
            rx.map(lambda n: n + 1),
            rx.filter(lambda n: n % 2 == 0),
            rx.scan(lambda _, n: n, 0),
            rx.do_action(lambda _: None),
            rx.pairwise(),
            rx.map(lambda pair: pair[0]),
            rx.take(50),
        ),
        [*range(2, 102, 2)],
    ),
}


def attach(source: Observable[Any]) -> BoundedSubscriber[Any]:
    return BoundedSubscriber[Any](CAPACITY).attach(source)


def subscribe(source: Observable[Any]) -> BoundedSubscriber[Any]:
    reader = BoundedSubscriber[Any](CAPACITY)
    source.subscribe(reader)
    return reader


def subscribe_stream(source: Observable[Any]) -> BoundedSubscriber[Any]:
    reader = BoundedSubscriber[Any](CAPACITY)
    Stream[Any](source._subscribe_core).subscribe(reader)
    return reader


@pytest.mark.parametrize("read", [attach, subscribe, subscribe_stream])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_the_bound_holds_and_everything_arrives(
    case: Case, read: Callable[[Observable[Any]], BoundedSubscriber[Any]]
) -> None:
    reader = read(case.build())
    await settle()
    bound = CAPACITY - 1 + case.k
    if read is subscribe:
        # Sources that are first met when they push: one push each.
        bound += (case.sources - 1) * case.k
    asleep = reader.statistics()
    assert asleep.waiting <= bound
    assert (asleep.waiting >= CAPACITY) == case.sleeps
    await settle(20)
    assert reader.statistics().waiting == asleep.waiting

    got: list[Any] = []
    async with asyncio.timeout(10):
        async for item in reader:
            got.append(item)
            if len(got) < 30:
                await settle(10)  # slow at first, so that it is paused again and again
    if case.mixed:
        assert Counter(got) == Counter(case.expected)
        for part in {item // 100 for item in got}:
            assert [n for n in got if n // 100 == part] == numbers(20, 100 * part)
    else:
        assert got == case.expected
    assert reader.statistics().peak <= bound
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_leaving_while_full_leaves_nothing(case: Case) -> None:
    reader = attach(case.build())
    await settle(5)
    await reader.aclose()
    await settle()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not reader.ring.group.gates
