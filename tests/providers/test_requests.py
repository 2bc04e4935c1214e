"""What is sent, through the client, to a mocked HTTP; and what each status becomes."""

from __future__ import annotations

import json

import pytest

from rxwizard import (
    AuthenticationError,
    Image,
    InvalidPromptError,
    Message,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    Prompt,
    ProviderError,
    RateLimitError,
    RequestError,
    Role,
    StreamingClient,
    StreamInterruptedError,
    Tool,
    WizardConfig,
    WizardError,
    WizardResponse,
)
from rxwizard.providers import VENDORS

from .mocked_http import KEY, ask, config_of, failure_of, request_for

WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
FUNCTION = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TALK = (
    Prompt("And now?")
    .with_system("Be brief.")
    .with_message("user", "Hello.")
    .with_message("assistant", "Hi.")
)
MODELS = {
    "openai": "openai:gpt-4.1-mini",
    "anthropic": "anthropic:claude-sonnet-4-5",
    "ollama": "ollama:qwen3:4b",
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


# -- OpenAI ----------------------------------------------------------------------------------


async def test_openai_gets_the_least_that_streams() -> None:
    sent = await request_for(config_of("openai:gpt-4.1-mini"))

    assert (sent.method, sent.url) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.body == {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_openai_gets_every_setting() -> None:
    config = config_of(
        "openai:gpt-4.1-mini", temperature=0.0, top_p=0.5, max_tokens=9, stop=("END",), seed=0
    )
    body = (await request_for(config)).body

    assert {name: body[name] for name in ("temperature", "top_p", "stop", "seed")} == {
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 0,
    }
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


async def test_openai_gets_system_and_history_as_messages() -> None:
    assert (await request_for(config_of("openai:m"), TALK)).body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]


async def test_openai_gets_tools_ours_and_its_own() -> None:
    own = {"type": "custom", "custom": {"name": "sql"}}
    prompt = Prompt("Weather?", tools=(WEATHER, own))

    assert (await request_for(config_of("openai:m"), prompt)).body["tools"] == [FUNCTION, own]


async def test_openai_gets_tool_calls_and_their_results() -> None:
    made = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    prompt = Prompt(
        "And?",
        history=(
            Message(role=Role.ASSISTANT, tool_calls=(made,)),
            Message(role=Role.TOOL, content="noon", tool_call_id="call_1"),
        ),
    )

    assert (await request_for(config_of("openai:m"), prompt)).body["messages"][:2] == [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
    ]


async def test_openai_gets_images_by_url_and_by_bytes() -> None:
    prompt = Prompt(
        "What is it?",
        images=(Image.from_url("https://x.example/a.png"), Image.from_bytes(b"hi", "image/gif")),
    )
    (message,) = (await request_for(config_of("openai:m"), prompt)).body["messages"]

    assert message["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,aGk="}},
    ]


async def test_content_parts_of_the_history_pass_untouched() -> None:
    parts = ({"type": "text", "text": "Hello."},)
    prompt = Prompt("And?", history=(Message(role=Role.USER, content=parts),))

    assert (await request_for(config_of("openai:m"), prompt)).body["messages"][0] == {
        "role": "user",
        "content": [{"type": "text", "text": "Hello."}],
    }


# -- Anthropic -------------------------------------------------------------------------------


async def test_anthropic_gets_the_least_that_streams() -> None:
    sent = await request_for(config_of("anthropic:claude-sonnet-4-5"))

    assert (sent.method, sent.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert sent.headers["x-api-key"] == KEY
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in sent.headers
    assert sent.body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
    }


async def test_anthropic_gets_every_setting() -> None:
    config = config_of("anthropic:m", temperature=0.0, top_p=0.5, max_tokens=9, stop=("END",))
    body = (await request_for(config)).body

    assert {n: body[n] for n in ("temperature", "top_p", "max_tokens", "stop_sequences")} == {
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 9,
        "stop_sequences": ["END"],
    }


async def test_anthropic_gets_the_system_text_apart() -> None:
    body = (await request_for(config_of("anthropic:m"), TALK.with_message("system", "Now."))).body

    assert body["system"] == "Be brief.\n\nNow."
    assert body["messages"] == [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]


async def test_anthropic_gets_tools_in_its_own_form() -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    prompt = Prompt("Weather?", tools=(WEATHER, own))

    assert (await request_for(config_of("anthropic:m"), prompt)).body["tools"] == [
        {
            "name": "weather",
            "description": "The weather of a city.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        own,
    ]


async def test_anthropic_gets_tool_calls_and_their_results() -> None:
    made = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    prompt = Prompt(
        "And?",
        history=(
            Message(role=Role.ASSISTANT, content="Let me see.", tool_calls=(made,)),
            Message(role=Role.TOOL, content="noon", tool_call_id="toolu_1"),
        ),
    )

    assert (await request_for(config_of("anthropic:m"), prompt)).body["messages"][:2] == [
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, made]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"}],
        },
    ]


async def test_anthropic_gets_images_by_url_and_by_bytes() -> None:
    prompt = Prompt(
        "What is it?",
        images=(Image.from_url("https://x.example/a.png"), Image.from_bytes(b"hi", "image/gif")),
    )
    (message,) = (await request_for(config_of("anthropic:m"), prompt)).body["messages"]

    assert message["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/gif", "data": "aGk="},
        },
        {"type": "text", "text": "What is it?"},
    ]


# -- Ollama ----------------------------------------------------------------------------------


async def test_ollama_gets_the_least_that_streams() -> None:
    sent = await request_for(WizardConfig(model="ollama:qwen3:4b"))

    assert (sent.method, sent.url) == ("POST", "http://localhost:11434/api/chat")
    assert "Authorization" not in sent.headers
    assert sent.body == {
        "model": "qwen3:4b",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
    }


async def test_ollama_gets_every_setting_among_its_options() -> None:
    config = config_of("ollama:m", temperature=0.0, top_p=0.5, max_tokens=9, stop=("END",), seed=7)

    assert (await request_for(config)).body["options"] == {
        "temperature": 0.0,
        "top_p": 0.5,
        "num_predict": 9,
        "stop": ["END"],
        "seed": 7,
    }


async def test_ollama_in_the_cloud_gets_the_key() -> None:
    sent = await request_for(config_of("ollama:m", endpoint="https://ollama.com"))

    assert sent.url == "https://ollama.com/api/chat"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "127.0.0.1:9/", "http://127.0.0.1:9"])
async def test_ollama_may_be_a_bare_host_and_port(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)

    assert (await request_for(WizardConfig(model="ollama:m"))).url == "http://127.0.0.1:9/api/chat"


async def test_ollama_gets_system_history_and_tools() -> None:
    prompt = TALK.model_copy(update={"tools": (WEATHER,)})
    body = (await request_for(config_of("ollama:m"), prompt)).body

    assert [message["role"] for message in body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert body["tools"] == [FUNCTION]


async def test_ollama_gets_images_as_bytes() -> None:
    prompt = Prompt("What is it?", images=(Image.from_bytes(b"hi"),))
    (message,) = (await request_for(config_of("ollama:m"), prompt)).body["messages"]

    assert message["images"] == ["aGk="]


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("qwen3:4b", "none", False),
        ("qwen3:4b", "low", True),
        ("qwen3:4b", "xhigh", True),
        ("gpt-oss:20b", "none", False),
        ("gpt-oss:20b", "minimal", "low"),
        ("gpt-oss:20b", "medium", "medium"),
        ("library/gpt-oss", "xhigh", "high"),
    ],
)
async def test_ollama_gets_a_level_for_gpt_oss_alone(
    model: str, effort: str, think: bool | str
) -> None:
    config = config_of(f"ollama:{model}", reasoning_effort=effort)

    assert (await request_for(config)).body["think"] == think


# -- all of them -----------------------------------------------------------------------------


@every_model
async def test_extra_fields_are_merged_last(model: str) -> None:
    prompt = Prompt("Hello?", extra={"user": "u1", "stream": True, "model": "other"})
    body = (await request_for(config_of(model), prompt)).body

    assert (body["user"], body["model"]) == ("u1", "other")


@every_model
async def test_headers_of_the_user_are_sent(model: str) -> None:
    sent = await request_for(config_of(model, headers={"X-Title": "t", "OpenAI-Organization": "o"}))

    assert (sent.headers["X-Title"], sent.headers["OpenAI-Organization"]) == ("t", "o")


@every_model
@pytest.mark.parametrize("slash", ["", "/", "//"])
async def test_an_endpoint_may_end_in_a_slash(model: str, slash: str) -> None:
    sent = await request_for(config_of(model, endpoint=f"http://proxy.example:8080/base{slash}"))

    assert sent.url.startswith("http://proxy.example:8080/base/")
    assert "//" not in sent.url.removeprefix("http://")


@every_model
async def test_bodies_are_json_whatever_the_prompt_holds(model: str) -> None:
    text = 'Grüße 😀 \u2028 "quoted" \\ \x00'
    body = (await request_for(config_of(model), text)).body

    assert json.loads(json.dumps(body))["messages"][-1]["content"] == text


CHAT_VENDORS = [v.name for v in VENDORS.values() if v.protocol == "chat" and not v.in_process]
#: What differs from `max_tokens` and `seed`, and who needs not be asked for usage.
MAX_TOKENS_FIELD = {"openai": "max_completion_tokens", "azure": "max_completion_tokens"}
SEED_FIELD = {"mistral": "random_seed"}
#: How the key is sent, where it is no bearer token.
KEY_HEADERS = {"azure": ("api-key", KEY)}
TELLS_USAGE_UNASKED = {"mistral", "perplexity"}


@pytest.mark.parametrize("name", CHAT_VENDORS)
async def test_every_vendor_of_the_table_is_asked_the_same_way(name: str) -> None:
    own_endpoint = {} if VENDORS[name].endpoint else {"endpoint": "http://x.example/v1"}
    sent = await request_for(config_of(f"{name}:org/m:free", max_tokens=9, seed=0, **own_endpoint))

    assert sent.url == f"{VENDORS[name].endpoint or 'http://x.example/v1'}/chat/completions"
    header, value = KEY_HEADERS.get(name, ("Authorization", f"Bearer {KEY}"))
    assert sent.headers[header] == value
    assert sent.body["model"] == "org/m:free"
    assert sent.body[MAX_TOKENS_FIELD.get(name, "max_tokens")] == 9
    assert sent.body.keys() & {"seed", "random_seed"} == {SEED_FIELD.get(name, "seed")}
    assert ("stream_options" in sent.body) == (name not in TELLS_USAGE_UNASKED)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/chat/completions"),
        ("https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1/chat/completions"),
        (
            "https://r.services.ai.azure.com/models?api-version=2024-05-01-preview",
            "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
    ],
)
async def test_azure_takes_a_host_or_a_whole_path(endpoint: str, url: str) -> None:
    assert (await request_for(config_of("azure:m", endpoint=endpoint))).url == url


@pytest.mark.parametrize(
    ("model", "endpoint", "url"),
    [
        ("anthropic:m", "http://x.example/v1", "http://x.example/v1/messages"),
        (
            "openai:m",
            "http://x.example/v1/chat/completions",
            "http://x.example/v1/chat/completions",
        ),
        ("openai:m", "http://x.example/v1/", "http://x.example/v1/chat/completions"),
    ],
)
async def test_an_endpoint_that_says_too_much_is_understood(
    model: str, endpoint: str, url: str
) -> None:
    assert (await request_for(config_of(model, endpoint=endpoint))).url == url


@pytest.mark.parametrize("name", ["vllm", "llamacpp", "lmstudio", "openai-compatible"])
async def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    config = WizardConfig(model=f"{name}:m", endpoint="http://localhost:9/v1")

    assert "Authorization" not in (await request_for(config)).headers


# -- what each status becomes ----------------------------------------------------------------

SAID = {
    "openai": {"error": {"message": "Words", "type": "t", "param": None, "code": None}},
    "anthropic": {"type": "error", "error": {"type": "t_error", "message": "Words"}},
    "ollama": {"error": "Words"},
}
STATUSES: dict[int, tuple[type[WizardError], str]] = {
    400: (RequestError, ""),
    401: (AuthenticationError, "Check the key in {key}"),
    402: (PermissionDeniedError, "billing"),
    403: (PermissionDeniedError, "Check what this key may do"),
    404: (NotFoundError, 'Check the model "{model}" and the endpoint'),
    429: (RateLimitError, "Try again"),
    500: (ProviderError, ""),
    503: (OverloadedError, "Try again"),
    529: (OverloadedError, "Try again"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_is_its_own_typed_error_with_words_and_remedy(
    name: str, status: int
) -> None:
    config = config_of(MODELS[name])
    error = await failure_of(
        config, status=status, body=SAID[name], headers={"X-Request-Id": "req_1"}
    )
    kind, remedy = STATUSES[status]

    assert (type(error), error.status, error.provider) == (kind, status, name)
    assert (error.request_id, error.partial) == ("req_1", None)
    assert str(error).startswith(f"{name}: Words (HTTP {status}).")
    assert remedy.format(key=f"{name.upper()}_API_KEY", model=config.model_name) in str(error)
    assert "\n" not in str(error)


@every_model
async def test_an_empty_500_says_the_status_the_endpoint_and_who(model: str) -> None:
    config = config_of(model)
    error = await failure_of(config, status=500)

    assert (type(error), error.retryable) == (ProviderError, True)
    assert config.provider in str(error)
    assert "HTTP 500" in str(error)
    assert (config.endpoint or config.vendor.endpoint or "?") in str(error)


@every_model
async def test_an_html_404_says_the_words_of_the_page_and_points_at_the_endpoint(
    model: str,
) -> None:
    page = "<html><head><title>404 Not Found</title></head><body>nginx</body></html>"
    error = await failure_of(config_of(model), status=404, body=page)

    assert type(error) is NotFoundError
    assert "404 Not Found nginx" in str(error)
    assert "endpoint" in str(error)
    assert "<" not in str(error)


@every_model
async def test_an_html_200_is_a_provider_error_that_points_at_the_endpoint(model: str) -> None:
    page = "<!DOCTYPE html><html><body>Welcome</body></html>"
    error = await failure_of(config_of(model), body=page, headers={"Content-Type": "text/html"})

    assert (type(error), error.retryable) == (ProviderError, False)
    assert "endpoint" in str(error)


@pytest.mark.parametrize("name", MODELS)
async def test_a_json_error_with_status_200_is_that_error(name: str) -> None:
    body = {"error": {"code": 429, "message": "Words", "type": "t"}}
    for written in (json.dumps(body), json.dumps(body, indent=2)):
        error = await failure_of(config_of(MODELS[name]), body=written)

        assert (type(error), error.status) == (RateLimitError, 429)
        assert "Words" in str(error)


@every_model
async def test_an_empty_200_is_an_interruption(model: str) -> None:
    error = await failure_of(config_of(model), body="")

    assert type(error) is StreamInterruptedError
    assert "empty" in str(error)


WAITS: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"Retry-After": "20"}, 20.0),
    "float": ({"Retry-After": "1.5"}, 1.5),
    "milliseconds": ({"Retry-After-Ms": "1500", "Retry-After": "9"}, 1.5),
    "a date gone by": ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 0.0),
    "a reset": ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "1m2s"}, 62.0),
    "nonsense": ({"Retry-After": "soon"}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize("headers", WAITS)
@every_model
async def test_a_429_tells_how_long_to_wait(model: str, headers: str) -> None:
    sent, seconds = WAITS[headers]
    error = await failure_of(config_of(model), status=429, headers=sent)

    assert (type(error), error.retry_after, error.retryable) == (RateLimitError, seconds, True)
    assert "Try again" in str(error)
    if seconds:
        assert f"in {seconds:g} seconds" in str(error)


async def test_a_spent_quota_points_at_the_bill_and_is_not_retryable() -> None:
    body = {"error": {"message": "Words", "type": "insufficient_quota", "code": None}}
    error = await failure_of(config_of("openai:m"), status=429, body=body)

    assert error.retryable is False
    assert "billing" in str(error)


async def test_too_long_a_prompt_says_to_shorten_it() -> None:
    body = {"error": {"message": "Words", "code": "context_length_exceeded", "type": "t"}}
    error = await failure_of(config_of("openai:m"), status=400, body=body)

    assert "Shorten the prompt" in str(error)


@every_model
async def test_a_retry_after_on_success_means_nothing(model: str) -> None:
    _, outcome = await ask(config_of(model), headers={"Retry-After": "30"})

    assert isinstance(outcome, WizardResponse)
    assert outcome.complete


@every_model
async def test_the_response_says_which_request_it_answers(model: str) -> None:
    _, outcome = await ask(config_of(model), headers={"Request-Id": "req_1"})

    assert isinstance(outcome, WizardResponse)
    assert outcome.metadata.request_id == "req_1"
    assert outcome.metadata.provider == model.partition(":")[0]


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_prompt_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(InvalidPromptError):
        StreamingClient(config_of("openai:m")).generate_stream(text)
