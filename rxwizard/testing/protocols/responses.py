"""OpenAI's responses: `POST /v1/responses`, named server-sent events, items with a place each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rxwizard.testing.protocols.base import (
    Call,
    Encoder,
    Json,
    argument_pieces,
    arguments_text,
    as_object,
    compact,
)
from rxwizard.testing.protocols.openai import OpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, ToolCall, Usage

#: What ends an answer early, and what the service calls it.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_COMPLETED = {"stop", "tool_calls", "refusal", "pause"}


class ResponsesEncoder(Encoder):
    """Items are opened when content of another kind begins, and closed before the next one."""

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        super().__init__(call, usage)
        self._number = 0
        self._output: list[Json] = []
        self._item: _Item | None = None
        asked = as_object(call.body.get("stream_options"))
        self._obfuscates = asked.get("include_obfuscation") is not False

    def text(self, piece: str) -> list[bytes]:
        """Encode a `response.output_text.delta`."""
        return [*self._inside(_Text), self._delta(piece, logprobs=[])]

    def reasoning(self, piece: str) -> list[bytes]:
        """Encode a `response.reasoning_summary_text.delta`."""
        return [*self._inside(_Reasoning), self._delta(piece)]

    def refusal(self, piece: str) -> list[bytes]:
        """Encode a `response.refusal.delta`."""
        return [*self._inside(_Refusal), self._delta(piece)]

    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode a `function_call` item, without deltas where it is to come whole."""
        events = [*self._open(), *self._close()]
        place, text = len(self._output), arguments_text(step)
        head: Json = {
            "id": self._id("fc", place),
            "type": "function_call",
            "call_id": step.id or self._id("call", place),
            "name": step.name,
        }
        begun = {**head, "status": "in_progress", "arguments": ""}
        events.append(self._event("response.output_item.added", output_index=place, item=begun))
        where: Json = {"item_id": head["id"], "output_index": place}
        kind = "response.function_call_arguments"
        events.extend(
            self._event(f"{kind}.delta", **where, delta=piece, **self._padding(piece))
            for piece in (argument_pieces(step) if step.fragments else ())
        )
        events.append(self._event(f"{kind}.done", **where, arguments=text))
        done = {**head, "status": "completed", "arguments": text}
        self._output.append(done)
        return [*events, self._event("response.output_item.done", output_index=place, item=done)]

    def keep_alive(self, text: str, /) -> list[bytes]:
        """Encode a comment, as xAI and OpenRouter send it."""
        return [f": {text}\n\n".encode()]

    def error(self, step: StreamError) -> list[bytes]:
        """Encode an `error` event, and `response.failed` after it."""
        facts: dict[str, object] = {
            "type": step.type,
            "code": step.code or step.type,
            "message": step.message,
            "param": None,
        }
        if step.status is not None:
            facts["status_code"] = step.status  # the service has no field for it
        failed = {"code": facts["code"], "message": step.message}
        response = self._response("failed", error=failed)
        return [
            self._event("error", error=facts),
            self._event("response.failed", response=response),
        ]

    def finish(self, reason: str) -> list[bytes]:
        """Close the item and encode the terminal event: the whole response, with usage."""
        cause = _INCOMPLETE.get(reason)
        status = "incomplete" if cause else "completed" if reason in _COMPLETED else reason
        kind = "response.incomplete" if cause else "response.completed"
        events = [*self._open(), *self._close()]
        response = self._response(
            status,
            incomplete_details={"reason": cause} if cause else None,
            usage=None if self.usage.usage_at == "never" else _numbers(self.usage),
        )
        return [*events, self._event(kind, response=response)]

    def end(self) -> list[bytes]:
        """Encode nothing: the terminal event is the last."""
        return []

    def _open(self) -> list[bytes]:
        if self._number:
            return []
        response = self._response("in_progress")
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def _inside(self, kind: type[_Item]) -> list[bytes]:
        if type(self._item) is kind:
            return []
        events = [*self._open(), *self._close()]
        place = len(self._output)
        item = self._item = kind(self._id(kind.prefix, place), place)
        added = self._event("response.output_item.added", output_index=place, item=item.whole())
        part = self._event(f"{kind.part_event}.added", **item.where, part=item.part())
        return [*events, added, part]

    def _close(self) -> list[bytes]:
        item, self._item = self._item, None
        if item is None:
            return []
        done = item.whole(done=True)
        self._output.append(done)
        return [
            self._event(f"{item.event}.done", **item.where, **{item.field: item.said}),
            self._event(f"{item.part_event}.done", **item.where, part=item.part()),
            self._event("response.output_item.done", output_index=item.place, item=done),
        ]

    def _delta(self, piece: str, **more: object) -> bytes:
        item = self._item
        if item is None:
            raise RuntimeError("no item is open")
        item.said += piece
        padding = self._padding(piece)
        return self._event(f"{item.event}.delta", **item.where, delta=piece, **more, **padding)

    def _padding(self, piece: str) -> Json:
        """Pad a delta, as the service does to hide the length of a token."""
        return {"obfuscation": "x" * (-len(piece) % 16 + 1)} if self._obfuscates else {}

    def _id(self, prefix: str, place: int) -> str:
        return f"{prefix}_simulated{self.call.number:04}{place:02}"

    def _response(self, status: str, **more: object) -> Json:
        return {
            "id": f"resp_simulated{self.call.number:04}",
            "object": "response",
            "created_at": int(self.call.created),
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.call.model,
            "output": list(self._output),
            "tools": self.call.body.get("tools") or [],
            "usage": None,
            **more,
        }

    def _event(self, kind: str, **fields: object) -> bytes:
        data = {"type": kind, **fields, "sequence_number": self._number}
        self._number += 1
        return f"event: {kind}\ndata: {compact(data)}\n\n".encode()


class _Item:
    """One item of the output while it is written, and how its content is called."""

    prefix: ClassVar[str] = "msg"
    event: ClassVar[str]
    part_event: ClassVar[str] = "response.content_part"
    part_type: ClassVar[str]
    field: ClassVar[str] = "text"
    extras: ClassVar[Json] = {}

    def __init__(self, identity: str, place: int) -> None:
        self.identity = identity
        self.place = place
        self.said = ""

    @property
    def where(self) -> Json:
        return {"item_id": self.identity, "output_index": self.place, "content_index": 0}

    def part(self) -> Json:
        return {"type": self.part_type, **self.extras, self.field: self.said}

    def whole(self, *, done: bool = False) -> Json:
        status = "completed" if done else "in_progress"
        content = [self.part()] if done else []
        head = {"id": self.identity, "type": "message", "status": status}
        return {**head, "content": content, "role": "assistant"}


class _Text(_Item):
    event = "response.output_text"
    part_type = "output_text"
    extras: ClassVar[Json] = {"annotations": [], "logprobs": []}


class _Refusal(_Item):
    event = "response.refusal"
    part_type = "refusal"
    field = "refusal"


class _Reasoning(_Item):
    prefix = "rs"
    event = "response.reasoning_summary_text"
    part_event = "response.reasoning_summary_part"
    part_type = "summary_text"

    @property
    def where(self) -> Json:
        return {"item_id": self.identity, "output_index": self.place, "summary_index": 0}

    def whole(self, *, done: bool = False) -> Json:
        summary = [self.part()] if done else []
        return {"id": self.identity, "type": "reasoning", "summary": summary}


class Responses(OpenAI):
    """The service at api.openai.com, whose headers and errors are those of chat completions."""

    name: ClassVar[str] = "responses"
    path: ClassVar[str] = "/responses"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return ResponsesEncoder(call, usage)

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for a model, for input, and for a stream, which is all the simulator has."""
        if not isinstance(body.get("model"), str):
            return "Missing required parameter: 'model'."
        if not isinstance(body.get("input"), str | list):
            return "Missing required parameter: 'input'."
        if body.get("stream") is not True:
            return "the simulator only streams: set stream to true"
        return None


def _numbers(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
