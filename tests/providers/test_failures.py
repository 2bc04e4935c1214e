"""Which reply becomes which error: every recorded HTTP error, and every row of the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rxwizard import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RequestError,
    TokenLimitError,
    WizardError,
)
from rxwizard.providers.facts import MAX_MESSAGE, html_words
from rxwizard.providers.failures import error_from_event, error_from_response, request_id

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "http_errors"
HERE = FIXTURES.is_dir()

#: By recording: the error, `retryable`, `retry_after`, and some of its words.
RECORDED: dict[str, tuple[type[WizardError], bool, float | None, str]] = {
    "anthropic/400-01": (RequestError, False, None, "temperature: range: 0..1"),
    "anthropic/401-01": (AuthenticationError, False, None, "API key is invalid."),
    "anthropic/404-01": (NotFoundError, False, None, "model: claude-nonexistent-rig-test"),
    "azure/401-01": (AuthenticationError, False, None, "Access denied due to invalid subscription"),
    # Its retry-after-ms of 0 goes before its retry-after of 1.
    "azure/429-01": (RateLimitError, True, 0.0, "have exceeded rate limit"),
    "bedrock/400-01": (RequestError, False, None, "on-demand throughput"),
    "bedrock/403-01": (AuthenticationError, False, None, "security token included in the request"),
    "cohere/404-01": (NotFoundError, False, None, "model 'no-such-embedding-model' not found"),
    "deepseek/400-01": (RequestError, False, None, "Failed to deserialize the JSON body"),
    "deepseek/401-01": (AuthenticationError, False, None, "Authentication Fails"),
    "doubleword/400-01": (RequestError, False, None, "Invalid request"),
    "doubleword/404-01": (NotFoundError, False, None, "does not exist"),
    "gemini/400-01": (RequestError, False, None, "Cached content is too small"),
    "gemini/403-01": (PermissionDeniedError, False, None, "CachedContent not found"),
    "gemini/404-01": (NotFoundError, False, None, "is not found for API version v1beta"),
    "gemini/429-01": (RateLimitError, True, 48.0, "You exceeded your current quota"),
    "groq/400-01": (RequestError, False, None, "Tool call validation failed"),
    "groq/401-01": (AuthenticationError, False, None, "Invalid API Key"),
    "groq/404-01": (NotFoundError, False, None, "does not exist"),
    "llamacpp/400-01": (TokenLimitError, False, None, "exceeds the available context size"),
    "llamacpp/401-01": (AuthenticationError, False, None, "Invalid API Key"),
    "llamacpp/500-01": (ProviderError, True, None, "is too large to process"),
    "llamacpp/501-01": (ProviderError, False, None, "does not support embeddings"),
    "mistral/400-01": (RequestError, False, None, "Too many inputs in request"),
    "mistral/401-01": (AuthenticationError, False, None, "Invalid API Key"),
    "openai/400-01": (NotFoundError, False, None, "does not exist"),
    "openai/401-01": (AuthenticationError, False, None, "Incorrect API key provided"),
    "openai/404-01": (NotFoundError, False, None, "does not exist"),
    "openai/500-01": (ProviderError, True, None, ""),
    "openrouter/400-01": (RequestError, False, None, "does not exist"),
    "openrouter/429-01": (RateLimitError, True, None, "is temporarily rate-limited upstream"),
    "venice/404-01": (NotFoundError, False, None, "Specified model not found"),
    "vertex/400-01": (TokenLimitError, False, None, "The input token count (1250074) exceeds"),
    "vertex/404-01": (NotFoundError, False, None, "gemini-does-not-exist"),
    "xai/400-01": (AuthenticationError, False, None, "Incorrect API key provided"),
}


def body_of(recording: dict[str, Any]) -> bytes:
    body = recording.get("body")
    return (body if isinstance(body, str) else json.dumps(body) if body else "").encode()


@pytest.mark.skipif(not HERE, reason=f"there are no recordings in {FIXTURES}")
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_http_error_becomes_its_typed_error(name: str) -> None:
    recording = json.loads(FIXTURES.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    status = recording["http_status"]
    kind, retryable, retry_after, words = RECORDED[name]
    error = error_from_response(status, recording["headers"], body_of(recording), now=1.7e9)

    assert (type(error), error.status) == (kind, status)
    assert (error.retryable, error.retry_after) == (retryable, retry_after)
    assert words in str(error)
    assert error.request_id == request_id(recording["headers"]) or error.request_id


@pytest.mark.skipif(not HERE, reason=f"there are no recordings in {FIXTURES}")
def test_every_recorded_http_error_stands_in_the_table() -> None:
    there = {f"{path.parent.name}/{path.stem}" for path in FIXTURES.glob("*/*.json")}

    assert there == RECORDED.keys()


# -- the table, row by row -------------------------------------------------------------------

OPENAI_SAYS: dict[str, Any] = {"message": "M", "type": "t", "param": None, "code": None}


def made(status: int, body: object = None, headers: dict[str, str] | None = None) -> WizardError:
    written = (
        b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    return error_from_response(status, headers or {}, written, now=1.7e9)


STATUSES: dict[int, tuple[type[WizardError], bool]] = {
    301: (RequestError, False),
    307: (RequestError, False),
    400: (RequestError, False),
    401: (AuthenticationError, False),
    402: (PermissionDeniedError, False),
    403: (PermissionDeniedError, False),
    404: (NotFoundError, False),
    405: (RequestError, False),
    408: (ProviderError, True),
    409: (RequestError, True),
    410: (NotFoundError, False),
    413: (RequestError, False),
    422: (RequestError, False),
    424: (ProviderError, True),
    429: (RateLimitError, True),
    498: (OverloadedError, True),
    499: (ProviderError, True),
    500: (ProviderError, True),
    501: (ProviderError, False),
    502: (ProviderError, True),
    503: (OverloadedError, True),
    504: (ProviderError, True),
    520: (ProviderError, True),
    529: (OverloadedError, True),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
@pytest.mark.parametrize("body", [None, {"error": OPENAI_SAYS}], ids=["empty", "with words"])
def test_the_status_alone_decides(
    status: int, expected: tuple[type[WizardError], bool], body: object
) -> None:
    error = made(status, body)

    assert (type(error), error.retryable) == expected
    assert error.status == status


@pytest.mark.parametrize("status", [400, 413, 422, 500])
@pytest.mark.parametrize(
    "said",
    [
        {"code": "context_length_exceeded"},
        {"type": "exceed_context_size_error"},
        {"code": "too_many_prompt_tokens"},
        {"code": "TOO_MANY_TOKENS"},
        {"message": "This model's maximum context length is 8192 tokens."},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        {"message": "Prompt too long"},
        {"message": "exceeds the context window of this model"},
        {"message": "Exceeded max context length"},
        {"message": "too many tokens: size limit exceeded"},
        {"message": "Input tokens exceeded the configured limit"},
        {"message": "Input is too long for requested model."},
        {"message": "The number of input tokens exceeds the limit"},
        {"message": "total length of all messages is too long"},
        {"message": "The input token count (9) exceeds the maximum"},
    ],
    ids=lambda said: " ".join(said.values())[:40],
)
def test_too_many_tokens(status: int, said: dict[str, str]) -> None:
    error = made(status, {"error": {**OPENAI_SAYS, **said}})

    assert (type(error), error.retryable) == (TokenLimitError, False)
    assert isinstance(error, RequestError)


def test_words_about_tokens_do_not_turn_a_rate_limit_into_a_token_limit() -> None:
    assert type(made(429, {"error": {"message": "too many tokens per minute"}})) is RateLimitError


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "M", "details": [{"reason": "API_KEY_INVALID"}]}},
        {"error": {"message": "M", "code": "invalid_api_key"}},
        {"error": {"message": "API key not valid. Please pass a valid API key."}},
        {"code": "invalid-argument", "error": "Incorrect API key provided: xa***12"},
        {"error": {"message": "Invalid API key"}},
        {"error": {"message": "M", "type": "UnrecognizedClientException"}},
        {"error": {"message": "M", "code": "InvalidSignatureException"}},
        {"error": {"message": "M", "code": "IncompleteSignature"}},
        {"error": {"message": "M", "code": "MissingAuthenticationTokenException"}},
    ],
    ids=json.dumps,
)
def test_a_bad_key_by_another_status(status: int, body: object) -> None:
    assert type(made(status, body)) is AuthenticationError


def test_the_header_of_aws_names_the_error() -> None:
    headers = {"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/"}
    error = made(403, {"message": "M"}, headers)

    assert (type(error), error.code) == (AuthenticationError, "ExpiredTokenException")


@pytest.mark.parametrize("code", ["model_not_found", "invalid_model"])
def test_an_unknown_model_by_status_400(code: str) -> None:
    assert type(made(400, {"error": {"message": "M", "code": code}})) is NotFoundError


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "billing_not_active", "billing_hard_limit_reached"]
)
def test_a_spent_quota_is_not_retryable(code: str) -> None:
    for said in ({"code": code}, {"type": code}):
        error = made(429, {"error": {"message": "M", **said}})

        assert (type(error), error.retryable) == (RateLimitError, False)


@pytest.mark.parametrize("status", [400, 429, 500, 501])
@pytest.mark.parametrize(("wish", "expected"), [("true", True), ("false", False), ("TRUE", True)])
def test_the_provider_may_say_whether_to_retry(status: int, wish: str, expected: bool) -> None:
    assert made(status, None, {"x-should-retry": wish}).retryable is expected


def test_a_wish_of_nonsense_is_passed_over() -> None:
    assert made(500, None, {"x-should-retry": "maybe"}).retryable is True


@pytest.mark.parametrize(
    "name", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-generation-id"]
)
def test_the_request_id_is_found_in_every_header(name: str) -> None:
    assert made(500, None, {name: "req_1"}).request_id == "req_1"


def test_the_request_id_is_found_in_the_body() -> None:
    body = {"type": "error", "error": {"type": "api_error", "message": "M"}, "request_id": "req_2"}

    assert made(500, body).request_id == "req_2"
    assert made(500, body, {"request-id": "req_1"}).request_id == "req_1"


def test_no_reply_is_a_config_error() -> None:
    assert all(not isinstance(made(status), ConfigError) for status in range(300, 600))


# -- the provider's own words, from every shape ----------------------------------------------

SHAPES: dict[str, tuple[object, str | None]] = {
    "OpenAI": ({"error": {"message": "Words", "type": "t", "code": "c", "param": None}}, "c"),
    "Ollama, Venice": ({"error": "Words"}, None),
    "xAI": ({"error": "Words", "code": "c"}, "c"),
    "Anthropic": ({"type": "error", "error": {"type": "c", "message": "Words"}}, "c"),
    "Google": ({"error": {"code": 418, "message": "Words", "status": "c", "details": []}}, "c"),
    "Google in a list": ([{"error": {"code": 418, "message": "Words", "status": "c"}}], "c"),
    "Bedrock": ({"message": "Words"}, None),
    "Bedrock, capital": ({"Message": "Words"}, None),
    "Cohere": ({"id": "1", "message": "Words", "error_type": "c"}, "c"),
    "Mistral": ({"detail": "Words"}, None),
    "FastAPI": ({"detail": [{"loc": ["body"], "msg": "Words", "type": "c"}]}, "c"),
    "detail object": ({"detail": {"message": "Words", "code": "c"}}, "c"),
    "vLLM": ({"object": "error", "message": "Words", "type": "c", "param": None}, "c"),
    "Mistral, flat": ({"object": "error", "message": "Words", "type": "t", "code": "c"}, "c"),
    "details as text": ({"error": {"code": "c", "message": "M", "details": "Words"}}, "c"),
    "OpenRouter": ({"error": {"code": 418, "message": "M", "metadata": {"raw": "Words"}}}, None),
    "errors": ({"errors": [{"message": "Words"}]}, None),
    "plain text": (b"Words", None),
    "JSON as text": (b'  {"error": {"message": "Words"}}  ', None),
    "JSON with a byte-order mark": (b'\xef\xbb\xbf{"error": "Words"}', None),
    "JSON as an event stream": (b'data: {"error": {"message": "Words"}}\n\n', None),
    "JSON as a named event": (b'event: error\ndata: {"message": "Words"}\n\n', None),
    "an HTML page": (b"<html><style>p {}</style><body><p>Words</p></body></html>", None),
    "bytes that are no UTF-8": (b"Words \xff", None),
}


@pytest.mark.parametrize(("body", "code"), SHAPES.values(), ids=SHAPES.keys())
def test_the_words_and_the_code_are_found(body: object, code: str | None) -> None:
    error = made(418, body)

    assert "Words" in str(error)
    assert "<" not in str(error)
    assert error.code == code
    assert (type(error), error.status) == (RequestError, 418)


def test_words_that_are_said_twice_are_said_once() -> None:
    error = made(418, {"error": {"message": "Words"}, "message": "Words"})

    assert str(error) == "Words"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'{"error": null}',
        b'{"error": {}}',
        b'""',
        b"[" * 999,
    ],
)
def test_a_body_that_says_nothing_is_no_exception(body: bytes) -> None:
    assert type(made(500, body)) is ProviderError


def test_a_body_of_a_huge_page_is_shortened() -> None:
    error = made(500, b"<html>" + b"<p>word</p> " * 100_000)

    assert len(str(error)) <= MAX_MESSAGE + 1
    assert html_words("<script>x</script><p>a <b>b</b></p>") == "a b"


def test_a_body_nested_beyond_reason_is_no_exception() -> None:
    deep: dict[str, Any] = {"message": "deep"}
    for _ in range(100):
        deep = {"error": deep}

    assert type(made(500, deep)) is ProviderError


def test_a_redirect_says_where_to() -> None:
    error = made(308, None, {"location": "https://elsewhere.example/v1"})

    assert "https://elsewhere.example/v1" in str(error)


# -- errors inside a stream ------------------------------------------------------------------

NAMES: dict[str, tuple[type[WizardError], int | None]] = {
    "overloaded_error": (OverloadedError, 529),
    "UNAVAILABLE": (OverloadedError, 503),
    "server_is_overloaded": (OverloadedError, 503),
    "serviceUnavailableException": (OverloadedError, 503),
    "throttlingException": (RateLimitError, 429),
    "rate_limit_error": (RateLimitError, 429),
    "rate_limit_exceeded": (RateLimitError, 429),
    "insufficient_quota": (RateLimitError, 429),
    "RESOURCE_EXHAUSTED": (RateLimitError, 429),
    "validationException": (RequestError, 400),
    "modelStreamErrorException": (ProviderError, 424),
    "internalServerException": (ProviderError, 500),
    "api_error": (ProviderError, 500),
    "server_error": (ProviderError, 500),
    "INVALID_TOOL_GENERATION": (ProviderError, None),
    "never_seen": (ProviderError, None),
    "context_length_exceeded": (TokenLimitError, None),
    "invalid_api_key": (AuthenticationError, None),
    "model_not_found": (NotFoundError, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_an_error_in_the_stream_has_the_status_it_stands_for(name: str) -> None:
    for said in ({"type": name}, {"code": name}, {"status": name}):
        error = error_from_event({"error": {"message": "Words", **said}})

        assert (type(error), error.status) == NAMES[name]
        assert str(error) == "Words"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_an_error_in_the_stream_is_the_same_as_over_http(status: int) -> None:
    for body in (
        {"error": {"message": "Words", "code": status}},
        {"error": {"message": "Words", "code": str(status)}},
        {"error": {"message": "Words", "type": "server_error", "status_code": status}},
    ):
        inside, outside = error_from_event(body), made(status, body)

        assert (type(inside), inside.status) == (type(outside), outside.status)
        assert inside.retryable == outside.retryable


def test_a_number_that_is_no_status_is_none() -> None:
    assert error_from_event({"error": {"message": "Words", "code": 3000}}).status is None
    assert error_from_event({"error": {"message": "Words", "code": 200}}).status is None


def test_a_string_is_the_words_of_an_error() -> None:
    error = error_from_event("Words")

    assert (type(error), str(error), error.status) == (ProviderError, "Words", None)


def test_the_wait_of_an_error_in_the_stream_is_found() -> None:
    details = [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "31s"}]
    error = error_from_event({"error": {"code": 429, "message": "M", "details": details}})

    assert error.retry_after == 31.0
