"""What is sent to the Responses API, through the client, to a mocked HTTP.

The shapes are those of the request bodies that go with the recordings.
"""

from __future__ import annotations

import pytest

from rxwizard import (
    AuthenticationError,
    Image,
    Message,
    Prompt,
    RequestError,
    Role,
    Tool,
    WizardConfig,
)

from .mocked_http import KEY, config_of, failure_of, request_for

WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
RESPONSES = "openai-responses:gpt-5"


async def test_the_least_that_streams() -> None:
    sent = await request_for(config_of(RESPONSES))

    assert (sent.method, sent.url) == ("POST", "https://api.openai.com/v1/responses")
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "gpt-5",
        "input": [{"role": "user", "content": "Hello?"}],
        "stream": True,
    }


ENDPOINTS = {
    "openai-responses": "https://api.openai.com/v1/responses",
    "xai-responses": "https://api.x.ai/v1/responses",
    "deepseek-responses": "https://api.deepseek.com/responses",
    "openrouter-responses": "https://openrouter.ai/api/v1/responses",
}


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_every_vendor_of_the_dialects_is_asked_the_same_way(name: str) -> None:
    sent = await request_for(config_of(f"{name}:org/m:free"))

    assert sent.url == ENDPOINTS[name]
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body["model"] == "org/m:free"


async def test_azure_has_a_header_of_its_own_for_the_key() -> None:
    config = config_of("azure-responses:gpt-5-nano", endpoint="https://r.openai.azure.com")
    sent = await request_for(config)

    assert sent.url == "https://r.openai.azure.com/openai/v1/responses"
    assert sent.headers["api-key"] == KEY
    assert "Authorization" not in sent.headers


async def test_the_key_of_the_vendor_serves_its_responses_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy.example/v1")
    sent = await request_for(WizardConfig(model=RESPONSES))

    assert sent.url == "http://proxy.example/v1/responses"
    assert sent.headers["Authorization"] == "Bearer sk-of-openai"


async def test_every_setting() -> None:
    config = config_of(
        RESPONSES, temperature=0.0, top_p=0.5, max_tokens=4000, reasoning_effort="high"
    )
    body = (await request_for(config)).body

    assert {name: body[name] for name in body.keys() - {"model", "input", "stream"}} == {
        "temperature": 0.0,
        "top_p": 0.5,
        "max_output_tokens": 4000,
        "reasoning": {"effort": "high"},
    }


async def test_the_system_text_is_instructions_and_the_history_is_input() -> None:
    prompt = (
        Prompt("And now?")
        .with_system("Be brief.")
        .with_message("user", "Hello.")
        .with_message("assistant", "Hi.")
        .with_message("system", "Be kind.")
    )
    body = (await request_for(config_of(RESPONSES), prompt)).body

    assert body["instructions"] == "Be brief."
    assert body["input"] == [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "And now?"},
    ]


OWN = {"type": "function_call", "call_id": "call_1", "name": "now", "arguments": "{}"}
OF_CHAT = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}


@pytest.mark.parametrize("made", [OWN, OF_CHAT], ids=["its own form", "that of chat completions"])
async def test_tool_calls_and_their_results_are_items(made: dict) -> None:
    prompt = Prompt(
        "And?",
        history=(
            Message(role=Role.ASSISTANT, content="Let me see.", tool_calls=(made,)),
            Message(role=Role.TOOL, content="noon", tool_call_id="call_1"),
            Message(role=Role.ASSISTANT, tool_calls=(made,)),
        ),
    )

    assert (await request_for(config_of(RESPONSES), prompt)).body["input"][:-1] == [
        {"role": "assistant", "content": "Let me see."},
        OWN,
        {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
        OWN,
    ]


async def test_content_parts_of_the_history_pass_untouched() -> None:
    parts = ({"type": "input_text", "text": "Hello."},)
    prompt = Prompt("And?", history=(Message(role=Role.USER, content=parts),))

    assert (await request_for(config_of(RESPONSES), prompt)).body["input"][0] == {
        "role": "user",
        "content": [{"type": "input_text", "text": "Hello."}],
    }


async def test_tools_are_flat_and_own_ones_pass_untouched() -> None:
    own = {"type": "web_search", "search_context_size": "medium"}
    prompt = Prompt("Weather?", tools=(WEATHER, own))

    assert (await request_for(config_of(RESPONSES), prompt)).body["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "The weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            "strict": False,
        },
        own,
    ]


async def test_images_by_url_and_by_bytes() -> None:
    prompt = Prompt(
        "What is it?",
        images=(Image.from_url("https://x.example/a.png"), Image.from_bytes(b"hi", "image/gif")),
    )
    (message,) = (await request_for(config_of(RESPONSES), prompt)).body["input"]

    assert message == {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "https://x.example/a.png"},
            {"type": "input_image", "image_url": "data:image/gif;base64,aGk="},
        ],
    }


async def test_json_by_schema_and_without() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    strict = await request_for(config_of(RESPONSES), Prompt("Hello?", json_schema=schema))
    free = await request_for(config_of(RESPONSES), Prompt("Hello?", json_mode=True))

    assert strict.body["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    }
    assert free.body["text"] == {"format": {"type": "json_object"}}


async def test_extra_fields_are_merged_last() -> None:
    extra = {"store": False, "model": "other", "include": ["reasoning.encrypted_content"]}
    body = (await request_for(config_of(RESPONSES), Prompt("Hello?", extra=extra))).body

    assert {name: body[name] for name in extra} == extra


async def test_a_bad_key_is_an_authentication_error() -> None:
    said = {"message": "Incorrect API key provided", "type": "invalid_request_error"}
    error = await failure_of(
        config_of(RESPONSES), status=401, body={"error": {**said, "code": "invalid_api_key"}}
    )

    assert type(error) is AuthenticationError
    assert "Incorrect API key provided" in str(error)


async def test_xai_answers_a_bad_key_with_400() -> None:
    body = {"code": "invalid-argument", "error": "Incorrect API key provided: ab***. Words."}
    error = await failure_of(config_of("xai-responses:grok-4"), status=400, body=body)

    assert (type(error), error.status) == (AuthenticationError, 400)


async def test_a_bad_request_says_the_words() -> None:
    body = {"error": {"message": "Unsupported parameter: 'temperature'", "code": None}}
    error = await failure_of(config_of(RESPONSES), status=400, body=body)

    assert type(error) is RequestError
    assert "temperature" in str(error)
