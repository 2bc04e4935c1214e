"""How Google's Gemini API is asked, also where Vertex AI serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic_core import from_json

from rxwizard.errors import ConfigError
from rxwizard.prompts import Image, Message, Prompt, Role, Tool
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireRequest
from rxwizard.providers.requests import credentials, endpoint_of, under, without_none
from rxwizard.providers.shape import as_object, as_text, is_object
from rxwizard.providers.vendors import Vendor

#: Tokens to think with, for models that know no levels, as Google's own table pairs them
#: (https://ai.google.dev/gemini-api/docs/openai).
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

#: The generation before levels. A newer one takes a budget too, but not as well.
_WITHOUT_LEVELS = ("gemini-1", "gemini-2")


def gemini_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: An effort or a prefill is asked for that this API does not have, or the history
            has a tool's result that does not say which tool's.
    """
    check_prefill(prompt, settings, vendor)
    system = [prompt.system] if prompt.system is not None else []
    system += [as_text(m.content) for m in prompt.history if m.role is Role.SYSTEM]
    generation = without_none(
        temperature=settings.temperature,
        topP=settings.top_p,
        maxOutputTokens=settings.max_tokens,
        stopSequences=list(settings.stop) or None,
        seed=settings.seed,
        **_response_format(prompt),
        thinkingConfig=_thinking(settings),
    )
    body = without_none(
        contents=[*_contents(prompt)],
        systemInstruction={"parts": [{"text": "\n\n".join(system)}]} if system else None,
        generationConfig=generation or None,
        tools=[*_tools(prompt)] or None,
    )
    url = under(endpoint_of(settings, vendor), _path(settings.model_name, vendor))
    return WireRequest(
        url=f"{url}{'&' if '?' in url else '?'}alt=sse",
        body=_merged(body, prompt.extra),
        secrets=credentials(settings.api_key, vendor),
    )


def _path(model: str, vendor: Vendor) -> str:
    # A name with a slash says itself where it is: tunedModels/..., publishers/..., endpoints/...
    model = model.removeprefix("models/")
    folder = "" if "/" in model else vendor.model_path
    name = quote(model, safe="/@")
    return f"{folder}/{name}:streamGenerateContent"


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Merge fields into the body, objects in turn: most settings are in ``generationConfig``."""
    merged = dict(body)
    for name, value in extra.items():
        before = merged.get(name)
        both = is_object(value) and is_object(before)
        merged[name] = _merged(as_object(before), value) if both else value
    return merged


def _response_format(prompt: Prompt) -> dict[str, Any]:
    if prompt.json_schema is not None:
        schema = dict(prompt.json_schema)
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return {"responseMimeType": "application/json"} if prompt.json_mode else {}


def _thinking(settings: RequestSettings) -> dict[str, Any] | None:
    effort = settings.reasoning_effort
    if effort is None:
        return None
    if effort not in _BUDGETS:
        message = f"Gemini has no reasoning effort {effort!r}: it ends at 'high'."
        raise ConfigError(message)
    if effort == "none":
        return {"thinkingBudget": 0}
    name = settings.model_name.rpartition("/")[2]
    if name.startswith(_WITHOUT_LEVELS):
        return {"includeThoughts": True, "thinkingBudget": _BUDGETS[effort]}
    return {"includeThoughts": True, "thinkingLevel": effort}


# -- what is said ----------------------------------------------------------------------------


def _contents(prompt: Prompt) -> Iterator[dict[str, Any]]:
    calls: list[Mapping[str, Any]] = []
    results: list[Mapping[str, Any]] = []
    for message in prompt.history:
        if message.role is Role.TOOL:
            results += message.parts or [_result(message, calls)]
            continue
        if results:
            # The results of parallel calls belong into one turn.
            yield {"role": "user", "parts": results}
            results = []
        if message.role is Role.SYSTEM:
            continue
        parts = _parts(message)
        if message.tool_calls:
            calls = [as_object(p.get("functionCall")) for p in parts if "functionCall" in p]
        yield {"role": "model" if message.role is Role.ASSISTANT else "user", "parts": parts}
    if results:
        yield {"role": "user", "parts": results}
    parts = [{"text": prompt.text}, *(_image(image) for image in prompt.images)]
    yield {"role": "user", "parts": parts}


def _parts(message: Message) -> list[Mapping[str, Any]]:
    parts: list[Mapping[str, Any]] = message.parts or []
    if isinstance(message.content, str) and (message.content or not message.tool_calls):
        parts = [{"text": message.content}]
    # A call is a part, with its thought signature, or what stands in one.
    calls = [c if "functionCall" in c else {"functionCall": c} for c in message.tool_calls]
    return [*parts, *calls]


def _result(message: Message, calls: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the part for a tool's result, and take the call it belongs to off the list.

    It is found by its id; older models give calls none, then by its name, or by the order.
    """
    wanted = message.tool_call_id
    if wanted is None:
        call = next(iter(calls), None)
    else:
        call = next((c for c in calls if wanted in (c.get("id"), c.get("name"))), None)
    if call is not None:
        calls.remove(call)
    name = as_object(call).get("name") or wanted
    if not name:
        problem = "Gemini has to know whose result it is: give the function's name as tool_call_id."
        raise ConfigError(problem)
    response = without_none(
        id=as_object(call).get("id"), name=name, response=_response(as_text(message.content))
    )
    return {"functionResponse": response}


def _response(text: str) -> Mapping[str, Any]:
    """Give the object that a result has to be: its own, or one around it."""
    try:
        value = from_json(text)
    except ValueError:
        value = None
    return value if is_object(value) else {"result": text}


def _image(image: Image) -> dict[str, Any]:
    if image.url is None:
        return {"inlineData": {"mimeType": image.media_type, "data": image.data}}
    media_type: str | None = image.media_type
    if "media_type" not in image.model_fields_set:
        media_type = guess_type(urlsplit(image.url).path)[0]
    return {"fileData": without_none(fileUri=image.url, mimeType=media_type)}


def _tools(prompt: Prompt) -> Iterator[Mapping[str, Any]]:
    functions = [_function(tool) for tool in prompt.tools if isinstance(tool, Tool)]
    if functions:
        yield {"functionDeclarations": functions}
    for tool in prompt.tools:
        if not isinstance(tool, Tool):
            yield tool


def _function(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": dict(tool.parameters),
    }
