"""Bedrock's Converse: one API for the models of all vendors it hosts.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, the
service's model as botocore has it, and recordings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage, ToolCallDelta
from rxwizard.errors import ConfigError
from rxwizard.prompts import Image, Message, Prompt, Role, Tool
from rxwizard.providers.aws import EnvelopeDecoder, union_data
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import credentials, endpoint_of, without_none
from rxwizard.providers.shape import as_object, is_object
from rxwizard.providers.sigv4 import signer
from rxwizard.providers.usage import counts
from rxwizard.providers.vendors import Vendor

#: The formats Converse takes, by media type.
_IMAGE_FORMATS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}


# -- the request -----------------------------------------------------------------------------


def converse_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: A seed, JSON without a schema, an effort, an image or a prefill is asked for
            that this API does not have; or there is neither a key nor a way to sign.
    """
    check_prefill(prompt, settings, vendor)
    if settings.seed is not None:
        message = "Bedrock's Converse has no seed: leave it out."
        raise ConfigError(message)
    system = [prompt.system] if prompt.system is not None else []
    system += [_text_of(m) for m in prompt.history if m.role is Role.SYSTEM]
    inference = without_none(
        maxTokens=settings.max_tokens,
        temperature=settings.temperature,
        topP=settings.top_p,
        stopSequences=list(settings.stop) or None,
    )
    tools = [_tool(tool) for tool in prompt.tools]
    body = without_none(
        messages=_messages(prompt),
        system=[{"text": text} for text in system] or None,
        inferenceConfig=inference or None,
        toolConfig={"tools": tools} if tools else None,
        outputConfig=_output_config(prompt, settings) or None,
    )
    return WireRequest(
        url=model_url(settings, vendor, "converse-stream"),
        body={**body, **prompt.extra},
        secrets=credentials(settings.api_key, vendor),
        sign=signer(settings, vendor),
    )


def model_url(settings: RequestSettings, vendor: Vendor, action: str) -> str:
    """Give the URL of what is asked of a model; its name may hold colons and slashes."""
    name = quote(settings.model_name, safe="")
    return f"{endpoint_of(settings, vendor)}/model/{name}/{action}"


def _output_config(prompt: Prompt, settings: RequestSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if prompt.json_schema is not None:
        # The schema is text inside the JSON.
        schema = {"name": "answer", "schema": json.dumps(dict(prompt.json_schema))}
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    elif prompt.json_mode:
        message = "Bedrock's Converse has no JSON mode without a schema: give json_schema=."
        raise ConfigError(message)
    effort = settings.reasoning_effort
    if effort in {"none", "minimal"}:
        message = f"Bedrock's Converse has no reasoning effort {effort!r}: it begins at 'low'."
        raise ConfigError(message)
    return {**config, **without_none(effort=effort)}


def _text_of(message: Message) -> str:
    return message.content if isinstance(message.content, str) else ""


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    """Give the conversation; its roles have to alternate, so neighbours of one role are joined."""
    turns = [_turn(message) for message in prompt.history if message.role is not Role.SYSTEM]
    turns.append(("user", [*map(_image, prompt.images), {"text": prompt.text}]))
    # White space at the end of a prefill is an error (status 400).
    if prefill := (prompt.prefill or "").rstrip():
        turns.append(("assistant", [{"text": prefill}]))
    messages: list[dict[str, Any]] = []
    for role, content in turns:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += content
        else:
            messages.append({"role": role, "content": content})
    return messages


def _turn(message: Message) -> tuple[str, list[Mapping[str, Any]]]:
    content = message.parts or []
    if isinstance(message.content, str) and message.content:
        content = [{"text": message.content}]
    if message.role is Role.TOOL:
        return "user", [{"toolResult": {"toolUseId": message.tool_call_id, "content": content}}]
    return message.role.value, [*content, *message.tool_calls]


def _image(image: Image) -> dict[str, Any]:
    if image.url is not None:
        message = "Bedrock's Converse fetches no image by URL: give its bytes."
        raise ConfigError(message)
    if image.media_type not in _IMAGE_FORMATS:
        known = ", ".join(_IMAGE_FORMATS)
        message = f"Bedrock's Converse takes no {image.media_type}: it takes {known}."
        raise ConfigError(message)
    return {"image": {"format": _IMAGE_FORMATS[image.media_type], "source": {"bytes": image.data}}}


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(tool, Tool):
        return tool
    schema = {"json": dict(tool.parameters)}
    spec = without_none(name=tool.name, description=tool.description or None, inputSchema=schema)
    return {"toolSpec": spec}


# -- the answer ------------------------------------------------------------------------------


class ConverseReader(Reader):
    """Read the members of the union that a Converse stream is made of.

    ``messageStop`` is the terminal signal. Usage comes after it, in ``metadata``: when both have
    been seen, or at the end of the body, the answer is over.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "end_turn": FinishReason.STOP,
        "stop_sequence": FinishReason.STOP,
        "max_tokens": FinishReason.LENGTH,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "tool_use": FinishReason.TOOL_CALLS,
        "guardrail_intervened": FinishReason.CONTENT_FILTER,
        "content_filtered": FinishReason.CONTENT_FILTER,
        "malformed_model_output": FinishReason.ERROR,
        "malformed_tool_use": FinishReason.ERROR,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._text_block: object = None
        self._calls: dict[object, int] = {}
        self._saw_metadata = False

    def _plain_text(self, event: Any) -> str | None:
        try:
            block = event["contentBlockDelta"]
            delta = block["delta"]
            text = delta["text"]
            if (
                text.__class__ is str
                and text
                and len(delta) == 1
                and len(event) == 1
                and block["contentBlockIndex"] == self._text_block
            ):
                return text
        except (KeyError, TypeError):
            pass
        return None

    def _error_in(self, event: Mapping[str, Any], name: str) -> object | None:
        # A body that is no stream says {"message": "..."}, or spells it with a capital.
        if isinstance(event.get("message") or event.get("Message"), str):
            return event
        return super()._error_in(event, name)

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        known = False
        for name, value in event.items():
            match name:
                case "contentBlockDelta":
                    yield from self._delta(value["delta"], value)
                case "contentBlockStart":
                    yield from self._start(value["start"], value)
                case "contentBlockStop" | "messageStart":
                    pass
                case "messageStop":
                    self._finish(value.get("stopReason"))
                case "metadata":
                    self._saw_metadata = True
                    self._count(value.get("usage"))
                case _:
                    continue
            known = True
        if not known:
            yield {"kind": ChunkKind.OTHER, "data": event}
        self.done = self._finished and self._saw_metadata

    def _start(self, start: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Draft]:
        index = _index(block)
        tool = start.get("toolUse")
        # The calls that the service answers itself are of a type of their own.
        if not is_object(tool) or tool.get("type") not in (None, "tool_use"):
            yield {"kind": ChunkKind.OTHER, "data": start, "index": index}
            return
        number = self._calls.setdefault(block.get("contentBlockIndex"), len(self._calls))
        delta = ToolCallDelta(index=number, id=tool.get("toolUseId"), name=tool.get("name"))
        yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta, "index": index}

    def _delta(self, delta: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Draft]:
        index, number = _index(block), self._calls.get(block.get("contentBlockIndex"))
        match delta:
            case {"text": str(text)}:
                self._text_block = block.get("contentBlockIndex")
                if text:
                    yield {"text": text, "index": index}
            case {"reasoningContent": {"text": str(reasoning)}}:
                if reasoning:
                    yield {"kind": ChunkKind.REASONING, "reasoning": reasoning, "index": index}
            case {"toolUse": {"input": str(piece)}} if number is not None:
                if piece:
                    fragment = ToolCallDelta(index=number, arguments=piece)
                    yield {"kind": ChunkKind.TOOL_CALL, "tool_call": fragment, "index": index}
            case {"citation": citation}:
                yield {"kind": ChunkKind.CITATION, "data": citation, "index": index}
            case _:
                # Signatures, what is encrypted, the results of server-side tools, images
                yield {"kind": ChunkKind.OTHER, "data": delta, "index": index}

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        prompt, completion = raw.get("inputTokens"), raw.get("outputTokens")
        total = raw.get("totalTokens")
        read = raw.get("cacheReadInputTokens", raw.get("cacheReadInputTokenCount"))
        written = raw.get("cacheWriteInputTokens", raw.get("cacheWriteInputTokenCount"))
        # What was read from and written to the cache is counted apart from the input, says the
        # documentation; where the total says that it is in there already, the total is right.
        if isinstance(prompt, int) and isinstance(completion, int) and total != prompt + completion:
            prompt += sum(part for part in (read, written) if isinstance(part, int))
        return counts(
            raw,
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            cached_tokens=read,
            cache_write_tokens=written,
        )


def _index(block: Mapping[str, Any]) -> int:
    index = as_object(block).get("contentBlockIndex")
    return index if isinstance(index, int) else 0


CONVERSE = WireProtocol(
    "converse",
    request=converse_request,
    decoder=partial(EnvelopeDecoder, union_data),
    reader=ConverseReader,
)
