"""Anthropic's messages: `POST /v1/messages`, named server-sent events, content in blocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

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
    "content_filter": "refusal",
    "pause": "pause_turn",
}
_ERRORS = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low."),
    403: ("permission_error", "Your API key may not use this resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}


class AnthropicEncoder(Encoder):
    """Blocks are opened when content of another kind begins, and closed before the next one."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        self._opened = False
        self._block: str | None = None
        self._index = -1

    def text(self, piece: str) -> list[bytes]:
        """Encode a `text_delta`."""
        start = self._inside("text", {"type": "text", "text": ""})
        return [*start, self._delta({"type": "text_delta", "text": piece})]

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode a `thinking_delta`; the block's signature follows when it closes."""
        start = self._inside("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        return [*start, self._delta({"type": "thinking_delta", "thinking": piece})]

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode a `tool_use` block; its first `input_json_delta` is empty, as recorded."""
        events = [*self._open(), *self._close()]
        identity = step.id or f"toolu_simulated{self.call.number:04}{self._index + 1:02}"
        block: Json = {"type": "tool_use", "id": identity, "name": step.name, "input": {}}
        events += self._inside("tool_use", block)
        for piece in ("", *argument_pieces(step)):
            events.append(self._delta({"type": "input_json_delta", "partial_json": piece}))
        return [*events, *self._close()]

    def keep_alive(self, _text: str, /) -> list[bytes]:
        """Encode a `ping`; it has no room for the text."""
        return [*self._open(), self._event({"type": "ping"})]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode an `error` event; nothing follows it."""
        kind = "api_error" if step.type == "server_error" else step.type
        if step.status in _ERRORS and step.type == "server_error":
            kind = _ERRORS[step.status][0]
        error = {"details": None, "type": kind, "message": step.message}
        return [
            self._event({"type": "error", "error": error, "request_id": _request_id(self.call)})
        ]

    def finish(self, reason: str) -> list[bytes]:
        """Close the block and encode `message_delta` with reason and cumulative usage."""
        stop = {"stop_reason": _FINISH.get(reason, reason), "stop_sequence": None}
        event: dict[str, object] = {"type": "message_delta", "delta": stop}
        if self._reports:
            event["usage"] = self._numbers()
        return [*self._open(), *self._close(), self._event(event)]

    def end(self) -> list[bytes]:
        """Encode `message_stop`."""
        return [self._event({"type": "message_stop"})]

    @property
    def _reports(self) -> bool:
        return self.usage.usage_at != "never"

    def _numbers(self) -> dict[str, object]:
        usage = self.usage
        cached = usage.cached_tokens or 0
        numbers: dict[str, object] = {
            "input_tokens": usage.prompt_tokens - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": usage.completion_tokens,
        }
        if usage.reasoning_tokens is not None:
            numbers["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
        return numbers

    def _open(self) -> list[bytes]:
        if self._opened:
            return []
        self._opened = True
        message: dict[str, object] = {
            "model": self.call.model,
            "id": f"msg_simulated{self.call.number:04}",
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        if self._reports:
            numbers = self._numbers()
            numbers.pop("output_tokens_details", None)
            # The service has always said something already; the true number comes at the end.
            message["usage"] = numbers | {"output_tokens": 1, "service_tier": "standard"}
        return [self._event({"type": "message_start", "message": message})]

    def _inside(self, kind: str, block: Json) -> list[bytes]:
        if self._block == kind:
            return []
        events = [*self._open(), *self._close()]
        self._block = kind
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        ping = [self._event({"type": "ping"})] if self._index == 0 else []
        return [*events, self._event(start), *ping]

    def _close(self) -> list[bytes]:
        if self._block is None:
            return []
        signature = {"type": "signature_delta", "signature": "c2ltdWxhdGVk"}
        events = [self._delta(signature)] if self._block == "thinking" else []
        self._block = None
        return [*events, self._event({"type": "content_block_stop", "index": self._index})]

    def _delta(self, delta: Json) -> bytes:
        return self._event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _event(self, data: Json) -> bytes:
        return f"event: {data['type']}\ndata: {compact(data)}\n\n".encode()


class Anthropic(WireProtocol):
    """The service at api.anthropic.com."""

    name: ClassVar[str] = "anthropic"
    path: ClassVar[str] = "/v1/messages"
    base: ClassVar[str] = ""
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return AnthropicEncoder(call, usage)

    def headers(self, call: Call, /) -> dict[str, str]:
        """Give the request id and the limits; a reset is a time of day (RFC 3339)."""
        reset = datetime.fromtimestamp(call.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {"request-id": _request_id(call)}
        for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
            headers[f"anthropic-ratelimit-{kind}-limit"] = "4000"
            headers[f"anthropic-ratelimit-{kind}-remaining"] = "3999"
            headers[f"anthropic-ratelimit-{kind}-reset"] = reset
        return headers

    def error_body(self, status: int, message: str | None, call: Call, /) -> Json:
        """Give `{"type": "error", "error": {type, message}, "request_id"}`."""
        kind, words = _ERRORS.get(status, _ERRORS[400 if 400 <= status < 500 else 500])
        error = {"type": kind, "message": message or words}
        return {"type": "error", "error": error, "request_id": _request_id(call)}

    def model_not_found(self, call: Call) -> str:
        """Give the service's words, which are the bare name."""
        return f"model: {call.model}"

    def complaint(self, headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for the version header, the required fields, and for a stream."""
        if "anthropic-version" not in headers:
            return "anthropic-version: header is required"
        for key, kind in (("model", str), ("max_tokens", int), ("messages", list)):
            if not isinstance(body.get(key), kind):
                return f"{key}: Field required"
        if body.get("stream") is not True:
            return "stream: the simulator only streams, set it to true"
        return None

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """Give the key of `x-api-key`, else a bearer token."""
        return headers.get("x-api-key") or super().api_key(headers)


def _request_id(call: Call) -> str:
    return f"req_simulated{call.number:04}"
