"""The key is in no repr, string, log record or traceback, on every way to fail."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import ConfigError, Prompt, RetryConfig, StreamingClient, WizardConfig, WizardError
from rxwizard.providers import PROTOCOLS

from .loopback import closed_port, http, server
from .mocked_http import ANSWERS
from .reader_kit import sse

if TYPE_CHECKING:
    from collections.abc import Iterator

# In two halves, so that no line of this file that a traceback shows has the whole of it.
KEY = "sk-" + "very-secret-0123456789"
MODELS = ["openai:m", "anthropic:m", "ollama:m"]
every_model = pytest.mark.parametrize("model", MODELS)
pytestmark = pytest.mark.timeout(20)

ECHO = f"the key {KEY} is wrong"
EVENT = {"error": {"message": ECHO, "type": "authentication_error", "code": KEY, "param": KEY}}

#: What the server answers, to everything it is asked.
REPLIES: dict[str, tuple[bytes, ...]] = {
    "401 that echoes it": (http("401 Unauthorized", json.dumps(EVENT)),),
    "400 that echoes it as text": (http("400 Bad Request", ECHO),),
    "404 page that echoes it": (http("404 Not Found", f"<html><body>{ECHO}</body></html>"),),
    "429 that echoes it": (http("429 Too Many Requests", json.dumps({"error": ECHO})),),
    "500, empty": (http("500 Internal Server Error"),),
    "529 whose id echoes it": (http("529 Overloaded", "{}", X_Request_Id=KEY),),
    "redirect that echoes it": (http("302 Found", Location=f"http://x.example/?key={KEY}"),),
    "200 page that echoes it": (http("200 OK", f"<html><body>{ECHO}</body></html>"),),
    "200 text that echoes it": (http("200 OK", ECHO + "\n"),),
    "200 that is empty": (http("200 OK"),),
    "error event that echoes it": (http("200 OK", sse(EVENT)),),
    "error line that echoes it": (http("200 OK", json.dumps(EVENT) + "\n"),),
    "invalid JSON that echoes it": (http("200 OK", f"data: {{{ECHO}\n\n{{{ECHO}\n"),),
    "half a document that echoes it": (http("200 OK", f'data: {{"x": "{ECHO}'),),
    "a cut body": (http("200 OK", ANSWERS["chat"][:40], Content_Length="999"),),
    "no HTTP that echoes it": (f"SSH-2.0 {ECHO}\r\n\r\n".encode(),),
    "a bad status line": (f"HTTP/1.1 {KEY} {KEY}\r\n\r\n".encode(),),
    "a bad header that echoes it": (f"HTTP/1.1 200 OK\r\n{KEY} {KEY}\r\n\r\n".encode(),),
    "a bad chunk that echoes it": (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    ),
    "nothing": (b"",),
}


@pytest.fixture(autouse=True)
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    """Every record of every logger, whatever its level."""
    with caplog.at_level(logging.DEBUG):
        for name in ("asyncio", "aiohttp", "aiohttp.client", "rxwizard"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        yield caplog.records
    for name in ("asyncio", "aiohttp", "aiohttp.client", "rxwizard"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give the error and everything it came from, suppressed or not."""
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__]


def shown(error: BaseException) -> Iterator[str]:
    """Give every text that somebody may come to see of an error."""
    for one in chain(error):
        yield str(one)
        yield repr(one)
        yield repr(vars(one))
        yield repr(one.args)
        yield "".join(
            traceback.TracebackException.from_exception(one, capture_locals=True).format()
        )
    yield "".join(traceback.format_exception(error))


def assert_hidden(error: BaseException, records: list[logging.LogRecord]) -> None:
    for text in shown(error):
        assert KEY not in text
    for record in records:
        assert KEY not in record.getMessage()
        assert KEY not in repr(record.args)


def config_at(endpoint: str, model: str) -> WizardConfig:
    retry = RetryConfig(retries=0)
    return WizardConfig(model=model, api_key=KEY, endpoint=endpoint, retry=retry)


async def failure_at(endpoint: str, model: str) -> WizardError:
    async with StreamingClient(config_at(endpoint, model)) as client:
        try:
            await client.generate_complete("Hello?")
        except WizardError as error:
            return error
    pytest.fail("nothing was raised")


@every_model
@pytest.mark.parametrize("reply", REPLIES)
async def test_no_reply_brings_the_key_to_light(
    model: str, reply: str, records: list[logging.LogRecord]
) -> None:
    async with server(*REPLIES[reply]) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", model)

    assert_hidden(error, records)
    assert str(error)


@every_model
async def test_no_failing_connection_brings_the_key_to_light(
    model: str, records: list[logging.LogRecord]
) -> None:
    async with server(http("200 OK")) as port:
        endpoints = [
            f"http://127.0.0.1:{closed_port()}",
            "http://nonexistent.invalid",
            f"https://127.0.0.1:{port}",
            "ftp://127.0.0.1",
        ]
        for endpoint in endpoints:
            assert_hidden(await failure_at(endpoint, model), records)


async def test_a_reset_in_mid_body_does_not_bring_the_key_to_light(
    records: list[logging.LogRecord],
) -> None:
    begun = http("200 OK", ANSWERS["chat"][:40], Content_Length="999")
    async with server(begun, reset=True) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", "openai:m")

    assert_hidden(error, records)


@every_model
async def test_a_stream_that_is_awaited_does_not_show_it_either(model: str) -> None:
    async with server(http("401 Unauthorized", json.dumps(EVENT))) as port:
        client = StreamingClient(config_at(f"http://127.0.0.1:{port}", model))
        with pytest.raises(WizardError) as caught:
            await client.generate_stream("Hello?")

    assert_hidden(caught.value, [])


@every_model
def test_settings_and_requests_do_not_show_it(model: str) -> None:
    config = config_at("http://127.0.0.1:1", model)
    client = StreamingClient(config)
    request = PROTOCOLS[config.vendor.protocol].request(Prompt("Hello?"), config, config.vendor)
    things: list[Any] = [config, client, client.generate_stream("Hello?"), request, vars(client)]

    for thing in things:
        assert KEY not in repr(thing)
        assert KEY not in str(thing)
    assert KEY not in config.model_dump_json()
    assert KEY not in repr(config.model_dump())
    assert KEY not in repr(config.model_copy(update={"temperature": 1.0}))


@every_model
@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": KEY + "\n\x00"},
        {"api_key": KEY + "ü"},
        {"api_key": [KEY]},
        {"api_key": KEY, "temperature": 99},
        {"api_key": KEY, "unknown": KEY},
        {"api_key": KEY, "endpoint": "no url"},
        {"api_key": KEY, "headers": {"Authorization": 7}},
        {"api_key": KEY, "headers": KEY},
    ],
    ids=["control", "not ASCII", "list", "temperature", "unknown", "endpoint", "header", "headers"],
)
def test_settings_that_cannot_be_used_do_not_show_it(model: str, settings: dict[str, Any]) -> None:
    # The caller's own frame holds the key that it passed; ours must not.
    with pytest.raises(ConfigError) as caught:
        WizardConfig(model=model, **settings)

    for one in chain(caught.value):
        assert KEY not in str(one)
        assert KEY not in repr(one)
        assert KEY not in "".join(traceback.format_exception(one))


def test_a_key_of_the_environment_is_in_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for settings in ({"temperature": 99}, {"unknown": 1}, {"endpoint": "no url"}):
        with pytest.raises(ConfigError) as caught:
            WizardConfig(model="openai:m", **settings)

        assert_hidden(caught.value, [])


def test_a_config_that_fails_in_from_env_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("WIZARD_TEMPERATURE", "hot")
    with pytest.raises(ConfigError) as caught:
        WizardConfig.from_env()

    assert_hidden(caught.value, [])


async def test_an_error_can_be_pickled_without_it(records: list[logging.LogRecord]) -> None:
    async with server(*REPLIES["401 that echoes it"]) as port:
        error = await failure_at(f"http://127.0.0.1:{port}", "openai:m")

    assert KEY.encode() not in pickle.dumps(error)
    assert_hidden(pickle.loads(pickle.dumps(error)), records)


async def test_headers_of_the_user_are_shown_nowhere_either(
    records: list[logging.LogRecord],
) -> None:
    async with server(http("500 Internal Server Error")) as port:
        config = WizardConfig(
            model="ollama:m",
            endpoint=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {KEY}"},
        )
        with pytest.raises(WizardError) as caught:
            await StreamingClient(config).generate_complete("Hello?")

    assert KEY not in repr(config)
    assert KEY not in str(caught.value)
    assert_hidden(caught.value, records)
    gc.collect()
