"""Everything that goes wrong on purpose, as an aiohttp client sees it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from wire_parsers import (
    PROTOCOLS,
    anthropic_events,
    ask,
    asking,
    blocks,
    ollama_lines,
    request_body,
)

from rxwizard.testing import (
    Close,
    Cut,
    Finish,
    Hold,
    HttpError,
    Pause,
    Raw,
    Repeat,
    Reset,
    Script,
    Simulator,
    Step,
    StreamError,
    Text,
)

ENDLESS = Script(Repeat((Text("x" * 1000),)))


async def read_into(got: bytearray, reply: aiohttp.ClientResponse) -> None:
    async for data in reply.content.iter_any():
        got += data


async def test_an_error_in_mid_stream_has_openais_shape() -> None:
    error = StreamError("Too much", type="tokens", code="rate_limit_exceeded", status=429)
    async with Simulator(Script(Text("a"), error)) as simulator:
        last = blocks(await ask(simulator, "openai"))[-1]

    assert json.loads(last["data"])["error"] == {
        "message": "Too much",
        "type": "tokens",
        "param": None,
        "code": "rate_limit_exceeded",
        "status_code": 429,
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StreamError("Overloaded", status=529), "overloaded_error"),
        (StreamError("Overloaded", type="overloaded_error"), "overloaded_error"),
        (StreamError("Sorry"), "api_error"),
    ],
)
async def test_an_error_in_mid_stream_has_anthropics_shape(error: StreamError, kind: str) -> None:
    async with Simulator(Script(Text("a"), error)) as simulator:
        events = anthropic_events(await ask(simulator, "anthropic"))

    assert events[-1]["type"] == "error"
    assert events[-1]["error"] == {"details": None, "type": kind, "message": error.message}
    assert "content_block_stop" not in {event["type"] for event in events}


async def test_an_error_in_mid_stream_has_ollamas_shape() -> None:
    async with Simulator(Script(Text("a"), StreamError("CUDA error"))) as simulator:
        lines = ollama_lines(await ask(simulator, "ollama"))

    assert lines[-1] == {"error": "CUDA error"}
    assert lines[-2]["done"] is False


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_close_ends_the_body_in_order_but_too_early(protocol: str) -> None:
    async with Simulator(Script(Text("a"), Close())) as simulator:
        body = await ask(simulator, protocol)

    assert b'"a"' in body
    assert b"DONE" not in body
    assert b"message_stop" not in body
    assert b'"done":true' not in body


async def test_steps_after_the_finish_happen_before_the_protocols_ending() -> None:
    async with Simulator(Script(Text("a"), Finish(), Close())) as simulator:
        chat = await ask(simulator, "openai")
        messages = anthropic_events(await ask(simulator, "anthropic"))

    assert b'"finish_reason":"stop"' in chat
    assert b"DONE" not in chat
    assert messages[-1]["type"] == "message_delta"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cut_breaks_the_chunked_encoding_in_the_middle_of_an_event(protocol: str) -> None:
    got = bytearray()
    async with Simulator(Script(Text("a b"), Cut())) as simulator:
        async with asking(simulator, protocol) as reply:
            with pytest.raises(aiohttp.ClientPayloadError):
                await read_into(got, reply)
        exchange = await simulator.request()
        await exchange.answered()
    assert exchange.finished
    assert b'" b"' in got
    assert not got.endswith(b"\n")


async def test_cut_sends_the_bytes_it_is_told_to() -> None:
    got = bytearray()
    script = Script(Raw(b"one"), Cut(b"tw"))
    async with Simulator(script) as simulator, asking(simulator, "openai") as reply:
        with pytest.raises(aiohttp.ClientPayloadError):
            await read_into(got, reply)
    assert bytes(got) == b"onetw"


async def test_reset_is_a_reset_and_no_closing() -> None:
    async with Simulator(Script(Text("a"), Hold(), Reset())) as simulator:
        async with asking(simulator, "ollama") as reply:
            assert b'"a"' in await reply.content.readany()
            simulator.requests[0].release()
            with pytest.raises(aiohttp.ClientError) as caught:
                await reply.content.readany()
        await simulator.requests[0].answered()
    assert "reset by peer" in f"{caught.value!r} {caught.value.__cause__!r}"
    assert simulator.requests[0].finished
    assert simulator.requests[0].gone_at is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503, 529])
async def test_an_http_error_has_the_protocols_own_body(protocol: str, status: int) -> None:
    async with (
        Simulator(HttpError(status, headers={"retry-after": "7"})) as simulator,
        asking(simulator, protocol) as reply,
    ):
        body = await reply.json()

        assert reply.status == status
        assert reply.headers["retry-after"] == "7"
    if protocol in {"openai", "responses"}:
        assert {*body["error"]} == {"message", "type", "param", "code"}
    elif protocol == "cohere":
        assert {*body} == {"id", "message"}
    elif protocol == "anthropic":
        assert {*body} == {"type", "error", "request_id"}
        assert {*body["error"]} == {"type", "message"}
    else:
        assert isinstance(body["error"], str)


@pytest.mark.parametrize(
    ("step", "content_type", "body"),
    [
        (HttpError(500, b""), "application/octet-stream", b""),
        (HttpError(502, "<html>", content_type="text/html"), "text/html", b"<html>"),
        (HttpError(502, "Bad"), "text/plain", b"Bad"),
        (HttpError(422, {"detail": "no"}), "application/json", b'{"detail":"no"}'),
    ],
)
async def test_an_http_error_has_the_body_it_is_given(
    step: HttpError, content_type: str, body: bytes
) -> None:
    async with Simulator(step) as simulator, asking(simulator, "openai") as reply:
        assert await reply.read() == body
        if body:
            assert reply.content_type == content_type


async def test_an_http_error_can_be_held_back() -> None:
    async with Simulator(Script(Hold(), HttpError(503))) as simulator:
        asked = asyncio.create_task(ask(simulator, "ollama"))
        exchange = await simulator.request()
        await exchange.held()
        exchange.release()

        assert b"server busy" in await asked


@pytest.mark.parametrize(
    "steps",
    [
        (Reset(), Text("late")),
        (Text("early"), HttpError(500)),
        (Raw(b"x"), Text("y")),
    ],
)
def test_a_script_that_no_wire_can_carry_is_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Script(*steps)


def test_pieces_must_add_up_to_the_text() -> None:
    assert Text("hello", pieces=("hel", "lo")).split() == ("hel", "lo")
    assert Text("hello", pieces=2).split() == ("he", "llo")
    assert Text("hi", pieces=9).split() == ("h", "i")
    assert Text("").split() == ("",)
    with pytest.raises(ValueError, match="do not add up"):
        Text("hello", pieces=("hell",)).split()


async def test_an_endless_sender_is_stopped_by_a_client_that_does_not_read() -> None:
    async with Simulator(ENDLESS) as simulator, asking(simulator, "openai"):
        exchange = await simulator.request()
        await exchange.stalled()

        assert 0 < exchange.sent_bytes < 512 * 1024
        before = exchange.sent_bytes
        await exchange.stalled(quiet=1000)
        assert exchange.sent_bytes == before
        assert not exchange.finished


async def test_a_stalled_sender_goes_on_when_the_client_reads() -> None:
    async with Simulator(ENDLESS) as simulator, asking(simulator, "ollama") as reply:
        exchange = await simulator.request()
        await exchange.stalled()
        before = exchange.sent_bytes
        received = 0
        async for data in reply.content.iter_any():
            received += len(data)
            if received > 2 * before:
                break

        assert exchange.sent_bytes > before


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script(Text("a"), Hold()), id="holding"),
        pytest.param(Script(Text("a"), Pause(3600)), id="sleeping"),
        pytest.param(Script(Text("a b"), pace=3600.0), id="pacing"),
        pytest.param(ENDLESS, id="sending"),
    ],
)
async def test_a_client_that_goes_away_is_noticed_at_once(script: Script) -> None:
    async with Simulator(script) as simulator:
        async with asking(simulator, "openai") as reply:
            await reply.content.readany()
        exchange = await simulator.request()
        async with asyncio.timeout(5):
            await exchange.gone()

        assert exchange.gone_at is not None
        assert exchange.gone_at <= asyncio.get_running_loop().time()
        assert not exchange.finished


async def test_a_client_that_goes_away_is_noticed_while_a_write_waits_for_it() -> None:
    async with Simulator(ENDLESS) as simulator:
        async with asking(simulator, "openai"):
            exchange = await simulator.request()
            await exchange.stalled()
        async with asyncio.timeout(5):
            await exchange.gone()


@pytest.mark.parametrize("script", [ENDLESS, Script(Text("a"), Hold()), Script(Pause(3600))])
async def test_closing_the_simulator_leaves_nothing_behind(script: Script) -> None:
    before = asyncio.all_tasks()
    simulator = await Simulator(script).start()
    async with asking(simulator, "openai", request_body()) as reply:
        exchange = await simulator.request()
        await simulator.close()

        with pytest.raises(aiohttp.ClientError):
            await reply.read()
        with pytest.raises(RuntimeError, match="stopped by the simulator"):
            await exchange.gone()
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(simulator.url)
