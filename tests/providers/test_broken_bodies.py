"""Bodies that break off in ways no well-behaved HTTP server can: the bytes are written by hand."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from reactivex import operators as rx

from rxwizard import (
    BufferOverflowError,
    ChunkKind,
    ConfigError,
    FinishReason,
    InvalidPromptError,
    Message,
    Prompt,
    RequestError,
    RetryConfig,
    Role,
    StreamChunk,
    StreamingClient,
    StreamingConfig,
    StreamInterruptedError,
    WizardConfig,
)
from rxwizard import operators as ops
from rxwizard.testing import Cut, Repeat, Script, Simulator, Text

from .mocked_http import KEY
from .reader_kit import sse

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[asyncio.StreamWriter, asyncio.Event], Coroutine[Any, Any, None]]


def say(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return sse({"id": "c", "choices": [choice]}).encode()


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncGenerator[tuple[str, asyncio.Event]]:
    """Serve `answer` at a URL; the event tells it that the client has read what there was."""
    seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer, seen)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


def config(url: str, model: str = "openai:m", **settings: Any) -> WizardConfig:
    settings = {"retry": RetryConfig(retries=0), **settings}
    return WizardConfig(model, api_key=KEY, endpoint=url, **settings)


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"zz\r\n", b"-1\r\n", b"\0\0\0\0\r\n"],
    ids=["a proxy's reply", "no number", "a negative size", "zeros"],
)
async def test_chunks_that_cannot_be_parsed_interrupt_the_stream(garbage: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter, seen: asyncio.Event) -> None:
        writer.write(CHUNKED + http_chunk(say("Half")))
        await seen.wait()
        writer.write(garbage)
        await writer.drain()

    async with answering(answer) as (url, seen), asyncio.timeout(20):
        stream = StreamingClient(config(url)).generate_stream("Hi")
        with pytest.raises(StreamInterruptedError) as caught:
            await stream.pipe(rx.do_action(lambda chunk: seen.set() if chunk.text else None))

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Half"


OPENAI = (say("Hello"), say("", "stop").rstrip())
ANTHROPIC = (
    sse({"type": "message_start", "message": {"id": "m"}}).encode()
    + sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}).encode()
    + sse(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hello"},
        }
    ).encode(),
    sse({"type": "message_stop"}).encode().rstrip(),
)
OLLAMA = (
    json.dumps({"message": {"role": "assistant", "content": "Hello"}, "done": False}).encode()
    + b"\n",
    json.dumps({"done": True, "done_reason": "stop"}).encode(),
)


@pytest.mark.parametrize(
    ("model", "wire"),
    [("openai:m", OPENAI), ("anthropic:m", ANTHROPIC), ("ollama:m", OLLAMA)],
)
@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_whole_last_event_counts_though_the_connection_breaks_behind_it(
    model: str, wire: tuple[bytes, bytes], framing: str
) -> None:
    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        body = b"".join(wire)
        if framing == "chunked":
            writer.write(CHUNKED + http_chunk(body))
        else:
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 2) + body)
        await writer.drain()

    async with answering(answer) as (url, _):
        response = await StreamingClient(config(url, model)).generate_complete("Hi")

    assert (response.text, response.complete) == ("Hello", True)
    assert response.raw_finish_reason in {"stop", None}


async def test_half_an_event_at_the_break_is_no_text_and_the_break_is_the_error() -> None:
    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        writer.write(CHUNKED + http_chunk(say("Hello") + say("lost")[:30]))
        await writer.drain()

    async with answering(answer) as (url, _):
        with pytest.raises(StreamInterruptedError, match="connection broke") as caught:
            await StreamingClient(config(url)).generate_complete("Hi")

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hello"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"type": "text_delta", "text": 123}, "delta"),
        ({"type": "thinking_delta", "thinking": {"a": 1}}, "delta"),
    ],
)
async def test_a_value_of_the_wrong_type_is_shown_and_no_error(
    event: dict[str, object], field: str
) -> None:
    odd = {"type": "content_block_delta", "index": 0, field: event}

    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        writer.write(CHUNKED + http_chunk(ANTHROPIC[0] + sse(odd).encode() + ANTHROPIC[1]))
        await writer.drain()

    async with answering(answer) as (url, _):
        stream = StreamingClient(config(url, "anthropic:m")).generate_stream("Hi")
        chunks = [chunk async for chunk in stream]

    assert odd in [chunk.data for chunk in chunks if chunk.kind is ChunkKind.OTHER]
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert chunks[-1].finish_reason is None


async def test_without_backpressure_the_bound_counts_what_is_no_text() -> None:
    odd = sse({"x": "y" * 50_000}).encode()

    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        writer.write(CHUNKED + http_chunk(say("Hi")))
        while True:
            writer.write(http_chunk(odd))
            await writer.drain()

    streaming = StreamingConfig(max_ahead=500_000).with_backpressure(False)
    async with answering(answer) as (url, _), asyncio.timeout(20):
        reader = aiter(StreamingClient(config(url), streaming=streaming).generate_stream("Hi"))
        await anext(reader)
        while not reader.statistics().dropped:
            await asyncio.sleep(0)  # the loop's turns are what fills it

        assert reader.statistics().waiting < 20
        with pytest.raises(BufferOverflowError) as caught:
            [chunk async for chunk in reader]

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hi"


async def test_a_paused_reader_in_a_cycle_is_collected_without_a_word() -> None:
    class Screen:
        """Refers to itself, so that only the garbage collector ends it."""

    async with Simulator(Script(Repeat((Text("word "),)))) as simulator:
        client = StreamingClient(config(simulator.endpoint("openai")))
        screen = Screen()
        screen.me = screen  # type: ignore[attr-defined]
        screen.reader = client.generate_stream("Hi").bounded(4)  # type: ignore[attr-defined]
        exchange = await simulator.request()
        await exchange.stalled()
        del screen
        gc.collect()
        await exchange.gone()


async def test_an_operator_that_fails_without_a_handler_is_told_to_the_loop() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail(chunk: StreamChunk) -> None:
        raise LookupError(chunk.kind)

    async with Simulator(Text("Hello")) as simulator:
        stream = StreamingClient(config(simulator.endpoint("openai"))).generate_stream("Hi")
        stream.pipe(rx.map(fail)).subscribe(print)
        exchange = await simulator.request()
        await exchange.answered()
        while not told:
            await asyncio.sleep(0)  # the pump's task ends in one of the next turns

    assert isinstance(told[0]["exception"], LookupError)


async def test_a_retry_is_another_answer_and_not_more_of_the_first() -> None:
    scripts = [Script(Text("a1 "), Cut()), Script(Text("a2 "), Cut()), Script(Text("Hello"))]
    async with Simulator(scripts) as simulator:
        stream = StreamingClient(config(simulator.endpoint("openai"))).generate_stream("Hi")
        response = await stream.pipe(rx.retry(3), ops.collect())
        shown = await stream.pipe(rx.retry(3), ops.accumulate_text())

    assert (response.text, response.complete) == ("Hello", True)
    assert response.finish_reason is FinishReason.STOP
    assert shown == "Hello"


async def test_a_key_that_the_cut_of_a_message_halves_is_not_shown() -> None:
    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        body = json.dumps({"error": {"message": "x" * 1990 + KEY}}).encode()
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()

    async with answering(answer) as (url, _):
        with pytest.raises(RequestError) as caught:
            await StreamingClient(config(url)).generate_complete("Hi")

    assert KEY[:8] not in str(caught.value)


async def test_secret_headers_and_the_endpoints_password_are_not_shown() -> None:
    async def answer(writer: asyncio.StreamWriter, _seen: asyncio.Event) -> None:
        body = json.dumps({"error": {"message": "I saw proxy-secret-1"}}).encode()
        head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()

    async with answering(answer) as (url, _):
        with_password = url.replace("http://", "http://user:passw0rd@")
        headers = {"X-Token": "proxy-secret-1"}
        settings = WizardConfig("ollama:m", endpoint=with_password, headers=headers)
        with pytest.raises(Exception, match="I saw") as caught:
            await StreamingClient(settings).generate_complete("Hi")

    assert "proxy-secret-1" not in str(caught.value)
    assert "passw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (Prompt("Hi", extra={"when": object()}), ConfigError),
        (Prompt("Hi", extra={"a": float("nan")}), ConfigError),
        (Prompt("Hi \ud83d"), InvalidPromptError),
    ],
    ids=["no JSON", "no number", "half a character"],
)
async def test_what_cannot_be_written_as_json_is_said_before_it_is_sent(
    prompt: Prompt, error: type[Exception]
) -> None:
    async with Simulator(Text("Hello")) as simulator:
        client = StreamingClient(config(simulator.endpoint("openai")))
        with pytest.raises(error):
            await client.generate_complete(prompt)

        assert simulator.requests == []


async def test_anthropic_gets_a_system_message_of_parts() -> None:
    parts = ({"type": "text", "text": "Be brief."},)
    history = (Message(role=Role.SYSTEM, content=parts),)
    async with Simulator(Text("Hello")) as simulator:
        client = StreamingClient(config(simulator.endpoint("anthropic"), "anthropic:m"))
        await client.generate_complete(Prompt("Hi", history=history))

        assert simulator.requests[0].json["system"] == "Be brief."


async def test_a_connection_is_kept_though_its_last_bytes_come_late() -> None:
    connections = 0
    body = say("Hello", "stop") + sse("[DONE]").encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.read(65536):
            writer.write(CHUNKED + http_chunk(body))
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)  # the client has read the answer by then
            writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with StreamingClient(config(url)) as client:
            for _ in range(3):
                await client.generate_complete("Hi")

    assert connections == 1
