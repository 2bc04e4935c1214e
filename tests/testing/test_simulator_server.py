"""The server around the scripts: which one is played, what is refused, what a test can wait for."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO

import aiohttp
import pytest
from wire_parsers import PROTOCOLS, ask, asking, ollama_lines, openai_chunks, request_body

from rxwizard.testing import (
    SCENARIOS,
    Exchange,
    Finish,
    Hold,
    HttpError,
    Raw,
    Script,
    Simulator,
    Text,
)


async def answer(simulator: Simulator, model: str = "default") -> str:
    lines = ollama_lines(await ask(simulator, "ollama", request_body(model=model)))
    return "".join(line["message"]["content"] for line in lines)


async def test_endpoints_are_what_each_vendors_own_client_takes() -> None:
    async with Simulator() as simulator:
        assert simulator.url.startswith("http://127.0.0.1:")
        assert simulator.endpoint() == simulator.endpoint("openai") == simulator.url + "/v1"
        assert simulator.endpoint("anthropic") == simulator.endpoint("ollama") == simulator.url
        with pytest.raises(ValueError, match="openai, anthropic, ollama"):
            simulator.endpoint("smoke-signals")


async def test_a_request_is_kept_as_it_came() -> None:
    async with Simulator(Text("hi")) as simulator:
        await ask(simulator, "anthropic", request_body("Who?"), **{"X-Api-Key": "k"})
        exchange = await simulator.request()

    assert (exchange.method, exchange.path) == ("POST", "/v1/messages")
    assert exchange.headers["x-api-key"] == "k"
    assert exchange.json["messages"][0]["content"] == "Who?"
    assert exchange.protocol == "anthropic"
    assert simulator.requests == [exchange]


async def test_the_server_counts_what_it_sent_and_finished() -> None:
    async with Simulator(Text("a b")) as simulator:
        body = await ask(simulator, "ollama")
        exchange = await simulator.request()
        await exchange.answered()

    assert (exchange.sent_bytes, exchange.sent_events) == (len(body), 3)
    assert exchange.finished
    assert exchange.gone_at is None


async def test_scripts_in_a_list_are_played_one_after_the_other() -> None:
    async with Simulator([Script(Text("one")), HttpError(500), Script(Text("last"))]) as simulator:
        assert await answer(simulator) == "one"
        async with asking(simulator, "ollama") as reply:
            assert reply.status == 500
        assert await answer(simulator) == "last"
        assert await answer(simulator) == "last"


async def test_a_function_chooses_the_script_by_the_request() -> None:
    def choose(exchange: Exchange) -> Text:
        return Text(exchange.json["model"].upper())

    async with Simulator(choose) as simulator:
        assert await answer(simulator, "abc") == "ABC"


async def test_a_sequence_of_steps_is_one_script() -> None:
    async with Simulator((Text("one "), Text("two"), Finish("length"))) as simulator:
        assert await answer(simulator) == "one two"


async def test_the_default_answer_says_who_speaks_and_echoes_the_prompt_shortened() -> None:
    body = request_body("What is\n Rust? " + "x" * 200)
    async with Simulator() as simulator:
        chunks = openai_chunks(await ask(simulator, "openai", body))

    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert "simulator" in text
    assert "not a language model" in text
    assert "“What is Rust? xxx" in text
    assert "x…”" in text
    assert "x" * 80 not in text


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "name", sorted({*SCENARIOS} - {"endless", "slow", "cut", "reset", "flaky"})
)
async def test_every_scenario_plays_in_every_protocol(name: str, protocol: str) -> None:
    statuses = {"unauthorized": 401, "rate-limited": 429, "overloaded": 529}
    async with Simulator() as simulator:
        async with asking(simulator, protocol, request_body(model=name)) as reply:
            await reply.read()

            assert reply.status == statuses.get(name, 200)
        exchange = await simulator.request()
        await exchange.answered()
    assert exchange.finished


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        (
            "openai",
            {
                "error": {
                    "message": "The model `gpt-x` does not exist or you do not have access to it.",
                    "type": "invalid_request_error",
                    "param": "model",
                    "code": "model_not_found",
                }
            },
        ),
        (
            "anthropic",
            {
                "type": "error",
                "error": {"type": "not_found_error", "message": "model: gpt-x"},
                "request_id": "req_simulated0001",
            },
        ),
        ("ollama", {"error": "model 'gpt-x' not found"}),
    ],
)
async def test_an_unknown_model_is_not_found(protocol: str, body: object) -> None:
    async with (
        Simulator() as simulator,
        asking(simulator, protocol, request_body(model="gpt-x")) as reply,
    ):
        assert reply.status == 404
        assert await reply.json() == body


@pytest.mark.parametrize(
    ("protocol", "headers"),
    [
        ("openai", {"Authorization": "Bearer right"}),
        ("anthropic", {"x-api-key": "right"}),
        ("anthropic", {"Authorization": "Bearer right"}),
        ("ollama", {"Authorization": "Bearer right"}),
    ],
)
async def test_a_key_is_asked_for(protocol: str, headers: dict[str, str]) -> None:
    async with Simulator(Text("hi"), api_key="right") as simulator:
        async with asking(simulator, protocol) as reply:
            assert reply.status == 401
            assert "error" in await reply.json()
        async with asking(simulator, protocol, **headers) as reply:
            assert reply.status == 200


@pytest.mark.parametrize(
    ("protocol", "missing"),
    [
        ("openai", "messages"),
        ("openai", "stream"),
        ("anthropic", "max_tokens"),
        ("anthropic", "stream"),
        ("ollama", "model"),
    ],
)
async def test_without_a_script_requests_are_checked(protocol: str, missing: str) -> None:
    body = request_body()
    del body[missing]
    async with Simulator() as simulator, asking(simulator, protocol, body) as reply:
        assert reply.status == 400
        assert missing in await reply.text()


async def test_ollama_streams_unless_told_not_to() -> None:
    body = request_body()
    del body["stream"]
    async with Simulator() as simulator:
        async with asking(simulator, "ollama", body) as reply:
            assert reply.status == 200
        async with asking(simulator, "ollama", {**body, "stream": False}) as reply:
            assert reply.status == 400


async def test_anthropic_asks_for_its_version_header() -> None:
    async with (
        Simulator() as simulator,
        aiohttp.ClientSession() as session,
        session.post(simulator.url + "/v1/messages", json=request_body()) as reply,
    ):
        assert reply.status == 400
        assert "anthropic-version" in (await reply.json())["error"]["message"]


async def test_a_path_of_no_protocol_is_served_if_the_script_is_raw() -> None:
    scripts = [Script(Raw(b"{}", content_type="application/json")), Script(Text("hi"))]
    async with Simulator(scripts) as simulator, aiohttp.ClientSession() as session:
        async with session.get(simulator.url + "/v1beta/models?x=1") as reply:
            assert await reply.json() == {}
        async with session.get(simulator.url + "/v1beta/models") as reply:
            assert reply.status == 404
        assert simulator.requests[0].path == "/v1beta/models?x=1"
        assert simulator.requests[0].protocol is None
        assert simulator.requests[0].json is None


async def test_a_protocol_given_answers_every_path() -> None:
    async with Simulator(Text("hi"), protocol="ollama") as simulator:
        assert simulator.endpoint() == simulator.url
        body = await ask(simulator, "openai")

    assert ollama_lines(body)[-1]["done"] is True


async def test_hold_waits_for_its_release() -> None:
    script = Script(Text("a"), Hold(), Text("b"), Hold(), Text("c"))
    async with Simulator(script) as simulator, asking(simulator, "ollama") as reply:
        exchange = await simulator.request()
        await exchange.held()

        assert exchange.sent_events == 1
        exchange.release()
        await exchange.held()
        assert exchange.sent_events == 2
        exchange.release()
        lines = ollama_lines(await reply.read())
    assert [line["message"]["content"] for line in lines] == ["a", "b", "c", ""]


async def test_a_release_may_come_before_the_hold() -> None:
    async with Simulator(Script(Text("a"), Hold(), Text("b"))) as simulator:
        asked = asyncio.create_task(ask(simulator, "ollama"))
        (await simulator.request()).release()

        assert len(ollama_lines(await asked)) == 3


async def test_headers_are_sent_before_the_first_event() -> None:
    script = Script(Hold(), Text("a"))
    async with Simulator(script) as simulator, asking(simulator, "openai") as reply:
        assert reply.status == 200
        assert simulator.requests[0].sent_events == 0
        simulator.requests[0].release()
        await reply.read()


async def test_waiting_for_what_cannot_come_any_more_raises() -> None:
    async with Simulator(Text("a")) as simulator:
        await ask(simulator, "ollama")
        exchange = await simulator.request()
        with pytest.raises(RuntimeError, match="played to its end"):
            await exchange.gone()
        with pytest.raises(RuntimeError, match="no write waits"):
            await exchange.stalled()
        with pytest.raises(RuntimeError, match="will not come"):
            await exchange.held()
        late = asyncio.create_task(simulator.request(1))
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="has not arrived"):
        await late


async def test_a_simulator_is_started_once_and_closed_as_often_as_you_like() -> None:
    simulator = Simulator()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = simulator.url
    await simulator.close()
    await simulator.start()
    with pytest.raises(RuntimeError, match="already"):
        await simulator.start()
    await simulator.close()
    await simulator.close()


async def test_large_requests_are_accepted() -> None:
    async with Simulator(Text("hi")) as simulator:
        body = json.dumps(request_body("x" * 3_000_000)).encode()
        # As a file: aiohttp's client warns of a body over 1 MiB that is given as bytes.
        url = simulator.endpoint() + "/chat/completions"
        async with aiohttp.ClientSession() as session, session.post(url, data=BytesIO(body)):
            pass

        assert simulator.requests[0].body == body
