"""OpenAI's chat completions: `POST /v1/chat/completions`, server-sent events, `[DONE]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rxwizard.testing.protocols.base import (
    Call,
    Encoder,
    Json,
    WireProtocol,
    argument_pieces,
    arguments_text,
    as_object,
    compact,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

_FINISH = {"refusal": "stop", "pause": "stop"}
_ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not allowed here."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 1s."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
    529: ("overloaded_error", "overloaded", "The engine is currently overloaded."),
}
_SERVER_ERROR = ("server_error", None, "The server had an error while processing your request.")


class OpenAIEncoder(Encoder):
    """Chunks of one choice; the role comes in a chunk of its own before the first content."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        asked = as_object(call.body.get("stream_options"))
        self._usage_at = (usage.usage_at if usage else None) or (
            "after_finish" if asked.get("include_usage") is True else "never"
        )
        self._obfuscates = asked.get("include_obfuscation") is not False
        self._opened = False
        self._calls = 0

    def text(self, piece: str) -> list[bytes]:
        """Encode `delta.content`."""
        return self._delta({"content": piece})

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode `delta.reasoning_content`, the dialect most compatible vendors speak."""
        return self._delta({"reasoning_content": piece})

    def refusal(self, piece: str) -> list[bytes]:
        """Encode `delta.refusal`."""
        return self._delta({"refusal": piece})

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode id and name with empty arguments, then the arguments in pieces."""
        index, self._calls = self._calls, self._calls + 1
        name = {"name": step.name, "arguments": "" if step.fragments else arguments_text(step)}
        identity = step.id or f"call_simulated{self.call.number:04}{index:02}"
        head = {"index": index, "id": identity, "type": "function", "function": name}
        events = self._delta({"tool_calls": [head]})
        for piece in argument_pieces(step) if step.fragments else ():
            tail = {"index": index, "function": {"arguments": piece}}
            events += self._delta({"tool_calls": [tail]})
        return events

    def keep_alive(self, text: str, /) -> list[bytes]:
        """Encode a comment."""
        return [f": {text}\n\n".encode()]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode an object with `error`, no `[DONE]` after it."""
        error: dict[str, object] = {
            "message": step.message,
            "type": step.type,
            "param": None,
            "code": step.code,
        }
        if step.status is not None:
            error["status_code"] = step.status  # as Groq writes it; OpenAI has no field for it
        return [_event({"error": error})]

    def finish(self, reason: str) -> list[bytes]:
        """Encode a chunk with an empty delta and the finish reason."""
        before = [self._counts()] if self._usage_at == "before_finish" else []
        choice = self._choice({}, finish_reason=_FINISH.get(reason, reason))
        report = self._usage_at == "with_finish"
        return [*self._open(), *before, self._chunk([choice], report=report)]

    def end(self) -> list[bytes]:
        """Encode the usage if it is due here, in a chunk without choices, and `[DONE]`."""
        after = [self._counts()] if self._usage_at == "after_finish" else []
        return [*after, b"data: [DONE]\n\n"]

    def _open(self) -> list[bytes]:
        if self._opened:
            return []
        self._opened = True
        role = {"role": "assistant", "content": "", "refusal": None}
        return [self._chunk([self._choice(role)])]

    def _delta(self, delta: Json) -> list[bytes]:
        return [*self._open(), self._chunk([self._choice(delta)])]

    def _choice(self, delta: Json, finish_reason: str | None = None) -> Json:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}

    def _counts(self) -> bytes:
        return self._chunk([], report=True)

    def _chunk(self, choices: list[Json], *, report: bool = False) -> bytes:
        chunk: dict[str, object] = {
            "id": f"chatcmpl-simulated{self.call.number:04}",
            "object": "chat.completion.chunk",
            "created": int(self.call.created),
            "model": self.call.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
            "choices": choices,
        }
        # Without include_usage the key is absent, with it every other chunk says null.
        if self._usage_at != "never":
            reports = report or self._usage_at == "every_chunk"
            chunk["usage"] = _numbers(self.usage) if reports else None
        if self._obfuscates:
            # Padding, as the service adds it to hide the length of a token.
            chunk["obfuscation"] = "x" * (-len(compact(choices)) % 16 + 1)
        return _event(chunk)


class OpenAI(WireProtocol):
    """The service at api.openai.com."""

    name: ClassVar[str] = "openai"
    path: ClassVar[str] = "/chat/completions"
    base: ClassVar[str] = "/v1"
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return OpenAIEncoder(call, usage)

    def headers(self, call: Call, /) -> dict[str, str]:
        """Give the request id and the limits; a reset is a duration such as `6ms`."""
        return {
            "x-request-id": f"req_simulated{call.number:04}",
            "openai-processing-ms": "1",
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-tokens": "199990",
            "x-ratelimit-reset-tokens": "3ms",
        }

    def error_body(self, status: int, message: str | None, _call: Call, /) -> Json:
        """Give `{"error": {message, type, param, code}}`."""
        fallback = _ERRORS[400] if 400 <= status < 500 else _SERVER_ERROR
        kind, code, words = _ERRORS.get(status, fallback)
        param = "model" if status == 404 else None
        return {"error": {"message": message or words, "type": kind, "param": param, "code": code}}

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for a model, for messages, and for a stream, which is all the simulator has."""
        for key, kind in (("model", str), ("messages", list)):
            if not isinstance(body.get(key), kind):
                return f"you must provide a {key} parameter"
        if body.get("stream") is not True:
            return "the simulator only streams: set stream to true"
        return None


def _event(value: object) -> bytes:
    return f"data: {compact(value)}\n\n".encode()


def _numbers(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens or 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
