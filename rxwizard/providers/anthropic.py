"""Anthropic's Messages API.

Source: https://docs.anthropic.com/en/api/messages-streaming, and recordings. The same events come
from Vertex and from Bedrock in other envelopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage, ToolCallDelta
from rxwizard.decoders import SSEDecoder
from rxwizard.errors import ConfigError, DecodeError
from rxwizard.prompts import Image, Message, Prompt, Role, Tool
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import (
    as_arguments,
    credentials,
    endpoint_of,
    under,
    without_none,
)
from rxwizard.providers.shape import as_object, as_text
from rxwizard.providers.toolcalls import MAX_TOOL_CALLS
from rxwizard.providers.usage import counts
from rxwizard.providers.vendors import Vendor

#: The API demands a limit. All current models allow this much; `max_tokens` sets another.
DEFAULT_MAX_TOKENS = 8192

API_VERSION = "2023-06-01"


# -- the request -----------------------------------------------------------------------------


def messages_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: A seed, JSON without a schema, an effort or a prefill is asked for that this
            API does not have.
    """
    check_prefill(prompt, settings, vendor)
    if settings.seed is not None:
        message = "Anthropic has no seed: leave it out."
        raise ConfigError(message)
    system = [prompt.system] if prompt.system is not None else []
    system += [_system_text(m) for m in prompt.history if m.role is Role.SYSTEM]
    body = without_none(
        model=settings.model_name,
        max_tokens=settings.max_tokens or DEFAULT_MAX_TOKENS,
        system="\n\n".join(system) or None,
        messages=[*_messages(prompt)],
        stream=True,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop_sequences=list(settings.stop) or None,
        output_config=_output_config(prompt, settings) or None,
        tools=[_tool(tool) for tool in prompt.tools] or None,
    )
    return WireRequest(
        # The SDK wants it without the version; many write it all the same.
        url=under(endpoint_of(settings, vendor).removesuffix("/v1"), "/v1/messages"),
        body={**body, **prompt.extra},
        headers={"anthropic-version": API_VERSION},
        secrets=credentials(settings.api_key, vendor),
    )


def _output_config(prompt: Prompt, settings: RequestSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if prompt.json_schema is not None:
        config["format"] = {"type": "json_schema", "schema": dict(prompt.json_schema)}
    elif prompt.json_mode:
        message = "Anthropic has no JSON mode without a schema: give json_schema=."
        raise ConfigError(message)
    effort = settings.reasoning_effort
    if effort in {"none", "minimal"}:
        message = f"Anthropic has no reasoning effort {effort!r}: it begins at 'low'."
        raise ConfigError(message)
    return {**config, **without_none(effort=effort)}


def _system_text(message: Message) -> str:
    if message.parts is None:
        return as_text(message.content)
    return "\n\n".join(as_text(part.get("text")) for part in message.parts)


def _messages(prompt: Prompt) -> Iterator[dict[str, Any]]:
    for message in prompt.history:
        if message.role is not Role.SYSTEM:
            yield _message(message)
    content: list[dict[str, Any]] = [_image(image) for image in prompt.images]
    content.append({"type": "text", "text": prompt.text})
    yield {"role": "user", "content": content if prompt.images else prompt.text}
    # White space at the end of a prefill is an error (status 400).
    if prefill := (prompt.prefill or "").rstrip():
        yield {"role": "assistant", "content": prefill}


def _message(message: Message) -> dict[str, Any]:
    content: Any = message.content if isinstance(message.content, str) else message.parts
    if message.role is Role.TOOL:
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content}
        return {"role": "user", "content": [result]}
    if message.tool_calls:
        said = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
        return {"role": message.role.value, "content": [*said, *message.tool_calls]}
    return {"role": message.role.value, "content": content}


def _image(image: Image) -> dict[str, Any]:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(tool, Tool):
        return tool
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": dict(tool.parameters),
    }


# -- the answer ------------------------------------------------------------------------------


class MessagesReader(Reader):
    """Read the events of one message, by the ``type`` inside their data.

    ``message_stop`` is the terminal signal. Blocks of server-side tools and their results are shown
    as kind ``other``: they are no calls for the reader to answer.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "end_turn": FinishReason.STOP,
        "stop_sequence": FinishReason.STOP,
        "max_tokens": FinishReason.LENGTH,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "tool_use": FinishReason.TOOL_CALLS,
        "pause_turn": FinishReason.PAUSE,
        "refusal": FinishReason.REFUSAL,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._text_block: object = None
        self._calls: dict[object, int] = {}
        self._stop_reason: object = None

    def _plain_text(self, event: Any) -> str | None:
        try:
            delta = event["delta"]
            text = delta["text"]
            if (
                text.__class__ is str
                and text
                and delta["type"] == "text_delta"
                and event["type"] == "content_block_delta"
                and event["index"] == self._text_block
                and len(delta) == 2
                and "error" not in event
            ):
                return text
        except (KeyError, TypeError):
            pass
        return None

    def _error_in(self, event: Mapping[str, Any], name: str) -> object | None:
        return event if event.get("type") == "error" else super()._error_in(event, name)

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:
        # OpenRouter's dialect ends with it, after message_stop
        return iter(()) if data == b"[DONE]" else None

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        match event.get("type"):
            case "content_block_delta":
                yield from self._delta(event["delta"], event)
            case "content_block_start":
                yield from self._block(event["content_block"], event)
            case "content_block_stop":
                pass
            case "message_start":
                message = event["message"]
                self._identify(message.get("id"), message.get("model"))
                self._count(message.get("usage"))
            case "message_delta":
                self._count(event.get("usage"))
                delta = as_object(event.get("delta"))
                self._stop_reason = delta.get("stop_reason") or self._stop_reason
            case "message_stop":
                self._finish(self._stop_reason)
                self.done = True
            case "ping":
                if self._options.heartbeats:
                    yield {"kind": ChunkKind.HEARTBEAT, "data": "ping"}
            case _:
                yield {"kind": ChunkKind.OTHER, "data": event}

    def _block(self, block: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[Draft]:
        index = _index(event)
        match block.get("type"):
            case "text":
                self._text_block = event.get("index")
                # The template is of the block before: the next text makes one of its own.
                self._template = None
                if block.get("text"):
                    yield {"text": block["text"], "index": index}
                for citation in block.get("citations") or ():
                    yield {"kind": ChunkKind.CITATION, "data": citation, "index": index}
            case "thinking":
                if block.get("thinking"):
                    thinking = block["thinking"]
                    yield {"kind": ChunkKind.REASONING, "reasoning": thinking, "index": index}
            case "tool_use":
                if len(self._calls) >= MAX_TOOL_CALLS:
                    message = f"{self._name} sent more than {MAX_TOOL_CALLS:,} tool calls"
                    raise DecodeError(message)
                number = self._calls.setdefault(event.get("index"), len(self._calls))
                arguments = block.get("input")
                delta = ToolCallDelta(
                    index=number,
                    id=block.get("id"),
                    name=block.get("name"),
                    # Empty here, and then sent in pieces; some proxies send all of it at once.
                    arguments=(as_arguments(arguments) or "") if arguments else "",
                )
                yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta, "index": index}
            case _:
                yield {"kind": ChunkKind.OTHER, "data": block, "index": index}

    def _delta(self, delta: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[Draft]:
        index = _index(event)
        match delta.get("type"):
            case "text_delta":
                if delta["text"]:
                    yield {"text": delta["text"], "index": index}
            case "thinking_delta":
                if delta["thinking"]:
                    reasoning = delta["thinking"]
                    yield {"kind": ChunkKind.REASONING, "reasoning": reasoning, "index": index}
            case "input_json_delta" if event.get("index") in self._calls:
                fragment = ToolCallDelta(
                    index=self._calls[event.get("index")], arguments=delta.get("partial_json") or ""
                )
                if fragment.arguments:
                    yield {"kind": ChunkKind.TOOL_CALL, "tool_call": fragment, "index": index}
            case "citations_delta":
                yield {"kind": ChunkKind.CITATION, "data": delta.get("citation"), "index": index}
            case _:
                # Signatures, the input of server-side tools, compaction, and what is yet to come
                yield {"kind": ChunkKind.OTHER, "data": delta, "index": index}

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        fresh = raw.get("input_tokens")
        read, written = raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens")
        # Anthropic counts what was read from and written to the cache apart from the input.
        prompt = fresh
        if isinstance(fresh, int):
            prompt = fresh + sum(part for part in (read, written) if isinstance(part, int))
        details = as_object(raw.get("output_tokens_details"))
        return counts(
            raw,
            prompt_tokens=prompt,
            completion_tokens=raw.get("output_tokens"),
            reasoning_tokens=details.get("thinking_tokens"),
            cached_tokens=read,
            cache_write_tokens=written,
        )


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


MESSAGES = WireProtocol(
    "messages", request=messages_request, decoder=SSEDecoder, reader=MessagesReader
)
