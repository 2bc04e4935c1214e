"""What is sent to Bedrock, and to Anthropic's models at Amazon and Google; and how it is signed."""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aioresponses import aioresponses
from amazon import chunks, converse

from rxwizard import (
    AuthenticationError,
    Image,
    Message,
    OverloadedError,
    PermissionDeniedError,
    Prompt,
    RateLimitError,
    RequestError,
    RetryConfig,
    Role,
    StreamingClient,
    TokenLimitError,
    Tool,
    WizardConfig,
    WizardError,
)
from rxwizard.providers import PROTOCOLS

from . import mocked_http
from .mocked_http import KEY, failure_of, request_for
from .mocked_http import _Response as Response

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "us.amazon.nova-2-lite-v1:0"
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalr-very-secret-0123456789",
    "AWS_SESSION_TOKEN": "token-very-secret-0123456789",
}
WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def config_of(model: str = f"bedrock:{MODEL}", **settings: Any) -> WizardConfig:
    settings = {"api_key": KEY, "retry": RetryConfig(retries=0), **settings}
    return WizardConfig(model=model, **settings)


async def body_of(prompt: Prompt | str = "Hello?", **settings: Any) -> Any:
    return (await request_for(config_of(**settings), prompt)).body


async def refusal_of(prompt: Prompt | str = "Hello?", **settings: Any) -> str:
    return await mocked_http.refusal_of(config_of(**settings), prompt)


# -- Converse --------------------------------------------------------------------------------


async def test_converse_gets_the_least_that_it_needs() -> None:
    sent = await request_for(config_of())

    assert sent.method == "POST"
    assert sent.url.replace("%3A", ":") == f"{HOST}/model/{MODEL}/converse-stream"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body == {"messages": [{"role": "user", "content": [{"text": "Hello?"}]}]}


def test_names_of_models_are_encoded() -> None:
    config = config_of("bedrock:arn:aws:bedrock:us-east-1:1:inference-profile/x")
    request = PROTOCOLS["converse"].request(Prompt("Hello?"), config, config.vendor)

    name = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx"
    assert request.url == f"{HOST}/model/{name}/converse-stream"


async def test_converse_gets_every_setting() -> None:
    body = await body_of(temperature=0.0, top_p=0.5, max_tokens=9, stop=("END",))

    assert body["inferenceConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxTokens": 9,
        "stopSequences": ["END"],
    }


async def test_converse_gets_system_and_history() -> None:
    prompt = (
        Prompt("And now?")
        .with_system("Be brief.")
        .with_message("user", "Hello.")
        .with_message("assistant", "Hi.")
        .with_message("system", "Now.")
    )
    body = await body_of(prompt)

    assert body["system"] == [{"text": "Be brief."}, {"text": "Now."}]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Hello."}]},
        {"role": "assistant", "content": [{"text": "Hi."}]},
        {"role": "user", "content": [{"text": "And now?"}]},
    ]


async def test_converse_gets_tools_in_its_own_form() -> None:
    own = {"systemTool": {"name": "nova_grounding"}}
    bare = Tool(name="now")
    body = await body_of(Prompt("Weather?", tools=(WEATHER, bare, own)))

    spec = {"name": "weather", "description": "The weather of a city."}
    assert body["toolConfig"] == {
        "tools": [
            {"toolSpec": {**spec, "inputSchema": {"json": dict(WEATHER.parameters)}}},
            {"toolSpec": {"name": "now", "inputSchema": {"json": dict(bare.parameters)}}},
            own,
        ]
    }


async def test_converse_gets_tool_calls_and_their_results_in_turns() -> None:
    calls = tuple(
        {"toolUse": {"toolUseId": f"t{n}", "name": "now", "input": {"n": n}}} for n in (1, 2)
    )
    history = (
        Message(role=Role.ASSISTANT, content="Let me see.", tool_calls=calls),
        Message(role=Role.TOOL, content="noon", tool_call_id="t1"),
        Message(role=Role.TOOL, content=({"json": {"hour": 12}},), tool_call_id="t2"),
    )
    body = await body_of(Prompt("And?", history=history))

    assert body["messages"] == [
        {"role": "assistant", "content": [{"text": "Let me see."}, *calls]},
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}},
                {"toolResult": {"toolUseId": "t2", "content": [{"json": {"hour": 12}}]}},
                {"text": "And?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("media_type", "written"),
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/jpg", "jpeg"), ("image/webp", "webp")],
)
async def test_converse_gets_images_as_bytes(media_type: str, written: str) -> None:
    prompt = Prompt("What is it?", images=(Image.from_bytes(b"hi", media_type),))

    assert (await body_of(prompt))["messages"][0]["content"] == [
        {"image": {"format": written, "source": {"bytes": "aGk="}}},
        {"text": "What is it?"},
    ]


async def test_converse_gets_a_schema_as_text_and_an_effort() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = await body_of(Prompt("Hello?", json_schema=schema), reasoning_effort="high")
    text_format = body["outputConfig"]["textFormat"]

    assert body["outputConfig"]["effort"] == "high"
    assert text_format["type"] == "json_schema"
    assert json.loads(text_format["structure"]["jsonSchema"]["schema"]) == schema


async def test_extra_fields_are_merged_last() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    extra = {"additionalModelRequestFields": thinking, "inferenceConfig": {"maxTokens": 5}}
    body = await body_of(Prompt("Hello?", extra=extra), max_tokens=9)

    assert body["additionalModelRequestFields"] == thinking
    assert body["inferenceConfig"] == {"maxTokens": 5}


# -- where it goes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bedrock", "bedrock-anthropic"])
async def test_the_region_comes_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert "eu-west-1" in (config_of(f"{name}:m").endpoint or "")

    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert "eu-north-1" in (config_of(f"{name}:m").endpoint or "")
    assert config_of(f"{name}:m", endpoint="http://x.example").endpoint == "http://x.example"

    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "AWS_REGION or AWS_DEFAULT_REGION" in await refusal_of(model=f"{name}:m")


async def test_the_bearer_key_is_found_where_amazon_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    sent = await request_for(WizardConfig(model=f"bedrock:{MODEL}"))

    assert sent.headers["Authorization"] == f"Bearer {KEY}"


# -- Anthropic's models elsewhere ------------------------------------------------------------


async def test_anthropic_at_amazon_has_its_version_in_the_body() -> None:
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    sent = await request_for(config_of(f"bedrock-anthropic:{model}", max_tokens=9))

    url = f"{HOST}/model/{model}/invoke-with-response-stream"
    assert sent.url.replace("%3A", ":") == url
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert "anthropic-version" not in sent.headers
    assert sent.body == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hello?"}],
    }


async def test_anthropic_at_google_has_its_version_in_the_body() -> None:
    config = config_of("vertex-anthropic:claude-3-7-sonnet@20250219", endpoint=VERTEX, max_tokens=9)
    sent = await request_for(config)

    path = "publishers/anthropic/models/claude-3-7-sonnet@20250219:streamRawPredict"
    assert sent.url == f"{VERTEX}/{path}"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
    }


@pytest.mark.parametrize(
    "config",
    [{"model": "bedrock-anthropic:m"}, {"model": "vertex-anthropic:m", "endpoint": VERTEX}],
    ids=["bedrock", "vertex"],
)
async def test_anthropic_elsewhere_is_asked_as_at_home(config: dict[str, Any]) -> None:
    prompt = Prompt(
        "And?",
        system="Be brief.",
        tools=(WEATHER,),
        images=(Image.from_bytes(b"hi"),),
        extra={"anthropic_version": "x", "model": "own", "anthropic_beta": ["b"]},
    )
    body = await body_of(prompt, **config, temperature=0.5)

    assert body["system"] == "Be brief."
    assert body["tools"][0]["name"] == "weather"
    assert body["messages"][0]["content"][0]["type"] == "image"
    assert (body["temperature"], body["anthropic_beta"]) == (0.5, ["b"])
    assert (body["anthropic_version"], body["model"]) == ("x", "own")


# -- errors over HTTP ------------------------------------------------------------------------

REPLIES: dict[str, tuple[int, str, type[WizardError]]] = {
    "AccessDeniedException": (403, "You don't have access to the model.", PermissionDeniedError),
    "ExpiredTokenException": (403, "The security token is expired", AuthenticationError),
    "UnrecognizedClientException": (403, "The security token is invalid.", AuthenticationError),
    "ThrottlingException": (429, "Too many tokens, please wait.", RateLimitError),
    "ServiceUnavailableException": (503, "Bedrock is unable to process it.", OverloadedError),
    "ValidationException": (400, "Malformed input request", RequestError),
}


@pytest.mark.parametrize("kind", REPLIES)
@pytest.mark.parametrize("name", ["message", "Message"])
async def test_an_error_of_amazon_is_told_by_its_header(kind: str, name: str) -> None:
    status, words, expected = REPLIES[kind]
    headers = {
        "x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/",
        "x-amzn-requestid": "r1",
    }
    error = await failure_of(config_of(), status=status, body={name: words}, headers=headers)

    assert (type(error), error.status, error.code) == (expected, status, kind)
    assert error.request_id == "r1"
    assert words in str(error)


async def test_too_long_a_prompt_is_a_token_limit() -> None:
    body = {"message": "Input is too long for requested model."}

    assert type(await failure_of(config_of(), status=400, body=body)) is TokenLimitError


# -- the signature ---------------------------------------------------------------------------


async def test_without_botocore_and_without_a_key_the_message_names_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("botocore", "botocore.session", "botocore.auth"):
        monkeypatch.setitem(sys.modules, module, None)
    message = await refusal_of(api_key=None)

    assert "AWS_BEARER_TOKEN_BEDROCK" in message
    assert 'pip install "rxwizard[aws]"' in message


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An account in the environment, and nothing else that botocore could find."""
    pytest.importorskip("botocore", reason='the extra "aws" is not installed')
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    nothing(monkeypatch, tmp_path)


def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


async def asked(model: str, answer: bytes, **settings: Any) -> tuple[web.Request, bytes]:
    """Ask a real server, and give the request as it arrived."""
    arrived: list[tuple[web.Request, bytes]] = []

    async def reply(request: web.Request) -> web.Response:
        arrived.append((request, await request.read()))
        return web.Response(body=answer, content_type="application/vnd.amazon.eventstream")

    app = web.Application(client_max_size=2**25)
    app.router.add_post("/{path:.*}", reply)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        config = WizardConfig(model=model, endpoint=f"http://{host}:{port}")
        async with StreamingClient(config) as client:
            response = await client.generate_complete(settings.get("prompt", "Grüße 😀"))
        assert response.text == "Hi"
    finally:
        await runner.cleanup()
    ((request, body),) = arrived
    return request, body


SPOKEN = {
    f"bedrock:arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}": converse(
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}},
        {"messageStop": {"stopReason": "end_turn"}},
    ),
    "bedrock-anthropic:anthropic.claude-v1:0": chunks(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hi"},
        },
        {"type": "message_stop"},
    ),
}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("model", SPOKEN)
@pytest.mark.parametrize("prompt", ["Grüße 😀", "é" * 200_000], ids=["short", "long"])
async def test_what_arrives_has_the_signature_that_botocore_gives_it(
    model: str, prompt: str
) -> None:
    request, body = await asked(model, SPOKEN[model], prompt=prompt)

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = request.headers
    auth = SigV4Auth(Credentials(*ACCOUNT.values()), "bedrock", "us-east-1")
    signed = {name: headers[name] for name in ("X-Amz-Date", "X-Amz-Security-Token")}
    again = AWSRequest("POST", f"http://{request.host}{request.raw_path}", signed, body)
    again.context["timestamp"] = headers["X-Amz-Date"]
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)

    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert headers["Authorization"].endswith(f"Signature={signature}")
    assert json.loads(body)["messages"]


@pytest.mark.usefixtures("account")
def test_nothing_secret_is_shown_and_the_region_is_that_of_the_host() -> None:
    config = config_of(api_key=None, endpoint=HOST.replace("us-east-1", "eu-west-1"))
    request = PROTOCOLS["converse"].request(Prompt("Hello?"), config, config.vendor)
    assert request.sign is not None
    headers, secrets = request.sign(request.url, b"{}")

    assert ({*headers}, {*secrets}) == ({"X-Amz-Date"}, {"Authorization", "X-Amz-Security-Token"})
    assert "/eu-west-1/bedrock/aws4_request" in secrets["Authorization"].get_secret_value()
    for secret in ACCOUNT.values():
        assert secret not in repr((request, headers, secrets, vars(config)))


@pytest.mark.usefixtures("account")
async def test_a_token_that_the_server_echoes_is_taken_out() -> None:
    said = f"it should have been 'x-amz-security-token:{ACCOUNT['AWS_SESSION_TOKEN']}'"
    url = f"{HOST}/model/m/converse-stream"
    with aioresponses() as mocked:
        mocked.post(url, status=403, body=json.dumps({"message": said}), response_class=Response)
        with pytest.raises(PermissionDeniedError, match="security-token") as caught:
            await StreamingClient(config_of("bedrock:m", api_key=None)).generate_complete("Hello?")

    for text in ("".join(traceback.format_exception(caught.value)), repr(vars(caught.value))):
        assert ACCOUNT["AWS_SESSION_TOKEN"] not in text


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("endpoint", ["http://x:y", "http://x:99999"])
async def test_what_is_no_url_is_not_signed(endpoint: str) -> None:
    assert "check the endpoint" in await refusal_of(api_key=None, endpoint=endpoint)


@pytest.mark.usefixtures("account")
async def test_a_bearer_key_goes_before_the_signature() -> None:
    config = config_of()
    request = PROTOCOLS["converse"].request(Prompt("Hello?"), config, config.vendor)

    assert request.sign is None


async def test_without_any_credentials_the_message_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("botocore", reason='the extra "aws" is not installed')
    nothing(monkeypatch, tmp_path)
    message = await refusal_of(api_key=None)

    assert "AWS_BEARER_TOKEN_BEDROCK" in message
    assert "AWS_ACCESS_KEY_ID" in message


@pytest.mark.usefixtures("account")
async def test_a_profile_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ACCOUNT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert "nobody" in await refusal_of(api_key=None)
