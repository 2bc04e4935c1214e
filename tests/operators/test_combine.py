"""Streams side by side, one after the other, and one for each prompt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from demand.sources import Numbers, read_all, settle
from reactivex import operators as rx

from rxwizard import (
    ChunkKind,
    ConfigError,
    FinishReason,
    Stream,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import assert_marbles, play, run_in_virtual_time


def drawn(make: Any, *sources: str, **values: Any) -> Any:
    """Play a function of several streams; the first is the source that `play` draws."""

    def operator(first: Any) -> Any:
        others = [reactivex.from_marbles(text, timespan=1.0, lookup=values) for text in sources[1:]]
        return make([first, *others])

    return operator


# -- merge_streams ---------------------------------------------------------------------------


def merged(on_error: Any = "isolate") -> Any:
    def make(streams: list[Any]) -> Any:
        return ops.merge_streams(dict(zip("xy", streams, strict=True)), on_error=on_error)

    return make


def test_merge_streams_tags_each_item_with_its_name() -> None:
    played = play(drawn(merged(), "-a---b-|", "--c-d---|"), "-a---b-|")

    assert [(m.tick, *m.value) for m in played.messages[:-1]] == [
        (1, "x", "a", None),
        (2, "y", "c", None),
        (4, "y", "d", None),
        (5, "x", "b", None),
    ]
    assert (played.messages[-1].tick, played.messages[-1].what) == (8, "completed")


def test_merge_streams_isolates_an_error() -> None:
    error = OSError("reset")
    played = play(drawn(merged(), "-a-#", "--c---d-|"), "-a-#", error=error)

    assert [(m.tick, *m.value) for m in played.messages[:-1]] == [
        (1, "x", "a", None),
        (2, "y", "c", None),
        (3, "x", None, error),
        (6, "y", "d", None),
    ]


def test_merge_streams_stops_at_an_error_by_choice() -> None:
    error = OSError("reset")
    played = play(drawn(merged("stop"), "-a-#", "--c---d-|"), "-a-#", error=error)

    assert [(m.tick, m.what) for m in played.messages] == [(1, "next"), (2, "next"), (3, "error")]
    assert played.messages[-1].value is error


def test_merge_streams_completes_when_all_are_empty() -> None:
    assert_marbles(drawn(merged(), "--|", "---|"), "--|", "---|")


def test_merge_streams_closes_all_when_disposed_of() -> None:
    assert play(drawn(merged(), "-a-b-c-|", "----|"), "-a-b-c-|", until=2).held == [(0, 2)]


async def test_merge_streams_is_held_by_a_full_reader() -> None:
    sources = {"a": Numbers(), "b": Numbers()}
    async with ops.merge_streams(sources).open(capacity=8) as reader:
        await settle()
        assert reader.statistics().waiting == 8
        assert sum(source.given for source in sources.values()) <= 10

    assert all(source.is_closed for source in sources.values())


async def test_merge_streams_can_be_iterated_with_names() -> None:
    got: dict[str, list[int]] = {"a": [], "b": []}
    async for name, number, _ in ops.merge_streams({"a": Numbers(20), "b": Numbers(30)}):
        got[name].append(number)

    assert got == {"a": list(range(20)), "b": list(range(30))}


def test_merge_streams_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a stream"):
        ops.merge_streams({})
    with pytest.raises(ConfigError, match="isolate, stop"):
        ops.merge_streams({"a": reactivex.never()}, on_error="ignore")  # type: ignore[arg-type]


# -- concat_streams --------------------------------------------------------------------------


def answer(*words: str, tokens: int | None = None, reason: str = "stop") -> list[StreamChunk]:
    usage = None if tokens is None else TokenUsage(completion_tokens=tokens)
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        *(StreamChunk(text=word) for word in words),
        StreamChunk(
            kind=ChunkKind.FINAL,
            is_final=True,
            complete=True,
            finish_reason=FinishReason(reason),
            raw_finish_reason=reason,
            usage=usage,
        ),
    ]
    return [chunk.model_copy(update={"seq": seq}) for seq, chunk in enumerate(chunks)]


def concatenated(*answers: list[StreamChunk]) -> list[StreamChunk]:
    streams = [reactivex.from_iterable(chunks) for chunks in answers]
    return ops.concat_streams(*streams).pipe(rx.to_list()).run()


def test_concat_streams_gives_one_answer() -> None:
    chunks = concatenated(answer("a", "b", tokens=2, reason="length"), answer("c", tokens=3))

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.kind for chunk in chunks] == ["start", "text", "text", "usage", "text", "final"]
    assert [chunk.is_final for chunk in chunks] == [False] * 5 + [True]
    assert chunks[3].finish_reason is None
    response = ResponseBuilder().add_all(chunks).build()
    assert (response.text, response.complete) == ("abc", True)
    assert response.finish_reason is FinishReason.STOP
    assert response.usage is not None
    assert response.usage.completion_tokens == 5


@pytest.mark.parametrize(
    ("tokens", "expected"), [((1, None), 1), ((None, 2), 2), ((None, None), None), ((1, 2), 3)]
)
def test_concat_streams_adds_up_what_was_reported(
    tokens: tuple[int | None, int | None], expected: int | None
) -> None:
    final = concatenated(*(answer("a", tokens=count) for count in tokens))[-1]

    assert (final.usage and final.usage.completion_tokens) == expected


def test_concat_streams_gives_valid_chunks() -> None:
    for chunk in concatenated(answer("a", tokens=1), answer("b", tokens=1)):
        assert StreamChunk.model_validate(chunk.model_dump()) == chunk


def test_concat_streams_of_one_is_that_one() -> None:
    chunks = answer("a", "b", tokens=2)

    assert concatenated(chunks) == chunks


def test_concat_streams_asks_for_the_next_one_after_the_last() -> None:
    asked: list[int] = []

    def source(number: int, chunks: list[StreamChunk]) -> reactivex.Observable[StreamChunk]:
        def ask(_: Any) -> reactivex.Observable[StreamChunk]:
            asked.append(number)
            return reactivex.from_iterable(chunks)

        return reactivex.defer(ask)

    stream = ops.concat_streams(source(0, answer("a")), source(1, answer("b")))
    stream.pipe(rx.take(2)).run()
    assert asked == [0]
    stream.run()
    assert asked == [0, 0, 1]  # and each subscription counts anew


def test_concat_streams_passes_an_error_on() -> None:
    cut = reactivex.throw(StreamInterruptedError("cut"))
    seen: list[StreamChunk] = []
    errors: list[Exception] = []
    ops.concat_streams(reactivex.from_iterable(answer("a")), cut).subscribe(
        seen.append, errors.append
    )

    assert [str(error) for error in errors] == ["cut"]
    assert not any(chunk.is_final for chunk in seen)


def test_concat_streams_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a stream"):
        ops.concat_streams()


def test_concat_streams_is_empty_where_they_are() -> None:
    assert_marbles(lambda source: ops.concat_streams(source, reactivex.empty()), "--|", "--|")


# -- map_prompts -----------------------------------------------------------------------------


class Clerk:
    """Answers a prompt after so many seconds; some it cannot answer."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.at_work = self.most = self.asked = self.cancelled = 0

    async def generate_complete(self, prompt: int) -> WizardResponse:
        self.asked += 1
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await asyncio.sleep(self.seconds * (1 + prompt % 3))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_work -= 1
        if prompt % 10 == 9:
            message = f"no {prompt}"
            raise StreamInterruptedError(message)
        return WizardResponse(text=str(prompt))


@pytest.mark.parametrize("ordered", [True, False])
def test_map_prompts_answers_all_of_them(ordered: bool) -> None:
    async def ask() -> tuple[Clerk, list[Any], list[tuple[int, int]]]:
        clerk, told = Clerk(), list[tuple[int, int]]()
        stream = ops.map_prompts(
            range(50),
            clerk,
            concurrency=4,
            ordered=ordered,
            progress=lambda *counts: told.append(counts),
        )
        return clerk, [answered async for answered in stream], told

    clerk, answers, told = run_in_virtual_time(ask())
    by_index = sorted(answers, key=lambda answered: answered.index)
    assert [each.index for each in by_index] == [each.prompt for each in by_index]
    assert (by_index == answers) == ordered
    for each in by_index:
        if each.prompt % 10 == 9:
            assert (each.response, str(each.error)) == (None, f"no {each.prompt}")
        else:
            assert (each.response.text, each.error) == (str(each.prompt), None)
    assert clerk.most == 4
    assert told[-1] == (50, 5)
    assert [done for done, _ in told] == list(range(1, 51))


def test_map_prompts_stops_at_an_error_by_choice() -> None:
    async def ask() -> tuple[Clerk, list[int]]:
        clerk, got = Clerk(), list[Any]()
        reader = ops.map_prompts(range(50), clerk, concurrency=4, on_error="stop").bounded()
        with pytest.raises(StreamInterruptedError, match="no 9"):
            await read_all(reader, got)
        await settle()
        return clerk, [answered.index for answered in got]

    clerk, got = run_in_virtual_time(ask())
    assert got == list(range(9))
    assert clerk.at_work == 0
    assert clerk.cancelled


def test_map_prompts_takes_a_million_prompts_as_they_are_needed() -> None:
    taken = 0

    def prompts() -> Any:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield number

    async def ask() -> Clerk:
        clerk = Clerk()
        async with ops.map_prompts(prompts(), clerk, concurrency=4).open(capacity=8) as reader:
            for _ in range(20):
                await anext(reader)
            await asyncio.sleep(1000)
        return clerk

    clerk = run_in_virtual_time(ask())
    # Taken by the reader, waiting for it, at work or done, waiting to be asked, and one in hand.
    assert clerk.asked <= 20 + 8 + 4
    assert taken <= 20 + 8 + 4 + 4 + 1


def test_map_prompts_takes_asynchronous_prompts() -> None:
    async def prompts() -> Any:
        for number in range(5):
            await asyncio.sleep(1)
            yield number

    async def ask() -> list[str]:
        stream = ops.map_prompts(prompts(), Clerk(), concurrency=2)
        return [answered.response.text async for answered in stream]

    assert run_in_virtual_time(ask()) == ["0", "1", "2", "3", "4"]


def test_map_prompts_stops_asking_when_disposed_of() -> None:
    async def ask() -> Clerk:
        clerk = Clerk()
        async for _ in ops.map_prompts(range(10**6), clerk, concurrency=4):
            break
        await settle()
        return clerk

    clerk = run_in_virtual_time(ask())
    assert clerk.at_work == 0
    assert clerk.asked <= 9


def test_map_prompts_counts_anew_for_each_subscriber() -> None:
    async def ask() -> list[list[int]]:
        stream = ops.map_prompts([1, 2], Clerk())
        return [[answered.index async for answered in stream] for _ in range(2)]

    assert run_in_virtual_time(ask()) == [[0, 1], [0, 1]]


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"on_error": "ignore"}])
def test_map_prompts_refuses_what_cannot_work(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ops.map_prompts([], Clerk(), **options)


async def test_map_prompts_of_none_completes() -> None:
    assert [each async for each in ops.map_prompts([], Clerk())] == []


def test_streams_come_out() -> None:
    assert isinstance(ops.concat_streams(reactivex.never()), Stream)
    assert isinstance(ops.merge_streams({"a": reactivex.never()}), Stream)


def retracting(*words: str) -> list[StreamChunk]:
    """An answer that takes back its first word."""
    first, *others = words
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text=first),
        StreamChunk(kind=ChunkKind.RETRACT),
        *(StreamChunk(text=word, epoch=1) for word in others),
        StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True, epoch=1),
    ]
    return [chunk.model_copy(update={"seq": seq}) for seq, chunk in enumerate(chunks)]


def retried(*words: str) -> list[StreamChunk]:
    """An answer whose first word was lost with its connection, as RxPY's `retry` gives it."""
    first, *others = words
    return [StreamChunk(kind=ChunkKind.START), StreamChunk(text=first), *answer(*others)]


@pytest.mark.parametrize("anew", [retracting, retried])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_concat_streams_begins_anew_with_what_came_before(anew: Any, place: int) -> None:
    answers = [answer("one "), answer("two "), answer("three ")]
    answers[place] = anew("lost ", f"{place}a ", f"{place}b ")
    expected = ["one ", "two ", "three "]
    expected[place] = f"{place}a {place}b "
    chunks = concatenated(*answers)

    assert ResponseBuilder().add_all(chunks).build().text == "".join(expected)
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    epochs = [chunk.epoch for chunk in chunks]
    assert epochs == sorted(epochs)
    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    grown: list[str] = []
    ops.concat_streams(*map(reactivex.from_iterable, answers)).pipe(
        ops.accumulate_text()
    ).subscribe(grown.append)
    assert grown[-1] == "".join(expected)


def test_concat_streams_says_what_to_erase_and_what_was_used() -> None:
    usages = [TokenUsage(completion_tokens=n) for n in (5, 7, 9)]
    lost = StreamChunk(text="lost", usage=usages[1])
    again = [StreamChunk(kind=ChunkKind.START), lost, *answer("b", tokens=9)]
    chunks = concatenated(answer("one", tokens=5), again)

    (retract,) = (chunk for chunk in chunks if chunk.kind is ChunkKind.RETRACT)
    assert retract.epoch == 1
    assert retract.data == {"epoch": 0, "characters": len("onelost")}
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 21
    assert (usage.latest, usage.wasted) == (usages[2], usages[1])
    attempts = {chunk.text: chunk.source.attempt for chunk in chunks if chunk.text}
    assert attempts == {"one": 0, "lost": 1, "b": 2}


def test_concat_streams_that_fails_carries_all_that_had_arrived() -> None:
    half = reactivex.concat(
        reactivex.from_iterable(answer("two ")[:-1]), reactivex.throw(StreamInterruptedError("cut"))
    )
    errors: list[Any] = []
    stream = ops.concat_streams(reactivex.from_iterable(answer("one ")), half)
    stream.subscribe(on_error=errors.append)

    assert errors[0].partial.text == "one two "
    assert errors[0].partial.complete is False
