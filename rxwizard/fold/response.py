"""Chunks in, one response out: what `generate_complete` gives and what an error carries."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from pydantic_core import from_json

from rxwizard.chunks import (
    Choice,
    ChunkKind,
    ChunkSource,
    FinishReason,
    ResponseMetadata,
    StreamChunk,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    WizardResponse,
)

#: Characters of one answer that are kept for the response and for the partial of an error. The
#: longest answers of today's models are about 1 MB; beyond this bound the stream goes on and the
#: response says `truncated`.
MAX_RESPONSE_CHARACTERS = 64 * 1024 * 1024


class ResponseBuilder:
    """Fold the chunks of one stream into a `WizardResponse`, at any point of it.

    Linear in the length of the answer. A chunk of a newer epoch starts the answer anew, and so does
    a second start: what a retry had brought before is no part of it.

    Args:
        limit: Characters kept, of text, reasoning and arguments together.
    """

    def __init__(self, limit: int = MAX_RESPONSE_CHARACTERS) -> None:
        self._limit = limit
        self._start_anew(0)
        self._has_begun = False
        self._source = ChunkSource()
        self._first_at: float | None = None
        self._last_at: float | None = None

    def _start_anew(self, epoch: int) -> None:
        self._epoch = epoch
        self._choices: dict[int, _ChoiceBuilder] = {0: _ChoiceBuilder()}
        #: Adds visible text to choice 0; the reader's fast path calls it for each chunk.
        self.write_text = self._choices[0].text.write
        self._usage: TokenUsage | None = None
        self._citations: list[Any] = []
        self._citations_size = 0
        self._complete = False
        self._truncated = False

    def add(self, chunk: StreamChunk) -> None:
        """Take the next chunk of the stream."""
        # A second start is another request for the same answer: RxPY's `retry` knows no epochs.
        began_again = chunk.kind is ChunkKind.START and self._has_begun
        if chunk.epoch > self._epoch or chunk.kind is ChunkKind.RETRACT or began_again:
            self._start_anew(chunk.epoch)
        self._has_begun = self._has_begun or chunk.kind is ChunkKind.START
        choice = self._choices.get(chunk.choice)
        if choice is None:
            choice = self._choices[chunk.choice] = _ChoiceBuilder()
        if not self._truncated:
            choice.add(chunk)
            if chunk.kind is ChunkKind.CITATION:
                self._citations.append(chunk.data)
                self._citations_size += len(repr(chunk.data))
            if self.size > self._limit:
                self._truncated = True
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.finish_reason is not None:
            choice.finish_reason = chunk.finish_reason
            choice.raw_finish_reason = chunk.raw_finish_reason
        if chunk.is_final:
            self._complete = chunk.complete is True
        self.seen(chunk.source, chunk.at)
        if self._first_at is None and chunk.kind in _ANSWERING:
            self._first_at = chunk.at

    def add_all(self, chunks: Iterable[StreamChunk]) -> ResponseBuilder:
        """Take several chunks, in their order."""
        for chunk in chunks:
            self.add(chunk)
        return self

    def seen(self, source: ChunkSource, at: float) -> None:
        """Note who answers and when, for text that was given to `write_text`."""
        self._source = source
        self._last_at = at

    def is_full(self, at_most: int) -> bool:
        """Tell whether `write_text` must not be called any more.

        Args:
            at_most: What there can be at the very most: the bytes of the body. Counting is left
                for bodies beyond the limit.
        """
        if at_most > self._limit and not self._truncated:
            self._truncated = self.size > self._limit
        return self._truncated

    @property
    def size(self) -> int:
        """Characters kept so far."""
        return sum(choice.size for choice in self._choices.values()) + self._citations_size

    @property
    def has_tool_calls(self) -> bool:
        """Whether choice 0 has called a tool."""
        return bool(self._choices[0].calls)

    @property
    def refused(self) -> bool:
        """Whether choice 0 has brought words of refusal."""
        return self._choices[0].refused

    def arguments_are_whole(self, choice: int, index: int) -> bool:
        """Tell whether a call's arguments so far are complete JSON."""
        builder = self._choices.get(choice)
        call = builder.calls.get(index) if builder else None
        # It is asked for each fragment that repeats the name: most of them end elsewhere, and
        # reading all of it each time would be quadratic.
        if call is None or not call.ends_in(_WHOLE_ENDS):
            return False
        raw = call.arguments.getvalue()
        return bool(raw.strip()) and parse_arguments(raw)[1]

    def build(self) -> WizardResponse:
        """Make the response as it stands now."""
        first = self._choices[0]
        source = self._source
        return WizardResponse(
            **first.fields(),
            usage=self._usage,
            model=source.model,
            complete=self._complete,
            choices=tuple(
                Choice(index=index, **choice.fields())
                for index, choice in sorted(self._choices.items())
                if index != 0
            ),
            citations=tuple(self._citations),
            truncated=self._truncated,
            metadata=ResponseMetadata(
                provider=source.provider,
                response_id=source.response_id,
                request_id=source.request_id,
                attempt=source.attempt,
                rate_limit=source.rate_limit,
                time_to_first_token=_span(source.requested_at, self._first_at),
                duration=_span(source.requested_at, self._last_at),
            ),
        )


_ANSWERING = {ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.TOOL_CALL, ChunkKind.REFUSAL}

#: What arguments end in where they may be whole: they are an object, seldom a list.
_WHOLE_ENDS = "}] \t\r\n"


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


class _ChoiceBuilder:
    """What one choice has said so far."""

    def __init__(self) -> None:
        self.text = StringIO()
        self.reasoning = StringIO()
        self.calls: dict[int, _CallBuilder] = {}
        self.refused = False
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | int | float | None = None
        self._arguments_size = 0

    @property
    def size(self) -> int:
        return self.text.tell() + self.reasoning.tell() + self._arguments_size

    def add(self, chunk: StreamChunk) -> None:
        if chunk.text:
            self.text.write(chunk.text)
        if chunk.reasoning:
            self.reasoning.write(chunk.reasoning)
        if chunk.kind is ChunkKind.REFUSAL:
            self.refused = True
        if (delta := chunk.tool_call) is not None:
            call = self.calls.get(delta.index)
            if call is None:
                call = self.calls[delta.index] = _CallBuilder()
            call.add(delta)
            # A call costs more than its text; endless empty fragments must not go uncounted.
            self._arguments_size += len(delta.arguments) + 1

    def fields(self) -> dict[str, Any]:
        return {
            "text": self.text.getvalue(),
            "reasoning": self.reasoning.getvalue(),
            "tool_calls": tuple(self.calls[index].build(index) for index in sorted(self.calls)),
            "finish_reason": self.finish_reason,
            "raw_finish_reason": self.raw_finish_reason,
        }


class _CallBuilder:
    """The fragments of one tool call."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments = StringIO()

    def add(self, delta: ToolCallDelta) -> None:
        self.id = self.id or delta.id
        self.name = self.name or delta.name
        self.arguments.write(delta.arguments)

    def ends_in(self, characters: str) -> bool:
        size = self.arguments.tell()
        if not size:
            return False
        self.arguments.seek(size - 1)
        return self.arguments.read(1) in characters

    def build(self, index: int) -> ToolCall:
        raw = self.arguments.getvalue()
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
