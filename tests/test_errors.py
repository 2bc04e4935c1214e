from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import rxwizard
from rxwizard import (
    ConnectDeadlineError,
    DeadlineError,
    DecodeError,
    FallbackError,
    IdleDeadlineError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
    TokenLimitError,
    WizardError,
    WizardResponse,
    errors,
)

TREE: dict[str, type[Exception]] = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, WizardError)
}
PLAIN = [kind for kind in TREE.values() if kind is not FallbackError]
plain_errors = pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)


def full(kind: type[WizardError]) -> WizardError:
    """An error that says everything there is to say."""
    error = kind("Words")
    error.status, error.code, error.retryable = 418, "c", True
    error.retry_after, error.request_id, error.provider = 1.5, "req", "openai"
    error.partial = WizardResponse(text="Hel")
    return error


def group(*members: WizardError) -> FallbackError:
    return FallbackError("all failed", members)


# -- the tree --------------------------------------------------------------------------------


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.fullmatch(r"    ((?:[| ]   )*)(\+-- )?([A-Z]\w+Error)\b.*", line)
        if found:
            depth = len(found[1]) // 4 + bool(found[2])
            above[depth:] = [found[3]]
            drawn[found[3]] = above[depth - 1] if depth else "Exception"

    assert drawn.keys() == TREE.keys()
    for name, parent in drawn.items():
        bases = [base.__name__ for base in TREE[name].__bases__]
        assert parent in bases, name


def test_every_error_is_exported() -> None:
    assert all(getattr(rxwizard, name) is kind for name, kind in TREE.items())


def test_errors_stand_under_those_that_catch_them_too() -> None:
    assert issubclass(TokenLimitError, RequestError)
    assert issubclass(OverloadedError, ProviderError)
    assert issubclass(ConnectDeadlineError, DeadlineError)
    assert issubclass(IdleDeadlineError, DeadlineError)


RETRYABLE = {
    *("RateLimitError", "ProviderError", "OverloadedError", "NetworkError"),
    *("StreamInterruptedError", "DeadlineError", "ConnectDeadlineError", "IdleDeadlineError"),
    *("HeadersDeadlineError", "FirstTokenDeadlineError", "RateDeadlineError", "CircuitOpenError"),
}


@plain_errors
def test_each_class_says_whether_to_try_again(kind: type[WizardError]) -> None:
    assert kind("Words").retryable is (kind.__name__ in RETRYABLE)


@plain_errors
def test_what_is_not_known_is_none(kind: type[WizardError]) -> None:
    error = kind("Words")

    assert str(error) == "Words"
    for name in ("status", "code", "retry_after", "request_id", "provider", "partial"):
        assert getattr(error, name) is None


@plain_errors
def test_an_error_may_have_no_message(kind: type[WizardError]) -> None:
    assert str(kind()) == ""


def test_one_error_may_differ_from_its_class() -> None:
    assert RateLimitError("spent", retryable=False).retryable is False
    assert RateLimitError("too fast").retryable is True


@plain_errors
@pytest.mark.parametrize(
    "again",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_an_error_survives_pickling_and_copying(kind: type[WizardError], again: Any) -> None:
    before = full(kind)
    after = again(before)

    assert type(after) is kind
    assert after.args == before.args
    assert vars(after) == vars(before)
    assert str(after) == str(before)


def test_a_decode_error_shows_where_and_what() -> None:
    error = DecodeError("no JSON", text="{x", position=12345)

    assert str(error) == "no JSON (within the first 12,345 bytes): '{x'"
    assert str(DecodeError("no JSON")) == "no JSON"
    assert pickle.loads(pickle.dumps(error)).position == 12345


def test_a_deadline_error_knows_its_seconds() -> None:
    assert IdleDeadlineError("silent", seconds=2.5).seconds == 2.5


# -- the group -------------------------------------------------------------------------------


def test_a_fallback_error_is_a_group_and_a_wizard_error() -> None:
    members = (RateLimitError("a"), ProviderError("b"))
    error = group(*members)

    assert isinstance(error, ExceptionGroup)
    assert isinstance(error, WizardError)
    assert error.exceptions == members
    assert "all failed" in str(error)
    assert (error.status, error.code, error.provider) == (None, None, None)


def test_a_fallback_error_is_retryable_where_any_is_after_the_shortest_wait() -> None:
    slow, fast = RateLimitError("a", retry_after=9.0), RateLimitError("b", retry_after=2.0)

    assert group(slow, fast).retry_after == 2.0
    assert group(slow, RequestError("c")).retryable is True
    assert group(RequestError("c")).retryable is False
    assert group(RequestError("c")).retry_after is None


def test_a_fallback_error_has_the_last_partial() -> None:
    first = ProviderError("a", partial=WizardResponse(text="1"))
    second = ProviderError("b", partial=WizardResponse(text="2"))

    assert group(first, second, ProviderError("c")).partial == WizardResponse(text="2")


def test_a_fallback_error_may_have_no_message_of_its_own() -> None:
    assert "every provider" in str(FallbackError("", [ProviderError("a")]))


def test_a_fallback_error_splits_into_fallback_errors() -> None:
    limit, other = RateLimitError("a", retry_after=3.0), RequestError("b")
    matching, rest = group(limit, other).split(RateLimitError)

    assert type(matching) is type(rest) is FallbackError
    assert (matching.exceptions, rest.exceptions) == ((limit,), (other,))
    assert (matching.retryable, matching.retry_after) == (True, 3.0)
    assert (rest.retryable, rest.retry_after) == (False, None)
    assert matching.message == "all failed"


def test_a_fallback_error_is_caught_by_its_parts() -> None:
    caught: list[BaseException] = []
    try:
        raise group(RateLimitError("a"), RequestError("b"))
    except* RateLimitError as limits:
        caught += limits.exceptions
    except* WizardError as others:
        caught += others.exceptions

    assert [str(error) for error in caught] == ["a", "b"]


@pytest.mark.parametrize(
    "again",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_fallback_error_survives_pickling_and_copying(again: Any) -> None:
    before = group(RateLimitError("a", retry_after=2.0), ProviderError("b"))
    before.provider = "openai"
    after = again(before)

    assert type(after) is FallbackError
    assert (after.message, str(after)) == (before.message, str(before))
    assert [str(member) for member in after.exceptions] == ["a", "b"]
    assert (after.retry_after, after.retryable, after.provider) == (2.0, True, "openai")
