"""The circuit breaker, told the time."""

from __future__ import annotations

import gc
import logging
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from rxwizard import (
    AuthenticationError,
    BudgetExceededError,
    BufferOverflowError,
    CircuitConfig,
    CircuitOpenError,
    ConfigError,
    ConnectDeadlineError,
    DecodeError,
    FallbackError,
    FirstTokenDeadlineError,
    HeadersDeadlineError,
    IdleDeadlineError,
    InvalidPromptError,
    MissingBackpressureError,
    NetworkError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateDeadlineError,
    RateLimitError,
    ReaderDeadlineError,
    RequestError,
    SinkDeadlineError,
    SinkError,
    StreamInterruptedError,
    StructureError,
    TokenLimitError,
    TotalDeadlineError,
)
from rxwizard.admission import CircuitBreaker, counts
from rxwizard.admission.breaker import Attempt

DOWN = NetworkError("refused")


def breaker(failures: int = 3, cool_down: float = 30) -> CircuitBreaker:
    return CircuitBreaker(CircuitConfig(failures=failures, cool_down=cool_down), "there")


def opened(at: float = 0, **options: Any) -> CircuitBreaker:
    made = breaker(failures=1, **options)
    made.enter(at).failed(DOWN, at)
    return made


def refused(made: CircuitBreaker, now: float) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as by_check:
        made.check(now)
    with pytest.raises(CircuitOpenError) as by_enter:
        made.enter(now)
    assert by_check.value.retry_after == by_enter.value.retry_after
    return by_enter.value


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("500"),
        OverloadedError("529"),
        NetworkError("refused"),
        StreamInterruptedError("cut"),
        DecodeError("not JSON"),
        ConnectDeadlineError(),
        HeadersDeadlineError(),
        FirstTokenDeadlineError(),
        IdleDeadlineError(),
        RateDeadlineError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_of_the_provider_and_the_network_count(error: Exception) -> None:
    assert counts(error)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError(),
        BudgetExceededError(),
        BufferOverflowError(),
        CircuitOpenError(),
        ConfigError(),
        FallbackError("", [DOWN]),
        InvalidPromptError(),
        MissingBackpressureError(),
        NotFoundError(),
        PermissionDeniedError(),
        RateLimitError(),
        ReaderDeadlineError(),
        RequestError(),
        SinkDeadlineError(),
        SinkError(),
        StreamInterruptedError("the client was closed", retryable=False),
        StructureError(),
        TokenLimitError(),
        TotalDeadlineError(),
        ValueError("the user's own"),
        ConnectionError("the user's own"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_of_nobody_else_count(error: Exception) -> None:
    made = breaker(failures=1)
    made.enter(0).failed(error, 0)

    assert not counts(error)
    assert made.state == "closed"


def test_so_many_failures_in_a_row_open_it() -> None:
    made = breaker(failures=3)
    for _ in range(2):
        made.enter(0).failed(DOWN, 0)
    assert made.state == "closed"

    made.enter(5).failed(DOWN, 5)
    assert made.state == "open"
    assert refused(made, 5).retry_after == 30
    assert refused(made, 34).retry_after == 1


def test_a_first_token_begins_the_row_anew() -> None:
    made = breaker(failures=2)
    for _ in range(5):
        made.enter(0).failed(DOWN, 0)
        made.enter(0).succeeded()

    assert made.state == "closed"


def test_a_failure_that_does_not_count_leaves_the_row_as_it_is() -> None:
    made = breaker(failures=2)
    made.enter(0).failed(DOWN, 0)
    made.enter(0).failed(RateLimitError(), 0)
    made.enter(0).abandoned()
    made.enter(0).failed(DOWN, 0)

    assert made.state == "open"


def test_only_the_first_thing_said_of_an_attempt_counts() -> None:
    made = breaker(failures=1)
    attempt = made.enter(0)
    attempt.succeeded()
    attempt.failed(DOWN, 1)

    assert made.state == "closed"


def test_one_may_try_after_the_cool_down_and_the_first_token_closes_it() -> None:
    made = opened()
    assert refused(made, 29.9).retry_after == pytest.approx(0.1)
    probe = made.enter(30)
    assert made.state == "half-open"
    assert refused(made, 31).retry_after == 30

    probe.succeeded()
    made.enter(31)
    made.enter(31)
    assert made.state == "closed"


def test_looking_at_it_takes_nobodys_turn() -> None:
    made = opened()
    made.check(30)
    made.check(30)

    assert made.state == "open"
    made.enter(30)


def test_a_probe_that_fails_opens_it_again() -> None:
    made = opened()
    made.enter(40).failed(DOWN, 45)

    assert refused(made, 45).retry_after == 30
    made.enter(75).succeeded()
    assert made.state == "closed"


@pytest.mark.parametrize("error", [RateLimitError(), AuthenticationError(), None])
def test_a_probe_that_says_nothing_lets_another_one_try(error: Exception | None) -> None:
    made = opened()
    probe = made.enter(30)
    if error is None:
        probe.abandoned()
    else:
        probe.failed(error, 30)
    second = made.enter(30)
    refused(made, 30)
    probe.abandoned()
    refused(made, 30)

    second.succeeded()
    assert made.state == "closed"


def test_a_probe_that_was_dropped_lets_another_one_try() -> None:
    made = opened()
    made.enter(30)
    gc.collect()

    made.enter(30)


def test_a_probe_whose_loop_was_closed_lets_another_one_try() -> None:
    made = opened()
    gone: list[bool] = []
    probe = made.enter(30, lambda: bool(gone))
    refused(made, 30)
    gone.append(True)

    second = made.enter(30)
    probe.succeeded()
    assert made.state == "half-open"
    second.succeeded()
    assert made.state == "closed"


def test_what_began_before_it_opened_is_of_no_account() -> None:
    made = breaker(failures=1)
    slow, slower = made.enter(0), made.enter(0)
    made.enter(0).failed(DOWN, 0)
    slow.failed(DOWN, 20)
    assert refused(made, 20).retry_after == 10

    slower.succeeded()
    assert made.state == "open"


def test_another_clock_that_is_far_behind_keeps_it_open_for_one_cool_down() -> None:
    made = opened(at=1e6)

    assert refused(made, 0).retry_after == 30
    made.enter(30)


def test_it_says_what_and_for_how_long() -> None:
    made = opened()
    error = refused(made, 10)

    assert str(error) == "there has failed too often: it is not asked again for 20 s"
    assert error.retryable
    probe = made.enter(30)
    assert str(refused(made, 30)) == "there is being tried: it is not asked again for 30 s"
    probe.abandoned()


def test_its_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rxwizard.admission")
    made = breaker(failures=2)
    made.enter(0).failed(DOWN, 0)
    made.enter(0).failed(DOWN, 0)
    made.enter(30).failed(OverloadedError("no capacity, dear sk-123"), 30)
    made.enter(60).abandoned()
    made.enter(60).succeeded()
    made.enter(60).succeeded()

    opens = "circuit of there is open for 30 s after %d failures in a row, the last: %s"
    tries = "circuit of there is half-open: one request tries it"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", opens % (2, "NetworkError")),
        ("INFO", tries),
        ("WARNING", opens % (3, "OverloadedError")),
        ("INFO", tries),
        ("INFO", "circuit of there is closed: it works again"),
    ]


def test_many_threads_get_one_probe() -> None:
    made = opened()
    together = threading.Barrier(8)
    probes: list[Attempt] = []

    def ask() -> None:
        together.wait(10)
        try:
            probes.append(made.enter(30))
        except CircuitOpenError:
            return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(probes) == 1


class Circuits(RuleBasedStateMachine):
    """Any requests at any time, against what the three states are by the book."""

    attempts = Bundle[Attempt]("attempts")

    @initialize(failures=st.integers(1, 3))
    def begin(self, failures: int) -> None:
        self.breaker = breaker(failures=failures, cool_down=10)
        self.failures = failures
        self.now = 0.0
        self.row = 0
        self.open_until: float | None = None
        self.probe: Attempt | None = None
        #: Attempts whose outcome still matters.
        self.current: set[Attempt] = set()

    @rule(seconds=st.sampled_from([0.5, 4, 10]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=attempts)
    def ask(self) -> Any:
        if self.open_until is not None and (self.now < self.open_until or self.probe is not None):
            left = 10.0 if self.probe is not None else self.open_until - self.now
            assert refused(self.breaker, self.now).retry_after == left
            return None
        attempt = self.breaker.enter(self.now)
        if self.open_until is not None:
            self.probe, self.current = attempt, set()
        self.current.add(attempt)
        return attempt

    @rule(attempt=consumes(attempts))
    def answer(self, attempt: Attempt | None) -> None:
        if attempt is None:
            return
        attempt.succeeded()
        if attempt in self.current:
            self.row = 0
            if attempt is self.probe:
                self.open_until, self.probe, self.current = None, None, set()

    @rule(attempt=consumes(attempts), error=st.sampled_from([DOWN, OverloadedError()]))
    def fail(self, attempt: Attempt | None, error: Exception) -> None:
        if attempt is None:
            return
        attempt.failed(error, self.now)
        if attempt in self.current:
            self.row += 1
            if attempt is self.probe or self.row >= self.failures:
                self.open_until, self.probe, self.current = self.now + 10, None, set()

    @rule(attempt=consumes(attempts), error=st.sampled_from([None, RateLimitError(), ValueError()]))
    def say_nothing(self, attempt: Attempt | None, error: Exception | None) -> None:
        if attempt is None:
            return
        if error is None:
            attempt.abandoned()
        else:
            attempt.failed(error, self.now)
        if attempt is self.probe:
            self.probe = None

    @invariant()
    def is_in_the_state_it_should_be(self) -> None:
        if self.open_until is None:
            assert self.breaker.state == "closed"
        elif self.probe is not None:
            assert self.breaker.state == "half-open"
        else:
            assert self.breaker.state in {"open", "half-open"}


TestCircuits = Circuits.TestCase
TestCircuits.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
