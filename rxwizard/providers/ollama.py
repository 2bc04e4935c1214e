"""Ollama's own API: one JSON document a line.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, and recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.decoders import JSONLinesDecoder
from rxwizard.errors import ConfigError
from rxwizard.prompts import Message, Prompt
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import (
    as_arguments,
    credentials,
    endpoint_of,
    function_tool,
    without_none,
)
from rxwizard.providers.shape import as_object, as_text, is_object, objects
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts
from rxwizard.providers.vendors import Vendor

# -- the request -----------------------------------------------------------------------------


def ollama_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: An image is a URL, which Ollama does not fetch; or the prompt has a prefill
            that the model cannot go on from.
    """
    check_prefill(prompt, settings, vendor)
    options = without_none(
        temperature=settings.temperature,
        top_p=settings.top_p,
        num_predict=settings.max_tokens,
        stop=list(settings.stop) or None,
        seed=settings.seed,
    )
    body = without_none(
        model=settings.model_name,
        messages=[*_messages(prompt)],
        stream=True,
        options=options or None,
        format=_format(prompt),
        think=_think(settings),
        tools=[function_tool(tool) for tool in prompt.tools] or None,
    )
    endpoint = endpoint_of(settings, vendor)
    if "://" not in endpoint:
        # OLLAMA_HOST is a bare host:port for Ollama's own programs.
        endpoint = f"http://{endpoint}"
    return WireRequest(
        url=f"{endpoint}/api/chat",
        body={**body, **prompt.extra},
        secrets=credentials(settings.api_key, vendor),
    )


def _format(prompt: Prompt) -> Any:
    if prompt.json_schema is not None:
        return dict(prompt.json_schema)
    return "json" if prompt.json_mode else None


def _think(settings: RequestSettings) -> bool | str | None:
    """Put the effort into Ollama's terms: on or off, and one of three levels for gpt-oss alone.

    To other models a level is an error (status 400).
    """
    effort = settings.reasoning_effort
    if effort is None:
        return None
    if effort == "none" or "gpt-oss" not in settings.model_name:
        return effort != "none"
    return {"minimal": "low", "xhigh": "high"}.get(effort, effort)


def _messages(prompt: Prompt) -> Iterator[dict[str, Any]]:
    if prompt.system is not None:
        yield {"role": "system", "content": prompt.system}
    for message in prompt.history:
        yield _message(message)
    images: list[str] = []
    for image in prompt.images:
        if image.data is None:
            problem = "Ollama takes images as bytes, not as URLs: use Image.from_bytes()."
            raise ConfigError(problem)
        images.append(image.data)
    yield {"role": "user", "content": prompt.text, **({"images": images} if images else {})}
    if prompt.prefill:
        yield {"role": "assistant", "content": prompt.prefill}


def _message(message: Message) -> dict[str, Any]:
    return {
        "role": message.role.value,
        "content": message.parts or message.content or "",
        **without_none(tool_calls=list(message.tool_calls) or None),
    }


# -- the answer ------------------------------------------------------------------------------


class OllamaReader(Reader):
    """Read the lines of one answer; the one with ``done: true`` is the terminal signal."""

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "stop": FinishReason.STOP,
        "length": FinishReason.LENGTH,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._calls = ToolCalls(partial(self._response.arguments_are_whole, 0))

    def _plain_text(self, event: Any) -> str | None:
        try:
            message = event["message"]
            text = message["content"]
            if text.__class__ is str and text and len(message) == 2 and event["done"] is False:
                # Two keys: the other one is the role.
                return text if "role" in message and "error" not in event else None
        except (KeyError, TypeError):
            pass
        return None

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        self._identify(None, event.get("model"))
        message = event.get("message")
        if is_object(message):
            yield from self._message(message)
        elif "response" in event:
            # /api/generate, which older front ends of Ollama send on
            thinking = event.get("thinking")
            yield from self._message({"content": event["response"], "thinking": thinking})
        elif event.get("done") is not True:
            yield {"kind": ChunkKind.OTHER, "data": event}
        if event.get("done") is True:
            self._count(event)
            self._finish(event.get("done_reason"))
            self.done = True

    def _message(self, message: Mapping[str, Any]) -> Iterator[Draft]:
        if thinking := as_text(message.get("thinking")):
            yield {"kind": ChunkKind.REASONING, "reasoning": thinking}
        if text := as_text(message.get("content")):
            yield {"text": text}
        for call in objects(message.get("tool_calls")):
            # Each is a whole call, so its number is its place; servers repeat index 0 for all.
            function = as_object(call.get("function"))
            delta = self._calls.new(
                call_id=call.get("id"),
                name=function.get("name"),
                arguments=as_arguments(function.get("arguments")),
            )
            yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}
        if message.get("images"):
            yield {"kind": ChunkKind.OTHER, "data": {"images": message["images"]}}

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        told = {name: raw[name] for name in raw.keys() & _COUNTS}
        return counts(
            told,
            prompt_tokens=raw.get("prompt_eval_count"),
            completion_tokens=raw.get("eval_count"),
        )


_COUNTS = {
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
}

OLLAMA = WireProtocol(
    "ollama", request=ollama_request, decoder=JSONLinesDecoder, reader=OllamaReader
)
