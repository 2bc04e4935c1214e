"""Bedrock's Converse: `POST /model/{id}/converse-stream`, messages of a binary event stream."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from rxwizard.testing.protocols.base import (
    Call,
    Encoder,
    Json,
    WireProtocol,
    argument_pieces,
    compact,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "guardrail_intervened",
    "refusal": "end_turn",
    "pause": "end_turn",
}
_ERRORS = {
    400: "The request is not valid.",
    401: "Authentication failed: Please make sure your API Key is valid.",
    403: "You don't have access to the model with the specified model ID.",
    404: "The provided model identifier is invalid.",
    429: "Too many requests, please wait before trying again.",
    500: "The system encountered an unexpected error during processing. Try your request again.",
    503: "Bedrock is unable to process your request.",
}
_EXCEPTIONS = {
    400: "validationException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678"


class BedrockEncoder(Encoder):
    """Blocks of text and reasoning have an end and no start; those of tools have both."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        self._opened = False
        self._block: str | None = None
        self._index = -1

    def text(self, piece: str) -> list[bytes]:
        """Encode a delta of `text`."""
        return [*self._inside("text"), self._delta({"text": piece})]

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode a delta of `reasoningContent`; the signature follows when the block closes."""
        start = self._inside("reasoning")
        return [*start, self._delta({"reasoningContent": {"text": piece}})]

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode a block of `toolUse`; its first piece of input is empty, as recorded."""
        events = self._inside("tool")
        identity = step.id or f"tooluse_simulated{self.call.number:04}{self._index:02}"
        start = {"toolUse": {"name": step.name, "toolUseId": identity}}
        events.append(self._event("contentBlockStart", self._of_block({"start": start})))
        pieces = ("", *argument_pieces(step))
        events += [self._delta({"toolUse": {"input": piece}}) for piece in pieces]
        return [*events, *self._close()]

    def keep_alive(self, _text: str, /) -> list[bytes]:
        """Encode nothing: there is no sign of life in this protocol."""
        return []

    def error(self, step: StreamError) -> list[bytes]:
        """Encode an exception; nothing follows it."""
        name = step.code or step.type
        if step.type == "server_error":
            name = step.code or _EXCEPTIONS.get(step.status or 500, "internalServerException")
        kind = {":exception-type": name, ":message-type": "exception"}
        return [_message(kind, {"message": step.message})]

    def finish(self, reason: str) -> list[bytes]:
        """Close the block and encode `messageStop`."""
        stop = self._event("messageStop", {"stopReason": _FINISH.get(reason, reason)})
        return [*self._open(), *self._close(), stop]

    def end(self) -> list[bytes]:
        """Encode `metadata`: usage comes after the finish reason."""
        usage = self.usage
        if usage.usage_at == "never":
            return []
        cached = usage.cached_tokens or 0
        numbers: dict[str, object] = {
            "inputTokens": usage.prompt_tokens - cached,
            "outputTokens": usage.completion_tokens,
            "totalTokens": usage.prompt_tokens + usage.completion_tokens,
            "serverToolUsage": {},
        }
        if usage.cached_tokens is not None:
            numbers |= {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0}
        return [self._event("metadata", {"metrics": {"latencyMs": 1}, "usage": numbers})]

    def _open(self) -> list[bytes]:
        if self._opened:
            return []
        self._opened = True
        return [self._event("messageStart", {"role": "assistant"})]

    def _inside(self, kind: str) -> list[bytes]:
        if self._block == kind:
            return []
        events = [*self._open(), *self._close()]
        self._block = kind
        self._index += 1
        return events

    def _close(self) -> list[bytes]:
        if self._block is None:
            return []
        signature = {"reasoningContent": {"signature": "c2ltdWxhdGVk"}}
        events = [self._delta(signature)] if self._block == "reasoning" else []
        self._block = None
        return [*events, self._event("contentBlockStop", self._of_block({}))]

    def _delta(self, delta: Json) -> bytes:
        return self._event("contentBlockDelta", self._of_block({"delta": delta}))

    def _event(self, kind: str, payload: Json) -> bytes:
        return event_message(kind, payload)

    def _of_block(self, fields: Json) -> Json:
        return {"contentBlockIndex": self._index, **fields}


class Bedrock(WireProtocol):
    """The service at bedrock-runtime.{region}.amazonaws.com."""

    name: ClassVar[str] = "bedrock"
    path: ClassVar[str] = "/converse-stream"
    base: ClassVar[str] = ""
    content_type: ClassVar[str] = "application/vnd.amazon.eventstream"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return BedrockEncoder(call, usage)

    def headers(self, call: Call, /) -> dict[str, str]:
        """Give the request id; the service tells no limits."""
        return {"x-amzn-requestid": f"00000000-0000-4000-8000-{call.number:012}"}

    def error_body(self, status: int, message: str | None, _call: Call, /) -> Json:
        """Give `{"message"}`."""
        return {"message": message or _ERRORS.get(status, _ERRORS[400 if status < 500 else 500])}

    def model_not_found(self, call: Call) -> str:  # noqa: ARG002 - the service leaves the name out
        """Give the service's words."""
        return _ERRORS[404]

    def model_in(self, path: str, /) -> str:
        """Find the model between `/model/` and what is asked of it."""
        return unquote(path.removesuffix(self.path).rpartition("/model/")[2])

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for messages whose content is a list of blocks."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            return "A conversation must start with a user message."
        return None


def event_message(kind: str, payload: Json) -> bytes:
    """Encode an event with padding, as the service adds it to hide the length of a token."""
    padding = _PADDING[: -len(compact(payload)) % len(_PADDING) + 1]
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return _message(headers, {**payload, "p": padding})


def _message(headers: Mapping[str, str], payload: Json) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    data = compact(payload).encode()
    lengths = struct.pack(">II", 16 + len(head) + len(data), len(head))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + data
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: str) -> bytes:
    raw, data = name.encode(), value.encode()
    return struct.pack(f">B{len(raw)}sBH", len(raw), raw, 7, len(data)) + data
