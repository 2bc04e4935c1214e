"""Cohere's chat, version 2: `POST /v2/chat`, named server-sent events, content in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rxwizard.testing.protocols.base import (
    Call,
    Encoder,
    Json,
    WireProtocol,
    argument_pieces,
    arguments_text,
    compact,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

_FINISH = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "COMPLETE",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
}
_ERRORS = {
    400: "invalid request: the request is not valid.",
    401: "invalid api token",
    403: "you do not have access to this resource.",
    404: "not found",
    429: "Please wait and try again later",
    503: "the service is overloaded, please try again later",
}


class CohereEncoder(Encoder):
    """Blocks are opened when content of another kind begins, and closed before the next one."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        self._opened = False
        self._block: str | None = None
        self._index = -1
        self._calls = 0

    def text(self, piece: str) -> list[bytes]:
        """Encode a `content-delta` with text."""
        return self._content("text", piece)

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode a `content-delta` with thinking."""
        return self._content("thinking", piece)

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode `tool-call-start`, its arguments in pieces, `tool-call-end`."""
        index, self._calls = self._calls, self._calls + 1
        name = {"name": step.name, "arguments": "" if step.fragments else arguments_text(step)}
        identity = step.id or f"{step.name}_simulated{self.call.number:04}{index:02}"
        head: Json = {"id": identity, "type": "function", "function": name}
        events = [*self._open(), *self._close(), _event("tool-call-start", index, tool_calls=head)]
        for piece in argument_pieces(step) if step.fragments else ():
            tail = {"function": {"arguments": piece}}
            events.append(_event("tool-call-delta", index, tool_calls=tail))
        return [*events, _event("tool-call-end", index)]

    def keep_alive(self, text: str, /) -> list[bytes]:
        """Encode a comment."""
        return [f": {text}\n\n".encode()]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode a `message-end` whose finish reason is `ERROR`."""
        delta: dict[str, object] = {
            "finish_reason": "ERROR",
            "usage": {},
            "error": step.message,
            "error_type": step.code or step.type,
        }
        if step.status is not None:
            delta["status_code"] = step.status  # the service has no field for it
        return [*self._open(), _framed({"type": "message-end", "delta": delta})]

    def finish(self, reason: str) -> list[bytes]:
        """Close the block and encode `message-end` with reason and usage."""
        delta: dict[str, object] = {"finish_reason": _FINISH.get(reason, reason)}
        if self.usage.usage_at != "never":
            delta["usage"] = _numbers(self.usage)
        last = _framed({"type": "message-end", "delta": delta})
        return [*self._open(), *self._close(), last]

    def end(self) -> list[bytes]:
        """Encode `[DONE]`."""
        return [b"data: [DONE]\n\n"]

    def _content(self, kind: str, piece: str) -> list[bytes]:
        events = self._open()
        if self._block != kind:
            events += self._close()
            self._block = kind
            self._index += 1
            block = {"type": kind, kind: ""}
            events.append(_event("content-start", self._index, content=block))
        return [*events, _event("content-delta", self._index, content={kind: piece})]

    def _open(self) -> list[bytes]:
        if self._opened:
            return []
        self._opened = True
        message: Json = {
            "role": "assistant",
            "content": [],
            "tool_plan": "",
            "tool_calls": [],
            "citations": [],
        }
        identity = f"00000000-0000-4000-8000-{self.call.number:012}"
        return [_framed({"id": identity, "type": "message-start", "delta": {"message": message}})]

    def _close(self) -> list[bytes]:
        if self._block is None:
            return []
        self._block = None
        return [_event("content-end", self._index)]


class Cohere(WireProtocol):
    """The service at api.cohere.com."""

    name: ClassVar[str] = "cohere"
    path: ClassVar[str] = "/v2/chat"
    base: ClassVar[str] = "/v2"
    content_type: ClassVar[str] = "text/event-stream"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return CohereEncoder(call, usage)

    def headers(self, _call: Call, /) -> dict[str, str]:
        """Give what the service sends; it tells neither limits nor an id of the request."""
        return {"x-envoy-upstream-service-time": "5"}

    def error_body(self, status: int, message: str | None, call: Call, /) -> Json:
        """Give `{"id", "message"}`."""
        fallback = _ERRORS[400] if 400 <= status < 500 else "internal server error"
        words = message or _ERRORS.get(status, fallback)
        return {"id": f"00000000-0000-4000-8000-{call.number:012}", "message": words}

    def model_not_found(self, call: Call) -> str:
        """Give the service's words, which say what to do."""
        return (
            f"model '{call.model}' not found, make sure the correct model ID was used and that "
            "you have access to the model."
        )

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for a model, for messages, and for a stream, which is all the simulator has."""
        for key, kind in (("model", str), ("messages", list)):
            if not isinstance(body.get(key), kind):
                return f"invalid request: {key} is required"
        if body.get("stream") is not True:
            return "the simulator only streams: set stream to true"
        return None


def _event(kind: str, index: int, **message: object) -> bytes:
    delta = {"delta": {"message": message}} if message else {}
    return _framed({"type": kind, "index": index, **delta})


def _framed(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {compact(data)}\n\n".encode()


def _numbers(usage: Usage) -> Json:
    tokens: dict[str, object] = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
    }
    billed = dict(tokens)
    if usage.reasoning_tokens is not None:
        tokens["reasoning_tokens"] = usage.reasoning_tokens
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": usage.cached_tokens or 0}
