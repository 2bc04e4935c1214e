"""aioresponses, made to work with aiohttp 3.14: for the shape of requests and of error replies.

It feeds a whole body at once and then ends it, so nothing that streams is tested with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from amazon import chunks, converse

from rxwizard import (
    ConfigError,
    Prompt,
    RetryConfig,
    StreamingClient,
    WizardConfig,
    WizardError,
    WizardResponse,
)
from rxwizard.providers import PROTOCOLS

from .reader_kit import lines, sse

KEY = "sk-secret-0123456789"


class _Response(aiohttp.ClientResponse):
    # aioresponses 0.7.9 does not know the argument that 3.14 demands (its issue 289)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)


@dataclass(frozen=True)
class Sent:
    """One request as it was handed to aiohttp."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any


MESSAGES = [
    {"type": "message_start", "message": {"id": "m1", "model": "m-1"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hi"},
    },
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    {"type": "message_stop"},
]
CONVERSE = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}},
    {"messageStop": {"stopReason": "end_turn"}},
]
ANSWERS: dict[str, str | bytes] = {
    "chat": sse(
        {
            "id": "c1",
            "model": "m-1",
            "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}],
        },
        "[DONE]",
    ),
    "messages": sse(*MESSAGES),
    "gemini": sse(
        {
            "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
            "modelVersion": "m-1",
            "responseId": "g1",
        },
    ),
    "responses": sse(
        {"type": "response.created", "response": {"id": "r1", "model": "m-1"}},
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "delta": "Hi",
        },
        {"type": "response.completed", "response": {"id": "r1", "status": "completed"}},
    ),
    "cohere": sse(
        {"type": "message-start", "id": "m1"},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
        "[DONE]",
    ),
    "converse": converse(*CONVERSE),
    "bedrock-nova": chunks(*CONVERSE),
    "bedrock-messages": chunks(*MESSAGES),
    "vertex-messages": sse(*MESSAGES),
    "ollama": lines(
        {
            "model": "m-1",
            "message": {"role": "assistant", "content": "Hi"},
            "done": True,
            "done_reason": "stop",
        }
    ),
}


def config_of(model: str, **settings: Any) -> WizardConfig:
    settings = {"api_key": KEY, "retry": RetryConfig(retries=0), **settings}
    return WizardConfig(model=model, **settings)


async def ask(
    config: WizardConfig,
    prompt: Prompt | str = "Hello?",
    *,
    status: int = 200,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[Sent, WizardResponse | WizardError]:
    """Send a prompt through the client to a mocked server; give the request and what came of it.

    `body`: None is a good answer of the vendor's protocol, bytes and text are sent as they are,
    anything else as JSON.
    """
    vendor = config.vendor
    if body is None:
        body = ANSWERS[vendor.protocol] if status == 200 else ""
    written = body if isinstance(body, bytes | str) else json.dumps(body)
    url = PROTOCOLS[vendor.protocol].request(Prompt.of(prompt), config, vendor).url
    with aioresponses() as mocked:
        mocked.post(
            url,
            status=status,
            body=written,
            headers=dict(headers or {}),
            response_class=_Response,
        )
        outcome: WizardResponse | WizardError
        try:
            outcome = await StreamingClient(config).generate_complete(prompt)
        except WizardError as error:
            outcome = error
        (((method, sent_url), (call,)),) = mocked.requests.items()
    return Sent(method, str(sent_url), call.kwargs["headers"], call.kwargs["json"]), outcome


async def request_for(config: WizardConfig, prompt: Prompt | str = "Hello?") -> Sent:
    sent, outcome = await ask(config, prompt)

    assert isinstance(outcome, WizardResponse), repr(outcome)
    assert (outcome.text, outcome.complete) == ("Hi", True)
    return sent


async def failure_of(config: WizardConfig, **reply: Any) -> WizardError:
    _, outcome = await ask(config, **reply)

    assert isinstance(outcome, WizardError), outcome
    return outcome


async def refusal_of(config: WizardConfig, prompt: Prompt | str = "Hello?") -> str:
    """Give the words of the ConfigError that a prompt is, before anything is sent."""
    with aioresponses() as mocked:
        with pytest.raises(ConfigError) as caught:
            await StreamingClient(config).generate_complete(prompt)
        assert not mocked.requests
    return str(caught.value)
