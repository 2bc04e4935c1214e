from __future__ import annotations

import pytest
import reactivex as rx
from reactivex import operators as ops

from rxwizard.testing import assert_marbles, play


def test_a_drawing_is_compared_column_by_column() -> None:
    assert_marbles(
        ops.map(str.upper),
        "-a-b-|",
        "-A-B-|",
    )


def test_names_stand_for_values() -> None:
    assert_marbles(
        ops.map(lambda n: n * 10),
        "-a-b-|",
        "-x-y-|",
        a=1,
        b=2,
        x=10,
        y=20,
    )


def test_several_items_in_one_tick_stand_in_brackets() -> None:
    assert_marbles(
        ops.flat_map(lambda text: rx.of(*text)),
        "-ab---|",
        "-(a,b)|",
    )


def test_an_error_passes_through() -> None:
    assert_marbles(
        ops.filter(lambda _: True),
        "-a-#",
        "-a-#",
        error=OSError("reset"),
    )


def test_time_is_handed_over_at_subscription() -> None:
    assert_marbles(
        ops.delay(3),
        "-a-b|",
        "----a-b|",
    )


def test_an_item_in_the_first_column_is_seen() -> None:
    assert play(ops.map(lambda item: item), "a|").values == ["a"]


def test_a_difference_fails_with_both_drawings() -> None:
    with pytest.raises(AssertionError, match="-a-b-"):
        assert_marbles(ops.skip(1), "-a-b-|", "-a-b-|")
    with pytest.raises(AssertionError):
        assert_marbles(ops.skip(1), "-a-b-|", "----b|")
    with pytest.raises(ValueError, match="after"):
        play(ops.skip(1), "-a-|-b")


def test_it_is_seen_when_the_source_was_held() -> None:
    assert play(ops.take(2), "-a-b-c-|").held == [(0, 3)]
    assert play(ops.map(str), "-a-|").held == [(0, 3)]
    assert play(ops.map(str), "-a-").held == [(0, None)]
    assert play(ops.retry(2), "-#").held == [(0, 1), (1, 2)]
    assert play(lambda source: rx.never(), "-a-|").held == []


def test_disposing_lets_go_of_the_source() -> None:
    played = play(ops.map(str), "-a-b-c-|", until=4)

    assert played.values == ["a", "b"]
    assert played.held == [(0, 4)]


def test_messages_tell_what_came_when() -> None:
    error = ValueError("no")
    seen = [(m.tick, m.what, m.value) for m in play(ops.skip(0), "-a-#", error=error).messages]

    assert seen == [(1, "next", "a"), (3, "error", error)]
