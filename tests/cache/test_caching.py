"""When an answer is stored, and when it is played instead of asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from reactivex import operators as rx

from rxwizard import (
    BufferOverflowError,
    ChunkKind,
    FinishReason,
    SinkError,
    Stream,
    StreamChunk,
    StreamingConfig,
    StreamInterruptedError,
)
from rxwizard.cache import MemoryCache, Pace, cached
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import run_in_virtual_time

from .answers import FINAL, HELLO, START, Asked, contents, numbered, read, text, whole

KEY = "0" * 64

LONG = whole(*(f"{number} " for number in range(1000)))


class Watched(MemoryCache):
    """A cache that notes what it is asked, and that can take its time or fail."""

    def __init__(
        self, *, seconds: float = 0.0, fails: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init__(**options)
        self._seconds = seconds
        self._fails = fails
        self.calls: list[str] = []

    async def get(self, key: str, /) -> bytes | None:
        await self._work("get")
        return await super().get(key)

    async def put(self, key: str, entry: bytes, /) -> None:
        await self._work("put")
        await super().put(key, entry)

    async def _work(self, what: str) -> None:
        place = len(self.calls)
        self.calls.append(what)
        await asyncio.sleep(self._seconds)
        if what in self._fails:
            message = "it is broken"
            raise RuntimeError(message)
        self.calls[place] += " done"


async def filled(chunks: Sequence[StreamChunk] = HELLO, *, pace: Pace = "full") -> Watched:
    """Give a cache in which this answer is."""
    cache = Watched(pace=pace)
    await read(cached(cache, KEY, Asked(chunks)))
    assert await cache.size()
    return cache


# -- there and not there ---------------------------------------------------------------------------


async def test_what_is_not_there_passes_through_as_it_is() -> None:
    source = Asked()
    chunks = await read(cached(Watched(), KEY, source))

    assert all(mine is theirs for mine, theirs in zip(chunks, HELLO, strict=True))
    assert (source.asked, source.closed) == (1, 1)


async def test_what_is_there_is_not_asked_for() -> None:
    cache = await filled()
    source = Asked()
    before = asyncio.get_running_loop().time()
    chunks = await read(cached(cache, KEY, source))

    assert source.asked == 0
    assert contents(chunks) == contents(HELLO)
    assert [chunk.seq for chunk in chunks] == [0, 1, 2, 3]
    assert all(chunk.source.from_cache for chunk in chunks)
    assert all(before <= chunk.at <= asyncio.get_running_loop().time() for chunk in chunks)


async def test_its_response_tells_that_it_comes_from_the_cache() -> None:
    stream = cached(await filled(), KEY, Asked())
    response = ResponseBuilder().add_all(await read(stream)).build()

    assert response.metadata.from_cache
    assert (response.text, response.complete) == ("Hello", True)
    assert response.usage == FINAL.usage
    metadata = response.metadata
    assert (metadata.response_id, metadata.request_id, metadata.rate_limit) == ("r1", "q1", None)
    assert metadata.time_to_first_token is not None
    assert metadata.duration is not None
    assert 0 <= metadata.time_to_first_token <= metadata.duration < 10


async def test_each_subscription_looks_anew() -> None:
    cache, source = Watched(), Asked()
    stream = cached(cache, KEY, source)
    for _ in range(3):
        await read(stream)

    assert source.asked == 1
    assert cache.calls == ["get done", "put done", "get done", "get done"]


async def test_another_key_is_another_answer() -> None:
    cache, source = await filled(), Asked()
    await read(cached(cache, "1" * 64, source))

    assert source.asked == 1


async def test_the_key_can_be_made_when_it_is_wanted() -> None:
    made: list[str] = []

    def key() -> str:
        made.append(KEY)
        return KEY

    stream = cached(await filled(), key, source := Asked())
    assert made == []
    await read(stream)
    assert made == [KEY]
    assert source.asked == 0


def test_an_answer_is_there_for_who_asks_when_it_is_complete() -> None:
    async def main() -> None:
        cache = Watched(seconds=5)
        source = Asked()
        stream = cached(cache, KEY, source)
        loop = asyncio.get_running_loop()
        async with stream.open() as reader:
            times = [loop.time() async for _ in reader]
        times.append(loop.time())

        assert times == [5, 5, 5, 5, 10]  # the final chunk does not wait, completion does
        assert source.closed == 1
        assert cache.calls == ["get done", "put done"]

    run_in_virtual_time(main())


async def test_the_same_request_twice_at_the_same_time_is_two_requests() -> None:
    cache, source = Watched(), Asked()
    stream = cached(cache, KEY, source)
    both = await asyncio.gather(read(stream), read(stream))

    assert source.asked == 2
    assert [contents(chunks) for chunks in both] == [contents(HELLO)] * 2
    assert cache.calls.count("put done") == 2


async def test_an_answer_of_several_attempts_is_one_when_it_is_played() -> None:
    warning = StreamChunk(kind=ChunkKind.WARNING, data="asked again", at=102.0)
    told = {"epoch": 0, "characters": 3}
    retraction = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, data=told, at=103.0)
    rest = [text("Ho", 104.0, epoch=1), FINAL.model_copy(update={"epoch": 1})]
    chunks = numbered([START, text("Hel"), warning, retraction, *rest])
    cache = Watched()
    stream = cached(cache, KEY, Asked(chunks))

    assert [chunk.kind for chunk in await read(stream)] == [chunk.kind for chunk in chunks]
    again = await read(stream)
    assert [(c.seq, c.epoch, c.kind, c.text) for c in again] == [
        (0, 0, ChunkKind.START, ""),
        (1, 0, ChunkKind.TEXT, "Ho"),
        (2, 0, ChunkKind.FINAL, ""),
    ]


# -- what is not stored ----------------------------------------------------------------------------


async def test_what_failed_is_not_stored() -> None:
    error = StreamInterruptedError("cut")
    cache = Watched()
    with pytest.raises(StreamInterruptedError) as caught:
        await read(cached(cache, KEY, Asked(HELLO[:-1], fails=error)))

    assert caught.value is error
    assert cache.calls == ["get done"]


async def test_what_has_no_final_chunk_is_not_stored() -> None:
    cache = Watched()
    await read(cached(cache, KEY, Asked(HELLO[:-1])))

    assert cache.calls == ["get done"]


@pytest.mark.parametrize(
    "change",
    [{"complete": False}, {"finish_reason": FinishReason.ERROR}],
    ids=["not complete", "an error"],
)
async def test_what_is_not_whole_is_not_stored(change: dict[str, Any]) -> None:
    cache = Watched()
    chunks = await read(
        cached(cache, KEY, Asked(whole("x", final=FINAL.model_copy(update=change))))
    )

    assert chunks[-1].is_final
    assert cache.calls == ["get done"]


async def test_what_is_left_before_its_end_is_not_stored() -> None:
    cache, source = Watched(), Asked(LONG)
    async with cached(cache, KEY, source).open() as reader:
        async for chunk in reader:
            if chunk.text == "900 ":
                break

    assert source.closed == 1
    assert cache.calls == ["get done"]


async def test_what_the_cache_finds_too_large_is_not_stored() -> None:
    cache = Watched(max_entry_bytes=1000)
    stream = cached(cache, KEY, Asked(whole(*["word"] * 500)))

    assert len(await read(stream)) == 502
    assert cache.calls == ["get done"]


async def test_what_is_left_at_its_final_chunk_is_stored() -> None:
    cache = Watched()
    async with cached(cache, KEY, Asked()).open() as reader:
        async for chunk in reader:
            if chunk.is_final:
                break
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert await cache.size()


async def test_what_an_operator_leaves_at_its_final_chunk_is_stored() -> None:
    cache = Watched()
    stream = cached(cache, KEY, Asked())
    await read(stream.pipe(rx.take_while(lambda chunk: not chunk.is_final, inclusive=True)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert await cache.size()


# -- a cache that is broken ------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["get", "put"])
async def test_a_cache_that_fails_breaks_no_answer(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Asked()
    cache = Watched(fails=(broken,))
    chunks = await read(cached(cache, KEY, source))

    assert chunks == HELLO
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("rxwizard.cache.caching", logging.WARNING)
    assert "it is broken" in record.getMessage()
    # What cannot be looked up is not stored either: it would fail, too.
    assert cache.calls == (["get"] if broken == "get" else ["get done", "put"])


async def test_a_key_that_cannot_be_made_breaks_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def key() -> str:
        message = "no JSON"
        raise TypeError(message)

    cache = Watched()

    assert await read(cached(cache, key, Asked())) == HELLO
    assert "no JSON" in caplog.text
    assert cache.calls == []


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\n\x00", b'{"answer":0}\n'])
async def test_what_is_no_entry_is_asked_for_and_replaced(data: bytes) -> None:
    cache, source = MemoryCache(), Asked()
    await cache.put(KEY, data)
    stream = cached(cache, KEY, source)

    assert await read(stream) == HELLO
    await read(stream)
    assert source.asked == 1


async def test_an_error_of_the_source_at_its_subscription_is_the_streams() -> None:
    def subscribe(*_: object) -> Any:
        raise SinkError("no")

    with pytest.raises(SinkError, match="no"):
        await read(cached(Watched(), KEY, Stream(subscribe)))


# -- demand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_there", [False, True])
async def test_a_reader_that_stands_still_pauses_it(is_there: bool) -> None:
    cache = await filled(LONG) if is_there else Watched()
    stream = cached(cache, KEY, Asked(LONG, batch=50))
    async with stream.bounded(16) as reader:
        first = await anext(reader)
        for _ in range(200):
            await asyncio.sleep(0)
        waiting = reader.statistics()
        rest = [chunk async for chunk in reader]

    assert waiting.peak == 16
    assert waiting.waiting <= 16
    assert contents([first, *rest]) == contents(LONG)
    assert reader.statistics().peak == 16


@pytest.mark.parametrize("is_there", [False, True])
async def test_leaving_stops_it_at_once(is_there: bool) -> None:
    cache = await filled(LONG) if is_there else Watched()
    source = Asked(LONG)
    got: list[StreamChunk] = []
    subscription = cached(cache, KEY, source).subscribe(got.append)
    while len(got) < 10:
        await asyncio.sleep(0)
    subscription.dispose()
    so_far = len(got)
    for _ in range(100):
        await asyncio.sleep(0)

    assert len(got) == so_far < 1000
    assert source.asked == source.closed == (0 if is_there else 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("is_there", [False, True])
async def test_dropping_the_reader_stops_it(is_there: bool) -> None:
    cache = await filled(LONG) if is_there else Watched()
    source = Asked(LONG)
    reader = cached(cache, KEY, source).bounded(4)
    await anext(reader)
    del reader
    for _ in range(10):
        await asyncio.sleep(0)

    assert source.asked == source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_leaving_while_it_is_looked_up_asks_nobody() -> None:
    async def main() -> None:
        cache, source = Watched(seconds=5), Asked()
        subscription = cached(cache, KEY, source).subscribe()
        await asyncio.sleep(1)
        subscription.dispose()
        await asyncio.sleep(10)

        assert cache.calls == ["get"]
        assert source.asked == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(main())


def test_leaving_while_it_is_stored_lets_it_be_stored() -> None:
    async def main() -> None:
        cache = Watched(seconds=5)
        ends: list[str] = []
        subscription = cached(cache, KEY, Asked()).subscribe(
            on_completed=lambda: ends.append("completed")
        )
        await asyncio.sleep(7)
        assert cache.calls == ["get done", "put"]
        subscription.dispose()
        await asyncio.sleep(10)

        assert cache.calls == ["get done", "put done"]
        assert ends == []

    run_in_virtual_time(main())


async def test_it_can_be_left_from_another_thread() -> None:
    cache = await filled(LONG)
    got: list[StreamChunk] = []
    subscription = cached(cache, KEY, Asked(LONG)).subscribe(got.append)
    while not got:
        await asyncio.sleep(0)
    await asyncio.to_thread(subscription.dispose)
    await asyncio.sleep(0)
    so_far = len(got)
    for _ in range(50):
        await asyncio.sleep(0)

    assert len(got) == so_far < len(LONG)


async def test_others_have_their_turn_while_it_is_played() -> None:
    cache = await filled(LONG)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    got: list[StreamChunk] = []
    done = asyncio.Event()
    cached(cache, KEY, Asked()).subscribe(got.append, on_completed=done.set)
    await done.wait()
    task.cancel()

    assert len(got) == len(LONG)
    assert turns > 10


async def test_an_error_of_its_reader_has_what_had_been_given() -> None:
    config = StreamingConfig().with_backpressure(False).model_copy(update={"max_ahead": 100_000})
    stream = cached(await filled(LONG), KEY, Asked(LONG, config=config))

    async def read_slowly() -> None:
        async for _ in stream:
            for _ in range(100):
                await asyncio.sleep(0)

    with pytest.raises(BufferOverflowError) as caught:
        await read_slowly()

    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("0 1 2 3 ")
    assert caught.value.partial.metadata.from_cache


async def test_it_keeps_the_settings_of_its_source() -> None:
    stream = cached(await filled(LONG), KEY, Asked(LONG, config=StreamingConfig(3)))

    assert stream.bounded().statistics().capacity == 3


# -- pace ------------------------------------------------------------------------------------------


def played(chunks: Sequence[StreamChunk], pace: Pace, pause: float = 0.0) -> list[tuple[Any, ...]]:
    """Play an answer in virtual time; the reader rests `pause` seconds at its second chunk.

    Gives each chunk's text, when it came, and its `at`, in seconds from the subscription.
    """

    async def main() -> list[tuple[Any, ...]]:
        stream = cached(await filled(chunks, pace=pace), KEY, Asked())
        await asyncio.sleep(50)
        began = asyncio.get_running_loop().time()
        came: list[tuple[Any, ...]] = []
        async with stream.bounded(2, low=0) as reader:
            async for chunk in reader:
                now = asyncio.get_running_loop().time() - began
                came.append((chunk.text or str(chunk.kind), now, chunk.at - began))
                if len(came) == 2:
                    await asyncio.sleep(pause)
        return came

    return run_in_virtual_time(main())


def test_at_full_pace_no_time_passes() -> None:
    assert [times for _, *times in played(HELLO, "full")] == [[0, 0]] * 4


def test_at_the_original_pace_each_comes_in_its_time() -> None:
    chunks = [START, text("a", 100.25), text("b", 100.25), text("c", 163), FINAL]
    final = {"at": 163.5}
    chunks[-1] = FINAL.model_copy(update=final)

    assert played(numbered(chunks), "original") == [
        ("start", 0, 0),
        ("a", 0.25, 0.25),
        ("b", 0.25, 0.25),
        ("c", 63, 63),
        ("final", 63.5, 63.5),
    ]


def test_none_comes_before_its_time_where_the_reader_had_paused() -> None:
    """It holds for 3 seconds, at 1: what came meanwhile comes at once, and the rest in its time."""
    chunks = [START, *(text(str(second), 100.0 + second) for second in range(1, 8)), FINAL]
    chunks[-1] = FINAL.model_copy(update={"at": 108.0})
    came = played(numbered(chunks), "original", pause=3.5)

    assert [(what, when) for what, when, _ in came] == [
        ("start", 0),
        ("1", 1),
        ("2", 4.5),
        ("3", 4.5),
        ("4", 4.5),
        ("5", 5),
        ("6", 6),
        ("7", 7),
        ("final", 8),
    ]


def test_times_that_no_float_can_hold_hang_nothing() -> None:
    """Waiting for a tenth, a third, a seventh: the clock may be a hair short of what was due."""
    chunks = [START, *(text("x", 100 + number / 7) for number in range(1, 400)), FINAL]
    chunks[-1] = FINAL.model_copy(update={"at": 100 + 400 / 7})
    came = played(numbered(chunks), "original")

    assert len(came) == 401
    for number, (_, when, _) in enumerate(came):
        assert when == pytest.approx(number / 7, abs=1e-5)


def test_leaving_it_in_its_pause_ends_it() -> None:
    async def main() -> None:
        chunks = numbered([START, text("a", 200), FINAL.model_copy(update={"at": 300})])
        stream = cached(await filled(chunks, pace="original"), KEY, Asked())
        got: list[StreamChunk] = []
        subscription = stream.subscribe(got.append)
        await asyncio.sleep(150)
        subscription.dispose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(1000)
        assert [chunk.text for chunk in got] == ["", "a"]

    run_in_virtual_time(main())
