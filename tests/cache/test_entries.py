"""What is stored of an answer, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from rxwizard import ChunkKind, ChunkSource, FinishReason, StreamChunk, TokenUsage, ToolCallDelta
from rxwizard.cache import entries
from rxwizard.cache.entries import Entry
from rxwizard.cache.writing import EntryWriter
from rxwizard.fold import ResponseBuilder

from .answers import FINAL, HELLO, SOURCE, START, answers, contents, journeys, numbered, text, whole

LARGE = 1024 * 1024


def written(chunks: Iterable[StreamChunk], max_bytes: int = LARGE) -> bytes | None:
    writer = EntryWriter(max_bytes)
    for chunk in chunks:
        writer.add(chunk)
    return writer.finish()


def read(data: bytes | None, requested_at: float = 0.0) -> list[StreamChunk]:
    assert data is not None
    entry = Entry.load(data)
    assert entry is not None
    steps = enumerate(entry.steps(requested_at))
    return [step.chunk(seq, 100.0 + step.after) for seq, step in steps]


def lines(data: bytes | None) -> list[dict[str, Any]]:
    assert data is not None
    return [json.loads(line) for line in data.splitlines()]


# -- there and back --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(answers())
def test_an_answer_comes_back_as_it_was(chunks: list[StreamChunk]) -> None:
    again = read(written(chunks))

    assert contents(again) == contents(chunks)
    # True is 1 to Python, and 1 is 1.0.
    assert repr([chunk.data for chunk in again]) == repr([chunk.data for chunk in chunks])
    assert [chunk.raw_finish_reason.__class__ for chunk in again] == [
        chunk.raw_finish_reason.__class__ for chunk in chunks
    ]
    assert [chunk.seq for chunk in again] == list(range(len(chunks)))


@settings(max_examples=20)
@given(answers())
def test_an_answer_keeps_its_pace_to_the_microsecond(chunks: list[StreamChunk]) -> None:
    again = read(written(chunks))

    for mine, theirs in zip(again, chunks, strict=True):
        assert mine.at == pytest.approx(theirs.at, abs=1.1e-6)


@settings(max_examples=60)
@given(journeys())
def test_what_is_stored_is_the_answer_and_not_its_way(
    journey: tuple[list[StreamChunk], list[StreamChunk]],
) -> None:
    chunks, kept = journey
    again = read(written(chunks))

    # The start of a later epoch is the one of who brings that epoch.
    assert contents(again)[1:] == contents(kept)[1:]
    assert again[0].kind is ChunkKind.START
    assert {chunk.epoch for chunk in again} == {0}
    now, then = (ResponseBuilder().add_all(each).build() for each in (again, chunks))
    assert now.model_copy(update={"metadata": then.metadata}) == then


@settings(max_examples=20)
@given(answers())
def test_what_was_stored_is_stored_alike_again(chunks: list[StreamChunk]) -> None:
    data = written(chunks)

    assert written(read(data)) == data


def test_nobody_is_sent_back_to_a_request_that_failed() -> None:
    later = ChunkSource(provider="anthropic", model="m", response_id="r2", attempt=1)
    failed = START.model_copy(update={"usage": TokenUsage(prompt_tokens=9), "raw": {"id": "r1"}})
    told = {"epoch": 0, "characters": 3}
    retraction = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, data=told, source=later, at=140.0)
    rest = text("Ho", 141.0, epoch=1, source=later)
    final = FINAL.model_copy(update={"source": later, "epoch": 1, "at": 141.5})
    again = read(written([failed, text("Hel"), retraction, rest, final]))

    assert [chunk.kind for chunk in again] == [ChunkKind.START, ChunkKind.TEXT, ChunkKind.FINAL]
    assert {chunk.source.response_id for chunk in again} == {"r2"}
    assert again[0].usage is again[0].raw is None
    assert [chunk.at for chunk in again] == [100.0, 100.0, 100.5]


def test_a_stored_answer_is_asked_for_now_and_comes_from_the_cache() -> None:
    sources = [chunk.source for chunk in read(written(HELLO), requested_at=7.0)]

    wanted = {"requested_at": 7.0, "rate_limit": None, "from_cache": True}
    assert sources[0] == SOURCE.model_copy(update=wanted)
    assert all(source is sources[0] for source in sources)


def test_tool_calls_come_back_fragment_by_fragment() -> None:
    def call(**fields: Any) -> StreamChunk:
        delta = ToolCallDelta(**fields)
        return StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=delta, source=SOURCE, at=101.0)

    fragments = [
        call(id="c1", name="f"),
        *(call(arguments=piece) for piece in ('{"a"', ":", "1}")),
        call(index=1, id="c2", name="g", arguments="{"),
        *(call(index=1, arguments=piece) for piece in ("", "}")),
        call(index=0, arguments=" "),
    ]
    data = written([START, *fragments, FINAL])

    assert [chunk.tool_call for chunk in read(data)[1:-1]] == [c.tool_call for c in fragments]
    assert len(lines(data)) == 2 + 1 + 5 + 1


# -- its size --------------------------------------------------------------------------------------


def test_a_piece_of_text_costs_a_dozen_bytes() -> None:
    words = [f"word{number:03} " for number in range(1000)]
    chunks = whole(*words)
    data = written(chunks)

    assert data is not None
    assert len(data) < sum(map(len, words)) + 12 * len(words) + 500
    assert len(lines(data)) < 10
    assert lines(data)[:4] == [
        {"answer": entries.VERSION, "crc32": lines(data)[0]["crc32"]},
        {
            "source": {
                "provider": "openai",
                "model": "gpt-5",
                "response_id": "r1",
                "request_id": "q1",
            }
        },
        {"chunk": {"kind": "start"}, "pieces": [0, ""]},
        {"pieces": lines(data)[3]["pieces"]},
    ]
    assert lines(data)[3]["pieces"][:4] == [500_000, "word000 ", 500_000, "word001 "]


@pytest.mark.parametrize("kind", [ChunkKind.REASONING, ChunkKind.REFUSAL, ChunkKind.TEXT])
def test_pieces_of_all_sorts_share_a_line(kind: ChunkKind) -> None:
    name = "reasoning" if kind is ChunkKind.REASONING else "text"
    chunks = [text("", kind=kind, choice=1, index=2, **{name: f"p{n}"}) for n in range(50)]

    assert len(lines(written([START, *chunks, FINAL]))) == 5


def test_one_that_grows_too_large_is_given_up_while_it_grows() -> None:
    exact = written(HELLO)
    assert exact is not None

    assert written(HELLO, len(exact)) == exact
    assert written(HELLO, len(exact) - 1) is None
    writer = EntryWriter(100_000)
    for number in range(2_000):
        writer.add(text("x" * 100, float(number)))
        assert sum(map(len, writer._lines)) <= 100_000
    writer.add(FINAL)
    assert writer.finish() is None


def test_a_long_answer_is_written_in_small_parts() -> None:
    """So that no moment of it holds the loop for long."""
    data = written(whole(*["x" * 100] * 5000))

    assert data is not None
    assert max(map(len, data.splitlines())) < 40_000


# -- what is no answer -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        FinishReason.CONTENT_FILTER,
        FinishReason.PAUSE,
        FinishReason.ERROR,
        FinishReason.INTERRUPTED,
        FinishReason.CANCELLED,
        FinishReason.BUDGET,
    ],
)
def test_what_might_end_better_is_not_stored(reason: FinishReason) -> None:
    assert written(whole("Hel", final=FINAL.model_copy(update={"finish_reason": reason}))) is None
    other = text("", choice=1, finish_reason=reason)
    assert written([START, other, FINAL]) is None


@pytest.mark.parametrize(
    "reason",
    [
        FinishReason.STOP,
        FinishReason.LENGTH,
        FinishReason.TOOL_CALLS,
        FinishReason.REFUSAL,
        FinishReason.OTHER,
        None,
    ],
)
def test_what_ended_is_stored(reason: FinishReason | None) -> None:
    final = FINAL.model_copy(update={"finish_reason": reason})

    assert read(written(whole("Hel", final=final)))[-1].finish_reason is reason


@pytest.mark.parametrize("complete", [False, None])
def test_what_is_not_complete_is_not_stored(complete: bool | None) -> None:
    assert written(HELLO[:-1]) is None
    assert written([]) is None
    assert written([*HELLO[:-1], FINAL.model_copy(update={"complete": complete})]) is None


def test_a_bad_end_that_was_retracted_does_not_matter() -> None:
    bad = text("", choice=1, finish_reason=FinishReason.ERROR)
    retraction = StreamChunk(kind=ChunkKind.RETRACT, epoch=1)
    rest = numbered([text("Ho", epoch=1), FINAL.model_copy(update={"epoch": 1})])

    assert [chunk.text for chunk in read(written([START, bad, retraction, *rest]))] == [
        "",
        "Ho",
        "",
    ]


@pytest.mark.parametrize("data", [object(), {1, 2}, b"bytes", {(1, 2): 3}])
def test_what_cannot_be_json_is_not_stored(data: object) -> None:
    odd = StreamChunk(kind=ChunkKind.OTHER, data=data, source=SOURCE)

    assert written([START, odd, FINAL]) is None


def test_what_is_nested_too_deeply_is_not_stored() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert written([START, StreamChunk.model_construct(data=deep, kind=ChunkKind.OTHER)]) is None


def test_a_time_that_is_none_is_not_stored() -> None:
    assert written([START, text("Hel", at=float("inf")), FINAL]) is None


# -- what is no entry ------------------------------------------------------------------------------


def test_a_damaged_entry_is_not_read() -> None:
    data = written(HELLO)
    assert data is not None

    assert Entry.load(data) is not None
    for place in range(len(data)):
        assert Entry.load(data[:place]) is None
        assert Entry.load(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None
    assert Entry.load(data + b"\n") is None


def test_an_entry_of_another_version_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(HELLO)
    assert data is not None
    monkeypatch.setattr(entries, "VERSION", 2)

    assert Entry.load(data) is None


def test_whoever_changes_the_chunks_raises_the_version() -> None:
    """An older process would fail at what it reads, in the middle of an answer."""
    fields = {
        model.__name__: " ".join(model.model_fields)
        for model in (StreamChunk, TokenUsage, ToolCallDelta, ChunkSource)
    }
    assert (entries.VERSION, fields) == (
        1,
        {
            "StreamChunk": "text is_final usage kind reasoning tool_call finish_reason "
            "raw_finish_reason complete index choice seq epoch at source data raw",
            "TokenUsage": "prompt_tokens completion_tokens total_tokens reasoning_tokens "
            "cached_tokens cache_write_tokens source raw latest wasted",
            "ToolCallDelta": "index id name arguments",
            "ChunkSource": "provider model response_id request_id attempt requested_at "
            "rate_limit from_cache",
        },
    )


def test_times_that_go_back_stay_as_they_are() -> None:
    chunks = [START, text("a", 102.0), text("b", 101.0), FINAL]

    assert [b.at - a.at for a, b in pairwise(read(written(chunks)))] == [2.0, -1.0, 2.0]
