"""Who joins a shared source late: what is kept, then what comes, once and in order."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import BufferOverflowError, MissingBackpressureError
from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.share import sharing

from .sources import Numbers, read_all, settle


async def read(reader: BoundedSubscriber[int], count: int) -> list[int]:
    return [await anext(reader) for _ in range(count)]


@pytest.mark.parametrize(("replay", "missed"), [(0, 50), (1, 49), (20, 30), (64, 0), ("all", 0)])
async def test_a_late_reader_gets_the_last_n_and_then_the_rest(replay: Any, missed: int) -> None:
    source = Numbers(200)
    shared = source.pipe(sharing(replay=replay))
    first = BoundedSubscriber[int](1).attach(shared)
    assert await read(first, 49) == list(range(49))
    await settle()  # number 49 waits
    late = asyncio.ensure_future(read_all(BoundedSubscriber[int](8).attach(shared)))

    assert await read_all(first) == list(range(49, 200))
    assert await late == list(range(missed, 200))
    assert source.opened == 1
    assert source.is_closed


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("capacity", [1, 2, 7, 64])
async def test_its_own_bound_holds_while_it_catches_up(capacity: int, plain: bool) -> None:
    source = Numbers(2000)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](64).attach(shared)
    await read(first, 1000)
    late = BoundedSubscriber[int](capacity)
    if plain:
        shared.subscribe(late)
    else:
        late.attach(shared)
    await settle()
    assert late.statistics().waiting == capacity
    ended = asyncio.ensure_future(read_all(first))

    assert await read_all(late) == list(range(2000))
    assert await ended == list(range(1000, 2000))
    assert late.statistics().peak == capacity


async def test_the_source_waits_until_it_has_caught_up() -> None:
    source = Numbers()
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    late = BoundedSubscriber[int](8).attach(shared)
    await settle()
    given = source.given
    rest = asyncio.ensure_future(read(first, 100))
    await settle()
    assert source.given == given
    assert not rest.done()

    assert await read(late, 200) == list(range(200))
    assert await rest == list(range(100, 200))
    first.cancel()
    late.cancel()


async def test_it_waits_also_where_the_late_one_has_not_begun_yet() -> None:
    shared = Numbers(10_000, batch=10_000).pipe(sharing(replay="all"))
    counted = list[int]()
    shared.subscribe(counted.append)
    asleep = BoundedSubscriber[int](8).attach(shared)
    await settle()
    asleep.cancel()  # the source runs before the late one's pump
    late = BoundedSubscriber[int](8).attach(shared)

    assert await read_all(late) == counted == list(range(10_000))


async def test_several_may_catch_up_at_once() -> None:
    shared = Numbers(300).pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    tasks = list[asyncio.Future[list[int]]]()
    for capacity in (1, 3, 64, 500):
        tasks.append(asyncio.ensure_future(read_all(BoundedSubscriber(capacity).attach(shared))))
        await asyncio.sleep(0)

    assert await read_all(first) == list(range(100, 300))
    assert await asyncio.gather(*tasks) == [list(range(300))] * 4


async def test_one_that_leaves_on_the_way_lets_the_source_go_on() -> None:
    shared = Numbers(300).pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    cancelled, short, dropped = (BoundedSubscriber[int](8) for _ in range(3))
    cancelled.attach(shared)
    dropped.attach(shared)
    short.attach(shared.pipe(rx.take(50)))
    await settle()
    cancelled.cancel()
    del dropped

    assert await read_all(short) == list(range(50))
    assert await read_all(first) == list(range(100, 300))


async def test_one_that_leaves_before_it_began_leaves_nothing_behind() -> None:
    source = Numbers()
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    late = BoundedSubscriber[int](8).attach(shared)
    late.cancel()
    first.cancel()
    await settle()

    assert source.is_closed


async def test_the_source_stays_for_one_that_is_still_catching_up() -> None:
    source = Numbers(200)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    late = BoundedSubscriber[int](8).attach(shared)
    first.cancel()
    await settle()
    assert not source.is_closed

    assert await read_all(late) == list(range(200))
    assert source.opened == 1


async def test_leaving_last_while_catching_up_waits_until_the_source_is_closed() -> None:
    source = Numbers(leaves_slowly=20)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    async with asyncio.timeout(5), BoundedSubscriber[int](8).attach(shared):
        first.cancel()

    assert source.is_closed


async def test_one_may_join_inside_the_push_to_another() -> None:
    joined = list[BoundedSubscriber[int]]()

    def join(number: int) -> int:
        if number in (0, 30):
            joined.append(BoundedSubscriber[int](4).attach(shared))
        return number

    shared = Numbers(100).pipe(sharing(replay=10))
    first = BoundedSubscriber[int](8).attach(shared.pipe(rx.map(join)))
    reading = asyncio.ensure_future(read_all(first))
    await settle()
    early = asyncio.ensure_future(read_all(joined[0]))
    async with asyncio.timeout(10):
        while len(joined) < 2:
            await asyncio.sleep(0)

    assert await read_all(joined[1]) == list(range(21, 100))
    assert await early == await reading == list(range(100))


@pytest.mark.parametrize("fails", [0, 1])
async def test_the_end_comes_after_what_is_kept_also_to_who_was_catching_up(fails: int) -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay="all"))
    shared.subscribe(lambda _: None, lambda _: None)
    for n in range(30):
        subject.on_next(n)
    late = BoundedSubscriber[int](4).attach(shared)
    await settle()
    subject.on_next(30)
    if fails:
        subject.on_error(OSError("reset"))
    else:
        subject.on_completed()
    await settle()
    got = list[int]()
    if fails:
        with pytest.raises(OSError, match="reset"):
            await read_all(late, got)
    else:
        await read_all(late, got)

    assert got == list(range(31))
    assert late.statistics().peak == 4


@pytest.mark.parametrize(("replay", "kept"), [(5, [25, 26, 27, 28, 29]), ("all", [*range(30)])])
async def test_after_completion_what_is_kept_is_still_given(replay: Any, kept: list[int]) -> None:
    source = Numbers(30)
    shared = source.pipe(sharing(replay=replay))
    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(30))
    for _ in range(2):
        late = BoundedSubscriber[int](2).attach(shared)
        assert await read_all(late) == kept
        assert late.statistics().peak == 2
        async with asyncio.timeout(5):
            await late.aclose()

    assert await read_all(BoundedSubscriber[int](8).attach(shared.pipe(rx.take(3)))) == kept[:3]
    assert source.opened == 1


async def test_an_empty_source_is_over_for_who_comes_later_too() -> None:
    source = Numbers(0)
    shared = source.pipe(sharing(replay=5))

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == []
    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == []
    assert source.opened == 1


async def test_what_was_kept_goes_when_everybody_has_left() -> None:
    source = Numbers()
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 20)
    first.cancel()

    second = BoundedSubscriber[int](8).attach(shared)
    assert await read(second, 20) == list(range(20))
    assert source.opened == 2
    second.cancel()


@pytest.mark.parametrize("end", ["left", "failed", "too much"])
async def test_what_nobody_can_get_any_more_is_not_kept(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Item:
        alive = 0

        def __init__(self) -> None:
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    monkeypatch.setattr("rxwizard.demand.share.MAX_REPLAY", 20)
    subject: Subject[Any] = Subject()
    shared = subject.pipe(rx.map(lambda _: Item()), sharing(replay="all"))
    reader = shared.subscribe(lambda _: None, lambda _: None)
    for n in range(20):
        subject.on_next(n)
    assert Item.alive == 20
    match end:
        case "left":
            reader.dispose()
        case "failed":
            subject.on_error(OSError())
        case _:
            subject.on_next(20)
    del reader

    assert Item.alive == 0


async def test_a_source_that_pushes_while_it_is_subscribed_to_is_kept_as_well() -> None:
    shared = reactivex.range(0, 50).pipe(sharing(replay=20))
    first = BoundedSubscriber[int](50).attach(shared)
    late = BoundedSubscriber[int](3).attach(shared)

    assert await read_all(late) == list(range(30, 50))
    assert await read_all(first) == list(range(50))
    assert late.statistics().peak == 3


async def test_what_comes_while_it_catches_up_is_neither_lost_nor_doubled() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay=20))
    shared.subscribe(lambda _: None)
    for n in range(100):
        subject.on_next(n)
    late = BoundedSubscriber[int](4).attach(shared)
    got = list[int]()
    for n in (100, 101, 102):
        subject.on_next(n)  # before its pump has begun
    came = 103
    while len(got) < 200:
        got.append(await anext(late))
        if len(got) % 3 or got[-1] == came - 1:
            subject.on_next(came)
            came += 1

    assert got == list(range(80, 280))
    assert late.statistics().peak == 4
    await settle()
    assert len(late.ring.group.gates) == 1  # the hub's: it has caught up
    late.cancel()


async def test_a_source_that_cannot_be_paused_ends_the_late_reader_alone() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay=20))
    others = list[int]()
    shared.subscribe(others.append)
    for n in range(20):
        subject.on_next(n)
    late = BoundedSubscriber[int](4).attach(shared)
    await settle()
    for n in range(20, 20 + 4096):
        subject.on_next(n)
    assert not late.ring.ended
    subject.on_next(-1)
    subject.on_next(-2)
    got = list[int]()
    with pytest.raises(MissingBackpressureError, match="4,096 items"):
        await read_all(late, got)

    assert got == [0, 1, 2, 3]
    assert len(others) == 4118


async def test_once_it_has_caught_up_such_a_source_has_no_credit_left() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay=20))
    shared.subscribe(lambda _: None)
    subject.on_next(0)
    late = BoundedSubscriber[int](4).attach(shared)
    assert await anext(late) == 0
    await settle()
    for n in range(1, 100):
        subject.on_next(n)
    got = list[int]()
    with pytest.raises(MissingBackpressureError, match="cannot be paused"):
        await read_all(late, got)

    assert got == [1, 2, 3, 4, 5]


async def test_a_source_behind_a_subject_waits_for_who_catches_up() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](64).attach(shared)
    source = Numbers(3_000)
    source.subscribe(subject)
    await read(first, 100)
    late = BoundedSubscriber[int](4).attach(shared)
    reading = asyncio.ensure_future(read_all(first))
    await settle(20)
    assert source.given < 300

    assert await read_all(late) == list(range(3_000))
    assert await reading == list(range(100, 3_000))


async def test_who_comes_after_the_beginning_is_forgotten_gets_an_error_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rxwizard.demand.share.MAX_REPLAY", 20)
    source = Numbers(100)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 12)
    await settle()  # exactly 20 have come
    in_time = BoundedSubscriber[int](8).attach(shared)
    rest = asyncio.ensure_future(read_all(in_time))
    await read(first, 10)
    late = BoundedSubscriber[int](8).attach(shared)
    with pytest.raises(BufferOverflowError, match="more than 20 items"):
        await anext(late)
    await late.aclose()

    assert await read_all(first) == list(range(22, 100))
    assert await rest == list(range(100))
    assert source.opened == 1


async def test_after_the_end_of_such_a_stream_the_next_one_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rxwizard.demand.share.MAX_REPLAY", 20)
    source = Numbers(100)
    shared = source.pipe(sharing(replay="all"))

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(100))
    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(100))
    assert source.opened == 2


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "latest", "coalesce"])
async def test_a_late_reader_that_may_lose_or_merge_holds_nobody_up(policy: str) -> None:
    shared = Numbers(500).pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 200)
    late = BoundedSubscriber[int](4, overflow=policy, merge=lambda a, b: a + b).attach(shared)

    assert await read_all(first) == list(range(200, 500))
    counted = late.statistics()
    assert counted.waiting + counted.dropped + counted.merged == 500


async def test_a_late_observer_that_raises_is_let_go_alone() -> None:
    told = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    mine = ValueError("mine")

    def fail(number: int) -> None:
        if number == 5:
            raise mine

    source = Numbers(200)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 100)
    shared.subscribe(fail)

    assert await read_all(first) == list(range(100, 200))
    assert [context["exception"] for context in told] == [mine]
    assert source.is_closed


async def test_who_is_given_what_was_kept_may_retry_behind_it() -> None:
    source = Numbers(30, fails=1)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 20)
    late = BoundedSubscriber[int](4).attach(shared.pipe(rx.retry(2)))
    reading = asyncio.ensure_future(read_all(late))
    with pytest.raises(OSError, match="reset"):
        await read_all(first)

    assert await reading == [*range(30), *range(30)]
    assert late.statistics().peak == 4


async def test_joining_late_without_a_loop_is_an_error_and_changes_nothing() -> None:
    source = Numbers(100)
    shared = source.pipe(sharing(replay="all"))
    first = BoundedSubscriber[int](8).attach(shared)
    await read(first, 20)
    errors = list[Exception]()
    await asyncio.to_thread(shared.subscribe, lambda _: None, errors.append)

    assert await read_all(first) == list(range(20, 100))
    assert ["no event loop" in str(error) for error in errors] == [True]
    assert source.is_closed


async def test_a_reader_on_the_loop_of_another_thread_gets_all_in_order() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing(replay=1000))
    shared.subscribe(lambda _: None)
    results = list[list[int]]()

    async def read_there() -> None:
        results.append(await read_all(BoundedSubscriber[int](100_000).attach(shared)))

    threads = [threading.Thread(target=asyncio.run, args=(read_there(),)) for _ in range(4)]
    for n in range(500):
        subject.on_next(n)
    for thread in threads:
        thread.start()
    for n in range(500, 1000):
        subject.on_next(n)
        await asyncio.sleep(0)
    subject.on_completed()
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert results == [list(range(1000))] * 4
