"""Asking somebody else, putting something in an error's place, saying it with a chunk."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from answers import answers, drawn, played
from kit import check_dispose, check_empty, check_two_subscribers

from rxwizard import (
    AuthenticationError,
    BudgetExceededError,
    ChunkKind,
    ConfigError,
    FallbackError,
    FinishReason,
    InvalidPromptError,
    NetworkError,
    OverloadedError,
    RateLimitError,
    StreamChunk,
    StreamInterruptedError,
    TokenLimitError,
    TokenUsage,
    TotalDeadlineError,
)
from rxwizard import operators as ops
from rxwizard.fold import ResponseBuilder
from rxwizard.operators.fallback import Alternative

LETTERS = {letter: StreamChunk(text=letter) for letter in "abc"}


def cut() -> StreamInterruptedError:
    return StreamInterruptedError("the connection broke")


def busy(**fields: Any) -> OverloadedError:
    return OverloadedError("no capacity", **fields)


def test_fallback_to_asks_the_next_one_at_once() -> None:
    result = played(answers("-s-#", errors=(busy(),)), ops.fallback_to(answers("-s-a-b-z|")))

    assert drawn(result) == "swabz|"
    assert [chunk.seq for chunk in result.values] == [*range(5)]
    assert "Falling back to another stream." in result.values[1].data
    assert result.messages[-1].tick == 3 + 8


def test_fallback_to_asks_nobody_where_the_first_answers() -> None:
    other = answers("#", errors=(ValueError("it was asked"),))

    assert drawn(played(answers("-a-z|"), ops.fallback_to(other))) == "az|"


def test_fallback_to_begins_the_answer_anew() -> None:
    result = played(answers("-s-a-b-#", errors=(cut(),)), ops.fallback_to(answers("-s-c-z|")))

    assert drawn(result) == "sabwRcz|"
    assert result.values[4].data == {"epoch": 0, "characters": 2}
    response = ResponseBuilder().add_all(result.values).build()
    assert (response.text, response.complete) == ("c", True)


def test_fallback_to_can_leave_half_an_answer_alone() -> None:
    error = cut()
    result = played(
        answers("-a-#", errors=(error,)),
        ops.fallback_to(answers("-c-z|"), after_first_token="raise"),
    )

    assert drawn(result) == "a#"
    assert error.partial is not None
    assert error.partial.text == "a"


def test_fallback_to_goes_through_all_of_them() -> None:
    first, second, third = busy(), NetworkError("gone"), AuthenticationError("no")
    result = played(
        answers("-#", errors=(first,)),
        ops.fallback_to(answers("-#", errors=(second,)), answers("-b-#", errors=(third,))),
    )
    error = result.messages[-1].value

    assert drawn(result) == "wwb#"
    assert isinstance(error, FallbackError)
    assert error.exceptions == (first, second, third)
    assert (error.attempts, [each.attempts for each in error.exceptions]) == (3, [1, 1, 1])
    assert error.partial is not None
    assert error.partial.text == "b"


def test_fallback_to_asks_by_the_class_of_the_error() -> None:
    longer = Alternative(answers("-a-z|"), on=TokenLimitError, name="a larger model")
    other = Alternative(answers("-b-z|"))
    both = ops.fallback_to(longer, other)

    assert drawn(played(answers("-#", errors=(TokenLimitError("long"),)), both)) == "waz|"
    assert drawn(played(answers("-#", errors=(busy(),)), both)) == "wbz|"


@pytest.mark.parametrize(
    "error",
    [
        InvalidPromptError("nothing to ask"),
        ConfigError("no key"),
        BudgetExceededError("spent"),
        TotalDeadlineError("too long"),
        StreamInterruptedError("the client was closed", retryable=False),
        ValueError("a fault of the program"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fallback_to_does_not_ask_others_where_they_cannot_help(error: Exception) -> None:
    result = played(answers("-#", errors=(error,)), ops.fallback_to(answers("-a-z|")))

    assert drawn(result) == "#"
    assert result.messages[-1].value is error


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no"),
        RateLimitError("the quota is spent", retryable=False),
        FallbackError("", [busy()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fallback_to_asks_others_where_trying_again_would_not_help(error: Exception) -> None:
    result = played(answers("-#", errors=(error,)), ops.fallback_to(answers("-a-z|")))

    assert drawn(result) == "waz|"


def test_fallback_to_works_around_retries() -> None:
    retried = answers("-a-#", "-b-#", "-#", errors=(cut(), cut(), busy())).pipe(
        ops.retry_stream(after_first_token="restart", jitter=lambda: 0)
    )
    other = answers("-c-#", "-d-z|", errors=(cut(),)).pipe(
        ops.retry_stream(after_first_token="restart", jitter=lambda: 0)
    )
    result = played(retried, ops.fallback_to(other))

    assert drawn(result) == "awRbwwRcwRdz|"
    assert [chunk.seq for chunk in result.values] == [*range(len(result.values))]
    retractions = [chunk for chunk in result.values if chunk.kind is ChunkKind.RETRACT]
    assert [chunk.data for chunk in retractions] == [
        {"epoch": epoch, "characters": 1} for epoch in range(3)
    ]
    assert [chunk.epoch for chunk in retractions] == [1, 2, 3]
    assert result.values[-1].source.attempt == 4
    assert ResponseBuilder().add_all(result.values).build().text == "d"


def test_fallback_to_adds_up_what_all_have_spent() -> None:
    result = played(answers("-u-a-#", errors=(cut(),)), ops.fallback_to(answers("-u-c-z|")))

    assert result.values[-1].usage.prompt_tokens == 10
    assert result.values[-1].usage.wasted == TokenUsage(prompt_tokens=5)


def test_fallback_to_does_what_every_operator_does() -> None:
    operator = ops.fallback_to(answers("-a-z|"))

    check_empty(operator)
    check_dispose(operator, **LETTERS)
    check_two_subscribers(operator, **LETTERS)
    with pytest.raises(ConfigError):
        ops.fallback_to()
    with pytest.raises(ConfigError):
        ops.fallback_to(reactivex.never(), after_first_token="continue")  # type: ignore[arg-type]


def test_recover_says_something_in_the_place_of_an_error() -> None:
    result = played(answers("-#", errors=(busy(),)), ops.recover(with_="Sorry."))
    final = result.values[-1]

    assert drawn(result) == "wSorry.z|"
    assert (final.is_final, final.complete, final.finish_reason) == (
        True,
        False,
        FinishReason.ERROR,
    )
    assert final.data["error"] == "OverloadedError"


def test_recover_replaces_half_an_answer() -> None:
    result = played(answers("-a-#", errors=(cut(),)), ops.recover(with_="Sorry."))

    assert drawn(result) == "awRSorry.z|"
    assert ResponseBuilder().add_all(result.values).build().text == "Sorry."


def test_recover_can_look_at_the_error() -> None:
    operator = ops.recover(with_=lambda error: f"{error.partial.text} ... {error}")
    result = played(answers("-a-#", errors=(cut(),)), operator)

    assert ResponseBuilder().add_all(result.values).build().text == "a ... the connection broke"


def test_recover_can_give_a_chunk_or_a_stream() -> None:
    chunk = StreamChunk(text="Sorry.")

    assert drawn(played(answers("-#", errors=(busy(),)), ops.recover(with_=chunk))) == "wSorry.|"
    operator = ops.recover(with_=answers("-a-z|"))
    assert drawn(played(answers("-#", errors=(busy(),)), operator)) == "waz|"


def test_recover_happens_once_and_for_its_errors_only() -> None:
    again = ops.recover(with_=answers("-b-#", errors=(busy(),)))

    assert drawn(played(answers("-a-#", errors=(cut(),)), again)) == "awRb#"
    operator = ops.recover(with_="Sorry.", on=(RateLimitError, NetworkError))
    assert drawn(played(answers("-#", errors=(busy(),)), operator)) == "#"
    assert drawn(played(answers("-#", errors=(ValueError("bug"),)), operator)) == "#"


def test_recover_does_what_every_operator_does() -> None:
    operator = ops.recover(with_="Sorry.")

    check_empty(operator)
    check_dispose(operator, **LETTERS)
    check_two_subscribers(operator, **LETTERS)


def test_errors_as_chunks_says_an_error_with_the_final_chunk() -> None:
    error = RateLimitError("slow down", status=429, retry_after=2)
    result = played(answers("-u-a-#", errors=(error,)), ops.errors_as_chunks())
    final = result.values[-1]

    assert drawn(result) == "uaz|"
    assert (final.is_final, final.complete, final.seq) == (True, False, 2)
    assert final.usage == TokenUsage(prompt_tokens=5)
    assert final.data == {
        "error": "RateLimitError",
        "message": "slow down",
        "status": 429,
        "retryable": True,
        "retry_after": 2,
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StreamInterruptedError("cut"), FinishReason.INTERRUPTED),
        (NetworkError("gone"), FinishReason.INTERRUPTED),
        (TotalDeadlineError("late"), FinishReason.INTERRUPTED),
        (BudgetExceededError("spent"), FinishReason.BUDGET),
        (AuthenticationError("no"), FinishReason.ERROR),
    ],
    ids=lambda each: getattr(each, "name", type(each).__name__),
)
def test_errors_as_chunks_gives_the_reason(error: Exception, reason: FinishReason) -> None:
    result = played(answers("-a-#", errors=(error,)), ops.errors_as_chunks())

    assert result.values[-1].finish_reason is reason


def test_errors_as_chunks_does_what_every_operator_does() -> None:
    operator = ops.errors_as_chunks()

    check_empty(operator)
    check_dispose(operator, **LETTERS)
    check_two_subscribers(operator, **LETTERS)
    assert drawn(played(answers("-a-#", errors=(ValueError("bug"),)), operator)) == "a#"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.fallback_to("x"),
        lambda: ops.fallback_to([reactivex.never()]),
        lambda: ops.fallback_to(Alternative(reactivex.never(), on="RateLimitError")),
        lambda: ops.recover(None),
        lambda: ops.recover(3),
        lambda: ops.recover("Sorry.", on=()),
        lambda: ops.recover("Sorry.", on="RateLimitError"),
        lambda: ops.recover("Sorry.", on=[RateLimitError]),
        lambda: ops.recover("Sorry.", on=ValueError),
    ],
)
def test_recover_and_fallback_to_refuse_what_cannot_work(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize("nothing", [None, 3, ["Sorry."]], ids=str)
def test_recover_ends_with_an_error_where_its_function_gives_no_stream(nothing: Any) -> None:
    result = played(answers("-#", errors=(busy(),)), ops.recover(lambda _error: nothing))

    assert drawn(result) == "#"
    assert isinstance(result.messages[-1].value, ConfigError)
