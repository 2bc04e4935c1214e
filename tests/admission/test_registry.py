"""One limiter and one breaker for all who mean the same."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from rxwizard import CircuitConfig, CircuitOpenError, NetworkError, RateLimitConfig
from rxwizard.admission import (
    breaker_for,
    endpoint_key,
    forget_all,
    limit_key,
    limiter_for,
    registry,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://api.example.com/v1"
LIMITS = RateLimitConfig(requests_per_minute=60)
CIRCUIT = CircuitConfig(failures=1)


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


def test_equal_settings_share() -> None:
    key, same = (limit_key(URL, "m", SecretStr("sk-1")) for _ in range(2))

    assert limiter_for(key, LIMITS) is limiter_for(same, RateLimitConfig(requests_per_minute=60))
    assert breaker_for(URL, CIRCUIT) is breaker_for(URL, CircuitConfig(failures=1))


def test_other_settings_and_other_accounts_do_not_share() -> None:
    keys = [
        limit_key(URL, "m", SecretStr("sk-1")),
        limit_key(URL, "m", SecretStr("sk-2")),
        limit_key(URL, "m", None),
        limit_key(URL, "n", SecretStr("sk-1")),
        limit_key(f"{URL}/x", "m", SecretStr("sk-1")),
    ]
    limiters = [limiter_for(key, LIMITS) for key in keys]
    limiters.append(limiter_for(keys[0], RateLimitConfig(tokens_per_minute=60)))

    assert len({*limiters}) == 6
    assert breaker_for(URL, CIRCUIT) is not breaker_for(URL, CircuitConfig(failures=2))
    assert breaker_for(URL, CIRCUIT) is not breaker_for(f"{URL}/x", CIRCUIT)


def test_keys_have_no_secrets_in_them() -> None:
    key = limit_key("https://me:pass1@Example.com:8080/v1/?key=sk-2", "m", SecretStr("sk-3"))

    assert key[:2] == ("https://example.com:8080/v1", "m")
    assert not any(secret in repr(key) for secret in ("pass1", "sk-2", "sk-3"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("HTTP://LocalHost:11434/", "http://localhost:11434"),
        (
            "https://a.example/Openai/Deployments?api-version=1",
            "https://a.example/Openai/Deployments",
        ),
        ("http://[half", "the endpoint"),
    ],
)
def test_an_endpoint_is_named_by_its_url(url: str, name: str) -> None:
    assert endpoint_key(url) == name


def test_a_circuit_outlives_the_client_that_opened_it() -> None:
    breaker_for(URL, CIRCUIT, "there").enter(0).failed(NetworkError(), 0)
    gc.collect()

    with pytest.raises(CircuitOpenError, match="there"):
        breaker_for(URL, CIRCUIT).check(1)


def test_unused_ones_are_bounded_and_used_ones_stay_what_others_get(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "MAX_KEPT", 3)
    used = limiter_for("used", LIMITS)
    unused = weakref.ref(limiter_for("unused", LIMITS))
    recent = weakref.ref(limiter_for("recent", LIMITS))
    for number in range(3):
        limiter_for(number, LIMITS)
        limiter_for("recent", LIMITS)

    assert unused() is None
    assert limiter_for("recent", LIMITS) is recent()
    assert limiter_for("used", LIMITS) is used


def test_tests_can_begin_afresh() -> None:
    limiter, breaker = limiter_for("a", LIMITS), breaker_for("a", CIRCUIT)
    forget_all()

    assert limiter_for("a", LIMITS) is not limiter
    assert breaker_for("a", CIRCUIT) is not breaker
