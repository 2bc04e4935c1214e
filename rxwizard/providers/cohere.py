"""Cohere's Chat API, version 2.

Source: https://docs.cohere.com/reference/chat-stream, and recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.decoders import SSEDecoder
from rxwizard.errors import ConfigError
from rxwizard.prompts import Message, Prompt, Role
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import (
    as_arguments,
    credentials,
    endpoint_of,
    function_tool,
    under,
    without_none,
)
from rxwizard.providers.shape import as_object, as_text, is_list
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts
from rxwizard.providers.vendors import Vendor

# -- the request -----------------------------------------------------------------------------


def cohere_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: A reasoning effort or a prefill is asked for that this API does not have.
    """
    check_prefill(prompt, settings, vendor)
    body = without_none(
        model=settings.model_name,
        messages=[*_messages(prompt)],
        stream=True,
        temperature=settings.temperature,
        p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop_sequences=list(settings.stop) or None,
        seed=settings.seed,
        thinking=_thinking(settings.reasoning_effort),
        response_format=_response_format(prompt),
        tools=[function_tool(tool) for tool in prompt.tools] or None,
    )
    return WireRequest(
        url=under(endpoint_of(settings, vendor), "/chat"),
        body={**body, **prompt.extra},
        secrets=credentials(settings.api_key, vendor),
    )


def _thinking(effort: str | None) -> dict[str, str] | None:
    if effort is None:
        return None
    if effort != "none":
        message = (
            f"Cohere has no reasoning effort {effort!r}: its models think unless it is 'none'. A "
            "budget goes into extra={'thinking': {'type': 'enabled', 'token_budget': ...}}."
        )
        raise ConfigError(message)
    return {"type": "disabled"}


def _response_format(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.json_schema is not None:
        return {"type": "json_object", "json_schema": dict(prompt.json_schema)}
    return {"type": "json_object"} if prompt.json_mode else None


def _messages(prompt: Prompt) -> Iterator[dict[str, Any]]:
    if prompt.system is not None:
        yield {"role": "system", "content": prompt.system}
    for message in prompt.history:
        yield _message(message)
    content: Any = prompt.text
    if prompt.images:
        content = [{"type": "text", "text": prompt.text}]
        content += [
            {"type": "image_url", "image_url": {"url": image.data_url}} for image in prompt.images
        ]
    yield {"role": "user", "content": content}


def _message(message: Message) -> dict[str, Any]:
    content = message.parts or message.content
    return {
        "role": message.role.value,
        # A message that only calls tools has no content.
        **without_none(
            content=content if content or not message.tool_calls else None,
            tool_calls=list(message.tool_calls) or None,
            tool_call_id=message.tool_call_id if message.role is Role.TOOL else None,
        ),
    }


# -- the answer ------------------------------------------------------------------------------


class CohereReader(Reader):
    """Read the events of one message, by the ``type`` inside their data.

    ``message-end`` is the terminal signal; with the finish reason ``ERROR`` it is an error. What
    the model plans before it calls tools is shown as kind ``other``.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "COMPLETE": FinishReason.STOP,
        "STOP_SEQUENCE": FinishReason.STOP,
        "MAX_TOKENS": FinishReason.LENGTH,
        "TOOL_CALL": FinishReason.TOOL_CALLS,
        # The provider ran out of time, which is no decision of the model.
        "TIMEOUT": FinishReason.ERROR,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._calls = ToolCalls(partial(self._response.arguments_are_whole, 0))
        self._text_block: object = None

    def _plain_text(self, event: Any) -> str | None:
        try:
            content = event["delta"]["message"]["content"]
            text = content["text"]
            if (
                text.__class__ is str
                and text
                and event["type"] == "content-delta"
                and event["index"] == self._text_block
                and len(content) == 1
                and "error" not in event
                and not event.get("logprobs")
            ):
                return text
        except (KeyError, TypeError):
            pass
        return None

    def _error_in(self, event: Mapping[str, Any], name: str) -> object | None:
        delta = as_object(event.get("delta"))
        if event.get("type") == "message-end" and (
            delta.get("finish_reason") == "ERROR" or delta.get("error")
        ):
            return delta if delta.get("error") else {**delta, "message": "no reason was given"}
        return super()._error_in(event, name)

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:
        return iter(()) if data == b"[DONE]" else None

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        delta = as_object(event.get("delta"))
        message = as_object(delta.get("message"))
        match event.get("type"):
            case "content-delta" | "content-start":
                yield from self._content(message["content"], event)
            case "message-start":
                self._identify(event.get("id"), event.get("model"))
            case "tool-call-start" | "tool-call-delta":
                yield from self._tool_call(message["tool_calls"], event)
            case "citation-start":
                found = message["citations"]
                for citation in found if is_list(found) else [found]:
                    yield {"kind": ChunkKind.CITATION, "data": citation, "index": _index(event)}
            case "content-end" | "tool-call-end" | "citation-end":
                pass
            case "message-end":
                self._count(delta.get("usage"))
                self._finish(delta.get("finish_reason"))
                self.done = True
            case _:
                # The tool plan, and what is yet to come
                yield {"kind": ChunkKind.OTHER, "data": event}

    def _content(self, content: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[Draft]:
        index = _index(event)
        drafts: list[Draft] = []
        if thinking := content.get("thinking"):
            drafts.append({"kind": ChunkKind.REASONING, "reasoning": _known(thinking)})
        if text := content.get("text"):
            if event.get("index") != self._text_block:
                self._text_block = event.get("index")
                # The template is of the block before: this text makes one of its own.
                self._template = None
            drafts.append({"text": _known(text)})
        if drafts and event.get("logprobs"):
            drafts[-1]["data"] = {"logprobs": event["logprobs"]}
        if not drafts and not content.keys() & {"text", "thinking"}:
            drafts.append({"kind": ChunkKind.OTHER, "data": event})
        for draft in drafts:
            yield {**draft, "index": index}

    def _tool_call(self, found: Any, event: Mapping[str, Any]) -> Iterator[Draft]:
        for call in found if is_list(found) else [found]:
            function = as_object(call.get("function"))
            delta = self._calls.delta(
                index=event.get("index"),
                call_id=call.get("id"),
                name=function.get("name"),
                arguments=as_arguments(function.get("arguments")),
            )
            if delta.id or delta.name or delta.arguments:
                yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        # The bill leaves out what is free; the tokens are what was read and written.
        tokens = as_object(raw.get("tokens")) or as_object(raw.get("billed_units"))
        return counts(
            raw,
            prompt_tokens=_number(tokens.get("input_tokens")),
            completion_tokens=_number(tokens.get("output_tokens")),
            reasoning_tokens=_number(tokens.get("reasoning_tokens")),
            cached_tokens=_number(raw.get("cached_tokens")),
        )


def _known(text: object) -> str:
    if not as_text(text):
        raise TypeError
    return as_text(text)


def _number(count: object) -> object:
    """Give a whole number that is written as a fraction (``12.0``) as what it is."""
    return int(count) if isinstance(count, float) and count.is_integer() else count


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


COHERE = WireProtocol("cohere", request=cohere_request, decoder=SSEDecoder, reader=CohereReader)
