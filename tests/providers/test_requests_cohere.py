"""What is sent to Cohere's Chat API, through the client, to a mocked HTTP.

The shapes are those of the request bodies that go with the recordings.
"""

from __future__ import annotations

import pytest

from rxwizard import (
    AuthenticationError,
    Image,
    Message,
    Prompt,
    RateLimitError,
    Role,
    Tool,
    WizardConfig,
    WizardError,
)

from .mocked_http import KEY, config_of, failure_of, request_for

COHERE = "cohere:command-a-03-2025"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool(name="weather", description="The weather of a city.", parameters=PARAMETERS)


async def test_the_least_that_streams() -> None:
    sent = await request_for(config_of(COHERE))

    assert (sent.method, sent.url) == ("POST", "https://api.cohere.com/v2/chat")
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
    }


@pytest.mark.parametrize("variable", ["CO_API_KEY", "COHERE_API_KEY"])
async def test_the_key_has_two_names(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "of-cohere")
    sent = await request_for(WizardConfig(model=COHERE))

    assert sent.headers["Authorization"] == "Bearer of-cohere"


async def test_every_setting() -> None:
    config = config_of(COHERE, temperature=0.0, top_p=0.5, max_tokens=64, stop=("END",), seed=0)
    body = (await request_for(config)).body

    assert {name: body[name] for name in body.keys() - {"model", "messages", "stream"}} == {
        "temperature": 0.0,
        "p": 0.5,
        "max_tokens": 64,
        "stop_sequences": ["END"],
        "seed": 0,
    }


async def test_thinking_can_be_turned_off() -> None:
    body = (await request_for(config_of(COHERE, reasoning_effort="none"))).body

    assert body["thinking"] == {"type": "disabled"}


async def test_system_and_history_are_messages() -> None:
    prompt = Prompt("And now?").with_system("Be brief.").with_message("assistant", "Hi.")

    assert (await request_for(config_of(COHERE), prompt)).body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]


async def test_tools_tool_calls_and_their_results() -> None:
    function = {"name": "weather", "arguments": '{"city":"Berlin"}'}
    made = {"id": "weather_1", "type": "function", "function": function}
    prompt = Prompt(
        "And?",
        tools=(WEATHER,),
        history=(
            Message(role=Role.ASSISTANT, tool_calls=(made,)),
            Message(role=Role.TOOL, content="15°C", tool_call_id="weather_1"),
        ),
    )
    body = (await request_for(config_of(COHERE), prompt)).body

    assert body["messages"][:2] == [
        {"role": "assistant", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "weather_1", "content": "15°C"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather of a city.",
                "parameters": PARAMETERS,
            },
        }
    ]


async def test_images_by_url_and_by_bytes() -> None:
    prompt = Prompt(
        "What is it?",
        images=(Image.from_url("https://x.example/a.png"), Image.from_bytes(b"hi", "image/gif")),
    )
    (message,) = (await request_for(config_of(COHERE), prompt)).body["messages"]

    assert message["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,aGk="}},
    ]


async def test_content_parts_of_the_history_pass_untouched() -> None:
    parts = ({"type": "text", "text": "Hello."},)
    prompt = Prompt("And?", history=(Message(role=Role.USER, content=parts),))

    assert (await request_for(config_of(COHERE), prompt)).body["messages"][0] == {
        "role": "user",
        "content": [{"type": "text", "text": "Hello."}],
    }


async def test_json_by_schema_and_without() -> None:
    strict = await request_for(config_of(COHERE), Prompt("Hello?", json_schema=PARAMETERS))
    free = await request_for(config_of(COHERE), Prompt("Hello?", json_mode=True))

    assert strict.body["response_format"] == {"type": "json_object", "json_schema": PARAMETERS}
    assert free.body["response_format"] == {"type": "json_object"}


async def test_extra_fields_are_merged_last() -> None:
    extra = {"documents": [], "model": "other", "thinking": {"type": "enabled", "token_budget": 9}}
    body = (await request_for(config_of(COHERE), Prompt("Hello?", extra=extra))).body

    assert {name: body[name] for name in extra} == extra


ERRORS: dict[int, type[WizardError]] = {401: AuthenticationError, 429: RateLimitError}


@pytest.mark.parametrize("status", ERRORS)
async def test_errors_say_its_words_which_stand_at_the_top(status: int) -> None:
    body = {"id": "e1", "message": "invalid api token"}
    error = await failure_of(config_of(COHERE), status=status, body=body)

    assert (type(error), error.status) == (ERRORS[status], status)
    assert "invalid api token" in str(error)
