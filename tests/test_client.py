"""The client: connections, loops, clocks, and what becomes of a stream when it is closed."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
import uvloop
from streaming import ENDLESS, client, config, numbered, places, read_on, read_some, settle

from rxwizard import (
    ConnectDeadlineError,
    DeadlineConfig,
    HeadersDeadlineError,
    IdleDeadlineError,
    RetryConfig,
    StreamingClient,
    StreamingConfig,
    StreamInterruptedError,
    WizardConfig,
    transport,
)
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import Hold, Reasoning, Script, Simulator, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxwizard import StreamChunk


class Connections:
    """Counts the connections of aiohttp sessions."""

    def __init__(self) -> None:
        self.made = 0
        self.trace = aiohttp.TraceConfig()
        self.trace.on_connection_create_end.append(self._count)

    async def _count(self, *_: object) -> None:
        self.made += 1

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(trace_configs=[self.trace])


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    counted = Connections()
    monkeypatch.setattr(transport, "_new_session", counted.session)
    return counted


async def test_a_kept_connection_does_not_grow_with_its_requests() -> None:
    async with Simulator(Text("Hello")) as simulator, client(simulator) as kept:
        watching = []
        for _ in range(5):
            await kept.generate_complete("Hi")
            ((protocol, _),) = next(iter(kept._shared.transport._own.connector._conns.values()))
            watching.append(len(protocol.closed._callbacks))

    assert watching == [1] * 5


async def test_generate_complete_is_the_fold_of_the_stream() -> None:
    script = Script(Reasoning("hm"), Text("Let me see."), ToolCall("look", {"at": "this"}))
    async with Simulator(script) as first, Simulator(script) as second:
        whole = await client(first).generate_complete("Hi")
        folded = ResponseBuilder()
        async for chunk in client(second).generate_stream("Hi"):
            folded.add(chunk)

    times = {"metadata": {"time_to_first_token", "duration"}}
    assert whole.model_dump(exclude=times) == folded.build().model_dump(exclude=times)
    assert (whole.text, whole.reasoning, whole.complete) == ("Let me see.", "hm", True)
    assert first.requests[0].json == second.requests[0].json


async def test_inside_connections_are_kept(connections: Connections) -> None:
    async with Simulator(Text("hello world")) as simulator:
        async with client(simulator) as one_client:
            for _ in range(5):
                await one_client.generate_complete("Hi")
                await read_on(aiter(one_client.generate_stream("Hi")), [])

        assert len(simulator.requests) == 10
    assert connections.made == 1


async def test_outside_each_stream_has_its_own(connections: Connections) -> None:
    async with Simulator(Text("hello world")) as simulator:
        one_client = client(simulator)
        for _ in range(3):
            await one_client.generate_complete("Hi")

    assert connections.made == 3


async def test_other_streaming_settings_share_the_connections(connections: Connections) -> None:
    async with Simulator(Text("hello world")) as simulator, client(simulator) as one_client:
        for size in (1, 2, 3):
            other = one_client.with_streaming_config(StreamingConfig(size))
            reader = aiter(other.generate_stream("Hi"))
            assert reader.statistics().capacity == size
            await read_on(reader, [])
        async with other:
            await other.generate_complete("Hi")
        await one_client.generate_complete("Hi")  # it is still inside

    assert connections.made == 1


async def test_a_session_of_the_users_is_used_and_not_closed() -> None:
    connections = Connections()
    async with Simulator(Text("hello world")) as simulator, connections.session() as session:
        async with StreamingClient(config(simulator), session=session) as one_client:
            for _ in range(3):
                await one_client.generate_complete("Hi")

        assert connections.made == 1
        assert not session.closed


async def test_the_simulator_as_model_inside_and_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Simulator] = []
    start = Simulator.start

    async def count(self: Simulator) -> Simulator:
        started.append(self)
        return await start(self)

    monkeypatch.setattr(Simulator, "start", count)
    tasks = asyncio.all_tasks()
    one_client = StreamingClient(WizardConfig(model="simulator:default"))
    for _ in range(2):
        assert (await one_client.generate_complete("Hi")).complete
    assert len(started) == 2
    await settle()
    assert asyncio.all_tasks() == tasks

    for _ in range(2):
        async with one_client:
            await asyncio.gather(*(one_client.generate_complete("Hi") for _ in range(5)))
    await settle()
    assert len(started) == 4
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("own_session", [False, True])
async def test_closing_it_ends_a_stream_that_waits(own_session: bool) -> None:
    async with (
        Simulator(Script(numbered(20), Hold())) as simulator,
        aiohttp.ClientSession() as session,
    ):
        given = session if own_session else None
        async with StreamingClient(config(simulator), session=given) as one_client:
            reader = aiter(one_client.generate_stream("Hi"))
            chunks = await read_some(reader, 3)
            await simulator.requests[0].held()
            await settle()
        assert [task for task in asyncio.all_tasks() if "_Pump" in repr(task)] == []
        with pytest.raises(StreamInterruptedError, match="client was closed") as caught:
            await read_on(reader, chunks)
        await simulator.requests[0].gone()

    assert places(chunks) == list(range(20))
    assert not caught.value.retryable
    assert caught.value.provider == "openai"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(chunk.text for chunk in chunks)


async def test_closing_it_ends_a_stream_that_is_paused() -> None:
    async with Simulator(ENDLESS) as simulator:
        tasks = asyncio.all_tasks()
        async with client(simulator) as one_client:
            reader = aiter(one_client.generate_stream("Hi"))
            chunks: list[StreamChunk] = await read_some(reader, 3)
            await simulator.requests[0].stalled()
        with pytest.raises(StreamInterruptedError, match="client was closed"):
            await read_on(reader, chunks)
        await simulator.requests[0].gone()
        await settle()

        assert len(chunks) == 3 + 64
        assert asyncio.all_tasks() == tasks


async def test_closing_it_ends_a_request_without_an_answer_yet() -> None:
    with deaf_port() as port:
        endpoint = f"http://127.0.0.1:{port}/v1"
        settings = WizardConfig(model="openai:x", api_key="test-key", endpoint=endpoint)
        async with StreamingClient(settings) as one_client:
            reader = aiter(one_client.generate_stream("Hi"))
            await settle()
        with pytest.raises(StreamInterruptedError, match="client was closed") as caught:
            await anext(reader)

    assert caught.value.partial is None


async def test_a_silent_server_is_given_up() -> None:
    async with Simulator(Script(Text("a b"), Hold())) as simulator:
        one_client = client(simulator, deadlines=DeadlineConfig(idle=0.05))
        chunks: list[StreamChunk] = []
        with pytest.raises(IdleDeadlineError, match=r"within 0\.05 seconds") as caught:
            await read_on(aiter(one_client.generate_stream("Hi")), chunks)
        await simulator.requests[0].gone()

    assert caught.value.seconds == 0.05
    assert caught.value.retryable
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a b"


async def test_a_server_that_never_answers_is_given_up() -> None:
    with deaf_port() as port:
        endpoint = f"http://127.0.0.1:{port}/v1"
        settings = WizardConfig(
            model="openai:x",
            api_key="test-key",
            endpoint=endpoint,
            deadlines=DeadlineConfig(headers=0.05),
            retry=RetryConfig(retries=0),
        )
        with pytest.raises(HeadersDeadlineError, match=r"did not answer within 0\.05") as caught:
            await StreamingClient(settings).generate_complete("Hi")

    assert caught.value.seconds == 0.05
    assert caught.value.partial is None


async def test_a_host_that_does_not_take_connections_is_given_up() -> None:
    with deaf_port() as port:
        # The queue of those who wait to be accepted is full: the next one gets no answer.
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        settings = WizardConfig(
            model="openai:x",
            api_key="test-key",
            endpoint=f"http://127.0.0.1:{port}/v1",
            deadlines=DeadlineConfig(connect=0.05),
            retry=RetryConfig(retries=0),
        )
        try:
            with pytest.raises(ConnectDeadlineError, match=r"within 0\.05 seconds") as caught:
                await StreamingClient(settings).generate_complete("Hi")
        finally:
            for one in waiting:
                one.close()

    assert caught.value.seconds == 0.05


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes a connection and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_one_client_works_in_several_loops_one_after_the_other(new_loop: object) -> None:
    one_client = StreamingClient(WizardConfig(model="simulator:default"))

    async def ask() -> list[bool]:
        async with one_client:
            inside = await asyncio.gather(*(one_client.generate_complete("Hi") for _ in range(3)))
        outside = await one_client.generate_complete("Hi")
        return [response.complete for response in (*inside, outside)]

    for _ in range(2):
        with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
            assert runner.run(ask()) == [True] * 4


async def test_a_client_that_was_entered_elsewhere_says_so() -> None:
    async with Simulator(Text("hello world")) as simulator, client(simulator) as one_client:

        async def ask() -> None:
            async with asyncio.timeout(10):
                await one_client.generate_complete("Hi")

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, ask())
        assert (await one_client.generate_complete("Hi")).text == "hello world"
