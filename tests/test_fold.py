from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    ChunkKind,
    ChunkSource,
    FinishReason,
    RateLimit,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
    WizardResponse,
)
from rxwizard.fold import MAX_RESPONSE_CHARACTERS, ResponseBuilder, parse_arguments


def fold(*chunks: StreamChunk, limit: int = MAX_RESPONSE_CHARACTERS) -> WizardResponse:
    return ResponseBuilder(limit).add_all(chunks).build()


def say(text: str, **fields: object) -> StreamChunk:
    return StreamChunk.model_validate({"text": text, **fields})


def call(arguments: str = "", index: int = 0, **fields: object) -> StreamChunk:
    delta = {"index": index, "arguments": arguments, **fields}
    return StreamChunk.model_validate({"kind": "tool_call", "tool_call": delta})


FINAL = StreamChunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="end_turn",
    usage=TokenUsage(completion_tokens=2),
)


def test_nothing_folds_to_an_empty_response_that_is_not_complete() -> None:
    assert fold() == WizardResponse()
    assert fold().complete is False


def test_text_and_reasoning_are_joined_apart() -> None:
    response = fold(
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="H"),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="m"),
        say("Hel"),
        say("lo"),
        FINAL,
    )

    assert (response.text, response.reasoning) == ("Hello", "Hm")
    assert (response.finish_reason, response.raw_finish_reason) == (FinishReason.STOP, "end_turn")
    assert response.usage == TokenUsage(completion_tokens=2)
    assert response.complete is True


def test_a_final_chunk_of_an_operator_is_not_complete() -> None:
    ended = FINAL.model_copy(update={"complete": False, "finish_reason": FinishReason.BUDGET})

    assert fold(say("Hel"), ended).complete is False


def test_tool_calls_are_put_together() -> None:
    response = fold(
        call(id="a", name="weather"), call('{"city":'), call("{}", 1, id="b"), call(' "Tokyo"}')
    )
    first, second = response.tool_calls

    assert (first.id, first.name, first.arguments) == ("a", "weather", {"city": "Tokyo"})
    assert (first.arguments_raw, first.valid) == ('{"city": "Tokyo"}', True)
    assert (second.index, second.id, second.name, second.arguments) == (1, "b", None, {})


def test_choices_are_kept_apart() -> None:
    response = fold(
        say("a", choice=0),
        say("x", choice=2),
        say("y", choice=1),
        say("b", choice=0),
        StreamChunk(kind=ChunkKind.OTHER, choice=2, finish_reason=FinishReason.LENGTH),
    )

    assert response.text == "ab"
    assert [(c.index, c.text, c.finish_reason) for c in response.choices] == [
        (1, "y", None),
        (2, "x", FinishReason.LENGTH),
    ]


def test_a_newer_epoch_starts_the_answer_anew() -> None:
    citation = StreamChunk(kind=ChunkKind.CITATION, data="u")
    response = fold(say("old"), call("{}"), citation, FINAL, say("ne", epoch=1), say("w", epoch=1))

    assert (response.text, response.tool_calls, response.citations) == ("new", (), ())
    assert (response.complete, response.finish_reason) == (False, None)


def test_a_retraction_drops_what_came_before() -> None:
    assert fold(say("old"), StreamChunk(kind=ChunkKind.RETRACT), say("new")).text == "new"


def test_what_was_used_before_a_retraction_stays_used() -> None:
    used = TokenUsage(completion_tokens=7)
    retract = StreamChunk(kind=ChunkKind.RETRACT, epoch=1)

    assert fold(say("old", usage=used), retract, say("new", epoch=1)).usage == used
    start = StreamChunk(kind=ChunkKind.START)
    # RxPY's `retry` adds nothing up, and the second request has not said anything yet.
    assert fold(start, say("old", usage=used), start, say("new")).usage is None


def test_times_are_those_of_the_request_that_brought_the_answer() -> None:
    first, second = (ChunkSource(attempt=n, requested_at=10.0 * n) for n in (1, 2))
    old = say("old", source=first, at=11.0)
    anew = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, source=second, at=22.0)
    new = say("new", epoch=1, source=second, at=22.5)
    on = say("and on", source=second, at=22.5)

    begun_anew, continued = fold(old, anew, new).metadata, fold(old, on).metadata
    assert (begun_anew.time_to_first_token, begun_anew.duration) == (2.5, 2.5)
    assert (continued.time_to_first_token, continued.duration) == (1.0, 12.5)


def test_citations_are_kept_in_order() -> None:
    citations = [StreamChunk(kind=ChunkKind.CITATION, data={"url": url}) for url in "ab"]

    assert fold(*citations).citations == ({"url": "a"}, {"url": "b"})


def test_the_last_usage_counts() -> None:
    first, last = TokenUsage(prompt_tokens=1), TokenUsage(prompt_tokens=2)

    assert fold(say("a", usage=first), say("b", usage=last), say("c")).usage == last


def test_metadata_tells_who_and_how_long() -> None:
    source = ChunkSource(
        provider="openai",
        model="m",
        response_id="r",
        request_id="q",
        attempt=1,
        requested_at=10.0,
        rate_limit={"requests": RateLimit(remaining=7)},
    )
    response = fold(
        StreamChunk(kind=ChunkKind.START, source=source, at=10.5),
        say("a", source=source, at=11.0),
        say("b", source=source, at=12.5),
    )

    assert response.model == "m"
    assert response.metadata.model_dump() == {
        "provider": "openai",
        "response_id": "r",
        "request_id": "q",
        "attempt": 1,
        "rate_limit": {"requests": {"limit": None, "remaining": 7, "reset_after": None}},
        "from_cache": False,
        "time_to_first_token": 1.0,
        "duration": 2.5,
    }


def test_it_can_be_built_at_any_point_and_goes_on() -> None:
    builder = ResponseBuilder()
    builder.add(say("a"))
    half = builder.build()
    builder.add(say("b"))

    assert (half.text, builder.build().text) == ("a", "ab")


def test_beyond_the_limit_it_stops_growing_and_says_so() -> None:
    response = fold(*[say("x" * 10)] * 100, FINAL, limit=25)

    assert response.truncated is True
    assert response.text == "x" * 30
    assert response.complete is True
    assert response.usage is not None


@pytest.mark.parametrize(
    "chunk",
    [
        say("x" * 100),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="x" * 100),
        call("x" * 100),
        StreamChunk(kind=ChunkKind.CITATION, data="x" * 100),
        say("x" * 100, choice=3),
    ],
    ids=["text", "reasoning", "arguments", "citation", "choice"],
)
def test_everything_that_is_kept_counts_towards_the_limit(chunk: StreamChunk) -> None:
    assert fold(*[chunk] * 3, limit=250).truncated is True
    assert fold(*[chunk] * 2, limit=250).truncated is False


def test_endless_empty_fragments_count_as_well() -> None:
    assert fold(*[call("")] * 300, limit=250).truncated is True


@pytest.mark.parametrize(
    ("raw", "value", "valid"),
    [
        ("", {}, True),
        ("  ", {}, True),
        ("null", {}, True),
        ("{}", {}, True),
        ('{"a": 1}', {"a": 1}, True),
        ("[1]", [1], True),
        ("7", 7, True),
        ('"text"', "text", True),
        ('{"a": ', '{"a": ', False),
        ("SELECT 1", "SELECT 1", False),
        ('{"a": NaN}', '{"a": NaN}', False),
        ("[" * 100_000, "[" * 100_000, False),
        ('{"a": "\ud83d"}', '{"a": "\ud83d"}', False),
    ],
    ids=lambda value: str(value)[:12],
)
def test_arguments_are_parsed_or_stay_text(raw: str, value: object, valid: bool) -> None:
    assert parse_arguments(raw) == (value, valid)


@pytest.mark.parametrize(
    ("fragments", "whole"),
    [([], False), (["{"], False), (["{", "}"], True), (['{"a": {}'], False), (["{} "], True)],
)
def test_it_knows_whether_arguments_are_whole(fragments: list[str], whole: bool) -> None:
    builder = ResponseBuilder().add_all(call(fragment) for fragment in fragments)

    assert builder.arguments_are_whole(0, 0) is whole
    assert builder.arguments_are_whole(1, 0) is False
    # Looking changes nothing.
    builder.add(call("!"))
    raw = builder.build().tool_calls[0].arguments_raw
    assert raw == "".join(fragments) + "!"


def test_asking_for_every_fragment_whether_it_is_whole_is_linear() -> None:
    def cpu_seconds(count: int) -> float:
        builder = ResponseBuilder()
        fragment = call("abcdefgh" * 8)
        began = time.process_time()
        for _ in range(count):
            builder.add(fragment)
            builder.arguments_are_whole(0, 0)
        return time.process_time() - began

    # Linear work gives 8, quadratic 64.
    few, many = min(cpu_seconds(1_000) for _ in range(3)), cpu_seconds(8_000)

    assert many < 24 * few + 0.02


chunks = st.builds(
    StreamChunk,
    text=st.text(max_size=3),
    reasoning=st.text(max_size=3),
    choice=st.integers(0, 2),
    tool_call=st.none() | st.builds(ToolCallDelta, index=st.integers(0, 2), arguments=st.text()),
)


@given(st.lists(chunks))
def test_the_fold_is_the_joined_text_of_choice_0(made: list[StreamChunk]) -> None:
    response = fold(*made)
    first = [chunk for chunk in made if chunk.choice == 0]

    assert response.text == "".join(chunk.text for chunk in first)
    assert response.reasoning == "".join(chunk.reasoning for chunk in first)
    assert sum(len(c.arguments_raw) for c in response.tool_calls) == sum(
        len(chunk.tool_call.arguments) for chunk in first if chunk.tool_call
    )
