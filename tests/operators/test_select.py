from __future__ import annotations

import time

import pytest
import reactivex as rx

from rxwizard import ChunkKind, StreamChunk, ToolCallDelta
from rxwizard import operators as ops
from rxwizard.testing import assert_marbles, play

START = StreamChunk(kind=ChunkKind.START)
HEL = StreamChunk(text="Hel", seq=1)
LO = StreamChunk(text="lo", seq=2)
THOUGHT = StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm", seq=3)
CALL = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments="{}"), seq=4)
REFUSAL = StreamChunk(kind=ChunkKind.REFUSAL, text="I cannot", seq=5)
OTHER_CHOICE = StreamChunk(text="Hola", reasoning="hmm", choice=1, seq=6)
FINAL = StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True, seq=7)
ANEW = StreamChunk(text="Hi", epoch=1, seq=8)
START_ANEW = StreamChunk(kind=ChunkKind.START, epoch=1, seq=8)
RETRACTED = StreamChunk(kind=ChunkKind.RETRACT, seq=8)

EVERY_KIND = {
    "s": START,
    "a": HEL,
    "b": LO,
    "r": THOUGHT,
    "c": CALL,
    "x": REFUSAL,
    "o": OTHER_CHOICE,
    "f": FINAL,
}
OPERATORS = [ops.text, ops.reasoning, ops.accumulate]
NAMES = ["text", "reasoning", "accumulate"]


# -- text ------------------------------------------------------------------------------------


def test_text_gives_visible_text_only() -> None:
    assert_marbles(
        ops.text(),
        "-s-a-r-c-b-o-f-|",
        "---h-----l-----|",
        h="Hel",
        l="lo",
        **EVERY_KIND,
    )


def test_text_includes_the_words_of_a_refusal() -> None:
    assert_marbles(ops.text(), "-x-|", "-w-|", x=REFUSAL, w="I cannot")


# -- reasoning -------------------------------------------------------------------------------


def test_reasoning_gives_thoughts_only() -> None:
    assert_marbles(
        ops.reasoning(),
        "-s-a-r-c-b-o-f-|",
        "-----t---------|",
        t="Hm",
        **EVERY_KIND,
    )


# -- accumulate ------------------------------------------------------------------------------


def test_accumulate_gives_the_answer_each_time_it_grows() -> None:
    assert_marbles(
        ops.accumulate(),
        "-s-a-r-c-b-o-f-|",
        "---h-----w-----|",
        h="Hel",
        w="Hello",
        **EVERY_KIND,
    )


def test_accumulate_takes_strings_too() -> None:
    assert_marbles(ops.accumulate(), "-a-e-b-|", "-x---y-|", a="He", b="y", e="", x="He", y="Hey")


def test_accumulate_starts_anew_with_a_newer_epoch() -> None:
    assert_marbles(
        ops.accumulate(),
        "-a-b-n-|",
        "-h-w-i-|",
        a=HEL,
        b=LO,
        n=ANEW,
        h="Hel",
        w="Hello",
        i="Hi",
    )


def test_accumulate_says_nothing_at_a_new_epoch_before_there_is_text() -> None:
    assert_marbles(
        ops.accumulate(), "-a-s-n-|", "-h---i-|", a=HEL, s=START_ANEW, n=ANEW, h="Hel", i="Hi"
    )


def test_accumulate_takes_back_what_is_retracted() -> None:
    assert_marbles(
        ops.accumulate(), "-a-r-b-|", "-h-e-l-|", a=HEL, r=RETRACTED, b=LO, h="Hel", e="", l="lo"
    )


def test_accumulate_gives_strings_that_never_change() -> None:
    kept = play(ops.accumulate(), "-a-b-c-|").values

    assert kept == ["a", "ab", "abc"]


def test_accumulate_does_not_copy_the_answer_for_each_piece() -> None:
    def cpu_seconds(pieces: int) -> float:
        source = rx.from_iterable(["x" * 200] * pieces).pipe(ops.accumulate())
        began = time.process_time()
        source.subscribe(lambda _: None)
        return time.process_time() - began

    # Copies would be 25 GB for the larger one, which is 64 times those of the smaller.
    few, many = min(cpu_seconds(2_000) for _ in range(3)), cpu_seconds(16_000)

    assert many < 24 * few + 0.02


# -- all of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_completion_passes_through_at_once(operator) -> None:
    assert_marbles(operator(), "---|", "---|")


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_an_empty_source_gives_nothing(operator) -> None:
    assert play(operator(), "|").values == []


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_an_error_passes_on_at_once(operator) -> None:
    assert_marbles(operator(), "-s-#", "---#", s=START, error=OSError("reset"))


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_disposing_lets_go_of_the_source(operator) -> None:
    both = HEL.model_copy(update={"reasoning": "Hel"})
    played = play(operator(), "-a-b-|", until=2, a=both, b=both)

    assert (played.values, played.held) == (["Hel"], [(0, 2)])


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_two_subscribers_share_no_state(operator) -> None:
    both = HEL.model_copy(update={"reasoning": "Hel"})
    stream = rx.of(both, both).pipe(operator())
    first: list[str] = []
    second: list[str] = []
    stream.subscribe(first.append)
    stream.subscribe(second.append)

    assert first == second != []


@pytest.mark.parametrize("operator", OPERATORS, ids=NAMES)
def test_an_item_that_is_no_chunk_ends_the_stream_with_an_error(operator) -> None:
    last = play(operator(), "-a-b-|", a=7, b=HEL).messages[-1]

    assert (last.tick, last.what, type(last.value)) == (1, "error", AttributeError)
