"""What makes two requests the same."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from rxwizard import Prompt, WizardConfig
from rxwizard.cache import keys as keys_module
from rxwizard.cache import request_key
from rxwizard.providers import PROTOCOLS, WireRequest, find_vendor

OPENAI = find_vendor("openai")

REQUEST = WireRequest(
    url="https://api.openai.com/v1/chat/completions",
    body={"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], "top_p": 1},
    headers={"OpenAI-Beta": "x=1"},
    secrets={"Authorization": SecretStr("Bearer sk-1")},
)

KEY = request_key(REQUEST, OPENAI)


def key(**changes: Any) -> str:
    return request_key(replace(REQUEST, **changes), OPENAI)


def test_it_is_a_hash() -> None:
    assert re.fullmatch("[0-9a-f]{64}", KEY)


def test_it_is_the_same_in_every_process() -> None:
    """Files are shared by processes: it must not hang on hashes that are random in each."""
    assert KEY == "f661a93a09f056e4623fa8959ec627602a439122f53be357d7f5a8fe41e4c399"


@pytest.mark.parametrize(
    "changes",
    [
        {"secrets": {"Authorization": SecretStr("Bearer sk-2")}},
        {"secrets": {}},
        {"body": dict(reversed(REQUEST.body.items()))},
        {"headers": {"openai-beta": "x=1"}},
        {"headers": {**REQUEST.headers, "X-Api-Key": "secret"}},
        {"headers": {**REQUEST.headers, "cookie": "secret"}},
        {"headers": {**REQUEST.headers, "traceparent": "00-1", "X-Request-Id": "1"}},
        {"headers": {**REQUEST.headers, "X-Amz-Date": "20250101T000000Z"}},
        {"url": f"{REQUEST.url}?key=secret"},
        {"url": REQUEST.url.replace("https://", "https://me:secret@")},
        {"url": f"{REQUEST.url}#there"},
        {"url": REQUEST.url.replace("api.", "API.")},
        {"content": b"{}", "sign": lambda url, body: ({}, {})},
    ],
)
def test_what_does_not_decide_the_answer_does_not_matter(changes: dict[str, Any]) -> None:
    assert key(**changes) == KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"url": REQUEST.url.replace("https", "http")},
        {"url": REQUEST.url.replace("openai.com", "openai.com:8443")},
        {"url": REQUEST.url.replace("api", "eu")},
        {"url": REQUEST.url.replace("v1", "v2")},
        {"url": f"{REQUEST.url}?api-version=2"},
        {"headers": {}},
        {"headers": {"OpenAI-Beta": "x=2"}},
        {"body": {**REQUEST.body, "temperature": 0}},
        {"body": {**REQUEST.body, "top_p": 1.0}},
        {"body": {**REQUEST.body, "top_p": True}},
        {"body": {**REQUEST.body, "messages": REQUEST.body["messages"] * 2}},
        {"body": {**REQUEST.body, "messages": [{"content": "Hi ", "role": "user"}]}},
    ],
)
def test_what_decides_the_answer_matters(changes: dict[str, Any]) -> None:
    assert key(**changes) != KEY


def test_who_is_asked_and_what_is_made_of_it_matters() -> None:
    others = [
        request_key(REQUEST, replace(OPENAI, name="other")),
        request_key(REQUEST, replace(OPENAI, protocol="responses")),
        request_key(REQUEST, OPENAI, think_tags=True),
        request_key(REQUEST, OPENAI, raw=True),
    ]

    assert len({KEY, *others}) == 5


def test_the_order_of_query_fields_does_not_matter() -> None:
    url = REQUEST.url

    assert key(url=f"{url}?a=1&b=2") == key(url=f"{url}?b=2&a=1") != key(url=f"{url}?a=2&b=1")


def test_another_format_of_entries_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "VERSION", 0)

    assert key() != KEY


@pytest.mark.parametrize("body", [{"x": object()}, {"x": float("nan")}])
def test_what_cannot_be_sent_has_no_key(body: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        key(body=body)


def test_half_a_character_has_a_key() -> None:
    assert key(body={"x": "\ud83d"}) != key(body={"x": "\ud83e"})


@pytest.mark.parametrize(
    "model", ["openai:m", "anthropic:m", "gemini:m", "cohere:m", "ollama:m", "bedrock:m"]
)
def test_real_requests_have_one_whatever_the_key(model: str) -> None:
    def of(api_key: str, words: str) -> str:
        config = WizardConfig(model=model, api_key=api_key, endpoint="http://localhost:1/v1")
        protocol = PROTOCOLS[config.vendor.protocol]
        request = protocol.request(Prompt(words), config, config.vendor)
        return request_key(request, config.vendor)

    assert of("k1", "Hi") == of("k2", "Hi") != of("k1", "Ho")
