from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import ChunkKind, ChunkSource, FinishReason, StreamChunk, TokenUsage, ToolCallDelta
from rxwizard.operators.runs import Run, joins
from rxwizard.stream import join_text

chunks = st.builds(
    StreamChunk,
    text=st.text(max_size=3),
    reasoning=st.sampled_from(["", "", "hm"]),
    kind=st.sampled_from([ChunkKind.TEXT, ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.REFUSAL]),
    choice=st.sampled_from([0, 0, 1]),
    epoch=st.sampled_from([0, 0, 1]),
    index=st.sampled_from([0, 0, 1]),
    usage=st.sampled_from([None, None, TokenUsage(completion_tokens=1)]),
)


def runs(items: list[Any]) -> list[Any]:
    """What a run makes of items that all join."""
    run, made = Run(), []
    for item in items:
        if not run.add(item):
            made.append(run.take())
            assert run.add(item)
    return [*made, run.take()] if items else []


def one_by_one(items: list[Any]) -> list[Any]:
    """The same by joining two at a time."""
    made: list[Any] = []
    for item in items:
        joined = join_text(made[-1], item) if made else None
        if joined is None:
            made.append(item)
        else:
            made[-1] = joined
    return made


@given(st.lists(chunks | st.text(max_size=2)))
def test_a_run_is_what_joining_two_at_a_time_gives(items: list[Any]) -> None:
    numbers = count()
    items = [
        item.model_copy(update={"seq": next(numbers)}) if isinstance(item, StreamChunk) else item
        for item in items
    ]

    assert runs(items) == one_by_one(items)


def test_an_item_alone_stays_the_same_object() -> None:
    item = StreamChunk(text="a")

    assert runs([item])[0] is item
    assert Run().take() is None


def test_two_answers_are_not_mixed() -> None:
    one, other = (StreamChunk(text="a", source=ChunkSource(model=name)) for name in "xy")

    assert len(runs([one, other])) == 2
    assert len(runs([one, one.model_copy(update={"source": ChunkSource(model="x")})])) == 1


@pytest.mark.parametrize(
    "item",
    [
        7,
        None,
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text="a", data={"logprobs": []}),
        StreamChunk(text="a", raw={}),
        StreamChunk(text="a", tool_call=ToolCallDelta()),
        StreamChunk(text="a", finish_reason=FinishReason.STOP),
        StreamChunk(text="a", is_final=True),
    ],
    ids=str,
)
def test_what_says_more_than_text_does_not_join(item: Any) -> None:
    assert not joins(item)


def test_a_run_weighs_its_characters_and_each_item_at_least_one() -> None:
    run = Run()
    for item in ("", "abc", ""):
        run.add(item)

    assert run.weight == 5
