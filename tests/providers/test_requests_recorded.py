"""Our request bodies against those that real clients sent for the recordings, and were answered.

Each recorded body is said in our terms and sent by the client to a mocked HTTP. What we send has to
be the same but for what `plain` takes away, where both ways to write it are valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from rxwizard import WizardConfig
from rxwizard.providers import VENDORS

from .mocked_http import KEY, request_for
from .recorded_requests import (
    FIXTURES,
    ROLES,
    InexpressibleError,
    Recorded,
    in_our_terms,
    lower_types,
    recorded,
    text_of,
)

pytestmark = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason=f"there are no recordings in {FIXTURES}"
)

#: How many requests are compared, and how many cannot be said, by API. A change is looked at.
COMPARED = {
    "chat": 63,
    "responses": 24,
    "gemini": 10,
    "gemini-jsonarray": 2,
    "messages": 9,
    "bedrock-converse": 8,
    "bedrock-invoke": 5,
    "ollama": 8,
    "cohere": 5,
}
INEXPRESSIBLE = {"chat": 7, "messages": 3, "bedrock-converse": 2, "cohere": 2}


# -- where both ways are valid ---------------------------------------------------------------


def absent(body: dict[str, Any], form: str) -> None:
    """What is empty or null is the same as what is not sent: clients write their defaults out."""
    for name in ("options", "generationConfig", "inferenceConfig"):
        if name in body:
            _drop_empty(body[name])
    _drop_empty(body)


def streaming(body: dict[str, Any], form: str) -> None:
    """Ollama streams unless told not to; usage at the end is asked for or not, by client."""
    if form == "ollama":
        body.setdefault("stream", True)
    assert body.pop("stream_options", None) in (None, {"include_usage": True})


def messages(body: dict[str, Any], form: str) -> None:
    """One part of text is a text; a developer is a system; calls need no content beside them."""
    for turn in body.get("messages") or body.get("input") or ():
        turn["role"] = ROLES.get(turn["role"], turn["role"])
        if turn.get("type") == "message":
            del turn["type"]
        if (text := text_of(turn.get("content"))) is not None:
            turn["content"] = text
        if turn.get("tool_calls") and not turn.get("content"):
            turn.pop("content", None)
    if isinstance(body.get("system"), list):
        body["system"] = text_of(body["system"])


def names(body: dict[str, Any], form: str) -> None:
    """OpenAI, OpenRouter and llama.cpp take the limit by both names, a stop bare or in a list.

    Nova takes its limit by its own name and by Converse's. The name of a schema is free.
    """
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if "max_new_tokens" in body.get("inferenceConfig", {}):
        body["inferenceConfig"]["maxTokens"] = body["inferenceConfig"].pop("max_new_tokens")
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    for asked in (
        body.get("response_format", {}).get("json_schema"),
        body.get("text", {}).get("format"),
    ):
        if asked:
            asked["name"] = "answer"


def tools(body: dict[str, Any], form: str) -> None:
    """Not strict is what a tool is unless told so, and no description is an empty one.

    In the Responses API the server would try to be strict; we say that it is not to, as fantasy and
    RubyLLM do, since a schema of the user's is seldom one that strictness allows.
    """
    for tool in body.get("tools") or ():
        function = tool.get("function", tool)
        if not function.get("strict"):
            function.pop("strict", None)
        if function.get("description") == "":
            del function["description"]


def google(body: dict[str, Any], form: str) -> None:
    """Instructions have no role that counts; parts are no thoughts unless they say so.

    ``parameters`` is Google's dialect of schemas, ``parametersJsonSchema`` the standard itself.
    """
    if form != "gemini":
        return
    body.get("systemInstruction", {}).pop("role", None)
    for content in (body.get("systemInstruction", {}), *body["contents"]):
        for part in content.get("parts", ()):
            if part.get("thought") is False:
                del part["thought"]
    body.pop("model", None)  # in the URL, too
    for tool in body.get("tools") or ():
        if "functionDeclarations" in tool:
            _drop_empty(tool)
        for function in tool.get("functionDeclarations", ()):
            _drop_empty(function)
            if "parameters" in function:
                function["parametersJsonSchema"] = lower_types(function.pop("parameters"))


def _drop_empty(fields: dict[str, Any]) -> None:
    for name in [name for name, value in fields.items() if value in (None, "", {}, [])]:
        del fields[name]


RULES: tuple[Callable[[dict[str, Any], str], None], ...] = (
    streaming,
    messages,
    names,
    tools,
    google,
    absent,
)


def plain(body: Any, form: str) -> dict[str, Any]:
    """Take away in what two valid requests that say the same may differ."""
    copy: dict[str, Any] = deepcopy(dict(body))
    for rule in RULES:
        rule(copy, form)
    return copy


# -- all of them -----------------------------------------------------------------------------


def cases() -> list[Any]:
    found = []
    for file, request in recorded().items():
        marks = []
        try:
            in_our_terms(request)
        except InexpressibleError as reason:
            marks = [pytest.mark.skip(reason=f"{request.api}: {reason}")]
        found.append(pytest.param(request, id=file, marks=marks))
    return found


def config_for(request: Recorded, settings: dict[str, Any]) -> WizardConfig:
    vendor = VENDORS[request.vendor]
    if vendor.endpoint is None or vendor.regions:
        settings = {**settings, "endpoint": "https://x.example/v1"}
    return WizardConfig(model=f"{request.vendor}:{request.model}", api_key=KEY, **settings)


@pytest.mark.parametrize("asked", cases())
async def test_we_ask_as_those_did_who_were_answered(asked: Recorded) -> None:
    prompt, settings = in_our_terms(asked)
    sent = await request_for(config_for(asked, settings), prompt)

    assert plain(sent.body, asked.form) == plain(asked.body, asked.form)
    if asked.vendor != "openai-compatible":  # where a server of one's own is, its user says
        theirs = unquote(urlsplit(asked.url).path).rpartition("/")[2]
        assert urlsplit(unquote(sent.url)).path.endswith(f"/{theirs}")


def test_it_is_known_how_many_are_compared() -> None:
    skipped = Counter(case.values[0].api for case in cases() if case.marks)
    compared = Counter(case.values[0].api for case in cases() if not case.marks)

    assert (compared, skipped) == (COMPARED, INEXPRESSIBLE)
