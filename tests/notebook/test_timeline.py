"""Timelines: exact numbers in virtual time, and what is drawn of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, TokenUsage, ToolCallDelta
from rxwizard.errors import ConfigError
from rxwizard.notebook.arrivals import Stall
from rxwizard.notebook.timelines import timeline, timeline_of
from rxwizard.testing import run_in_virtual_time

from .answers import chunks, timed
from .drawings import clipped, harmless, parsed, tips, written

if TYPE_CHECKING:
    from rxwizard import Stream

USAGE = TokenUsage(completion_tokens=20)

ANSWER = chunks(
    (0.5, {"kind": "start"}),
    (1.0, {"kind": "reasoning", "reasoning": "hm"}),
    (1.5, {"text": "Hello"}),
    (3.75, {"kind": "heartbeat"}),
    (4.0, {"text": " you"}),
    (4.0, {"kind": "tool_call", "tool_call": ToolCallDelta(id="1", arguments="{}")}),
    (5.0, {"kind": "final", "is_final": True, "finish_reason": "stop", "usage": USAGE}),
)


def test_chunks_that_are_there_have_their_times_from_the_request_on() -> None:
    line = timeline_of(ANSWER)

    assert [arrival.at for arrival in line.arrivals] == [0.5, 1.0, 1.5, 3.75, 4.0, 4.0, 5.0]
    assert line.time_to_first_token == 1.0
    assert line.duration == 5.0
    assert line.characters == 13
    assert line.characters_per_second == 2.6
    assert (line.tokens, line.tokens_per_second) == (20, 4.0)
    assert line.finish_reason is FinishReason.STOP
    assert (line.model, line.error, line.ending) == ("gpt-test", None, "stop")
    assert list(line.kinds.items()) == [
        ("start", 1),
        ("reasoning", 1),
        ("text", 2),
        ("tool_call", 1),
        ("heartbeat", 1),
        ("final", 1),
    ]
    assert line.chunks == 7


def test_a_gap_over_the_bound_is_a_stall_and_a_heartbeat_does_not_end_it() -> None:
    line = timeline_of(ANSWER, stall=1.0)

    assert line.stalls == (Stall(1.5, 4.0),)
    assert line.stalled == line.stalls[0].seconds == 2.5
    assert timeline_of(ANSWER, stall=2.5).stalls == ()
    assert [stall.begin for stall in timeline_of(ANSWER, stall=0.25).stalls] == [1.0, 1.5, 4.0]


def test_the_wait_for_the_first_token_is_no_stall() -> None:
    line = timeline_of(chunks((2.0, {"kind": "start"}), (9.0, {"text": "a"})))

    assert line.time_to_first_token == 9.0
    assert line.stalls == ()


async def of_chunks(offset: float) -> Any:
    await asyncio.sleep(offset)
    return await timeline(
        timed(*((chunk.at, altered(chunk, offset)) for chunk in ANSWER)), width=700
    )


def altered(chunk: StreamChunk, offset: float) -> StreamChunk:
    source = chunk.source.model_copy(update={"requested_at": offset})
    return chunk.model_copy(update={"at": chunk.at + offset, "source": source})


@pytest.mark.parametrize("offset", [0.0, 64.0])
def test_a_stream_is_read_to_its_end_and_has_the_times_of_its_chunks(offset: float) -> None:
    line = run_in_virtual_time(of_chunks(offset))
    same = timeline_of(ANSWER)

    assert line.width == 700
    assert line.arrivals == same.arrivals
    assert (line.kinds, line.stalls, line.duration) == (same.kinds, same.stalls, same.duration)


def test_items_that_are_no_chunks_have_the_times_at_which_they_came() -> None:
    async def read() -> Any:
        await asyncio.sleep(8)
        return await timeline(timed((0.5, "Hello"), (2.0, " you"), (2.5, 7)))

    line = run_in_virtual_time(read())

    assert [(a.at, a.kind, a.characters) for a in line.arrivals] == [
        (0.5, "text", 5),
        (2.0, "text", 4),
        (2.5, "item", 0),
    ]
    assert line.time_to_first_token == 0.5
    assert (line.duration, line.stalls, line.ending) == (2.5, (Stall(0.5, 2.0),), "completed")


def test_a_stream_that_fails_is_shown_up_to_its_error() -> None:
    error = OSError("reset by <peer>")
    line = run_in_virtual_time(
        timeline(timed((1.0, "Hello"), error=error, fails_at=4.0), stall=2.0)
    )

    assert line.error is error
    assert line.ending == "OSError: reset by <peer>"
    assert (line.duration, line.chunks) == (4.0, 1)
    assert line.stalls == (Stall(1.0, 4.0),)
    assert line.tokens_per_second is None
    assert "ended: OSError: reset by <peer>" in written(line.svg())
    assert {"✕ OSError", "stall 3 s"} <= set(written(line.svg()))
    assert repr(line).endswith("ended        OSError: reset by <peer>")


@dataclass(frozen=True, slots=True)
class Recorded:
    """As a recording: it is replayed at the pace it had."""

    exchanges: tuple[str, ...] = ("first", "second")

    def stream(self, exchange: int = -1, *, speed: float | None = 1.0) -> Stream[Any]:
        assert speed == 1.0
        return timed((3600.0, self.exchanges[exchange]), (7200.0, "!"))


async def test_a_recording_has_the_times_it_had_and_takes_none() -> None:
    async with asyncio.timeout(10):
        line = await timeline(Recorded())
        other = await timeline(Recorded(), exchange=0)

    assert [arrival.at for arrival in line.arrivals] == [3600.0, 7200.0]
    assert (line.characters, other.characters) == (7, 6)


async def test_an_iterable_will_do_be_it_asynchronous_or_not() -> None:
    async def give() -> Any:
        yield "a"
        yield "b"

    assert (await timeline(give())).chunks == 2
    assert (await timeline(ANSWER)).arrivals == timeline_of(ANSWER).arrivals
    assert (await timeline(reactivex.of("a", "b"))).chunks == 2


@pytest.mark.parametrize(
    "options",
    [{"stall": 0}, {"window": -1}, {"width": 10}, {"limit": 0}, {"stall": float("inf")}],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"timeline: {next(iter(options))}="):
        timeline_of([], **options)


async def test_what_is_nothing_to_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes a stream, a recording or chunks, not a int"):
        await timeline(7)  # type: ignore[call-overload]


async def test_cancelling_closes_the_stream() -> None:
    closed = False
    reading = asyncio.Event()

    async def give() -> Any:
        nonlocal closed
        try:
            yield "a"
            reading.set()
            await asyncio.Event().wait()
        finally:
            closed = True

    from rxwizard import from_async_iterable

    task = asyncio.create_task(timeline(from_async_iterable(give())))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed


def test_beyond_the_limit_items_are_counted_and_not_kept() -> None:
    line = timeline_of(chunks(*((float(at), {"text": "ab"}) for at in range(1, 11))), limit=4)

    assert [arrival.at for arrival in line.arrivals] == [1, 2, 3, 4]
    assert (line.left_out, line.chunks, line.characters, line.duration) == (6, 10, 20, 10)
    assert "6 chunks not drawn" in written(line.svg())[0]
    assert "left out     6 chunks" in repr(line)


def test_an_operator_that_begins_anew_is_seen() -> None:
    line = timeline_of(chunks((1.0, {"text": "a"}), (2.0, {"kind": "retract"}), (2.5, {})))

    assert line.kinds == {"text": 2, "retract": 1}


# -- the picture ---------------------------------------------------------------------------------


def test_the_picture_has_a_lane_for_each_kind_and_says_what_matters() -> None:
    line = timeline_of(ANSWER)
    words = written(line.svg())

    assert words[0] == "gpt-test · 7 chunks · 13 characters · 20 tokens · 5 s"
    assert words[1] == "ended: stop"
    assert {"first token 1 s", "stall 2.5 s", "characters/s"} <= set(words)
    lanes = ["start 1", "reasoning 1", "text 2", "tool_call 1", "heartbeat 1", "final 1"]
    assert [word for word in words if word in lanes] == lanes
    assert "nothing came for 2.5 s, from 1.5 s on" in tips(line.svg())
    assert not clipped(line.svg())


def test_marks_that_would_lie_on_each_other_are_one() -> None:
    many = chunks(*((1 + number / 10_000, {"text": "x"}) for number in range(20_000)))
    picture = timeline_of(many, width=400).svg()

    assert len(picture) < 100_000
    assert any(tip.startswith("text at") and tip.endswith("times") for tip in tips(picture))


def test_throughput_is_what_came_within_the_window() -> None:
    # Ten characters a second for ten seconds.
    steady = chunks(*((at / 10, {"text": "x"}) for at in range(1, 101)))

    assert "characters per second, over 1 s; at most 10" in tips(timeline_of(steady).svg())


def test_nothing_at_all_can_be_drawn() -> None:
    line = timeline_of([])

    assert (line.chunks, line.duration, line.characters_per_second) == (0, 0.0, None)
    assert written(line.svg())[0] == "0 chunks · 0 characters · 0 s"
    assert repr(line).splitlines() == [
        "timeline: 0 chunks, 0 characters in 0 s",
        "  kinds        none",
        "  ended        completed",
    ]


def test_in_a_terminal_it_is_a_summary() -> None:
    assert repr(timeline_of(ANSWER)).splitlines() == [
        "gpt-test: 7 chunks, 13 characters in 5 s",
        "  kinds        start 1, reasoning 1, text 2, tool_call 1, heartbeat 1, final 1",
        "  first token  1 s",
        "  throughput   3 characters/s, 4.0 tokens/s",
        "  stalls       2.5 s in all: 2.5 s at 1.5 s",
        "  ended        stop",
    ]


steps = st.lists(
    st.tuples(
        st.floats(0, 100),
        st.fixed_dictionaries({"kind": st.sampled_from(ChunkKind), "text": st.text(max_size=5)}),
    ),
    max_size=12,
)
models = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


@settings(max_examples=25, deadline=None)
@given(steps, models, st.integers(300, 1200))
def test_any_answer_is_drawn_within_its_frame(
    given_steps: list[tuple[float, dict[str, Any]]], model: str, width: int
) -> None:
    answer = [
        chunk.model_copy(update={"source": chunk.source.model_copy(update={"model": model})})
        for chunk in chunks(*sorted(given_steps, key=lambda step: step[0]))
    ]
    line = timeline_of(answer, width=width)

    parsed(line.svg())
    assert not clipped(line.svg())
    assert harmless(repr(line))
