"""Google's Gemini: `POST .../models/M:streamGenerateContent`, server-sent events with CRLF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import unquote

from rxwizard.testing.protocols.base import (
    Call,
    Encoder,
    Json,
    WireProtocol,
    compact,
    mappings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

_FINISH = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "STOP",
    "pause": "STOP",
}
_ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 1s."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}
_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
_SIGNATURE = "c2ltdWxhdGVk"


class GeminiEncoder(Encoder):
    """Each event is a whole response that holds what is new, and the usage so far."""

    def text(self, piece: str) -> list[bytes]:
        """Encode a part with text."""
        return [self._event([{"text": piece}])]

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode a part that says it is a thought."""
        return [self._event([{"text": piece, "thought": True}])]

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode the whole call in one part, its arguments as an object; an id only if it has one.

        Arguments that are no JSON are sent as they are, which is not what the service would do.
        """
        known = {"id": step.id} if step.id else {}
        call = {**known, "name": step.name, "args": _arguments(step)}
        return [self._event([{"functionCall": call, "thoughtSignature": _SIGNATURE}])]

    def keep_alive(self, text: str, /) -> list[bytes]:
        """Encode a comment."""
        return [f": {text}\r\n\r\n".encode()]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode a bare JSON document over several lines, which is no event."""
        overloaded = step.type == "overloaded_error"
        status = step.status or (503 if overloaded else 500)
        return [self._outside(_error(status, step.message))]

    def finish(self, reason: str) -> list[bytes]:
        """Encode an event with an empty text, the finish reason and the last usage."""
        return [self._event([{"text": ""}], finish_reason=_FINISH.get(reason, reason))]

    def end(self) -> list[bytes]:
        """Encode nothing: the body just ends."""
        return []

    def _event(self, parts: list[Json], finish_reason: str | None = None) -> bytes:
        candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}}
        if finish_reason is not None:
            candidate["finishReason"] = finish_reason
        event: dict[str, object] = {"candidates": [{**candidate, "index": 0}]}
        if self.usage.usage_at != "never":
            event["usageMetadata"] = self._numbers()
        event["modelVersion"] = self.call.model
        event["responseId"] = f"simulated{self.call.number:04}"
        return self._framed(event)

    def _framed(self, event: Json) -> bytes:
        return f"data: {compact(event)}\r\n\r\n".encode()

    def _outside(self, document: Json) -> bytes:
        return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode()

    def _numbers(self) -> Json:
        usage = self.usage
        thought = usage.reasoning_tokens or 0
        numbers = {
            "promptTokenCount": usage.prompt_tokens,
            # The service counts thoughts apart from the answer.
            "candidatesTokenCount": usage.completion_tokens - thought,
            "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
        }
        if usage.cached_tokens is not None:
            numbers["cachedContentTokenCount"] = usage.cached_tokens
        if thought:
            numbers["thoughtsTokenCount"] = thought
        return numbers


class GeminiArrayEncoder(GeminiEncoder):
    """The same events as the elements of one JSON array, delivered piece by piece."""

    _opening = "["

    def keep_alive(self, _text: str, /) -> list[bytes]:
        """Encode white space between two elements."""
        return [b"\n"]

    def end(self) -> list[bytes]:
        """Close the array."""
        return [b"\n]"]

    def _framed(self, event: Json) -> bytes:
        opening, self._opening = self._opening, ",\r\n"
        return f"{opening}{compact(event)}\n".encode()

    def _outside(self, document: Json) -> bytes:
        return self._framed(document)


class Gemini(WireProtocol):
    """The service at generativelanguage.googleapis.com; Vertex AI has it under other paths."""

    name: ClassVar[str] = "gemini"
    path: ClassVar[str] = ":streamGenerateContent"
    base: ClassVar[str] = "/v1beta"
    content_type: ClassVar[str] = "text/event-stream"

    def model_in(self, path: str, /) -> str:
        """Find the model between the last slash and what is asked of it."""
        return unquote(path.removesuffix(self.path).rpartition("/")[2])

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return GeminiEncoder(call, usage)

    def headers(self, _call: Call, /) -> dict[str, str]:
        """Give no limits and no request id: the service tells neither."""
        return {"server": "scaffolding on HTTPServer2"}

    def error_body(self, status: int, message: str | None, _call: Call, /) -> Json:
        """Give `{"error": {code, message, status}}`; with 429, `details` say how long to wait."""
        return _error(status, message)

    def model_not_found(self, call: Call) -> str:
        """Give the service's words."""
        return (
            f"models/{call.model} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ModelService.ListModels to see the list of available models."
        )

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for contents."""
        if mappings(body, "contents"):
            return None
        return "* GenerateContentRequest.contents: contents is not specified"

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """Give the key of `x-goog-api-key`, else a bearer token, as Vertex has it."""
        return headers.get("x-goog-api-key") or super().api_key(headers)


class GeminiArray(Gemini):
    """The service's reply where nobody asks for events (``alt=sse``): one JSON array."""

    name: ClassVar[str] = "gemini-jsonarray"
    content_type: ClassVar[str] = "application/json"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return GeminiArrayEncoder(call, usage)


def _error(status: int, message: str | None) -> Json:
    name, words = _ERRORS.get(status, _ERRORS[400 if 400 <= status < 500 else 500])
    error: dict[str, object] = {"code": status, "message": message or words, "status": name}
    if status == 429:
        error["details"] = [_RETRY]
    return {"error": error}


def _arguments(step: ToolCall) -> object:
    if not isinstance(step.arguments, str):
        return dict(step.arguments)
    try:
        return cast("object", json.loads(step.arguments or "{}"))
    except ValueError:
        return step.arguments
