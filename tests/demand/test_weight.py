"""The bound by weight, with every policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import BufferOverflowError, ConfigError, MissingBackpressureError
from rxwizard.demand import BoundedSubscriber, Overflow
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle

if TYPE_CHECKING:
    from collections.abc import Iterable


def words(
    texts: Iterable[str], overflow: Overflow | str, max_weight: int, capacity: int = 100
) -> BoundedSubscriber[str]:
    """A reader that weighs characters and sleeps, at a source that cannot be paused."""
    reader = BoundedSubscriber[str](
        capacity, overflow=overflow, weigh=len, max_weight=max_weight, merge=str.__add__
    )
    return reader.attach(reactivex.from_iterable(texts))


async def test_rule_2_weight_stays_below_the_bound_and_one_push() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](100, weigh=lambda _: 7, max_weight=50).attach(source)
    await settle()
    heaviest = 0
    for _ in range(500):
        heaviest = max(heaviest, reader.statistics().weight)
        await anext(reader)
        await settle(2)

    assert heaviest == 56
    assert reader.statistics().peak == 8
    assert source.given <= 500 + 8 + 1


@pytest.mark.parametrize(
    ("overflow", "peak", "weight"),
    [("drop_oldest", 7, 49), ("drop_newest", 7, 49), ("latest", 1, 0), ("error", 7, 49)],
)
async def test_rule_2_a_policy_that_drops_stays_within_both_bounds(
    overflow: str, peak: int, weight: int
) -> None:
    reader = BoundedSubscriber[int](100, overflow=overflow, weigh=lambda _: 7, max_weight=50)
    reader.attach(reactivex.range(0, 100))

    assert (reader.statistics().peak, reader.statistics().weight) == (peak, weight)


async def test_rule_3_it_lets_go_when_a_quarter_of_the_weight_is_left_too() -> None:
    reader = BoundedSubscriber[int](100, weigh=lambda _: 10, max_weight=80, low=50)
    reader.attach(Numbers(batch=1))
    await settle()
    seen = []
    for _ in range(6):
        await anext(reader)
        await settle()
        seen.append((reader.statistics().weight, reader.statistics().pauses))

    # 50 items may be left, but no more than 20 of the weight.
    assert seen == [(70, 1), (60, 1), (50, 1), (40, 1), (30, 1), (80, 2)]


async def test_rule_9_the_message_names_the_weight_where_that_is_the_bound() -> None:
    reader = BoundedSubscriber[int](100, weigh=lambda _: 10, max_weight=25)
    reader.attach(reactivex.range(0, 100))
    got: list[int] = []
    with pytest.raises(MissingBackpressureError, match="more than a weight of 25 wait"):
        await read_all(reader, got)

    assert got == [0, 1, 2]


@pytest.mark.parametrize("overflow", ["pause", "coalesce"])
async def test_rule_12_it_drops_by_weight_too(overflow: str) -> None:
    reader = BoundedSubscriber[int](
        100, overflow=overflow, merge=lambda _a, _b: None, weigh=lambda _: 10, max_weight=45
    ).attach(Numbers(100))
    reader.ring.group.turn_lossy()
    await settle()

    assert await read_all(reader) == [0, 1, 2, 3]
    assert reader.statistics().dropped == 96


@pytest.mark.parametrize("weight", [-1, None, "a", float("nan")])
async def test_rule_13_a_weight_that_is_none_is_an_error(weight: Any) -> None:
    weights = {0: 5, 1: weight}
    reader = BoundedSubscriber[int](8, weigh=weights.get, max_weight=10)
    reader.attach(Numbers())
    got: list[int] = []
    with pytest.raises((ConfigError, TypeError), match=r"0 or more|not supported"):
        await read_all(reader, got)

    assert got == [0]


HEAVY = "x" * 50


@pytest.mark.parametrize("overflow", [policy for policy in Overflow if policy != "latest"])
async def test_an_item_over_the_bound_waits_alone(overflow: Overflow) -> None:
    reader = words([HEAVY], overflow, 10)

    assert reader.statistics().weight == 50
    assert await read_all(reader) == [HEAVY]
    assert reader.statistics().weight == 0


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"),
    [
        ("drop_oldest", [HEAVY], 3),  # several make room for one
        ("drop_newest", ["ab", "cd", "e"], 1),
        ("latest", [HEAVY], 3),
    ],
)
async def test_a_heavy_item_comes_to_a_full_queue(
    overflow: str, kept: list[str], dropped: int
) -> None:
    reader = words(["ab", "cd", "e", HEAVY], overflow, 10)

    assert reader.statistics().dropped == dropped
    assert await read_all(reader) == kept


async def test_the_oldest_are_dropped_until_there_is_room_and_no_more() -> None:
    reader = words(["abcd", "efg", "hi", "j", "klmno"], "drop_oldest", 10)

    assert reader.statistics().weight == 8
    assert reader.statistics().dropped == 2
    assert await read_all(reader) == ["hi", "j", "klmno"]


async def test_a_light_item_is_let_in_after_a_heavy_one_was_dropped() -> None:
    reader = words(["abcd", HEAVY, "efg", HEAVY, "hi"], "drop_newest", 10)

    assert await read_all(reader) == ["abcd", "efg", "hi"]
    assert reader.statistics().dropped == 2


async def test_items_without_weight_are_bounded_by_number() -> None:
    reader = words([""] * 1000, "drop_newest", 10, capacity=7)

    assert reader.statistics().waiting == 7
    assert reader.statistics().weight == 0


async def test_a_source_that_cannot_pause_and_is_too_heavy_for_coalesce() -> None:
    reader = words(["0123456789"] * 5, "coalesce", 35, capacity=1)
    got: list[str] = []
    with pytest.raises(MissingBackpressureError, match="more than a weight of 35 wait"):
        await read_all(reader, got)

    assert [len(piece) for piece in got] == [30, 10]


async def test_a_bound_by_weight_is_named_by_error_too() -> None:
    reader = words(["0123456789"] * 5, "error", 35)
    got: list[str] = []
    with pytest.raises(BufferOverflowError, match="more than a weight of 35 wait"):
        await read_all(reader, got)

    assert len(got) == 3


async def test_a_source_is_held_by_weight_and_let_go_at_a_quarter() -> None:
    source = Numbers(batch=1)
    reader = BoundedSubscriber[str](100, weigh=len, max_weight=40)
    reader.attach(source.pipe(rx.map(lambda number: f"{number:010d}")))
    await settle()
    assert (reader.statistics().weight, reader.ring.group.holding) == (40, True)
    seen = []
    while reader.ring.group.holding:
        await anext(reader)
        seen.append(reader.statistics().weight)

    assert seen == [30, 20, 10]
    await settle()
    assert reader.statistics().weight == 40
    reader.cancel()
    assert reader.statistics().weight == 0


async def test_coalesce_is_bounded_in_weight_below_its_capacity_too() -> None:
    source = Numbers(100, batch=1)
    reader = BoundedSubscriber[str](
        64, overflow="coalesce", merge=str.__add__, weigh=len, max_weight=45
    ).attach(source.pipe(rx.map(lambda number: f"{number:010d}")))
    await settle()
    assert reader.statistics().weight == 50
    assert reader.statistics().waiting == 5

    assert len(await read_all(reader)) == 100
    assert reader.statistics().merged == 0


async def test_coalesce_merges_into_the_newest_of_a_full_queue() -> None:
    reader = words("abcdefgh", "coalesce", 100, capacity=3)

    assert reader.statistics().merged == 5
    assert reader.statistics().weight == 8
    assert await read_all(reader) == ["a", "b", "cdefgh"]
    assert reader.statistics().weight == 0


async def test_coalesce_goes_on_merging_behind_what_must_stay_alone() -> None:
    def merge(first: str, second: str) -> str | None:
        return None if "|" in first + second else first + second

    subject: Subject[str] = Subject()
    text = Numbers(20).pipe(rx.map(lambda number: "|" if number == 9 else "x"))
    reader = BoundedSubscriber[str](2, overflow="coalesce", merge=merge, weigh=len)
    reader.attach(reactivex.merge(text, subject))
    await settle()

    assert reader.statistics().waiting == 3
    assert await read_all_now(reader) == ["x", "xxxxxxxx", "|"]
    subject.on_completed()
    assert "".join(await read_all(reader)) == "x" * 10


async def read_all_now(reader: BoundedSubscriber[str]) -> list[str]:
    return reader.ring.take_waiting()


async def test_coalesce_without_weigh_counts_what_it_merges() -> None:
    reader = BoundedSubscriber[int](1, overflow="coalesce", merge=max, max_weight=10)
    reader.attach(Numbers())
    await settle()

    assert (reader.statistics().weight, reader.statistics().merged) == (10, 9)
    assert await anext(reader) == 9
    reader.cancel()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_weight": 0, "weigh": len}, "max_weight of 0"),
        ({"max_weight": -5, "weigh": len}, "max_weight of -5"),
        ({"max_weight": 2.5, "weigh": len}, "max_weight of 2.5"),
        ({"max_weight": 10}, "max_weight needs weigh"),
        ({"max_weight": 10, "overflow": "drop_oldest"}, "max_weight needs weigh"),
    ],
)
async def test_a_bound_that_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=f"screen: .*{words}"):
        BoundedSubscriber[str](8, name="screen", **options)


@settings(deadline=None, max_examples=80)
@given(
    overflow=st.sampled_from([*Overflow]),
    capacity=st.integers(1, 12),
    low=st.integers(0, 11),
    max_weight=st.integers(1, 60),
    weights=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    batch=st.integers(1, 20),
    pace=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 4)), min_size=1, max_size=8),
    mergeable=st.booleans(),
)
def test_every_item_is_accounted_for_and_the_bounds_hold(
    overflow: Overflow,
    capacity: int,
    low: int,
    max_weight: int,
    weights: list[int],
    batch: int,
    pace: list[tuple[int, int]],
    mergeable: bool,
) -> None:
    texts = [f"{place:02d}".ljust(weight, ".") for place, weight in enumerate(weights)]
    pushed: list[str] = []

    def merge(first: str, second: str) -> str | None:
        return first + second if mergeable or len(first) < 4 else None

    async def read() -> None:
        reader = BoundedSubscriber[str](
            capacity,
            overflow=overflow,
            merge=merge,
            weigh=len,
            max_weight=max_weight,
            low=min(low, capacity - 1),
        )
        source = Numbers(len(texts), batch=batch)
        reader.attach(source.pipe(rx.map(lambda place: texts[place]), rx.do_action(pushed.append)))
        got: list[str] = []
        over: Exception | None = None
        heaviest = 0
        turn = 0
        while True:
            count, turns = pace[turn % len(pace)]
            turn += 1
            await settle(turns)
            heaviest = max(heaviest, reader.statistics().weight)
            try:
                for _ in range(count):
                    got.append(await anext(reader))  # noqa: PERF401 - not lost by the end
            except StopAsyncIteration:
                break
            except BufferOverflowError as error:
                over = error
                break
        seen = reader.statistics()

        assert seen.delivered == len(got)
        assert seen.delivered + seen.dropped + seen.merged == len(pushed)
        assert seen.weight == seen.waiting == 0
        assert not reader.ring.group.holding
        most = max(len(text) for text in texts)
        if overflow in (Overflow.PAUSE, Overflow.COALESCE):
            assert "".join(got) == "".join(texts)
            assert seen.peak <= capacity + (overflow is Overflow.COALESCE)
            assert heaviest < max_weight + most
            assert seen.merged == 0 or overflow is Overflow.COALESCE
        else:
            assert got == [text for text in texts if text in {*got}]
            assert seen.peak <= (1 if overflow is Overflow.LATEST else capacity)
            assert heaviest <= max(max_weight, most)
            assert seen.pauses == 0
        if overflow is Overflow.ERROR:
            assert got == texts[: len(got)]
            assert seen.dropped == (over is not None)
            assert len(pushed) == len(texts) or over is not None
        else:
            assert pushed == texts

    run_in_virtual_time(read())
