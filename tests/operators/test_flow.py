"""What flows, when it flows, and how it ends; in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from demand.sources import Numbers, read_all, settle
from demand.timed import Drawn, drawn, play
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import ConfigError, MissingBackpressureError, StreamChunk
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


CUT = OSError("cut")


async def upper(letter: str) -> str:
    await asyncio.sleep(6)
    return letter.upper()


def after(**seconds: float) -> Callable[[str], Any]:
    """Make a function that takes so many seconds over each letter."""

    async def work(letter: str) -> str:
        await asyncio.sleep(seconds[letter])
        return letter.upper()

    return work


EVERY = {
    "bounded": ops.bounded(4),
    "batched": ops.batched(2, 3),
    "map_async": ops.map_async(upper, concurrency=2),
    "map_async unordered": ops.map_async(upper, concurrency=2, ordered=False),
    "zip_with": ops.zip_with(reactivex.never(), capacity=4),
    "share": ops.share(),
    "nested": lambda source: source.pipe(
        ops.bounded(1), ops.map_async(upper, concurrency=3), ops.bounded(2), ops.batched(2, 1)
    ),
}
every = pytest.mark.parametrize("operator", EVERY.values(), ids=EVERY)


# -- what holds for all -----------------------------------------------------------------------


@every
def test_an_empty_source_completes_at_once(operator: Any) -> None:
    assert play(operator, "--|").messages == drawn("--|")


@every
def test_the_error_of_an_empty_source_comes_at_once(operator: Any) -> None:
    assert play(operator, "--#", error=CUT).messages == drawn("--#", CUT)


@every
def test_disposing_lets_go_of_the_source_at_once(operator: Any) -> None:
    assert play(operator, "-a--------b-|", until=2.5).left == [2.5]


@every
async def test_disposing_before_anything_ran_lets_go_of_the_source(operator: Any) -> None:
    source = Drawn("-a-|")
    operator(source).subscribe().dispose()
    assert len(source.left) == 1
    await settle()

    assert asyncio.all_tasks() == {asyncio.current_task()}


@every
async def test_a_source_of_our_own_is_closed_whenever_one_disposes(operator: Any) -> None:
    for turns in range(12):
        source = Numbers(20, leaves_slowly=2)
        subscription = source.pipe(rx.map(str), operator).subscribe()
        await settle(turns)
        subscription.dispose()
        subscription.dispose()
        await settle()
        assert source.opened == source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("name", ["bounded", "batched", "map_async", "zip_with"])
def test_without_a_loop_the_remedy_is_named(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"no event loop.*asyncio\.run"):
        EVERY[name](Numbers(3)).subscribe()


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ops.bounded(4), [0, 1, 2, 3, 4]),
        (ops.batched(2, 1), [[0, 1], [2, 3], [4]]),
        (ops.map_async(lambda n: asyncio.sleep(0, -n), concurrency=2), [0, -1, -2, -3, -4]),
        (ops.zip_with(Numbers(7, start=5)), [(0, 5), (1, 6), (2, 7), (3, 8), (4, 9)]),
    ],
    ids=["bounded", "batched", "map_async", "zip_with"],
)
async def test_two_subscribers_share_nothing(operator: Any, expected: list[Any]) -> None:
    source = Numbers(5, batch=2)
    stream = source.pipe(operator)
    readers = [BoundedSubscriber[Any](2).attach(stream) for _ in range(2)]

    assert await asyncio.gather(*map(read_all, readers)) == [expected, expected]
    assert source.opened == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ops.bounded(0), "bounded: a capacity of 0 cannot work"),
        (lambda: ops.bounded(4, "sometimes"), "no overflow policy 'sometimes'"),
        (lambda: ops.bounded(4, low=4), "bounded: a low mark of 4 cannot work"),
        (lambda: ops.batched(0, 1), "batched: count=0 cannot work"),
        (lambda: ops.batched(1, 0), "batched: seconds=0 cannot work"),
        (lambda: ops.batched(1, float("nan")), "batched: seconds=nan cannot work"),
        (lambda: ops.map_async(upper, concurrency=0), "map_async: concurrency=0 cannot work"),
        (lambda: ops.zip_with(Numbers(), capacity=0), "zip_with: a capacity of 0 cannot work"),
        (lambda: ops.zip_with(), "zip_with needs another source"),
        (lambda: ops.share(replay=-1), "a replay of -1 cannot work"),
    ],
)
def test_numbers_that_cannot_work_are_refused_when_it_is_made(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


# -- bounded ----------------------------------------------------------------------------------


def test_bounded_gives_the_items_as_they_came() -> None:
    assert play(ops.bounded(2), "-a-b-c---------|").messages == drawn("-a-b-c---------|")


def test_bounded_gives_an_error_after_what_waits() -> None:
    assert play(ops.bounded(4), "-(a,b,c,#)", error=CUT).messages == drawn("-(a,b,c,#)", CUT)


async def test_bounded_runs_what_is_below_in_a_later_turn() -> None:
    source: Subject[int] = Subject()
    got: list[int] = []
    source.pipe(ops.bounded(4)).subscribe(got.append)
    source.on_next(1)
    assert got == []
    await settle(3)

    assert got == [1]
    source.on_completed()
    await settle()


async def test_bounded_refuses_to_grow_over_a_source_that_cannot_be_paused() -> None:
    stream = reactivex.from_iterable(range(9)).pipe(ops.bounded(8))
    got: list[int] = []
    with pytest.raises(MissingBackpressureError, match="bounded: more than 8 items"):
        await read_all(BoundedSubscriber[int](8).attach(stream), got)

    assert got == list(range(9))  # none that arrived is lost


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        ("drop_oldest", ["d", "e"]),
        ("drop_newest", ["a", "b"]),
        ("latest", ["e"]),
        ("coalesce", ["a", "bcde"]),
    ],
)
async def test_bounded_takes_any_policy(overflow: str, expected: list[str]) -> None:
    stream = reactivex.from_iterable("abcde").pipe(ops.bounded(2, overflow))

    assert await read_all(BoundedSubscriber[str](8).attach(stream)) == expected


async def test_bounded_joins_the_text_of_chunks_and_weighs_it() -> None:
    chunks = [StreamChunk(text=letter, seq=at) for at, letter in enumerate("abcde")]
    stream = reactivex.from_iterable(chunks).pipe(ops.bounded(1, "coalesce", max_weight=100))
    (chunk,) = await read_all(BoundedSubscriber[StreamChunk](8).attach(stream))

    assert (chunk.text, chunk.seq) == ("abcde", 4)


# -- batched ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "seconds", "source", "expected", "values"),
    [
        # The first item of a list begins its time; a full list does not wait for it.
        (3, 5, "-a-b-c----d------|", "-----x---------y-|", {"x": [*"abc"], "y": ["d"]}),
        (2, 5, "-a-b-c-d-------|", "---x---y-------|", {"x": [*"ab"], "y": [*"cd"]}),
        (9, 3, "-a-b-------c--|", "----x---------(y,|)", {"x": [*"ab"], "y": ["c"]}),
        (9, 99, "-a-b-c-|", "-------(x,|)", {"x": [*"abc"]}),
        (9, 99, "-a-b-c-#", "-------(x,#)", {"x": [*"abc"]}),
        (1, 3, "-a-b-c-|", "-x-y-z-|", {"x": ["a"], "y": ["b"], "z": ["c"]}),
        (2, 3, "-(a,b,c)---|", "-x--y------|", {"x": [*"ab"], "y": ["c"]}),
        (2, 3, "-(a,b,c,|)", "-(x,y,|)", {"x": [*"ab"], "y": ["c"]}),
        (2, 3, "-(a,b,c,#)", "-(x,y,#)", {"x": [*"ab"], "y": ["c"]}),
        # Nothing comes of time in which nothing came.
        (2, 1, "------------|", "------------|", {}),
    ],
)
def test_batched_gathers_by_number_and_by_time(
    count: int, seconds: float, source: str, expected: str, values: dict[str, list[str]]
) -> None:
    played = play(ops.batched(count, seconds), source, error=CUT)

    assert played.messages == drawn(expected, CUT, **values)


@pytest.mark.parametrize(("wakes", "given"), [(10, 16), (20, 20)])
def test_batched_counts_the_time_in_which_its_reader_was_full(wakes: float, given: float) -> None:
    async def read() -> list[tuple[float, list[str]]]:
        loop = asyncio.get_running_loop()
        source = Drawn("(a,b)-c----------------------d|")
        reader = BoundedSubscriber[list[str]](1).attach(source.pipe(ops.batched(2, 10)))
        await asyncio.sleep(wakes)
        return [(loop.time(), batch) async for batch in reader]

    assert run_in_virtual_time(read()) == [(wakes, ["a", "b"]), (given, ["c"]), (30, ["d"])]


async def test_batched_makes_full_lists_of_what_came_in_one_go() -> None:
    stream = Numbers(25, batch=25).pipe(ops.batched(10, 1))

    assert [*map(len, await read_all(BoundedSubscriber[Any](8).attach(stream)))] == [10, 10, 5]


async def test_batched_takes_a_plain_source_of_some_thousand_items_and_no_endless_one() -> None:
    stream = reactivex.from_iterable(range(4000)).pipe(ops.batched(10, 1))
    assert len(await read_all(BoundedSubscriber[Any](8).attach(stream))) == 400
    endless = reactivex.repeat_value("x").pipe(ops.batched(10, 1))

    with pytest.raises(MissingBackpressureError, match="batched: more than 4,160 items"):
        await read_all(BoundedSubscriber[Any](8).attach(endless))


# -- map_async --------------------------------------------------------------------------------


def test_map_async_gives_the_results_in_the_order_of_the_items() -> None:
    played = play(ops.map_async(upper, concurrency=2), "-a-b-c---------------|")

    assert played.messages == drawn("-------A-B---C-------|")


@pytest.mark.parametrize(
    ("ordered", "expected"), [(True, "-------(A,B,C)---|"), (False, "----B-C-A--------|")]
)
def test_map_async_keeps_the_order_or_does_not_wait_for_it(ordered: bool, expected: str) -> None:
    work = after(a=7 if not ordered else 6, b=1, c=1)

    played = play(ops.map_async(work, concurrency=3, ordered=ordered), "-a-b-c-----------|")
    assert played.messages == drawn(expected)


@pytest.mark.parametrize(("ordered", "expected"), [(True, "-----(A,B,#)"), (False, "---B#")])
def test_map_async_raises_an_error_in_its_items_place(ordered: bool, expected: str) -> None:
    async def work(letter: str) -> str:
        await asyncio.sleep({"a": 4, "b": 2, "c": 3, "d": 99}[letter])
        if letter == "c":
            raise CUT
        return letter.upper()

    # Unordered, it does not wait for `a`, which came before it.
    operator = ops.map_async(work, concurrency=4, ordered=ordered)
    played = play(operator, "-(a,b,c,d)---------|")
    assert played.messages == drawn(expected, CUT)
    assert played.left == [played.messages[-1][0]]


def test_map_async_gives_the_error_of_the_source_after_what_is_at_work() -> None:
    played = play(ops.map_async(upper, concurrency=2), "-(a,b,c)--#", error=CUT)

    assert played.messages == drawn("-------(A,B)-(C,#)", CUT)


def test_map_async_delays_like_delay_within_a_bound() -> None:
    delay = ops.map_async(lambda letter: asyncio.sleep(3, letter), concurrency=4)

    assert play(delay, "-a-b-(c,d)------|").messages == drawn("----a-b-(c,d)---|")


async def test_map_async_refuses_an_endless_source_that_cannot_be_paused() -> None:
    nap = ops.map_async(lambda letter: asyncio.sleep(0, letter), concurrency=2)
    endless = reactivex.repeat_value("a").pipe(nap)

    with pytest.raises(MissingBackpressureError, match="map_async: more than 4,098 items"):
        await read_all(BoundedSubscriber[Any](8).attach(endless))


# -- zip_with ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "other", "expected"),
    [
        ("-a-b-c---------|", "---1---2---3---|", "---x---y---z---|"),
        # It ends with the first that has no more, as soon as that is known.
        ("-a-b-c---------|", "1-2---|", "-x-y--|"),
        ("-a-b-c---------|", "1-2-3-|", "-x-y-z|"),
        ("-a-b-|", "1-----2-3--|", "-x----(y,|)"),
        ("-a---#", "1---2------|", "-x---#"),
        ("-a-b-#", "1------2---|", "-x-----(y,#)"),
        ("-a-b-c---|", "1--#", "-x-#"),
        ("------a--|", "1--#", "------(x,#)"),
        ("---------|", "1--|", "---------|"),
        ("-----|", "|", "|"),
    ],
)
def test_zip_with_pairs_what_has_the_same_place(source: str, other: str, expected: str) -> None:
    operator = ops.zip_with(Drawn(other, CUT))
    pairs = {"x": ("a", 1), "y": ("b", 2), "z": ("c", 3)}

    assert play(operator, source, error=CUT).messages == drawn(expected, CUT, **pairs)


async def test_zip_with_takes_any_number_of_sources_and_closes_them_all() -> None:
    sources = [Numbers(start=start, leaves_slowly=3) for start in (0, 10, 20)]
    stream = sources[0].pipe(ops.zip_with(*sources[1:]), rx.take(3))

    assert await read_all(BoundedSubscriber[Any](8).attach(stream)) == [
        (0, 10, 20),
        (1, 11, 21),
        (2, 12, 22),
    ]
    await settle()
    assert all(source.is_closed for source in sources)


async def test_zip_with_lets_go_of_the_sources_it_has_when_another_cannot_be_subscribed_to() -> (
    None
):
    def refuse(_observer: Any, _scheduler: Any = None) -> Any:
        raise CUT

    source = Numbers()
    stream = source.pipe(ops.zip_with(reactivex.Observable(refuse)))
    with pytest.raises(OSError, match="cut"):
        await read_all(BoundedSubscriber[Any](8).attach(stream))
    await settle()

    assert source.opened == source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- share ------------------------------------------------------------------------------------


async def test_share_is_one_subscription_for_several_readers() -> None:
    source = Numbers(100)
    shared = source.pipe(ops.share())
    readers = [BoundedSubscriber[int](8).attach(shared) for _ in range(3)]

    assert await asyncio.gather(*map(read_all, readers)) == [[*range(100)]] * 3
    assert source.opened == 1
