"""Backpressure over time: exact numbers in virtual time, and what is drawn of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
import reactivex.operators as rx
from hypothesis import given, settings
from hypothesis import strategies as st

from rxwizard import from_iterable
from rxwizard.errors import ConfigError, MissingBackpressureError
from rxwizard.notebook.pressure import Backpressure, backpressure
from rxwizard.notebook.samples import Hold, Sample, joined
from rxwizard.testing import run_in_virtual_time

from .answers import timed
from .drawings import clipped, parsed, tips, written


def every(seconds: float, count: int, **options: Any) -> Any:
    """One item every so many seconds."""
    return timed(*((seconds * number, f"{number} ") for number in range(count)), **options)


def measured(source: Any, **options: Any) -> Backpressure:
    async def measure() -> Backpressure:
        await asyncio.sleep(16)  # times count from the subscription on
        return await backpressure(source, **options)

    return run_in_virtual_time(measure())


def test_a_slow_reader_holds_its_source_when_full_and_lets_go_at_its_low_mark() -> None:
    # One comes each second and one is taken every four.
    slow = measured(every(1.0, 12), pace=4.0, capacity=4)

    assert (slow.capacity, slow.low, slow.overflow) == (4, 1, "pause")
    assert (slow.pushed, slow.delivered, slow.dropped, slow.merged) == (12, 12, 0, 0)
    assert slow.peak == 4
    assert slow.holds[0] == Hold(5.0, 16.0)
    assert slow.pauses == len(slow.holds)
    assert slow.paused_seconds == sum(hold.seconds for hold in slow.holds)
    assert slow.duration == 48.0
    assert slow.ending == "completed"


def test_each_push_and_each_take_is_a_sample() -> None:
    slow = measured(every(1.0, 2), pace=2.0)

    assert [(sample.at, sample.waiting) for sample in slow.samples] == [
        (0.0, 0),
        (0.0, 1),
        (0.0, 0),
        (1.0, 1),
        (1.0, 1),  # the end
        (2.0, 0),
        (4.0, 0),
    ]


def test_a_quick_reader_holds_nobody() -> None:
    quick = measured(every(1.0, 5), pace=0)

    assert (quick.peak, quick.pauses, quick.holds, quick.paused_seconds) == (1, 0, (), 0.0)
    assert quick.held == "source never held"


def test_what_is_dropped_is_seen_when_it_was() -> None:
    lossy = measured(every(1.0, 8), pace=100.0, capacity=2, overflow="drop_oldest")

    assert (lossy.pushed, lossy.delivered, lossy.dropped) == (8, 3, 5)
    assert [sample.at for sample in lossy.samples if sample.dropped] == [3.0, 4.0, 5.0, 6.0, 7.0]
    assert "dropped 5" in written(lossy.svg())
    assert "1 dropped at 3 s" in tips(lossy.svg())


def test_what_is_merged_is_counted_as_merged() -> None:
    merged = measured(every(1.0, 8), pace=100.0, capacity=2, overflow="coalesce")

    assert merged.merged > 0
    assert merged.delivered + merged.merged == merged.pushed == 8
    assert f"merged {merged.merged}" in written(merged.svg())


def test_a_consumer_of_ones_own_sets_the_pace() -> None:
    taken: list[str] = []

    async def consumer(item: str) -> None:
        taken.append(item)
        await asyncio.sleep(3 if item == "0 " else 0)

    own = measured(every(1.0, 3), consumer=consumer)

    assert taken == ["0 ", "1 ", "2 "]
    assert own.peak == 2


def test_the_streams_error_is_shown_and_the_consumers_raised() -> None:
    error = OSError("reset <b>")
    failed = measured(every(1.0, 2, error=error, fails_at=3.0), pace=0)

    assert failed.error is error
    assert failed.duration == 3.0
    assert "ended: OSError: reset <b>" in written(failed.svg())

    async def consumer(_item: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        measured(every(1.0, 2), consumer=consumer)


def test_a_consumer_may_have_a_timeout_of_its_own() -> None:
    async def consumer(_item: str) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        measured(every(1.0, 2), consumer=consumer, seconds=10)


def test_reading_is_stopped_when_its_time_is_up() -> None:
    closed = measured(every(1.0, 1000), pace=0, seconds=10.5)

    assert (closed.stopped, closed.duration, closed.delivered) == (True, 10.5, 11)
    assert closed.ending == "reading was stopped"


def test_a_pause_that_is_not_over_counts_as_far_as_it_went() -> None:
    stopped = measured(every(1.0, 100), pace=1000.0, capacity=2, seconds=10)

    assert stopped.holds == (Hold(2.0, 10.0),)
    assert (stopped.pauses, stopped.paused_seconds) == (1, 8.0)
    assert stopped.held == "source held once, 8 s (80%)"


def test_a_source_that_cannot_be_paused_ends_in_an_error_that_says_so() -> None:
    outrun = measured(reactivex.range(0, 100), pace=1.0, capacity=8)

    assert isinstance(outrun.error, MissingBackpressureError)


def test_looking_changes_nothing() -> None:
    given_out = 0

    def numbers() -> Any:
        nonlocal given_out
        while given_out < 1000:
            given_out += 1
            yield given_out

    stopped = measured(from_iterable(numbers()).pipe(rx.map(str)), capacity=4, seconds=1.02)

    assert stopped.delivered == 21
    assert stopped.peak == 4
    assert given_out <= 21 + 4 + 1  # the pump has its next one in its hand


def test_of_many_samples_neighbours_become_one_that_knows_the_least_and_the_most() -> None:
    many = measured(every(1.0, 400), pace=1.5, capacity=16, limit=50)
    exact = measured(every(1.0, 400), pace=1.5, capacity=16)

    assert len(many.samples) <= 50 < len(exact.samples)
    assert max(sample.most for sample in many.samples) == 16
    assert [sample.at for sample in many.samples] == sorted(s.at for s in many.samples)
    assert (many.peak, many.pauses, many.duration) == (exact.peak, exact.pauses, exact.duration)
    assert many.samples[-1].waiting == exact.samples[-1].waiting == 0


def test_of_many_pauses_the_first_are_kept_and_all_are_counted() -> None:
    many = measured(every(0.1, 60), pace=1.0, capacity=1, limit=5)

    assert len(many.holds) == 5
    assert many.pauses > 5


def test_two_neighbours_make_one() -> None:
    first, second = Sample(1.0, 2, 5, 3, dropped=1), Sample(2.0, 1, 4, 4, dropped=2, merged=3)

    assert joined(first, second) == Sample(1.0, 1, 5, 4, dropped=3, merged=3)


@pytest.mark.parametrize(
    "options",
    [
        {"pace": -1},
        {"pace": float("nan")},
        {"width": 5},
        {"limit": 1},
        {"consumer": 3},
        {"seconds": 0},
        {"capacity": 0},
        {"overflow": "explode"},
    ],
    ids=str,
)
async def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        await backpressure(from_iterable([1]), **options)


async def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes a stream, not a list"):
        await backpressure([1])  # type: ignore[arg-type]


# -- the picture ---------------------------------------------------------------------------------


def test_the_picture_says_what_matters() -> None:
    slow = measured(every(1.0, 12), pace=4.0, capacity=4)
    words = written(slow.svg())

    assert words[0] == "pause, capacity 4 · 12 of 12 items taken · 48 s"
    assert words[1].startswith(f"at most 4 waited · source held {slow.pauses} times, ")
    assert {"capacity 4", "low 1", "0", "held 11 s"} <= set(words)
    assert tips(slow.svg()).count("the source is held") == slow.pauses
    assert not clipped(slow.svg())


def test_a_picture_is_no_larger_however_long_the_run() -> None:
    long = measured(every(0.01, 5000), pace=0.015, capacity=8)

    assert len(long.svg()) < 150_000


def test_in_a_terminal_it_is_a_summary() -> None:
    assert repr(measured(every(1.0, 100), pace=1000.0, capacity=2, seconds=10)).splitlines() == [
        "backpressure: pause, capacity 2; 1 of 3 items taken in 10 s",
        "  waiting  2 at most",
        "  pauses   source held once, 8 s (80%)",
        "  lost     0 dropped, 0 merged",
        "  ended    reading was stopped",
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 30),
    st.floats(0, 3),
    st.integers(1, 9),
    st.sampled_from(["pause", "coalesce", "drop_oldest", "drop_newest", "latest", "error"]),
    st.integers(300, 1000),
)
def test_whatever_happens_is_drawn_within_its_frame(
    count: int, pace: float, capacity: int, overflow: str, width: int
) -> None:
    run = measured(every(1.0, count), pace=pace, capacity=capacity, overflow=overflow, width=width)

    parsed(run.svg())
    assert not clipped(run.svg())
    assert run.pushed >= run.delivered
    if run.error is None:
        assert run.pushed == run.delivered + run.dropped + run.merged
