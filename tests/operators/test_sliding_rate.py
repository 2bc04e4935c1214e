from __future__ import annotations

from rxwizard.operators.sliding_rate import SlidingRate


def test_memory_is_bounded() -> None:
    rate = SlidingRate(1, 0)
    for step in range(20_000):
        rate.add(step, step / 1000)

    assert len(rate._marks) <= 258


def test_the_mean_is_over_the_whole_time() -> None:
    rate = SlidingRate(1, 10)
    rate.add(15, 2)
    rate.add(30, 10)

    assert rate.mean(31) == (2.1, 10)


def test_a_clock_that_goes_back_says_nothing() -> None:
    rate = SlidingRate(1, 0)
    rate.add(5, 10)

    assert rate.add(6, -3) is None
