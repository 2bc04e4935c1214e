"""Streams against each other."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import reactivex
from demand.sources import Numbers, settle
from reactivex import operators as rx

from rxwizard import (
    BufferOverflowError,
    ChunkKind,
    ConfigError,
    FallbackError,
    OverloadedError,
    RateLimitError,
    StreamChunk,
    TokenUsage,
)
from rxwizard import operators as ops
from rxwizard.operators import racing
from rxwizard.testing import assert_marbles, play

START = StreamChunk(kind=ChunkKind.START)
COUNTED = StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(prompt_tokens=9))
A, B, C, D = (StreamChunk(text=word) for word in "abcd")
VALUES = {"s": START, "u": COUNTED, "a": A, "b": B, "c": C, "d": D}


def against(*others: str, error: Exception | None = None, **options: Any) -> Any:
    """Race the drawn source against others."""

    def operator(first: Any) -> Any:
        drawn = [
            reactivex.from_marbles(text, timespan=1.0, lookup=VALUES, error=error)
            for text in others
        ]
        return ops.race([first, *drawn], **options)

    return operator


def test_race_goes_on_with_the_first_that_answers() -> None:
    played = play(against("--s-c-d-|"), "-s-------a-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(4, START), (4, C), (6, D)]
    assert (played.messages[-1].tick, played.messages[-1].what) == (8, "completed")
    assert played.held == [(0, 4)]  # the loser's connection, closed when it lost


def test_race_can_be_won_by_the_first_chunk() -> None:
    played = play(against("--s-c-d-|", win="first_chunk"), "-s-------a-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(1, START), (9, A)]


def test_race_can_be_won_by_what_a_function_says() -> None:
    played = play(against("-c-d-|", win=lambda chunk: chunk.text == "d"), "-a-b-a-b-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(3, C), (3, D)]


def test_race_is_won_by_who_completes_first_without_a_word() -> None:
    assert_marbles(against("---|"), "-s---a-|", "---|", **VALUES)


def test_race_goes_on_without_one_that_fails() -> None:
    played = play(against("----c-|"), "-s-#", error=OSError("reset"), **VALUES)

    assert [(m.tick, m.what) for m in played.messages] == [(4, "next"), (6, "completed")]


def test_race_that_all_lose_says_why() -> None:
    busy = OverloadedError("busy")
    played = play(
        against("----#", error=RateLimitError("slow down", retry_after=3)),
        "-s-#",
        error=busy,
        **VALUES,
    )
    (message,) = played.messages

    assert (message.tick, message.what) == (4, "error")
    assert isinstance(message.value, FallbackError)
    assert [str(error) for error in message.value.exceptions] == ["busy", "slow down"]
    assert (message.value.retryable, message.value.retry_after) == (True, 3)


def test_race_that_all_lose_carries_errors_that_are_none_of_ours() -> None:
    (message,) = play(against(), "-#", error=OSError("reset"), **VALUES).messages
    (error,) = message.value.exceptions

    assert str(error) == "OSError: reset"
    assert isinstance(error.__cause__, OSError)


def test_race_passes_on_an_error_of_the_winner() -> None:
    error = OSError("reset")
    played = play(against("-----c-|"), "-a-#", error=error, **VALUES)

    assert [(m.tick, m.what) for m in played.messages] == [(1, "next"), (3, "error")]
    assert played.messages[-1].value is error


def test_race_begins_the_next_one_later() -> None:
    decided: list[Any] = []
    operator = against("--c-d-|", stagger=5.0, on_decided=decided.append)
    played = play(operator, "-s---------a-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(7, C), (9, D)]
    assert [each.outcome for each in decided[0]] == ["closed", "won"]


def test_race_does_not_begin_the_next_one_where_the_first_has_won() -> None:
    decided: list[Any] = []
    operator = against("-c-|", stagger=5.0, on_decided=decided.append)
    played = play(operator, "---a------b-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(3, A), (10, B)]
    assert [each.outcome for each in decided[0]] == ["won", "waiting"]


def test_race_begins_the_next_one_at_once_where_one_fails() -> None:
    operator = against("--c-|", "-----|", stagger=50.0)
    played = play(operator, "-#", error=OSError("reset"), **VALUES)

    assert [(m.tick, m.what) for m in played.messages] == [(3, "next"), (5, "completed")]


def test_race_says_what_the_losers_cost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rxwizard.operators.racing")
    decided: list[Any] = []
    play(
        against("-s--c-|", "--#", error=OSError("reset"), on_decided=decided.append),
        "-s-u-u----a-|",
        **VALUES,
    )

    ((loser, winner, failed),) = decided
    assert (loser.index, loser.outcome, loser.chunks, loser.usage) == (
        0,
        "closed",
        2,
        COUNTED.usage,
    )
    assert (winner.outcome, winner.chunks, winner.error) == ("won", 2, None)
    assert (failed.outcome, str(failed.error)) == ("failed", "reset")
    assert "closed" in caplog.text


def test_race_closes_all_when_disposed_of() -> None:
    assert play(against("-----c-|"), "-s---a-|", until=3, **VALUES).held == [(0, 3)]


async def test_race_closes_the_losers_and_at_the_end_the_winner() -> None:
    quick, slow = Numbers(), Numbers(leaves_slowly=3)
    late = slow.pipe(rx.filter(lambda _: False))
    async with ops.race([late, quick]).open(capacity=4) as reader:
        await anext(reader)
        await settle()
        assert slow.is_closed
        assert not quick.is_closed
        assert reader.statistics().peak == 4

    assert quick.is_closed


async def test_race_shares_nothing_between_subscribers() -> None:
    stream = ops.race([reactivex.never(), Numbers(5)])

    assert [[number async for number in stream] for _ in range(2)] == [list(range(5))] * 2


def test_race_holds_so_many_items_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "MAX_HELD", 3)
    played = play(against("---------c-|"), "-s-s-s-s-s-|", **VALUES)
    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(9, C)]
    assert played.held == [(0, 7)]
    (message,) = play(against(), "-s-s-s-s-s-|", **VALUES).messages
    (error,) = message.value.exceptions
    assert isinstance(error, BufferOverflowError)


@pytest.mark.parametrize(
    ("streams", "options"),
    [
        ([], {}),
        ([reactivex.never()], {"stagger": -1}),
        ([reactivex.never()], {"stagger": float("nan")}),
        ([reactivex.never()], {"win": "last"}),
    ],
)
def test_race_refuses_what_cannot_work(streams: list[Any], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ops.race(streams, **options)
