from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.operators.metrics import Gaps

seconds = st.one_of(st.just(0.0), st.floats(1e-6, 1e5))


def gaps_of(values: list[float], exact: int = 4096) -> Gaps:
    gaps = Gaps(exact)
    for value in values:
        if value:
            gaps.add(value)
        else:
            gaps.zeros += 1
    return gaps


def nearest_rank(values: list[float], percent: float) -> float:
    """The textbook's: the least value that so many of 100 are not above."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


@given(st.lists(seconds, min_size=1), st.sampled_from([1, 50, 95, 100]))
def test_few_gaps_are_exact(values: list[float], percent: float) -> None:
    assert gaps_of(values).percentiles(percent) == [nearest_rank(values, percent)]


@given(st.lists(seconds, min_size=1), st.sampled_from([1, 50, 95, 100]), st.integers(1, 10))
def test_many_gaps_are_within_a_hundredth(values: list[float], percent: float, exact: int) -> None:
    gaps = gaps_of(values, exact)
    (value,) = gaps.percentiles(percent)

    assert value == pytest.approx(nearest_rank(values, percent), rel=0.01)
    assert (gaps.count, gaps.max) == (len(values), max(values))


def test_no_gaps_have_no_percentiles() -> None:
    assert Gaps().percentiles(50, 95) == [None, None]
    assert (Gaps().count, Gaps().max) == (0, 0.0)


def test_memory_is_bounded() -> None:
    gaps = gaps_of([1.001**n * 1e-6 for n in range(25_000)] * 4)

    assert gaps.count == 100_000
    assert len(gaps._classes) < 1_400
    assert len(gaps._first) <= 4096
