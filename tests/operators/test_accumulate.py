from __future__ import annotations

import copy
import pickle
import time

import pytest
import reactivex as rx
from kit import check_dispose, check_empty, check_error, check_two_subscribers, results
from pydantic import BaseModel
from reactivex import operators as rx_ops

from rxwizard import (
    ChunkKind,
    FinishReason,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    ToolCallDelta,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import assert_marbles, play

HEL = StreamChunk(text="Hel")
LO = StreamChunk(text="lo", seq=1)
ANEW = StreamChunk(text="Hi", epoch=1, seq=2)
USAGE = TokenUsage(completion_tokens=2)
FINAL = StreamChunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    usage=USAGE,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="end_turn",
    seq=3,
)
HELLO = WizardResponse(
    text="Hello",
    usage=USAGE,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="end_turn",
    complete=True,
)


START = StreamChunk(kind=ChunkKind.START)
START_ANEW = StreamChunk(kind=ChunkKind.START, epoch=1)
RETRACTED = StreamChunk(kind=ChunkKind.RETRACT)
THOUGHT = StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm")
CALL = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(name="f", arguments="{"))
CALL_ENDS = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments="}"))
OTHER_CALL = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(index=1, name="g"))
REFUSAL = StreamChunk(kind=ChunkKind.REFUSAL, text="I cannot")
CITATION = StreamChunk(kind=ChunkKind.CITATION, data={"url": "x"})
OTHER_CHOICE = StreamChunk(text="Hola", choice=1)
OTHER_ENDS = StreamChunk(choice=1, finish_reason=FinishReason.LENGTH)

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


# -- collect -------------------------------------------------------------------------------------


def test_collect_gives_one_response_at_completion() -> None:
    whole = play(ops.collect(), "-a-b-f-|", a=HEL, b=LO, f=FINAL)

    assert [(m.tick, m.what) for m in whole.messages] == [(7, "next"), (7, "completed")]
    assert whole.values[0].model_copy(update={"metadata": HELLO.metadata}) == HELLO


def test_collect_starts_anew_with_a_newer_epoch() -> None:
    (response,) = play(ops.collect(), "-a-b-n-|", a=HEL, b=LO, n=ANEW).values

    assert (response.text, response.complete) == ("Hi", False)


def test_collect_of_an_empty_source_is_empty_and_not_complete() -> None:
    assert_marbles(ops.collect(), "--|", "--(r,|)", r=WizardResponse())


def test_collect_passes_the_error_on_alone() -> None:
    assert_marbles(ops.collect(), "-a-#", "---#", a=HEL, error=StreamInterruptedError("cut"))


def test_collect_is_not_given_to_who_has_gone() -> None:
    played = play(ops.collect(), "-a-b-|", until=2, a=HEL, b=LO)

    assert (played.messages, played.held) == ([], [(0, 2)])


def test_collect_shares_no_state_between_subscribers() -> None:
    stream = rx.of(HEL, LO).pipe(ops.collect(), rx_ops.map(lambda response: response.text))
    texts: list[str] = []
    stream.subscribe(texts.append)
    stream.subscribe(texts.append)

    assert texts == ["Hello", "Hello"]


# -- accumulate_text -------------------------------------------------------------------------


def test_accumulate_text_gives_the_answer_each_time_it_grows() -> None:
    assert_marbles(
        ops.accumulate_text(),
        "-s-a-r-c-b-o-f-|",
        "---h-----w-----|",
        h="Hel",
        w="Hello",
        **{**EVERY_KIND, "x": THOUGHT},
    )


def test_accumulate_text_takes_strings_too() -> None:
    assert_marbles(
        ops.accumulate_text(), "-a-e-b-|", "-x---y-|", a="He", b="y", e="", x="He", y="Hey"
    )


def test_accumulate_text_starts_anew_with_a_newer_epoch() -> None:
    assert_marbles(
        ops.accumulate_text(),
        "-a-b-n-|",
        "-h-w-i-|",
        a=HEL,
        b=LO,
        n=ANEW,
        h="Hel",
        w="Hello",
        i="Hi",
    )


def test_accumulate_text_says_nothing_at_a_new_epoch_before_there_is_text() -> None:
    assert_marbles(
        ops.accumulate_text(), "-a-s-n-|", "-h---i-|", a=HEL, s=START_ANEW, n=ANEW, h="Hel", i="Hi"
    )


def test_accumulate_text_takes_back_what_is_retracted() -> None:
    assert_marbles(
        ops.accumulate_text(),
        "-a-r-b-|",
        "-h-e-l-|",
        a=HEL,
        r=RETRACTED,
        b=LO,
        h="Hel",
        e="",
        l="lo",
    )


def test_accumulate_text_gives_strings_that_never_change() -> None:
    kept = play(ops.accumulate_text(), "-a-b-c-|").values

    assert kept == ["a", "ab", "abc"]


def test_accumulate_text_does_not_copy_the_answer_for_each_piece() -> None:
    def cpu_seconds(pieces: int) -> float:
        source = rx.from_iterable(["x" * 200] * pieces).pipe(ops.accumulate_text())
        began = time.process_time()
        source.subscribe(lambda _: None)
        return time.process_time() - began

    # Copies would be 25 GB for the larger one, which is 64 times those of the smaller.
    few, many = min(cpu_seconds(2_000) for _ in range(3)), cpu_seconds(16_000)

    assert many < 24 * few + 0.02


def test_accumulate_text_has_no_state_of_its_own() -> None:
    check_empty(ops.accumulate_text())
    check_error(ops.accumulate_text())
    check_dispose(ops.accumulate_text())
    check_two_subscribers(ops.accumulate_text())


# -- accumulate ----------------------------------------------------------------------------------

EVERYTHING = [
    *(START, HEL, THOUGHT, LO, CALL, CALL_ENDS, OTHER_CALL, CITATION, OTHER_CHOICE, OTHER_CHOICE),
    *(OTHER_ENDS, REFUSAL, FINAL, ANEW, HEL, RETRACTED, LO, START_ANEW, CALL, START_ANEW, HEL),
]


def folds(chunks: list[StreamChunk]) -> list[WizardResponse]:
    """What the answer was after each of the chunks, by the long way."""
    return [ResponseBuilder().add_all(chunks[: count + 1]).build() for count in range(len(chunks))]


def test_accumulate_gives_the_response_so_far_at_every_chunk() -> None:
    played = play(ops.accumulate(), "-s-a-b-f-|", **EVERY_KIND)

    assert [m.tick for m in played.messages] == [1, 3, 5, 7, 9]
    assert [response.text for response in played.values] == ["", "Hel", "Hello", "Hello"]
    assert [response.complete for response in played.values] == [False, False, False, True]


def test_accumulate_gives_what_stays_as_it_is_whenever_it_is_looked_at() -> None:
    # All of them are looked at only after the last one came, the last one first.
    kept = results(ops.accumulate(), EVERYTHING)

    assert kept[::-1] == folds(EVERYTHING)[::-1]


def test_accumulate_gives_the_same_where_each_is_looked_at_at_once() -> None:
    seen: list[WizardResponse] = []
    rx.from_iterable(EVERYTHING).pipe(ops.accumulate()).subscribe(
        lambda response: seen.append(response.model_copy())
    )

    assert seen == folds(EVERYTHING)


class Holder(BaseModel):
    response: WizardResponse


@pytest.mark.parametrize(
    "look",
    [
        lambda response: response,
        lambda response: response.model_copy(),
        copy.copy,
        copy.deepcopy,
        lambda response: pickle.loads(pickle.dumps(response)),
        lambda response: WizardResponse(**dict(response)),
        lambda response: WizardResponse.model_validate(response),
        lambda response: WizardResponse.model_validate_json(response.model_dump_json()),
        lambda response: WizardResponse(**Holder(response=response).model_dump()["response"]),
    ],
)
def test_accumulate_gives_real_responses_however_they_are_looked_at(look) -> None:
    chunks = [START, HEL, LO, FINAL]
    expected = folds(chunks)[-1]
    response = results(ops.accumulate(), chunks)[-1]

    assert isinstance(response, WizardResponse)
    assert look(response) == expected
    assert repr(results(ops.accumulate(), chunks)[-1]) == repr(expected)
    assert str(results(ops.accumulate(), chunks)[-1]) == str(expected)
    assert expected == results(ops.accumulate(), chunks)[-1]
    assert type(response) is WizardResponse


def test_accumulate_does_not_build_what_nobody_looks_at() -> None:
    def cpu_seconds(pieces: int) -> float:
        chunks = [StreamChunk(text="x" * 200, seq=seq) for seq in range(pieces)]
        source = rx.from_iterable(chunks).pipe(ops.accumulate())
        began = time.process_time()
        source.subscribe(lambda _: None)
        return time.process_time() - began

    few, many = min(cpu_seconds(1_000) for _ in range(3)), cpu_seconds(8_000)

    assert many < 24 * few + 0.02


def test_accumulate_has_no_state_of_its_own() -> None:
    check_empty(ops.accumulate())
    check_error(ops.accumulate(), **EVERY_KIND)
    check_dispose(ops.accumulate(), "-a-b-f-|", **EVERY_KIND)
    check_two_subscribers(ops.accumulate(), "-a-b-f-|", **EVERY_KIND)
