from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from kit import check_dispose, check_empty, check_error, check_two_subscribers, results

from rxwizard import (
    ChunkKind,
    ConfigError,
    FinishReason,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
)
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
OPERATORS = [ops.text, ops.reasoning]
NAMES = ["text", "reasoning"]


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


# -- usage -----------------------------------------------------------------------------------

SOME = StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(completion_tokens=1))
MORE = StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(completion_tokens=2))


def test_usage_gives_what_is_new() -> None:
    assert_marbles(
        ops.usage(),
        "-s-u-u-a-m-|",
        "---x-----y-|",
        s=START,
        u=SOME,
        a=HEL,
        m=MORE,
        x=SOME.usage,
        y=MORE.usage,
    )


# -- final -----------------------------------------------------------------------------------


def test_final_gives_the_last_chunk_only() -> None:
    assert_marbles(ops.final(), "-s-a-f-|", "-----f-|", **EVERY_KIND)


# -- choice ----------------------------------------------------------------------------------


def test_choice_makes_a_further_answer_the_only_one() -> None:
    ended = StreamChunk(choice=1, finish_reason=FinishReason.LENGTH, raw_finish_reason="length")
    stopped = FINAL.model_copy(
        update={"finish_reason": FinishReason.STOP, "raw_finish_reason": "stop"}
    )
    chunks = results(ops.choice(1), [START, HEL, OTHER_CHOICE, ended, LO, stopped])

    assert [(chunk.seq, chunk.choice, chunk.text) for chunk in chunks] == [
        (0, 0, ""),
        (1, 0, "Hola"),
        (2, 0, ""),
        (3, 0, ""),
    ]
    final = chunks[-1]
    assert (final.is_final, final.complete) == (True, True)
    assert (final.finish_reason, final.raw_finish_reason) == (FinishReason.LENGTH, "length")


def test_choice_that_never_ended_has_no_finish_reason() -> None:
    stopped = FINAL.model_copy(update={"finish_reason": FinishReason.STOP})

    assert results(ops.choice(1), [OTHER_CHOICE, stopped])[-1].finish_reason is None


def test_choice_0_of_a_stream_with_one_answer_is_the_stream() -> None:
    chunks = [START.model_copy(update={"seq": 0}), HEL, LO]

    assert all(a is b for a, b in zip(results(ops.choice(0), chunks), chunks, strict=True))


def test_choice_begins_anew_with_a_retraction_of_its_own_characters() -> None:
    erased = {"epoch": 0, "characters": 5}
    retract = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, data=erased)
    ended = StreamChunk(kind=ChunkKind.OTHER, choice=1, finish_reason=FinishReason.LENGTH)
    new = OTHER_CHOICE.model_copy(update={"epoch": 1})
    final = FINAL.model_copy(update={"epoch": 1})
    chunks = results(ops.choice(1), [START, HEL, OTHER_CHOICE, LO, ended, retract, new, final])

    assert [c.data for c in chunks if c.kind is ChunkKind.RETRACT] == [
        {"epoch": 0, "characters": len("Hola")}
    ]
    assert chunks[-1].finish_reason is None  # that was the old answer's


def test_choice_gives_valid_chunks() -> None:
    for chunk in results(ops.choice(1), [START, OTHER_CHOICE, FINAL]):
        assert StreamChunk.model_validate(chunk.model_dump()) == chunk


@pytest.mark.parametrize("index", [-1, 1.5, True, float("nan")])
def test_choice_that_is_no_whole_number_from_0_is_refused(index: Any) -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        ops.choice(index)


# -- tool_calls ------------------------------------------------------------------------------


def fragment(index: int, arguments: str, name: str | None = None, **fields: object) -> StreamChunk:
    delta = ToolCallDelta(index=index, arguments=arguments, name=name)
    return StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=delta, **fields)  # type: ignore[arg-type]


def names(*chunks: StreamChunk) -> list[tuple[str | None, object, bool]]:
    return [(c.name, c.arguments, c.valid) for c in results(ops.tool_calls(), chunks)]


def test_tool_calls_come_when_the_next_one_begins_and_at_the_end() -> None:
    played = play(
        ops.tool_calls(),
        "-a-b-c-f-|",
        a=fragment(0, '{"x":', "f"),
        b=fragment(0, "1}"),
        c=fragment(1, "", "g"),
        f=FINAL,
    )

    assert [(m.tick, m.value.name, m.value.arguments) for m in played.messages[:-1]] == [
        (5, "f", {"x": 1}),
        (7, "g", {}),
    ]
    assert played.messages[-1].tick == 9


def test_tool_calls_that_come_interleaved_are_whole() -> None:
    assert names(
        fragment(0, '{"x":', "f"), fragment(1, '{"y":', "g"), fragment(0, "1}"), fragment(1, "2}")
    ) == [("f", {"x": 1}, True), ("g", {"y": 2}, True)]


def test_tool_calls_that_the_token_limit_cut_are_marked() -> None:
    assert names(fragment(0, '{"x":', "f"), FINAL) == [("f", '{"x":', False)]


def test_tool_calls_before_an_error_are_those_that_are_whole() -> None:
    whole, half = fragment(0, "{}", "f"), fragment(1, '{"y":', "g")
    failed = play(ops.tool_calls(), "-a-b-#", a=half, b=whole, error=OSError("reset"))

    assert [m.what for m in failed.messages] == ["next", "error"]
    assert failed.messages[0].value.name == "f"


def test_tool_calls_of_a_retracted_answer_are_dropped() -> None:
    anew = fragment(0, "{}", "g", epoch=1)

    assert names(fragment(0, "{}", "f"), anew, FINAL) == [("g", {}, True)]
    retract = StreamChunk(kind=ChunkKind.RETRACT)
    assert names(fragment(0, "{}", "f"), retract, FINAL) == []


def test_tool_calls_are_those_of_choice_0() -> None:
    assert names(fragment(0, "{}", "f", choice=1), FINAL) == []


@pytest.mark.parametrize(
    "operator",
    [ops.usage(), ops.final(), ops.choice(0), ops.tool_calls()],
    ids=["usage", "final", "choice", "tool_calls"],
)
def test_the_five_checks(operator: Any) -> None:
    chunks = {"a": SOME, "b": CALL, "c": FINAL}
    check_empty(operator)
    check_error(operator, **chunks)
    check_dispose(operator, **chunks)
    check_two_subscribers(operator, **chunks)
