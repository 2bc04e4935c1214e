"""A wrong endpoint, over real sockets: each its own typed error that points at the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from rxwizard import (
    ConfigError,
    NetworkError,
    ProviderError,
    RequestError,
    RetryConfig,
    StreamingClient,
    StreamInterruptedError,
    WizardConfig,
    WizardError,
)

from .loopback import closed_port, http, server
from .mocked_http import ANSWERS

MODELS = {"chat": "openai:m", "messages": "anthropic:m", "ollama": "ollama:m"}
pytestmark = pytest.mark.timeout(20)
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


async def failure_at(endpoint: str, model: str = "openai:m", **settings: Any) -> WizardError:
    settings = {"retry": RetryConfig(retries=0), **settings}
    config = WizardConfig(model=model, api_key="k-1234", endpoint=endpoint, **settings)
    with pytest.raises(WizardError) as caught:
        await StreamingClient(config).generate_complete("Hello?")
    assert caught.value.provider == config.provider
    return caught.value


@every_model
async def test_a_refused_connection_is_a_network_error(model: str) -> None:
    port = closed_port()
    error = await failure_at(f"http://127.0.0.1:{port}", model)

    assert (type(error), error.retryable, error.status) == (NetworkError, True, None)
    assert f"127.0.0.1:{port}" in str(error)
    assert "whether the server is running" in str(error)
    assert error.partial is None


async def test_a_host_that_cannot_be_found_is_a_network_error() -> None:
    error = await failure_at("http://nonexistent.invalid/v1")

    assert type(error) is NetworkError
    assert "nonexistent.invalid" in str(error)
    assert "check the endpoint" in str(error)


async def test_tls_to_a_port_that_speaks_none_is_a_network_error() -> None:
    async with server(http("200 OK")) as port:
        error = await failure_at(f"https://127.0.0.1:{port}/v1")

    assert (type(error), error.retryable) == (NetworkError, False)
    assert "TLS" in str(error)
    assert "http or https" in str(error)


async def test_a_port_that_does_not_speak_http_is_a_network_error() -> None:
    async with server(b"SSH-2.0-OpenSSH_9.6\r\n") as port:
        error = await failure_at(f"http://127.0.0.1:{port}")

    assert (type(error), error.retryable) == (NetworkError, False)
    assert "does not speak HTTP" in str(error)


async def test_a_connection_that_closes_before_the_answer_is_a_network_error() -> None:
    async with server(b"") as port:
        error = await failure_at(f"http://127.0.0.1:{port}")

    assert (type(error), error.retryable) == (NetworkError, True)
    assert "closed the connection before it had answered" in str(error)
    assert "headers" not in str(error)


async def test_a_connection_that_closes_in_the_headers_is_a_network_error() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Ty") as port:
        error = await failure_at(f"http://127.0.0.1:{port}")

    assert type(error) is NetworkError


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed_and_says_where_to(status: str) -> None:
    # A key is for one host only, and a redirected POST becomes a GET.
    async with server(http(status, Location="http://127.0.0.1:1/elsewhere")) as port:
        error = await failure_at(f"http://127.0.0.1:{port}")

    assert (type(error), error.status) == (RequestError, int(status[:3]))
    assert "http://127.0.0.1:1/elsewhere" in str(error)


@every_model
async def test_a_port_that_answers_a_page_points_at_the_endpoint(model: str) -> None:
    page = "<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>"
    async with server(http("200 OK", page, Content_Type="text/html")) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", model)

    assert type(error) is ProviderError
    assert "HTML page" in str(error)
    assert "Check the endpoint" in str(error)


@every_model
async def test_a_body_that_is_cut_short_is_interrupted_with_its_partial(model: str) -> None:
    protocol = next(name for name, known in MODELS.items() if known == model)
    whole = ANSWERS[protocol].encode()
    events = whole.split(b"\n\n")
    begun = (
        whole if protocol == "ollama" else b"\n\n".join(events[: len(events) // 2 + 1]) + b"\n\n"
    )
    begun = begun.replace(b'"done": true', b'"done": false').replace(b'"stop"', b"null")
    reply = http("200 OK", begun, Content_Length=str(len(begun) + 99))
    async with server(reply) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", model)

    assert type(error) is StreamInterruptedError
    assert error.partial is not None
    assert error.partial.text == "Hi"


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://127.0.0.1/v1", "http://", "http:///v1"])
async def test_an_endpoint_that_is_no_url_is_a_config_error(endpoint: str) -> None:
    error = await failure_at(endpoint)

    assert type(error) is ConfigError
    assert "endpoint" in str(error)


async def test_a_header_that_cannot_be_sent_is_a_config_error() -> None:
    async with server(http("200 OK")) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", headers={"X-Title": "a\r\nb"})

    assert type(error) is ConfigError
    assert "headers" in str(error)


async def test_a_provider_without_a_default_needs_an_endpoint() -> None:
    config = WizardConfig(model="openai-compatible:m")
    with pytest.raises(ConfigError, match="OPENAI_COMPATIBLE_ENDPOINT"):
        await StreamingClient(config).generate_complete("Hello?")
