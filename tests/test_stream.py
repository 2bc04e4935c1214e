"""The stream itself: cold, an Observable, iterable, awaitable."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest
import reactivex
from reactivex import ConnectableObservable, Observable
from reactivex import operators as rx
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.scheduler import ImmediateScheduler
from streaming import ENDLESS, client, numbered, places, read_on, read_some, settle, until

from rxwizard import (
    AuthenticationError,
    ConfigError,
    ProviderError,
    Stream,
    StreamChunk,
    StreamingConfig,
    StreamInterruptedError,
)
from rxwizard.testing import (
    Hold,
    HttpError,
    Script,
    Simulator,
    StreamError,
    Text,
    run_in_virtual_time,
)


def stream_of(source: Observable[Any], streaming: StreamingConfig | None = None) -> Stream[Any]:
    return Stream(source._subscribe_core, streaming)


def text(chunks: list[StreamChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_nothing_is_sent_before_it_is_read_and_each_time_is_a_request() -> None:
    async with Simulator(Text("hello world")) as simulator:
        stream = client(simulator).generate_stream("Hi")
        await settle()
        assert simulator.requests == []

        assert text([chunk async for chunk in stream]) == "hello world"
        assert len(simulator.requests) == 1
        assert text([chunk async for chunk in stream]) == "hello world"
        assert len(simulator.requests) == 2


async def test_who_comes_late_gets_it_from_the_start() -> None:
    async with Simulator(Script(Text("a b"), Hold(), Text("c"))) as simulator:
        stream = client(simulator).generate_stream("Hi")
        early = aiter(stream)
        assert text(await read_some(early, 3)) == "a b"
        late = aiter(stream)
        assert text(await read_some(late, 3)) == "a b"
        for exchange in simulator.requests:
            exchange.release()

        assert text([chunk async for chunk in early]) == "c"
        assert text([chunk async for chunk in late]) == "c"


async def test_exactly_one_chunk_is_final_and_it_is_the_last() -> None:
    async with Simulator(Text("hello world")) as simulator:
        chunks = [chunk async for chunk in client(simulator).generate_stream("Hi")]

    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))


def test_it_is_an_observable_and_what_is_composed_of_it_is_a_stream() -> None:
    stream = stream_of(reactivex.range(0, 5))

    assert isinstance(stream, Observable)
    assert stream.pipe() is stream
    assert isinstance(stream.pipe(rx.map(str)), Stream)
    assert isinstance(stream.map(str).filter(bool), Stream)
    assert isinstance(stream.pipe(rx.publish()), ConnectableObservable)
    assert not isinstance(stream.pipe(rx.publish()), Stream)
    assert isinstance(stream.pipe(rx.publish(), rx.ref_count()), Stream)
    assert stream.pipe(lambda _: "no observable") == "no observable"


async def test_what_is_composed_keeps_the_settings() -> None:
    stream = stream_of(reactivex.range(0, 5), StreamingConfig(7))
    reader = aiter(stream.pipe(rx.map(str)).filter(bool))

    assert reader.statistics().capacity == 7
    assert [item async for item in reader] == ["0", "1", "2", "3", "4"]


async def test_a_connectable_works_as_with_any_observable() -> None:
    async with Simulator(Text("hello world")) as simulator:
        shared = client(simulator).generate_stream("Hi").pipe(rx.publish())
        first: list[StreamChunk] = []
        second: list[StreamChunk] = []
        shared.subscribe(first.append)
        shared.subscribe(second.append)
        shared.connect()
        await until(lambda: first and first[-1].is_final)

    assert first == second
    assert len(simulator.requests) == 1


async def test_awaiting_it_gives_the_last_item() -> None:
    async with Simulator(Text("hello world")) as simulator:
        assert (await client(simulator).generate_stream("Hi")).is_final
    assert await stream_of(reactivex.of(1, 2, None)) is None
    with pytest.raises(SequenceContainsNoElementsError):
        await stream_of(reactivex.empty())
    with pytest.raises(ValueError, match="mine"):
        await stream_of(reactivex.throw(ValueError("mine")))


def test_outside_of_a_loop_the_remedy_is_named() -> None:
    stream = stream_of(reactivex.range(0, 5))
    with pytest.raises(RuntimeError, match=r"no event loop.*asyncio\.run"):
        aiter(stream)
    with pytest.raises(RuntimeError, match=r"no event loop.*asyncio\.run"):
        stream.bounded()

    got: list[int] = []
    stream.subscribe(got.append)  # what needs no socket needs no loop
    assert got == [0, 1, 2, 3, 4]


async def test_an_error_comes_after_what_was_waiting() -> None:
    script = Script(Text("a b c"), StreamError("Sorry", status=500))
    async with Simulator(script) as simulator:
        reader = aiter(client(simulator).generate_stream("Hi"))
        chunks = await read_some(reader, 1)
        await (await simulator.request()).answered()
        await settle()
        with pytest.raises(ProviderError, match="Sorry") as caught:
            await read_on(reader, chunks)

    assert text(chunks) == "a b c"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a b c"


async def test_a_refused_request_is_raised_in_the_loop_and_given_to_on_error() -> None:
    async with Simulator(HttpError(401)) as simulator:
        stream = client(simulator).generate_stream("Hi")
        with pytest.raises(AuthenticationError) as caught:
            await read_on(aiter(stream), [])
        errors: list[Exception] = []
        stream.subscribe(on_error=errors.append)
        await until(lambda: errors)

    assert [type(error) for error in errors] == [AuthenticationError]
    assert caught.value.status == 401
    assert caught.value.partial is None


async def test_polling_that_times_out_loses_nothing() -> None:
    async with Simulator(Script(Hold(), Text("a"), Hold(), Text("b"))) as simulator:
        reader = client(simulator).generate_stream("Hi").bounded()
        exchange = await simulator.request()
        got: list[str] = []

        async def poll_to_a_miss() -> None:
            with suppress(TimeoutError):
                while True:
                    got.append((await asyncio.wait_for(anext(reader), 0.005)).text)

        for so_far in ("", "a"):
            await exchange.held()
            await poll_to_a_miss()
            await poll_to_a_miss()
            assert "".join(got) == so_far
            exchange.release()
        rest = [chunk async for chunk in reader]

        assert text(rest) == "b"
        assert rest[-1].is_final


def test_polling_by_the_clock_gives_each_item_once() -> None:
    async def poll() -> tuple[list[int], int]:
        reader = stream_of(reactivex.interval(60).pipe(rx.take(5))).bounded()
        got: list[int] = []
        misses = 0
        while True:
            try:
                got.append(await asyncio.wait_for(anext(reader), 25))
            except TimeoutError:
                misses += 1
            except StopAsyncIteration:
                return got, misses

    assert run_in_virtual_time(poll()) == ([0, 1, 2, 3, 4], 10)


async def test_a_cancelled_loop_closes_the_stream_although_its_task_is_kept() -> None:
    async with Simulator(Script(Text("a"), Hold())) as simulator:
        stream = client(simulator).generate_stream("Hi")

        async def collect() -> list[StreamChunk]:
            return [chunk async for chunk in stream]

        task = asyncio.ensure_future(collect())
        exchange = await simulator.request()
        await exchange.held()
        task.cancel()
        await exchange.gone()

        assert task.done()


async def test_after_a_cancelled_wait_the_end_is_no_good_end() -> None:
    async with Simulator(Script(Hold())) as simulator:
        reader = aiter(client(simulator).generate_stream("Hi"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reader), 0.005)

        with pytest.raises(StreamInterruptedError, match="cancelled"):
            await anext(reader)


async def test_leaving_a_loop_over_a_reader_that_is_kept_closes_the_stream() -> None:
    async with Simulator(Script(Text("a"), Hold())) as simulator:
        reader = client(simulator).generate_stream("Hi").bounded()
        async for _ in reader:
            break
        exchange = await simulator.request()
        await exchange.gone()

        assert reader.statistics().delivered == 1


async def test_the_end_and_the_error_are_given_again() -> None:
    async with Simulator([Script(Text("a")), Script(HttpError(401))]) as simulator:
        stream = client(simulator).generate_stream("Hi")
        ended, failed = aiter(stream), aiter(stream)
        await read_on(ended, [])
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(ended)
            with pytest.raises(AuthenticationError):
                await anext(failed)


async def test_two_tasks_cannot_wait_at_one_reader() -> None:
    async with Simulator(Script(Hold(), Text("a"))) as simulator:
        reader = aiter(client(simulator).generate_stream("Hi"))
        first = asyncio.ensure_future(anext(reader))
        await settle()
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(reader)
        (await simulator.request()).release()

        assert (await first).seq == 0
        await read_on(reader, [])


async def test_a_reader_needs_nobody_to_keep_the_stream_or_the_client() -> None:
    async with Simulator(Script(numbered(50))) as simulator:
        reader = aiter(client(simulator, StreamingConfig(4)).generate_stream("Hi"))
        gc.collect()
        chunks: list[StreamChunk] = []
        await read_on(reader, chunks)

    assert places(chunks) == list(range(50))


async def test_a_subscription_needs_nobody_to_keep_it() -> None:
    async with Simulator(Script(numbered(50))) as simulator:
        chunks: list[StreamChunk] = []
        client(simulator).generate_stream("Hi").subscribe(chunks.append)
        gc.collect()
        await until(lambda: chunks and chunks[-1].is_final)

    assert places(chunks) == list(range(50))


async def test_a_bound_and_a_policy_of_its_own() -> None:
    async with Simulator(ENDLESS) as simulator:
        stream = client(simulator).generate_stream("Hi")
        reader = stream.bounded(3, "drop_oldest")
        await until(lambda: reader.statistics().dropped > 100)
        assert reader.statistics().waiting == 3
        reader.cancel()
        async with stream.open(2, "coalesce", max_weight=5000) as merging:
            await simulator.requests[1].stalled() if len(simulator.requests) > 1 else await settle()
            await until(lambda: merging.statistics().merged >= 4)
            assert merging.statistics().waiting <= 3
    with pytest.raises(ConfigError):
        stream.bounded(0)


def test_a_plain_subscription_keeps_time_on_the_loop() -> None:
    async def subscribe() -> list[float]:
        loop = asyncio.get_running_loop()
        seen: list[float] = []
        stream_of(reactivex.timer(3600)).subscribe(lambda _: seen.append(loop.time()))
        await asyncio.sleep(4000)
        return seen

    assert run_in_virtual_time(subscribe()) == [pytest.approx(3600)]


async def test_a_scheduler_that_is_given_is_used() -> None:
    given: list[Any] = []

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        given.append(scheduler)
        return reactivex.empty().subscribe(observer)

    scheduler = ImmediateScheduler.singleton()
    stream = Stream[int](subscribe)
    stream.subscribe(scheduler=scheduler)
    stream.subscribe()

    assert given[0] is scheduler
    assert type(given[1]).__name__ == "LoopScheduler"
