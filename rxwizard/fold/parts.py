"""What a response is made of while it grows: its choices, and their tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from pydantic_core import from_json

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, ToolCall, ToolCallDelta

Ends = tuple[int, int, FinishReason | None, str | int | float | None]
"""How far a part has grown: its text, its reasoning, and how it ended."""

#: What arguments end in where they may be whole: they are an object, seldom a list.
_WHOLE_ENDS = "}] \t\r\n"


class ChoiceBuilder:
    """What one choice has said so far."""

    def __init__(self) -> None:
        self.text = StringIO()
        self.reasoning = StringIO()
        self.calls: dict[int, ToolCallBuilder] = {}
        self.refused = False
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | int | float | None = None
        self._arguments_size = 0

    @property
    def size(self) -> int:
        """Characters so far."""
        return self.text.tell() + self.reasoning.tell() + self._arguments_size

    def add(self, chunk: StreamChunk) -> None:
        """Take what a chunk brings for this choice."""
        if chunk.text:
            self.text.write(chunk.text)
        if chunk.reasoning:
            self.reasoning.write(chunk.reasoning)
        if chunk.kind is ChunkKind.REFUSAL:
            self.refused = True
        if (delta := chunk.tool_call) is not None:
            call = self.calls.get(delta.index)
            if call is None:
                call = self.calls[delta.index] = ToolCallBuilder()
            call.add(delta)
            # A call costs more than its text; endless empty fragments must not go uncounted.
            self._arguments_size += len(delta.arguments) + 1

    def ends(self) -> Ends:
        """Tell how far it has grown."""
        reasoning = self.reasoning.tell()
        return self.text.tell(), reasoning, self.finish_reason, self.raw_finish_reason

    def marks(self, chunk: StreamChunk) -> list[tuple[object, Ends]]:
        """Tell how far those parts have grown that the last chunk has added to."""
        marks: list[tuple[object, Ends]] = [(self, self.ends())] if chunk.choice else []
        if (delta := chunk.tool_call) is not None and (call := self.calls.get(delta.index)):
            marks.append((call, (call.arguments.tell(), 0, None, None)))
        return marks

    def fields(
        self, ends: Ends | None = None, parts: Mapping[object, Ends] | None = None
    ) -> dict[str, Any]:
        """Give it as it stands now, or as it stood when it ended there."""
        text, reasoning, finish_reason, raw_finish_reason = ends or self.ends()
        calls = [
            call.build(index, None if parts is None else parts[call][0])
            for index, call in sorted(self.calls.items())
            if parts is None or call in parts
        ]
        return {
            "text": self.text.getvalue()[:text],
            "reasoning": self.reasoning.getvalue()[:reasoning],
            "tool_calls": tuple(calls),
            "finish_reason": finish_reason,
            "raw_finish_reason": raw_finish_reason,
        }


class ToolCallBuilder:
    """Assembles the fragments of one tool call, in linear time."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments = StringIO()

    def add(self, delta: ToolCallDelta) -> None:
        """Take the next fragment."""
        self.id = self.id or delta.id
        self.name = self.name or delta.name
        self.arguments.write(delta.arguments)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments so far are complete JSON."""
        # It is asked again and again: most fragments end elsewhere, and reading all of it each time
        # would be quadratic.
        size = self.arguments.tell()
        if not size:
            return False
        self.arguments.seek(size - 1)
        if self.arguments.read(1) not in _WHOLE_ENDS:
            return False
        raw = self.arguments.getvalue()
        return bool(raw.strip()) and parse_arguments(raw)[1]

    def build(self, index: int, end: int | None = None) -> ToolCall:
        """Make the call as it stands now, or as it stood when its arguments ended there."""
        raw = self.arguments.getvalue()[:end]
        arguments, valid = parse_arguments(raw)
        return ToolCall(
            index=index,
            id=self.id,
            name=self.name,
            arguments=arguments,
            arguments_raw=raw,
            valid=valid,
        )


def parse_arguments(raw: str) -> tuple[Any, bool]:
    """Parse a tool call's arguments: ``(value, True)``, or ``(raw, False)`` where not JSON.

    Absent, empty and ``null`` arguments are ``{}``: that is how providers call a tool that takes
    none.
    """
    if not raw.strip():
        return {}, True
    try:
        value = from_json(raw, allow_inf_nan=False)
    except (TypeError, ValueError):  # TypeError: text that no bytes can hold, half a surrogate pair
        return raw, False
    return ({} if value is None else value), True
