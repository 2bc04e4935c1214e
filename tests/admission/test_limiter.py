"""The rate limiter, told the time."""

from __future__ import annotations

import threading

import pytest

from rxwizard import RateLimit, RateLimitConfig
from rxwizard.admission import RateLimiter, estimate_tokens
from rxwizard.admission.limiter import LOOK_AGAIN, MAX_BLOCK

from .answers import Line


def nothing() -> None:
    """What is called where nobody waits."""


def limiter(requests: float | None = None, tokens: float | None = None, **more: float) -> Line:
    """Make a line of a limiter with so many requests and tokens a second."""
    config = RateLimitConfig(
        requests_per_minute=None if requests is None else requests * 60,
        tokens_per_minute=None if tokens is None else tokens * 60,
        **more,
    )
    return Line(RateLimiter(config))


def times(line: Line) -> list[float]:
    return [pytest.approx(at, abs=1e-5) for at, _ in line.run()]


def wait_of_next(limiter: RateLimiter, now: float, tokens: float = 0) -> float:
    ticket = limiter.join(tokens, nothing)
    try:
        return limiter.admit(ticket, now)
    finally:
        limiter.leave(ticket, now)


def test_requests_go_one_after_the_other() -> None:
    line = limiter(requests=1)
    for number in range(5):
        line.join(number)

    assert times(line) == [0, 1, 2, 3, 4]


def test_a_burst_of_seconds_goes_at_once() -> None:
    line = limiter(requests=2, burst=2)
    for number in range(6):
        line.join(number)

    assert times(line) == [0, 0, 0, 0, 0.5, 1]


def test_less_than_one_request_in_the_burst_is_still_that_rate() -> None:
    line = limiter(requests=0.1)
    for number in range(3):
        line.join(number)

    assert times(line) == [0, 10, 20]


def test_tokens_are_counted_as_well() -> None:
    line = limiter(requests=100, tokens=100)
    for number, tokens in enumerate([100, 50, 10, 100]):
        line.join(number, tokens)

    assert times(line) == [0, 0.5, 0.6, 1.6]


def test_a_request_over_the_bucket_goes_when_that_is_full_and_leaves_a_debt() -> None:
    line = limiter(tokens=100)
    for number, tokens in enumerate([50, 1000, 10]):
        line.join(number, tokens)

    assert times(line) == [0, 0.5, 0.5 + 9.1]


def test_what_was_not_used_for_long_is_not_saved_up() -> None:
    line = limiter(requests=1)
    for number in range(3):
        line.join(number, at=1000)

    assert times(line) == [1000, 1001, 1002]


def test_who_leaves_is_not_waited_for() -> None:
    line = limiter(tokens=100)
    line.join(0, 100)
    line.join(1, 100_000)
    line.join(2, 50)
    line.leave(1, at=0.25)

    assert line.run() == [(0, 0), (pytest.approx(0.5, abs=1e-5), 2)]


def test_who_leaves_after_being_admitted_gives_back_what_it_took() -> None:
    line = limiter(requests=1, tokens=100)
    line.join(0, 100)
    line.join(1, 100)
    line.leave(0, at=0)
    line.leave(0, at=0)

    assert times(line) == [0, 0]


def test_an_answer_that_did_cost_less_gives_the_rest_back() -> None:
    line = limiter(tokens=100)
    line.join(0, 100)
    line.join(1, 100)
    line.settle(0, 60, at=0.1)
    line.settle(0, 0, at=0.2)

    assert times(line) == [0, 0.6]


def test_what_is_given_back_late_does_not_make_the_bucket_larger() -> None:
    line = limiter(tokens=100)
    line.join(0, 100)
    line.settle(0, 0, at=50)
    line.join(1, 100, at=50)
    line.join(2, 100, at=50)

    assert times(line) == [0, 50, 51]


def test_an_answer_that_did_cost_more_is_a_debt() -> None:
    line = limiter(tokens=100)
    line.join(0, 0)
    line.settle(0, 500, at=0)
    line.join(1, 0, at=0)

    assert times(line) == [0, 4]


def test_a_request_that_failed_counts_as_a_request() -> None:
    line = limiter(requests=1, tokens=100)
    line.join(0, 100)
    line.join(1, 100)
    line.settle(0, 0, at=0)

    assert times(line) == [0, 1]


# -- what the provider says ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["requests", "tokens", "input_tokens", "output_tokens"])
def test_nobody_goes_before_what_is_used_up_is_full_again(what: str) -> None:
    line = limiter()
    line.limiter.learn({what: RateLimit(limit=9, remaining=0, reset_after=7)}, 0)
    line.join(0, at=1)

    assert times(line) == [7]


def test_counts_of_other_things_are_none_of_ours() -> None:
    line = limiter()
    line.limiter.learn({"images": RateLimit(remaining=0, reset_after=7)}, 0)
    line.join(0, at=1)

    assert times(line) == [1]


def test_an_answer_that_was_overtaken_does_not_lift_a_block() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=9, remaining=0, reset_after=7)}, 0)
    line.limiter.learn({"requests": RateLimit(limit=9, remaining=1, reset_after=7)}, 0)
    line.join(0)

    assert times(line) == [7]


def test_a_provider_can_have_all_wait_for_a_minute_and_no_longer() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=9, remaining=0, reset_after=86_400)}, 0)
    line.join(0)
    line.join(1)
    line.at(30, lambda: line.limiter.blocked(86_400, 30))

    assert times(line) == [30 + MAX_BLOCK] * 2


def test_no_more_go_than_the_provider_has_left() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=4, remaining=2, reset_after=10)}, 0)
    for number in range(12):
        line.join(number)

    # It is full again after 10 s, and believed for as long once more; then nothing is known.
    assert times(line) == [0] * 2 + [10] * 4 + [20] * 6


def test_when_a_used_up_limit_is_full_again_not_all_go_at_once() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=3, remaining=0, reset_after=10)}, 0)
    for number in range(5):
        line.join(number)

    assert times(line) == [10, 10, 10, 20, 20]


def test_tokens_the_provider_has_left_are_counted_down() -> None:
    line = limiter()
    line.limiter.learn({"tokens": RateLimit(limit=900, remaining=100, reset_after=10)}, 0)
    for number in range(3):
        line.join(number, 90)

    assert times(line) == [0, 0, 10]


def test_a_newer_word_of_the_provider_wakes_who_waits() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=9, remaining=1, reset_after=10)}, 0)
    line.join(0)
    line.join(1)
    more = {"requests": RateLimit(limit=9, remaining=5, reset_after=10)}
    line.at(3, lambda: line.limiter.learn(more, 3))

    assert times(line) == [0, 3]


def test_what_the_provider_does_not_say_is_not_made_up() -> None:
    line = limiter()
    for limit in (
        RateLimit(limit=5),
        RateLimit(remaining=0),
        RateLimit(remaining=3),
        RateLimit(reset_after=9),
        RateLimit(remaining=0, reset_after=0),
    ):
        line.limiter.learn({"requests": limit}, 0)
    for number in range(9):
        line.join(number)

    assert times(line) == [0] * 9


def test_a_word_of_the_provider_is_forgotten_when_it_is_old() -> None:
    line = limiter()
    line.limiter.learn({"requests": RateLimit(limit=1, remaining=1, reset_after=10)}, 0)
    for number in range(9):
        line.join(number, at=25)

    assert times(line) == [25] * 9


def test_our_bucket_never_holds_more_than_the_provider_has_left() -> None:
    line = limiter(requests=10, tokens=100)
    told = {"requests": RateLimit(remaining=1), "tokens": RateLimit(remaining=0)}
    line.limiter.learn(told, 0)

    assert wait_of_next(line.limiter, 0, tokens=50) == pytest.approx(0.5)
    for number in range(3):
        line.join(number)

    assert times(line) == [0, 0.1, 0.2]


def test_a_429_has_all_wait() -> None:
    line = limiter(requests=100)
    line.limiter.blocked(5, 0)
    line.limiter.blocked(3, 1)
    line.join(0, at=2)

    assert times(line) == [5]


def test_a_provider_that_is_not_to_be_followed_has_nobody_wait() -> None:
    line = limiter(follow_provider=False)
    line.limiter.learn({"requests": RateLimit(remaining=0, reset_after=7)}, 0)
    line.limiter.blocked(5, 0)
    line.join(0)

    assert times(line) == [0]


# -- clocks, loops and threads ---------------------------------------------------------------------


def test_another_clock_that_is_far_behind_is_waited_for_a_minute_at_most() -> None:
    line = limiter(requests=1)
    line.limiter.learn({"requests": RateLimit(limit=4, remaining=1, reset_after=10)}, 1e6)
    line.limiter.admit(line.limiter.join(0, nothing), 1e6)
    line.limiter.blocked(30, 1e6)

    # Virtual time begins at 0, whatever another loop's clock said before.
    assert wait_of_next(line.limiter, 0) == MAX_BLOCK
    assert wait_of_next(line.limiter, MAX_BLOCK) == 0


def test_a_bucket_fills_by_another_clock_as_well() -> None:
    line = limiter(requests=1)
    ticket = line.limiter.join(0, nothing)
    assert line.limiter.admit(ticket, 1e6) == 0

    assert wait_of_next(line.limiter, 0) == pytest.approx(1)
    assert wait_of_next(line.limiter, 1) == 0


def test_who_is_gone_without_leaving_is_not_waited_for() -> None:
    line = limiter(requests=1)
    gone: list[bool] = []
    dead = line.limiter.join(0, nothing, lambda: bool(gone))
    next_one = line.limiter.join(0, nothing)
    assert line.limiter.admit(next_one, 0) == LOOK_AGAIN
    assert line.limiter.waiting == 2
    gone.append(True)

    assert line.limiter.admit(next_one, LOOK_AGAIN) == 0
    assert line.limiter.waiting == 0
    line.limiter.leave(dead, 9)


def test_the_next_one_is_called_when_the_first_goes_or_leaves() -> None:
    line = limiter()
    called: list[str] = []
    first, second, _ = (
        line.limiter.join(0, lambda name=name: called.append(name)) for name in "abc"
    )
    line.limiter.admit(first, 0)
    assert called == ["b"]

    line.limiter.leave(second, 0)
    assert called == ["b", "c"]


def test_many_threads_lose_no_request_and_no_token() -> None:
    config = RateLimitConfig(tokens_per_minute=60e9)
    shared = RateLimiter(config)
    together = threading.Barrier(8)

    def ask(thread: int) -> None:
        together.wait(10)
        for number in range(100):
            woken = threading.Event()
            ticket = shared.join(number, woken.set)
            if number % 10 == 9:
                shared.leave(ticket, 0)
                continue
            while shared.admit(ticket, 0):
                assert woken.wait(10)
                woken.clear()
            shared.settle(ticket, 2 * number + thread, 0)

    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    spent = sum(
        2 * number + thread for thread in range(8) for number in range(100) if number % 10 != 9
    )

    assert shared.waiting == 0
    assert wait_of_next(shared, 0, tokens=10**9) == pytest.approx(spent / 1e9)


@pytest.mark.parametrize(
    ("characters", "max_tokens", "tokens"),
    [(0, None, 0), (1, None, 1), (4, 0, 1), (4000, None, 1000), (4001, 500, 1501)],
)
def test_an_estimate_is_a_token_for_four_characters_and_the_longest_answer(
    characters: int, max_tokens: int | None, tokens: int
) -> None:
    assert estimate_tokens(characters, max_tokens) == tokens
