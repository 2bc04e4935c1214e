"""Ollama's own chat: `POST /api/chat`, one JSON object a line, `done` in the last one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, cast

from rxwizard.testing.protocols.base import Call, Encoder, Json, WireProtocol, compact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

_FINISH = {
    "tool_calls": "stop",
    "content_filter": "stop",
    "refusal": "stop",
    "pause": "stop",
}
_ERRORS = {
    400: "invalid request",
    401: "unauthorized",
    404: "model not found",
    429: "you have reached your usage limit, please try again later",
    503: "server busy, please try again.  maximum pending requests exceeded",
    529: "server busy, please try again.  maximum pending requests exceeded",
}
# The server is written in Go, whose JSON escapes these; outside of strings none of them occurs.
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_TOKEN_SECONDS = 0.013  # what the recordings show on a laptop, and what the durations are made of


class OllamaEncoder(Encoder):
    """Lines; there is no opening and nothing after the last line."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        self._lines = 0
        self._calls = 0

    def text(self, piece: str) -> list[bytes]:
        """Encode `message.content`."""
        return [self._line({"content": piece})]

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode `message.thinking` beside an empty content."""
        return [self._line({"content": "", "thinking": piece})]

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode the whole call in one line, its arguments as an object."""
        index, self._calls = self._calls, self._calls + 1
        function = {"index": index, "name": step.name, "arguments": _arguments(step)}
        identity = step.id or f"call_simulated{self.call.number:04}{index:02}"
        call = {"id": identity, "function": function}
        return [self._line({"content": "", "tool_calls": [call]})]

    def keep_alive(self, _text: str, /) -> list[bytes]:
        """Encode a blank line; it has no room for the text."""
        return [b"\n"]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode a line whose `error` is a string."""
        return [_line({"error": step.message})]

    def finish(self, reason: str) -> list[bytes]:
        """Encode the last line, with counts and durations in nanoseconds."""
        last: dict[str, object] = {"done_reason": _FINISH.get(reason, reason)}
        usage = self.usage
        if usage.usage_at != "never":
            prompted = _nanoseconds(usage.prompt_tokens / 10)
            said = _nanoseconds(usage.completion_tokens)
            last |= {
                "total_duration": prompted + said,
                "load_duration": 0,
                "prompt_eval_count": usage.prompt_tokens,
                "prompt_eval_duration": prompted,
                "eval_count": usage.completion_tokens,
                "eval_duration": said,
            }
        return [self._line({"content": ""}, last)]

    def end(self) -> list[bytes]:
        """Encode nothing: the last line has said it all."""
        return []

    def _line(self, message: Json, last: Json | None = None) -> bytes:
        at = datetime.fromtimestamp(self.call.created + self._lines * _TOKEN_SECONDS, UTC)
        self._lines += 1
        line = {
            "model": self.call.model,
            "created_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "message": {"role": "assistant", **message},
            "done": last is not None,
            **(last or {}),
        }
        return _line(line)


class Ollama(WireProtocol):
    """The service at localhost:11434."""

    name: ClassVar[str] = "ollama"
    path: ClassVar[str] = "/api/chat"
    base: ClassVar[str] = ""
    content_type: ClassVar[str] = "application/x-ndjson"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return OllamaEncoder(call, usage)

    def headers(self, _call: Call, /) -> dict[str, str]:
        """Give no headers: the service has none of its own."""
        return {}

    def error_body(self, status: int, message: str | None, _call: Call, /) -> Json:
        """Give `{"error": "a string"}`."""
        return {"error": message or _ERRORS.get(status, "internal server error")}

    def model_not_found(self, call: Call) -> str:
        """Give the service's words."""
        return f"model '{call.model}' not found"

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for a model and for a stream, which is the default here."""
        if not isinstance(body.get("model"), str):
            return "model is required"
        return "the simulator only streams" if body.get("stream") is False else None


def _line(value: Json) -> bytes:
    return f"{compact(value).translate(_ESCAPED)}\n".encode()


def _arguments(step: ToolCall) -> object:
    if not isinstance(step.arguments, str):
        return dict(step.arguments)
    try:
        return cast("object", json.loads(step.arguments or "{}"))
    except ValueError:
        return step.arguments  # not what the service would send, but what the script asks for


def _nanoseconds(tokens: float) -> int:
    return int(tokens * _TOKEN_SECONDS * 1e9)
