"""Asking again, beginning anew, going on."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import pytest
import reactivex
from answers import answers, drawn, played
from hypothesis import given
from hypothesis import strategies as st
from kit import check_dispose, check_empty, check_two_subscribers
from reactivex import operators as rx

from rxwizard import (
    AuthenticationError,
    ChunkKind,
    ConfigError,
    DecodeError,
    OverloadedError,
    RateLimitError,
    RequestError,
    RetryConfig,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.fold import ResponseBuilder

BUSY = OverloadedError("no capacity", status=529)
CUT = StreamInterruptedError("the connection broke")


SILENT = StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True)


def fresh(error: type[Any] = OverloadedError, **fields: Any) -> Any:
    """Errors are changed by those who pass them on: each test has its own."""
    return error("it failed", **fields)


def least(**options: Any) -> Any:
    """A retry that waits as short as it may."""
    return ops.retry_stream(**{"jitter": lambda: 0.0, **options})


def test_retry_stream_asks_again_where_nothing_had_come() -> None:
    result = played(answers("-#", "-s-a-b-z|", errors=(fresh(),)), least())

    assert drawn(result) == "wsabz|"
    assert [chunk.seq for chunk in result.values] == [0, 1, 2, 3, 4][: len(result.values)]
    assert result.values[0].data == "OverloadedError: it failed. Asking again now (retry 1 of 2)."


def test_retry_stream_says_which_request_a_chunk_came_from() -> None:
    result = played(answers("-#", "-#", "-s-a-z|", errors=(fresh(), fresh())), least())

    assert drawn(result) == "wwsaz|"
    assert {chunk.source.attempt for chunk in result.values[2:]} == {2}
    assert len({id(chunk.source) for chunk in result.values[2:]}) == 1


def test_retry_stream_begins_once() -> None:
    result = played(answers("-s-#", "-s-a-z|", errors=(fresh(),)), least())

    assert drawn(result) == "swaz|"


def test_retry_stream_gives_up_after_its_retries() -> None:
    error = fresh(status=503)
    result = played(answers("-#", errors=(fresh(), fresh(), error)), least())

    assert drawn(result) == "ww#"
    assert result.messages[-1].value is error
    assert error.attempts == 3


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_retry_stream_asks_as_often_as_it_is_told(retries: int) -> None:
    result = played(answers("-#", errors=(fresh(),)), least(retries=retries))

    assert drawn(result) == "w" * retries + "#"


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no"),
        RequestError("no"),
        DecodeError("no"),
        RateLimitError("the quota is spent", retryable=False),
        StreamInterruptedError("the client was closed", retryable=False),
        ValueError("a fault of the program"),
    ],
    ids=lambda error: f"{type(error).__name__}",
)
def test_retry_stream_does_not_ask_again_where_it_cannot_help(error: Exception) -> None:
    result = played(answers("-#", "-a-|", errors=(error,)), least())

    assert drawn(result) == "#"
    assert result.messages[-1].value is error


def test_retry_stream_waits_longer_each_time_by_chance() -> None:
    result = played(
        answers("#", errors=(fresh(),)),
        ops.retry_stream(retries=6, base=1, max_delay=8, jitter=lambda: 1.0),
    )
    ticks = [message.tick for message in result.messages]

    assert [later - earlier for earlier, later in pairwise(ticks)] == [*(1, 2, 4, 8, 8, 8)]


@given(chance=st.floats(0, 1), retries=st.integers(1, 80))
def test_retry_stream_never_waits_longer_than_its_cap(chance: float, retries: int) -> None:
    result = played(
        answers("#", errors=(fresh(),)),
        ops.retry_stream(retries=retries, base=1, max_delay=3, jitter=lambda: chance),
    )

    assert result.messages[-1].tick <= 3 * retries + 1
    assert len(result.values) == retries


@pytest.mark.parametrize(("asked_for", "waits"), [(3, 3), (60, 60), (0, 0), (None, 0)])
def test_retry_stream_waits_as_long_as_the_provider_says(
    asked_for: float | None, waits: float
) -> None:
    error = fresh(RateLimitError, retry_after=asked_for)
    result = played(answers("-#", "a|", errors=(error,)), least())

    assert drawn(result) == "wa|"
    assert result.messages[1].tick - result.messages[0].tick == waits


def test_retry_stream_does_not_wait_longer_than_it_may_and_says_how_long_it_would_be() -> None:
    error = fresh(RateLimitError, retry_after=61)
    result = played(answers("-#", "-a-|", errors=(error,)), least())

    assert drawn(result) == "#"
    assert result.messages[0].tick == 1
    assert error.retry_after == 61


def test_retry_stream_gives_up_when_it_has_taken_too_long() -> None:
    result = played(
        answers("--#", errors=(fresh(RateLimitError, retry_after=5),)),
        least(retries=99, max_elapsed=20),
    )

    assert drawn(result) == "ww#"  # requests at 0, 7, 14; another would begin at 21


def test_retry_stream_adds_up_the_time_of_waiting() -> None:
    result = played(
        answers("--a-b-c-#", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="restart", retries=99, max_elapsed=7),
    )

    # Two seconds to each first token: after the fourth there are more than seven.
    assert drawn(result).count("w") == 3


def test_retry_stream_counts_no_time_in_which_an_answer_came() -> None:
    result = played(
        answers("-a-b-c-d-e-#", "-a-z|", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="restart", max_elapsed=5),
    )

    assert drawn(result) == "abcdewRaz|"


def test_retry_stream_ends_with_the_error_and_the_half_answer_after_the_first_token() -> None:
    error = fresh(StreamInterruptedError)
    result = played(answers("-a-b-#", "-c-z|", errors=(error,)), least())

    assert drawn(result) == "ab#"
    assert error.partial.text == "ab"
    assert error.attempts == 1


@pytest.mark.parametrize("first", ["r", "t"])
def test_retry_stream_takes_reasoning_and_calls_for_tokens(first: str) -> None:
    result = played(answers(f"-s-{first}-#", "-a-z|", errors=(fresh(),)), least())

    assert drawn(result) == f"s{first}#"


def test_retry_stream_begins_anew_in_another_epoch() -> None:
    result = played(
        answers("-s-a-b-#", "-s-c-z|", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="restart"),
    )
    retract = result.values[4]

    assert drawn(result) == "sabwRcz|"
    assert [chunk.seq for chunk in result.values] == [*range(7)]
    assert [chunk.epoch for chunk in result.values] == [0, 0, 0, 0, 1, 1, 1]
    assert (retract.kind, retract.text) == (ChunkKind.RETRACT, "")
    assert retract.data == {"epoch": 0, "characters": 2}
    assert ResponseBuilder().add_all(result.values).build().text == "c"


def test_retry_stream_erases_nothing_before_there_is_something_better() -> None:
    error = fresh()
    result = played(
        answers("-a-b-#", "-#", errors=(fresh(StreamInterruptedError), fresh(), error)),
        least(after_first_token="restart"),
    )

    assert drawn(result) == "abww#"
    assert error.partial.text == "ab"
    assert error.attempts == 3


def test_retry_stream_erases_what_is_no_token_too() -> None:
    result = played(answers("-s-o-#", "-s-o-a-z|", errors=(fresh(),)), least())

    assert drawn(result) == "sowRoaz|"
    assert result.values[3].data == {"epoch": 0, "characters": 0}


def test_retry_stream_adds_up_what_was_spent_and_says_what_was_wasted() -> None:
    result = played(
        answers("-u-a-#", "-u-c-z|", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="restart"),
    )
    usage = result.values[-1].usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 2, 7)
    assert usage.wasted == TokenUsage(prompt_tokens=5)
    assert usage.latest == TokenUsage(prompt_tokens=5, completion_tokens=2, total_tokens=7)


def test_retry_stream_does_not_take_the_usage_of_others_for_that_of_a_silent_request() -> None:
    result = played(
        answers(
            "-u-a-#", "-c-z|", errors=(fresh(StreamInterruptedError),), z=StreamChunk(is_final=True)
        ),
        least(after_first_token="restart"),
    )
    usage = result.values[-1].usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.latest) == (5, TokenUsage())


def go_on(*drawings: str, errors: tuple[Exception, ...] = (), seen: list[Any] | None = None) -> Any:
    stream = answers(*drawings, errors=errors)

    def resume(partial: WizardResponse) -> Any:
        if seen is not None:
            seen.append(partial.text)
        return stream

    return resume


def test_retry_stream_goes_on_where_the_answer_broke_off() -> None:
    seen: list[str] = []
    result = played(
        answers("-s-a-b-#", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="continue", resume=go_on("-s-c-z|", seen=seen)),
    )

    assert drawn(result) == "sabwcz|"
    assert seen == ["ab"]
    assert {chunk.epoch for chunk in result.values} == {0}
    assert [chunk.seq for chunk in result.values] == [*range(6)]
    assert ResponseBuilder().add_all(result.values).build().text == "abc"
    assert result.values[-1].usage.wasted is None


def test_retry_stream_goes_on_from_all_that_there_is() -> None:
    seen: list[str] = []
    cut = StreamInterruptedError("again")
    result = played(
        answers("-a-b-#", errors=(fresh(StreamInterruptedError),)),
        least(
            after_first_token="continue",
            resume=go_on("-c-#", "-d-z|", errors=(cut,), seen=seen),
        ),
    )

    assert drawn(result) == "abwcwdz|"
    assert seen == ["ab", "abc"]


def test_retry_stream_says_what_there_is_when_it_cannot_go_on() -> None:
    error = StreamInterruptedError("for good")
    result = played(
        answers("-a-b-#", errors=(fresh(StreamInterruptedError),)),
        least(
            after_first_token="continue",
            resume=go_on("-c-#", "-d-#", errors=(fresh(StreamInterruptedError), error)),
        ),
    )

    assert drawn(result) == "abwcwd#"
    assert error.partial is not None
    assert error.partial.text == "abcd"
    assert not error.partial.complete


@pytest.mark.parametrize("last", ["r", "t"])
def test_retry_stream_begins_anew_where_it_cannot_go_on(last: str) -> None:
    result = played(
        answers(f"-a-{last}-#", "-c-z|", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="continue", resume=go_on("-j-z|")),
    )

    assert drawn(result) == f"a{last}wRcz|"


def test_retry_stream_begins_anew_where_nobody_can_be_asked_to_go_on() -> None:
    result = played(
        answers("-a-#", "-c-z|", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="continue", resume=lambda _partial: None),
    )

    assert drawn(result) == "awRcz|"


def test_retry_stream_begins_anew_where_the_model_refuses_to_go_on() -> None:
    result = played(
        answers("-a-#", "-c-z|", errors=(fresh(StreamInterruptedError),)),
        least(
            after_first_token="continue",
            resume=go_on("-#", errors=(RequestError("no prefill for this model"),)),
        ),
    )

    assert drawn(result) == "awwRcz|"


def test_retry_stream_logs_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rxwizard"):
        played(answers("-#", "-a-|", errors=(fresh(),)), least())

    assert [record.message for record in caplog.records] == [
        "OverloadedError: it failed. Asking again now (retry 1 of 2)."
    ]


def test_retry_stream_takes_settings_and_what_goes_before_them() -> None:
    stream = answers("-#", errors=(fresh(),))

    assert drawn(played(stream, least(config=RetryConfig(retries=1)))) == "w#"
    assert drawn(played(stream, least(config=RetryConfig(retries=1), retries=3))) == "www#"


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"base": 0},
        {"base": float("nan")},
        {"max_delay": float("inf")},
        {"max_retry_after": -1},
        {"after_first_token": "hope"},
        {"after_first_token": "continue"},
        {"resume": "x"},
        {"jitter": 0.5},
        {"retry_now": 3},
        {"config": 3},
    ],
    ids=str,
)
def test_retry_stream_refuses_what_cannot_work(options: Any) -> None:
    with pytest.raises(ConfigError):
        ops.retry_stream(**options)


@pytest.mark.parametrize("jitter", [float("nan"), 5.0, -1.0], ids=str)
def test_retry_stream_waits_within_its_bounds_whatever_the_jitter_is(jitter: float) -> None:
    result = played(
        answers("-#", "-a-|", errors=(fresh(),)), ops.retry_stream(jitter=lambda: jitter)
    )

    assert drawn(result) == "wa|"
    assert result.messages[0].tick + 1 <= result.messages[1].tick <= result.messages[0].tick + 1.5


@pytest.mark.parametrize("given", ["x", 3, [1]], ids=["text", "number", "list"])
def test_retry_stream_ends_where_resume_gives_no_stream(given: Any) -> None:
    result = played(
        answers("-a-#", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="continue", resume=lambda _partial: given),
    )

    assert drawn(result) == "a#"
    assert isinstance(result.messages[-1].value, ConfigError)


def test_retry_stream_says_which_request_a_partial_answer_is_of() -> None:
    error = fresh(StreamInterruptedError, partial=WizardResponse(text="a"))
    result = played(answers("-#", "-a-#", errors=(fresh(), error)), least())

    assert drawn(result) == "wa#"
    assert error.attempts == 2
    assert error.partial.text == "a"


def test_retry_stream_passes_on_what_works() -> None:
    check_empty(least())
    assert drawn(played(answers("-s-a-b-z|"), least())) == "sabz|"


def test_retry_stream_ends_the_wait_when_it_is_disposed() -> None:
    result = played(
        answers("-#", "-a-|", errors=(fresh(RateLimitError, retry_after=9),)), least(), until=5
    )

    assert drawn(result) == "w"
    check_dispose(least(), **{letter: StreamChunk(text=letter) for letter in "abc"})


def test_retry_stream_asks_no_more_when_the_warning_was_enough() -> None:
    asked: list[str] = []

    def ask(_scheduler: object) -> Any:
        asked.append("again")
        return reactivex.from_marbles("-#", timespan=1.0, error=fresh())

    def first(source: Any) -> Any:
        return source.pipe(least(), rx.take(1))

    assert drawn(played(reactivex.defer(ask), first)) == "w|"
    assert len(asked) == 1


def test_retry_stream_ends_with_what_goes_wrong_when_asked_to_go_on() -> None:
    def resume(_partial: WizardResponse) -> Any:
        message = "a fault of the program"
        raise ValueError(message)

    result = played(
        answers("-a-#", errors=(fresh(StreamInterruptedError),)),
        least(after_first_token="continue", resume=resume),
    )

    assert drawn(result) == "a#"
    assert isinstance(result.messages[-1].value, ValueError)


def test_retry_stream_does_not_wait_for_its_time_when_told_to_ask_now() -> None:
    waits = answers("-#", "-a-z|", errors=(fresh(RateLimitError, retry_after=50),))
    hurry = reactivex.timer(4.0)
    result = played(waits, least(retry_now=hurry))

    assert drawn(result) == "waz|"
    assert [message.tick for message in result.messages] == [1, 5 + 1, 5 + 3, 5 + 4]


def test_retry_stream_shares_nothing_between_two() -> None:
    check_two_subscribers(least(), **{letter: StreamChunk(text=letter) for letter in "abc"})


def test_continue_on_cut_goes_on_and_drops_what_is_said_again() -> None:
    said = {"a": StreamChunk(text="It is the rain"), "b": StreamChunk(text="the rain in Spain")}
    resumed = answers("-b-z|", **said)
    result = played(
        answers("-a-#", errors=(fresh(StreamInterruptedError),), **said),
        ops.continue_on_cut(lambda _partial: resumed),
    )

    assert "".join(chunk.text for chunk in result.values) == "It is the rain in Spain"


def test_continue_on_cut_has_nothing_to_do_before_the_first_token() -> None:
    result = played(
        answers("-s-#", "-a-z|", errors=(fresh(),)), ops.continue_on_cut(lambda _partial: None)
    )

    assert drawn(result) == "s#"


def test_continue_on_cut_goes_on_so_many_times() -> None:
    result = played(
        answers("-a-#", errors=(fresh(StreamInterruptedError),)),
        ops.continue_on_cut(
            go_on("-b-#", "-c-#", "-d-#", "-e-#", errors=(fresh(StreamInterruptedError),)), times=3
        ),
    )

    assert drawn(result) == "awbwcwd#"


def test_continue_on_cut_passes_on_what_works() -> None:
    check_empty(ops.continue_on_cut(lambda _partial: None))
    letters = {letter: StreamChunk(text=letter) for letter in "abc"}
    check_dispose(ops.continue_on_cut(lambda _partial: None), **letters)
    check_two_subscribers(ops.continue_on_cut(lambda _partial: None), **letters)
    with pytest.raises(ConfigError):
        ops.continue_on_cut(lambda _partial: None, times=-1)
