"""What Gemini and Vertex are sent, through the client, to a mocked HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from rxwizard import (
    AuthenticationError,
    ConfigError,
    Image,
    Message,
    NotFoundError,
    Prompt,
    RateLimitError,
    Role,
    StreamingClient,
    Tool,
    WizardConfig,
)

from .mocked_http import KEY, config_of, failure_of, request_for

GEMINI = "https://generativelanguage.googleapis.com/v1beta"
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/P/locations/us-east5"
WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)


async def body_for(prompt: Prompt | str = "Hello?", model: str = "m", **settings: Any) -> Any:
    return (await request_for(config_of(f"gemini:{model}", **settings), prompt)).body


# -- where to, and with which key ------------------------------------------------------------


async def test_gemini_gets_the_least_that_streams() -> None:
    sent = await request_for(config_of("gemini:gemini-2.5-flash"))

    assert sent.method == "POST"
    assert sent.url == f"{GEMINI}/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert sent.headers["x-goog-api-key"] == KEY
    assert "Authorization" not in sent.headers
    assert sent.body == {"contents": [{"role": "user", "parts": [{"text": "Hello?"}]}]}


async def test_vertex_gets_the_same_elsewhere_with_a_bearer_token() -> None:
    sent = await request_for(config_of("vertex:gemini-2.5-flash", endpoint=VERTEX))

    assert sent.url == (
        f"{VERTEX}/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    )
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert "x-goog-api-key" not in sent.headers
    assert sent.body == {"contents": [{"role": "user", "parts": [{"text": "Hello?"}]}]}


async def test_vertex_needs_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERTEX_ENDPOINT", raising=False)
    with pytest.raises(ConfigError, match="VERTEX_ENDPOINT"):
        await StreamingClient(config_of("vertex:m")).generate_complete("Hello?")
    monkeypatch.setenv("VERTEX_ENDPOINT", VERTEX)

    assert (await request_for(config_of("vertex:m"))).url.startswith(VERTEX)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("tunedModels/my-own", "/tunedModels/my-own"),
        ("odd name?#1", "/models/odd%20name%3F%231"),
    ],
)
async def test_a_model_may_say_where_it_is_and_is_encoded(model: str, path: str) -> None:
    sent = await request_for(config_of(f"gemini:{model}"))

    assert sent.url == f"{GEMINI}{path}:streamGenerateContent?alt=sse"


async def test_a_model_of_vertex_may_be_another_publishers_or_a_version() -> None:
    for model in ("publishers/meta/models/llama-4@001", "endpoints/123"):
        sent = await request_for(config_of(f"vertex:{model}", endpoint=VERTEX))

        assert sent.url == f"{VERTEX}/{model}:streamGenerateContent?alt=sse"


async def test_an_endpoint_may_have_a_slash_or_a_query_at_its_end() -> None:
    for endpoint, url in (
        ("http://p.example/x/", "http://p.example/x/models/m:streamGenerateContent?alt=sse"),
        ("http://p.example/x?k=v", "http://p.example/x/models/m:streamGenerateContent?k=v&alt=sse"),
    ):
        sent = await request_for(config_of("gemini:m", endpoint=endpoint))

        assert sent.url.partition("?")[0] == url.partition("?")[0]
        assert {*sent.url.partition("?")[2].split("&")} == {*url.partition("?")[2].split("&")}


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gemini:m", "GEMINI_API_KEY"),
        ("gemini:m", "GOOGLE_API_KEY"),
        ("vertex:m", "VERTEX_API_KEY"),
        ("vertex:m", "GOOGLE_OAUTH_ACCESS_TOKEN"),
        ("vertex:m", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
    ],
)
def test_the_key_comes_from_the_vendors_own_variables(
    model: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in WizardConfig(model=model, api_key=KEY).vendor.key_variables:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=variable):
        WizardConfig(model=model)
    monkeypatch.setenv(variable, KEY)
    key = WizardConfig(model=model).api_key

    assert key is not None
    assert key.get_secret_value() == KEY


# -- settings --------------------------------------------------------------------------------


async def test_every_setting_is_in_the_generation_config() -> None:
    body = await body_for(temperature=0.0, top_p=0.5, max_tokens=9, stop=("END",), seed=0)

    assert body["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-pro", "minimal", {"includeThoughts": True, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        ("models/gemini-2.5-pro", "medium", {"includeThoughts": True, "thinkingBudget": 8192}),
        ("gemini-2.5-flash", "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-3-flash-preview", "none", {"thinkingBudget": 0}),
        (
            "gemini-3-flash-preview",
            "minimal",
            {"includeThoughts": True, "thinkingLevel": "minimal"},
        ),
        ("gemini-3.1-pro-preview", "medium", {"includeThoughts": True, "thinkingLevel": "medium"}),
        ("gemini-3.1-pro-preview", "high", {"includeThoughts": True, "thinkingLevel": "high"}),
    ],
)
async def test_the_effort_is_a_budget_or_a_level_as_the_model_has_it(
    model: str, effort: str, config: dict[str, Any]
) -> None:
    body = await body_for(model=model, reasoning_effort=effort)

    assert body["generationConfig"] == {"thinkingConfig": config}


async def test_json_with_a_schema_or_without() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    free = await body_for(Prompt("JSON?", json_mode=True))
    bound = await body_for(Prompt("JSON?", json_schema=schema))

    assert free["generationConfig"] == {"responseMimeType": "application/json"}
    assert bound["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


async def test_extra_is_merged_last_and_into_the_generation_config() -> None:
    extra = {
        "generationConfig": {"topK": 3, "temperature": 1.0},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "contents": [],
    }
    body = await body_for(Prompt("Hello?", extra=extra), temperature=0.0, max_tokens=9)

    assert body == {
        "contents": [],
        "generationConfig": {"temperature": 1.0, "maxOutputTokens": 9, "topK": 3},
        "safetySettings": extra["safetySettings"],
    }


# -- what is said ----------------------------------------------------------------------------


async def test_system_and_history() -> None:
    prompt = (
        Prompt("And now?")
        .with_system("Be brief.")
        .with_message("user", "Hello.")
        .with_message("assistant", "Hi.")
        .with_message("system", "Be polite.")
    )
    body = await body_for(prompt)

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nBe polite."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hello."}]},
        {"role": "model", "parts": [{"text": "Hi."}]},
        {"role": "user", "parts": [{"text": "And now?"}]},
    ]


async def test_parts_of_the_history_pass_untouched() -> None:
    parts = ({"text": "Hello."}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}})
    body = await body_for(Prompt("And?", history=(Message(role=Role.USER, content=parts),)))

    assert body["contents"][0] == {"role": "user", "parts": [*parts]}


async def test_images_by_bytes_and_by_url() -> None:
    prompt = Prompt(
        "What is it?",
        images=(
            Image.from_bytes(b"hi", "image/gif"),
            Image.from_url("https://x.example/a.jpg?size=1"),
            Image.from_url("https://x.example/a"),
            Image(url="gs://bucket/a", media_type="image/webp"),
        ),
    )

    assert (await body_for(prompt))["contents"][0]["parts"] == [
        {"text": "What is it?"},
        {"inlineData": {"mimeType": "image/gif", "data": "aGk="}},
        {"fileData": {"fileUri": "https://x.example/a.jpg?size=1", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "https://x.example/a"}},
        {"fileData": {"fileUri": "gs://bucket/a", "mimeType": "image/webp"}},
    ]


async def test_tools_ours_and_its_own() -> None:
    prompt = Prompt("Weather?", tools=(WEATHER, {"googleSearch": {}}, Tool(name="now")))

    assert (await body_for(prompt))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "The weather of a city.",
                    "parametersJsonSchema": WEATHER.parameters,
                },
                {
                    "name": "now",
                    "description": "",
                    "parametersJsonSchema": {"type": "object", "properties": {}},
                },
            ]
        },
        {"googleSearch": {}},
    ]


def called(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}, **fields}}


def result(content: Any, call_id: str | None = None) -> Message:
    return Message(role=Role.TOOL, content=content, tool_call_id=call_id)


async def turns(*history: Message) -> list[Any]:
    contents: list[Any] = (await body_for(Prompt("And?", history=history)))["contents"]

    assert contents[-1] == {"role": "user", "parts": [{"text": "And?"}]}
    return contents[:-1]


async def test_calls_and_their_results_by_id_in_one_turn() -> None:
    calls = ({**called("a", id="1"), "thoughtSignature": "c2ln"}, called("b", id="2"))

    assert await turns(
        Message(role=Role.ASSISTANT, content="Let me see.", tool_calls=calls),
        result('{"celsius": 20}', "2"),
        result("noon", "1"),
    ) == [
        {"role": "model", "parts": [{"text": "Let me see."}, *calls]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "2", "name": "b", "response": {"celsius": 20}}},
                {"functionResponse": {"id": "1", "name": "a", "response": {"result": "noon"}}},
            ],
        },
    ]


async def test_calls_without_ids_are_answered_by_name_or_in_order() -> None:
    bare = {"name": "a", "args": {}}
    model, user = await turns(
        Message(role=Role.ASSISTANT, tool_calls=(bare, called("b"), called("c"))),
        result("two", "b"),
        result("one"),
        result("[3]"),
    )

    assert model["parts"] == [{"functionCall": bare}, called("b"), called("c")]
    assert [part["functionResponse"] for part in user["parts"]] == [
        {"name": "b", "response": {"result": "two"}},
        {"name": "a", "response": {"result": "one"}},
        {"name": "c", "response": {"result": "[3]"}},
    ]


async def test_a_result_whose_call_is_not_in_the_history_is_the_one_it_names() -> None:
    (user,) = await turns(result("noon", "now"))

    assert user["parts"] == [{"functionResponse": {"name": "now", "response": {"result": "noon"}}}]


async def test_parts_of_a_result_pass_untouched() -> None:
    part = {"functionResponse": {"name": "now", "response": {"at": "noon"}}}

    assert await turns(result((part,)), Message(role=Role.ASSISTANT, content="Noon.")) == [
        {"role": "user", "parts": [part]},
        {"role": "model", "parts": [{"text": "Noon."}]},
    ]


# -- error replies ---------------------------------------------------------------------------


async def test_a_bad_key_is_an_authentication_error_though_the_status_is_400() -> None:
    error = {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
    failure = await failure_of(config_of("gemini:m"), status=400, body={"error": error})

    assert type(failure) is AuthenticationError
    assert "GEMINI_API_KEY" in str(failure)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_errors_may_be_in_a_list_and_under_the_type_of_events(wrapped: bool) -> None:
    body: Any = {"error": {"code": 404, "message": "models/m is not found", "status": "NOT_FOUND"}}
    failure = await failure_of(
        config_of("gemini:m"),
        status=404,
        body=[body] if wrapped else body,
        headers={"Content-Type": "text/event-stream"},
    )

    assert type(failure) is NotFoundError
    assert "models/m is not found" in str(failure)


async def test_the_wait_is_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.9s"}]
    error = {"code": 429, "message": "M", "status": "RESOURCE_EXHAUSTED", "details": details}
    failure = await failure_of(config_of("gemini:m"), status=429, body={"error": error})

    assert (type(failure), failure.retry_after) == (RateLimitError, 48.9)
