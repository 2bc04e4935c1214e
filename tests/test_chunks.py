from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import rxwizard
from rxwizard import (
    ChunkKind,
    ChunkSource,
    FinishReason,
    StreamChunk,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    WizardResponse,
)
from rxwizard.chunks import text_chunk, text_template

SOURCE = ChunkSource(provider="openai", model="m", response_id="r", request_id="q")


def quick(text: str = "Hi", seq: int = 3, at: float = 1.5, index: int = 0) -> StreamChunk:
    return text_chunk(text_template(SOURCE, index=index), text, seq, at)


def validated(text: str = "Hi", seq: int = 3, at: float = 1.5, index: int = 0) -> StreamChunk:
    return StreamChunk(text=text, index=index, seq=seq, at=at, source=SOURCE)


# -- the quick chunk is the validated one ----------------------------------------------------


def test_a_quick_chunk_equals_the_validated_one() -> None:
    assert quick() == validated()
    assert validated() == quick()
    assert quick(index=2) == validated(index=2)
    assert quick() != validated("Ho")
    assert quick() != quick("Ho")


def test_a_quick_chunk_hashes_as_the_validated_one() -> None:
    assert hash(quick()) == hash(validated())
    assert len({quick(), validated(), quick("Ho")}) == 2


def test_a_quick_chunk_is_dumped_as_the_validated_one() -> None:
    for options in ({}, {"exclude_unset": True}, {"exclude_defaults": True}, {"mode": "json"}):
        assert quick().model_dump(**options) == validated().model_dump(**options)
    assert quick().model_dump_json() == validated().model_dump_json()


def test_a_quick_chunk_has_the_fields_set_of_the_validated_one() -> None:
    assert quick().model_fields_set == validated().model_fields_set
    assert quick().model_extra is validated().model_extra is None
    assert list(vars(quick())) == list(vars(validated()))


def test_a_quick_chunk_is_shown_as_the_validated_one() -> None:
    assert repr(quick()) == repr(validated())
    assert str(quick()) == str(validated())


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        lambda chunk: pickle.loads(pickle.dumps(chunk)),
        lambda chunk: chunk.model_copy(),
        lambda chunk: chunk.model_copy(deep=True),
        lambda chunk: StreamChunk.model_validate(chunk.__dict__),
        lambda chunk: StreamChunk.model_validate_json(chunk.model_dump_json()),
    ],
    ids=["copy", "deepcopy", "pickle", "model_copy", "deep model_copy", "validate", "JSON"],
)
def test_a_quick_chunk_survives_as_the_validated_one(duplicate: Any) -> None:
    again = duplicate(quick())

    assert again == duplicate(validated()) == validated()
    assert again.model_dump() == validated().model_dump()


def test_a_quick_chunk_can_be_updated() -> None:
    assert quick().model_copy(update={"text": "Ho"}) == validated("Ho")


def test_a_quick_chunk_is_frozen() -> None:
    with pytest.raises(ValidationError):
        quick().text = "Ho"  # type: ignore[misc]


def test_quick_chunks_share_no_state() -> None:
    template = text_template(SOURCE)
    first, second = (text_chunk(template, text, 0, 0.0) for text in ("a", "b"))

    assert (first.text, second.text, template["text"]) == ("a", "b", "")
    assert first.__dict__ is not second.__dict__


def test_a_quick_chunk_has_every_field_of_the_class() -> None:
    assert vars(quick()).keys() == StreamChunk.model_fields.keys()


# -- values ----------------------------------------------------------------------------------

VALUES: list[BaseModel] = [
    StreamChunk(text="a"),
    TokenUsage(prompt_tokens=1),
    ToolCall(name="n"),
    ToolCallDelta(arguments="{"),
    ChunkSource(model="m"),
    WizardResponse(text="a"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_strict_about_their_fields_and_can_be_pickled(value: BaseModel) -> None:
    name = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError):
        setattr(value, name, getattr(value, name))
    with pytest.raises(ValidationError):
        type(value)(**{**dict(value), "no_such_field": 1})

    assert pickle.loads(pickle.dumps(value)) == value


def test_an_empty_chunk_says_nothing() -> None:
    chunk = StreamChunk()

    assert (chunk.text, chunk.reasoning, chunk.is_final, chunk.complete) == ("", "", False, None)
    assert (chunk.kind, chunk.index, chunk.choice, chunk.seq, chunk.epoch) == ("text", 0, 0, 0, 0)
    assert chunk.usage is chunk.tool_call is chunk.finish_reason is chunk.raw is None


@pytest.mark.parametrize("raw", ["stop", 1, 2.5, None])
def test_a_raw_finish_reason_stays_what_it_was(raw: object) -> None:
    again = StreamChunk(raw_finish_reason=raw).raw_finish_reason

    assert again == raw
    assert type(again) is type(raw)


def test_the_vocabulary_is_that_of_the_contract() -> None:
    assert {reason.value for reason in FinishReason} == {
        *("stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error"),
        *("interrupted", "cancelled", "budget", "other"),
    }
    assert {kind.value for kind in ChunkKind} == {
        *("start", "text", "reasoning", "tool_call", "refusal", "citation", "usage", "heartbeat"),
        *("warning", "retract", "other", "final"),
    }
    assert FinishReason.STOP == "stop"
    assert f"{ChunkKind.TEXT}" == "text"


def test_what_is_public_is_exported() -> None:
    for value in VALUES:
        assert getattr(rxwizard, type(value).__name__) is type(value)


# -- usage -----------------------------------------------------------------------------------

maybe = st.none() | st.integers(0, 1_000)
usages = st.builds(
    TokenUsage,
    prompt_tokens=maybe,
    completion_tokens=maybe,
    reasoning_tokens=maybe,
    cached_tokens=maybe,
    cache_write_tokens=maybe,
    source=st.sampled_from(["reported", "estimated"]),
)
COUNTS = [name for name in TokenUsage.model_fields if name.endswith("_tokens")]


def test_merging_takes_the_newer_count_and_keeps_the_one_not_mentioned() -> None:
    older = TokenUsage(prompt_tokens=10, completion_tokens=1, total_tokens=11, cached_tokens=4)
    newer = TokenUsage(completion_tokens=7)

    assert older.merge(newer) == TokenUsage(
        prompt_tokens=10, completion_tokens=7, total_tokens=17, cached_tokens=4
    )


def test_merging_takes_a_total_that_the_provider_says() -> None:
    merged = TokenUsage(prompt_tokens=10).merge(TokenUsage(completion_tokens=7, total_tokens=99))

    assert merged.total_tokens == 99


def test_merging_keeps_a_total_of_the_providers_own() -> None:
    older = TokenUsage(prompt_tokens=10, completion_tokens=1, total_tokens=99)

    assert older.merge(TokenUsage(cached_tokens=3)).total_tokens == 99


def test_merging_a_zero_is_a_count() -> None:
    assert TokenUsage(prompt_tokens=10).merge(TokenUsage(prompt_tokens=0)).prompt_tokens == 0


def test_merging_brings_the_raw_objects_together() -> None:
    older, newer = TokenUsage(raw={"a": 1, "b": 1}), TokenUsage(raw={"b": 2})

    assert older.merge(newer).raw == {"a": 1, "b": 2}
    assert TokenUsage().merge(TokenUsage()).raw is None


@given(usages, usages)
def test_merging_never_forgets_and_never_adds(older: TokenUsage, newer: TokenUsage) -> None:
    merged = older.merge(newer)
    for name in COUNTS:
        if name != "total_tokens":
            told = getattr(newer, name)

            assert getattr(merged, name) == (getattr(older, name) if told is None else told)
    assert merged.merge(newer) == merged
    assert merged.source == newer.source


def test_adding_sums_different_responses() -> None:
    both = TokenUsage(prompt_tokens=10, completion_tokens=1, total_tokens=11, raw={"a": 1})
    total = both + TokenUsage(prompt_tokens=5, cached_tokens=2)

    assert total == TokenUsage(
        prompt_tokens=15, completion_tokens=1, total_tokens=11, cached_tokens=2
    )
    assert total.raw is None


def test_adding_an_estimate_gives_an_estimate() -> None:
    assert (TokenUsage() + TokenUsage(source="estimated")).source == "estimated"
    assert (TokenUsage() + TokenUsage()).source == "reported"


@given(usages, usages, usages)
def test_adding_knows_no_order(one: TokenUsage, two: TokenUsage, three: TokenUsage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)


def test_a_count_that_nobody_reports_stays_none() -> None:
    assert all(getattr(TokenUsage() + TokenUsage(), name) is None for name in COUNTS)
