"""Hosted models as a client on a real socket reads them: the envelope, and what is inside."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from test_simulator_bedrock import messages

from rxwizard import (
    AuthenticationError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    StreamingClient,
    StreamInterruptedError,
    WizardConfig,
)
from rxwizard.testing import (
    SCENARIOS,
    Close,
    Cut,
    HttpError,
    KeepAlive,
    Reasoning,
    Script,
    Simulator,
    StreamError,
    Text,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from rxwizard import WizardResponse

CONVERSATION = Script(
    Reasoning("think it over"),
    Text("Héllo  there,\u2028<you>!\n"),
    ToolCall("weather", {"city": "Åre", "days": 2}, id="toolu_1"),
    ToolCall("now", ""),
    usage=Usage(20, 9, cached_tokens=5),
)
HOSTED = ["bedrock-anthropic", "bedrock-nova", "vertex-anthropic"]
ON_BEDROCK = ["bedrock-anthropic", "bedrock-nova"]
ANTHROPICS = ["bedrock-anthropic", "vertex-anthropic"]
PATHS = {
    "anthropic": "/v1/messages",
    "bedrock": "/model/default/converse-stream",
    "bedrock-anthropic": "/model/default/invoke-with-response-stream",
    "bedrock-nova": "/model/default/invoke-with-response-stream",
    "vertex-anthropic": "/v1/publishers/anthropic/models/default:streamRawPredict",
}
#: What a request to Anthropic's models has to say there.
BODIES: dict[str, dict[str, Any]] = {
    "bedrock-anthropic": {"anthropic_version": "v", "max_tokens": 9, "messages": []},
    "vertex-anthropic": {"anthropic_version": "v", "max_tokens": 9, "messages": [], "stream": True},
}


async def ask(simulator: Simulator, protocol: str, body: Any = None) -> tuple[int, str, bytes]:
    """Give status, content type and body of an answer."""
    asked = {"model": "default"} if body is None else body
    async with (
        aiohttp.ClientSession() as session,
        session.post(simulator.url + PATHS[protocol], json=asked) as reply,
    ):
        return reply.status, reply.headers["content-type"], await reply.read()


async def body_of(script: Script, protocol: str) -> bytes:
    async with Simulator(script, protocol=protocol) as simulator:
        return (await ask(simulator, protocol))[2]


async def complete(
    simulator: Simulator, protocol: str, model: str = "default", key: str = "k" * 20
) -> WizardResponse:
    endpoint = simulator.endpoint(protocol)
    config = WizardConfig(f"{protocol}:{model}", api_key=key, endpoint=endpoint)
    async with StreamingClient(config) as client:
        return await client.generate_complete("one two three")


def chunks(body: bytes) -> list[bytes]:
    """Give what the chunks of a binary event stream hold; there is nothing else in it."""
    found = messages(body)
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert all(given == headers for given, _ in found)
    assert all({*payload} == {"bytes", "p"} and payload["p"] for _, payload in found)
    return [b64decode(payload["bytes"], validate=True) for _, payload in found]


async def test_a_chunk_holds_the_data_of_anthropics_event() -> None:
    inside = chunks(await body_of(CONVERSATION, "bedrock-anthropic"))
    plain = await body_of(CONVERSATION, "anthropic")

    lines = [line for line in plain.split(b"\n") if line.startswith(b"data: ")]
    assert [b"data: " + event for event in inside] == lines


async def test_on_vertex_the_events_are_anthropics_own() -> None:
    plain = await body_of(CONVERSATION, "anthropic")

    assert await body_of(CONVERSATION, "vertex-anthropic") == plain


async def test_a_chunk_of_nova_is_a_member_of_converses_union() -> None:
    inside = [json.loads(event) for event in chunks(await body_of(CONVERSATION, "bedrock-nova"))]
    plain = messages(await body_of(CONVERSATION, "bedrock"))

    for _, payload in plain:
        del payload["p"]
    assert inside == [{headers[":event-type"]: payload} for headers, payload in plain]


@pytest.mark.parametrize("protocol", HOSTED)
async def test_the_client_reads_a_whole_conversation(protocol: str) -> None:
    async with Simulator(CONVERSATION, protocol=protocol) as simulator:
        response = await complete(simulator, protocol)
        assert simulator.requests[0].protocol == protocol

    assert (response.text, response.reasoning) == ("Héllo  there,\u2028<you>!\n", "think it over")
    assert [call.arguments for call in response.tool_calls] == [{"city": "Åre", "days": 2}, {}]
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.cached_tokens) == (20, 5)


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        ("bedrock-anthropic", "application/vnd.amazon.eventstream"),
        ("vertex-anthropic", "text/event-stream; charset=utf-8"),
    ],
)
async def test_the_path_says_the_protocol(protocol: str, kind: str) -> None:
    async with Simulator(Text("a")) as simulator:
        assert (await ask(simulator, protocol))[:2] == (200, kind)
        assert simulator.requests[0].protocol == protocol


async def test_a_sign_of_life_is_anthropics_ping() -> None:
    inside = chunks(await body_of(Script(KeepAlive()), "bedrock-anthropic"))

    assert inside[1] == b'{"type":"ping"}'


@pytest.mark.parametrize("protocol", ON_BEDROCK)
@pytest.mark.parametrize(
    ("step", "name", "error"),
    [
        (StreamError("Sorry"), "internalServerException", ProviderError),
        (StreamError("Sorry", status=429), "throttlingException", RateLimitError),
    ],
)
async def test_an_error_on_bedrock_is_a_bare_exception(
    protocol: str, step: StreamError, name: str, error: type
) -> None:
    async with Simulator(Script(Text("a"), step), protocol=protocol) as simulator:
        headers, payload = messages((await ask(simulator, protocol))[2])[-1]
        with pytest.raises(error, match="Sorry") as caught:
            await complete(simulator, protocol)

    assert headers == {":exception-type": name, ":message-type": "exception"}
    assert payload == {"message": "Sorry"}
    assert caught.value.partial.text == "a"


@pytest.mark.parametrize("protocol", HOSTED)
@pytest.mark.parametrize("ending", [Close(), Cut()])
async def test_an_early_end_is_an_interruption(protocol: str, ending: Close | Cut) -> None:
    async with Simulator(Script(Text("a"), ending), protocol=protocol) as simulator:
        with pytest.raises(StreamInterruptedError) as caught:
            await complete(simulator, protocol)

    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("bedrock-anthropic", "identifier is invalid"),
        ("bedrock-nova", "identifier is invalid"),
        ("vertex-anthropic", "anthropic/models/no-such@1` was not found"),
    ],
)
async def test_the_model_is_that_of_the_url(protocol: str, words: str) -> None:
    async with Simulator(protocol=protocol) as simulator:
        assert "You wrote" in (await complete(simulator, protocol)).text
        with pytest.raises(NotFoundError, match=words):
            await complete(simulator, protocol, "no-such@1")


@pytest.mark.parametrize("protocol", ANTHROPICS)
async def test_what_is_missing_or_too_much_is_named(protocol: str) -> None:
    good = BODIES[protocol]
    async with Simulator() as simulator:
        assert (await ask(simulator, protocol, good))[0] == 200
        for name in good:
            body = {key: value for key, value in good.items() if key != name}
            status, _, said = await ask(simulator, protocol, body)
            assert (status, name.encode() in said) == (400, True)
        status, _, said = await ask(simulator, protocol, {**good, "model": "default"})
        assert (status, b"model: Extra inputs are not permitted" in said) == (400, True)


async def test_bedrock_refuses_to_be_told_to_stream() -> None:
    body = BODIES["vertex-anthropic"]
    async with Simulator() as simulator:
        status, _, said = await ask(simulator, "bedrock-anthropic", body)

    assert (status, json.loads(said)) == (
        400,
        {"message": "stream: Extra inputs are not permitted"},
    )


async def test_an_http_error_has_the_shape_of_the_host() -> None:
    async with Simulator(HttpError(429)) as simulator:
        amazons = json.loads((await ask(simulator, "bedrock-anthropic"))[2])
        googles = json.loads((await ask(simulator, "vertex-anthropic"))[2])

    assert {*amazons} == {"message"}
    assert googles["error"]["status"] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("protocol", HOSTED)
async def test_a_key_is_asked_for(protocol: str) -> None:
    async with Simulator(Text("hi"), protocol=protocol, api_key="k" * 20) as simulator:
        assert (await complete(simulator, protocol)).text == "hi"
        with pytest.raises(AuthenticationError):
            await complete(simulator, protocol, key="other")


@pytest.mark.parametrize("protocol", HOSTED)
@pytest.mark.parametrize(
    "name", sorted({*SCENARIOS} - {"endless", "slow", "cut", "reset", "flaky"})
)
async def test_every_scenario_plays(protocol: str, name: str) -> None:
    statuses = {"unauthorized": 401, "rate-limited": 429, "overloaded": 529}
    async with Simulator(SCENARIOS[name], protocol=protocol) as simulator:
        assert (await ask(simulator, protocol))[0] == statuses.get(name, 200)
