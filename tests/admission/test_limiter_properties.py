"""What holds of the rate limiter whatever comes, in simulated time."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import RateLimit, RateLimitConfig
from rxwizard.admission import RateLimiter
from rxwizard.admission.limiter import MAX_BLOCK

from .answers import Line

TOKENS = st.integers(0, 3000)
SECONDS = st.floats(0, 20).map(lambda seconds: round(seconds, 2))
ARRIVALS = st.lists(st.tuples(SECONDS, TOKENS), min_size=1, max_size=25)
CONFIGS = st.builds(
    RateLimitConfig,
    requests_per_minute=st.sampled_from([None, 6, 60, 600]),
    tokens_per_minute=st.sampled_from([None, 6_000, 60_000]),
    burst=st.sampled_from([0.1, 1, 10]),
)


def check_rate(admitted: list[tuple[float, float]], rate: float, burst: float) -> None:
    """In no window goes more than the rate allows, and once the burst or the largest request."""
    most = max([rate * burst, *(cost for _, cost in admitted)])
    sums = [0.0, *accumulate(cost for _, cost in admitted)]
    for first, (since, _) in enumerate(admitted):
        for last, (until, _) in enumerate(admitted[first:], first):
            assert sums[last + 1] - sums[first] <= rate * (until - since) + most + 0.01


def lined_up(config: RateLimitConfig, arrivals: list[tuple[float, int]]) -> Line:
    line = Line(RateLimiter(config))
    for number, (at, tokens) in enumerate(sorted(arrivals)):
        line.join(number, tokens, at=at)
    return line


@given(CONFIGS, ARRIVALS)
def test_never_more_than_the_rate_in_any_window(
    config: RateLimitConfig, arrivals: list[tuple[float, int]]
) -> None:
    admitted = lined_up(config, arrivals).run()
    costs = [tokens for _, tokens in sorted(arrivals)]

    if config.requests_per_minute is not None:
        ones = [(at, 1.0) for at, _ in admitted]
        check_rate(ones, config.requests_per_minute / 60, config.burst)
    if config.tokens_per_minute is not None:
        tokens = [(at, float(costs[number])) for at, number in admitted]
        check_rate(tokens, config.tokens_per_minute / 60, config.burst)


@given(CONFIGS, ARRIVALS)
def test_all_go_in_the_order_they_came_and_none_waits_for_nothing(
    config: RateLimitConfig, arrivals: list[tuple[float, int]]
) -> None:
    admitted = lined_up(config, arrivals).run()
    came = sorted(arrivals)

    assert [number for _, number in admitted] == [*range(len(arrivals))]
    free_at = 0.0  # by when what went before is worked off, were the bucket to begin empty
    for at, number in admitted:
        arrived, tokens = came[number]
        work = max(
            60 / (config.requests_per_minute or 1e9),
            60 * tokens / (config.tokens_per_minute or 1e9),
        )
        # One that is over the bucket waits until that is full.
        filling = config.burst
        free_at = max(free_at, arrived) + work
        assert at <= free_at + filling + 1e-3


@given(CONFIGS, ARRIVALS, st.data())
def test_who_leaves_changes_nothing_for_the_order_of_the_others(
    config: RateLimitConfig, arrivals: list[tuple[float, int]], data: Any
) -> None:
    line = lined_up(config, arrivals)
    numbers = range(len(arrivals))
    leaving = data.draw(st.dictionaries(st.sampled_from(numbers), st.floats(0, 30)))
    for number, after in leaving.items():
        line.leave(number, at=sorted(arrivals)[number][0] + after)
    went = [number for _, number in line.run()]

    assert went == sorted(went)
    assert {*went} >= {*numbers} - {*leaving}
    assert line.limiter.waiting == 0


@given(CONFIGS, ARRIVALS, st.data())
def test_places_given_up_at_once_cost_nothing_to_those_behind(
    config: RateLimitConfig, arrivals: list[tuple[float, int]], data: Any
) -> None:
    came = sorted(arrivals)
    leaving = data.draw(st.sets(st.sampled_from(range(len(came)))))
    line = lined_up(config, arrivals)
    for number in leaving:
        line.leave(number, at=came[number][0])
    alone = Line(RateLimiter(config))
    for number, (at, tokens) in enumerate(came):
        if number not in leaving:
            alone.join(number, tokens, at=at)
    went = [(at, number) for at, number in line.run() if number not in leaving]

    assert went == [(pytest.approx(at, abs=1e-4), number) for at, number in alone.run()]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 40_000)), max_size=20))
def test_in_the_end_each_answer_has_taken_what_it_did_cost(costs: list[tuple[int, int]]) -> None:
    limiter = RateLimiter(RateLimitConfig(tokens_per_minute=60e6))
    for estimate, cost in costs:
        ticket = limiter.join(estimate, int)
        assert limiter.admit(ticket, 0) == 0
        limiter.settle(ticket, cost, 0)
    whole = limiter.join(10**6, int)

    spent = sum(cost for _, cost in costs)
    assert limiter.admit(whole, 0) == pytest.approx(spent / 10**6, abs=2e-6)


WORDS = st.builds(
    RateLimit,
    limit=st.none() | st.integers(0, 50),
    remaining=st.none() | st.integers(0, 5),
    reset_after=st.none() | st.floats(0, 200),
)


@given(CONFIGS, ARRIVALS, st.lists(st.tuples(SECONDS, WORDS), max_size=5))
def test_nobody_waits_for_ever_whatever_the_provider_says(
    config: RateLimitConfig, arrivals: list[tuple[float, int]], words: list[tuple[float, RateLimit]]
) -> None:
    line = lined_up(config, arrivals)
    used_up: list[tuple[float, float]] = []
    for at, word in words:
        line.at(at, lambda word=word: line.limiter.learn({"requests": word}, line.now))
        if word.remaining == 0 and word.reset_after is not None:
            used_up.append((at, at + min(word.reset_after, MAX_BLOCK)))
    admitted = line.run()

    assert [number for _, number in admitted] == [*range(len(arrivals))]
    for at, _ in admitted:
        assert not any(since < at < until - 1e-3 for since, until in used_up)
