"""The fold of chunks into one response, at any point of the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rxwizard.chunks import (
    ANSWERING,
    Choice,
    ChunkKind,
    ChunkSource,
    ResponseMetadata,
    StreamChunk,
    TokenUsage,
    WizardResponse,
)
from rxwizard.fold.parts import ChoiceBuilder, Ends

#: Characters of one answer that are kept for the response and for the partial of an error. The
#: longest answers of today's models are about 1 MB; beyond this bound the stream goes on and the
#: response says `truncated`.
MAX_RESPONSE_CHARACTERS = 64 * 1024 * 1024


class ResponseBuilder:
    """Fold the chunks of one stream into a `WizardResponse`, at any point of it.

    Linear in the length of the answer. A chunk of a newer epoch starts the answer anew, and so do a
    retraction and a second start: what came before is no part of it. What was used stays used: the
    last usage that was reported counts, which is the sum of all attempts where they are told as one
    stream. Only a second start drops it, since RxPY's `retry` adds nothing up.

    Args:
        limit: Characters kept, of text, reasoning and arguments together.
        keeps_moments: Whether `moment` is going to be called.
    """

    def __init__(
        self, limit: int = MAX_RESPONSE_CHARACTERS, *, keeps_moments: bool = False
    ) -> None:
        self._limit = limit
        self._keeps_moments = keeps_moments
        self._start_anew(0)
        self._has_begun = False
        self._usage: TokenUsage | None = None
        self._source = ChunkSource()
        self._last_at: float | None = None

    def _start_anew(self, epoch: int) -> None:
        self._epoch = epoch
        self._choices: dict[int, ChoiceBuilder] = {0: ChoiceBuilder()}
        #: Adds visible text to choice 0; the reader's fast path calls it for each chunk.
        self.write_text = self._choices[0].text.write
        #: When the first part of this answer came, and when that was asked for.
        self._first_at: float | None = None
        self._asked_at: float | None = None
        self._citations: list[Any] = []
        self._citations_size = 0
        self._complete = False
        self._truncated = False
        #: What a moment remembers beside the text of choice 0, until any of it changes.
        self._rest: _Rest | None = None
        #: How far each part but the text of choice 0 had grown, in the order in which they grew.
        self._marks: list[tuple[object, Ends]] = []

    def add(self, chunk: StreamChunk) -> None:
        """Take the next chunk of the stream."""
        if (
            chunk.kind is ChunkKind.TEXT
            and not self._truncated
            and not (chunk.choice or chunk.reasoning or chunk.epoch != self._epoch)
            and chunk.usage is None
            and chunk.tool_call is None
            and chunk.finish_reason is None
        ):
            # Nine of ten chunks.
            self.write_text(chunk.text)
            self._last_at = chunk.at
            if self._source is not chunk.source or self._first_at is None:
                self._source = chunk.source
                self._rest = None
                if self._first_at is None:
                    self._first_at, self._asked_at = chunk.at, chunk.source.requested_at
            if self._choices[0].text.tell() > self._limit:
                self._truncated = True
                self._rest = None
            return
        self._rest = None
        # A second start is another request for the same answer: RxPY's `retry` knows no epochs.
        began_again = chunk.kind is ChunkKind.START and self._has_begun
        if chunk.epoch > self._epoch or chunk.kind is ChunkKind.RETRACT or began_again:
            self._start_anew(chunk.epoch)
            if began_again:
                self._usage = None
        self._has_begun = self._has_begun or chunk.kind is ChunkKind.START
        choice = self._choices.get(chunk.choice)
        if choice is None:
            choice = self._choices[chunk.choice] = ChoiceBuilder()
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
        if self._keeps_moments:
            self._marks += choice.marks(chunk)
        if chunk.is_final:
            self._complete = chunk.complete is True
        self.seen(chunk.source, chunk.at)
        if self._first_at is None and chunk.kind in ANSWERING:
            self._first_at, self._asked_at = chunk.at, chunk.source.requested_at

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
        return call is not None and call.is_whole

    def build(self) -> WizardResponse:
        """Make the response as it stands now."""
        first = self._choices[0]
        further = [
            Choice(index=index, **choice.fields())
            for index, choice in sorted(self._choices.items())
            if index != 0
        ]
        return self._response(first.fields(), further, self._citations, self._facts())

    def moment(self) -> Callable[[], WizardResponse]:
        """Remember how it stands now; what it gives makes that response, whenever it is called.

        Remembering costs the same however long the answer is; making it costs what `build` does.
        """
        if self._rest is None:
            self._rest = self._remember()
        end = self._choices[0].text.tell()
        return partial(self._build_then, self._rest, end, self._last_at)

    def _remember(self) -> _Rest:
        # The objects, because a later epoch has others; and how far they had grown.
        choices, marks, citations = self._choices, self._marks, self._citations
        ends = choices[0].ends()
        return choices, ends, marks, len(marks), citations, len(citations), self._facts()

    def _build_then(self, rest: _Rest, end: int, last_at: float | None) -> WizardResponse:
        choices, first, marks, marked, citations, cited, facts = rest
        # The last mark of each part is the one that counts.
        ends = dict(marks[:marked])
        further = [
            Choice(index=index, **choice.fields(ends[choice], ends))
            for index, choice in sorted(choices.items())
            if index != 0 and choice in ends
        ]
        fields = choices[0].fields((end, *first[1:]), ends)
        return self._response(fields, further, citations[:cited], (*facts[:-1], last_at))

    def _facts(self) -> _Facts:
        return (
            self._usage,
            self._complete,
            self._truncated,
            self._source,
            # Another request may have gone on with the answer that this one began.
            self._source.requested_at if self._first_at is None else self._asked_at,
            self._first_at,
            self._last_at,
        )

    @staticmethod
    def _response(
        first: dict[str, Any], further: list[Choice], citations: list[Any], facts: _Facts
    ) -> WizardResponse:
        usage, complete, truncated, source, asked_at, first_at, last_at = facts
        return WizardResponse(
            **first,
            usage=usage,
            model=source.model,
            complete=complete,
            choices=tuple(further),
            citations=tuple(citations),
            truncated=truncated,
            metadata=ResponseMetadata(
                provider=source.provider,
                response_id=source.response_id,
                request_id=source.request_id,
                attempt=source.attempt,
                rate_limit=source.rate_limit,
                from_cache=source.from_cache,
                time_to_first_token=_span(asked_at, first_at),
                duration=_span(asked_at, last_at),
            ),
        )


_Facts = tuple[
    TokenUsage | None, bool, bool, ChunkSource, float | None, float | None, float | None
]  #: usage, complete, truncated, source, and when it was asked for, began, and went on last

_Rest = tuple[
    dict[int, ChoiceBuilder], Ends, list[tuple[object, Ends]], int, list[Any], int, _Facts
]


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
