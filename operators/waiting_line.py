"""The chunks of one choice, while some of their characters are held back."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from rxwizard.chunks import ChunkKind, StreamChunk, altered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rxwizard.operators.rewriter import Rewriter, Run

#: Chunks that wait behind held characters: more than a tool call or a minute of pings has, and
#: less than anyone notices in memory.
_MOST_WAITING = 256

_WORDS = {ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.REFUSAL}


#: What a chunk brings beside words.
_BARE: dict[str, Any] = {
    "is_final": False,
    "complete": None,
    "usage": None,
    "tool_call": None,
    "finish_reason": None,
    "raw_finish_reason": None,
    "data": None,
    "raw": None,
}


def without_words(data: Any) -> Any:
    """Leave out the log probabilities: they spell out the words that were there."""
    if not isinstance(data, dict) or "logprobs" not in data:
        return cast("Any", data)
    brought = cast("dict[str, Any]", data)
    return {key: value for key, value in brought.items() if key != "logprobs"} or None


def _brings_something(chunk: StreamChunk, field: str) -> bool:
    """Tell whether a chunk brings anything beside the words of this field."""
    return not (
        chunk.kind in _WORDS
        and chunk.usage is None
        and chunk.tool_call is None
        and chunk.finish_reason is None
        and not chunk.is_final
        and (chunk.data is None or without_words(chunk.data) is None)
        and not (chunk.reasoning if field == "text" else chunk.text)
    )


class Draft:
    """A chunk with some of its words, to be made when its number is known.

    Attributes:
        field: The field its words are of.
        text: The words.
        thought: Whether they are reasoning from now on.
        is_whole: Whether it brings what else the chunk does.
    """

    __slots__ = ("chunk", "field", "is_whole", "text", "thought")

    def __init__(
        self, chunk: StreamChunk, field: str, text: str, *, thought: bool, is_whole: bool = False
    ) -> None:
        self.chunk = chunk
        self.field = field
        self.text = text
        self.thought = thought
        self.is_whole = is_whole

    def made(self, seq: int) -> StreamChunk:
        """Make the chunk with this number."""
        chunk, field = self.chunk, self.field
        if self.is_whole:
            words = {field: self.text}
            return altered(chunk, **words, data=without_words(chunk.data), raw=None, seq=seq)
        if self.thought:
            said = {"text": "", "reasoning": self.text, "kind": ChunkKind.REASONING}
        elif field == "text":
            kind = ChunkKind.TEXT if chunk.is_final else chunk.kind
            said = {"text": self.text, "reasoning": "", "kind": kind}
        else:
            said = {"text": "", "reasoning": self.text}
        return altered(chunk, **_BARE, **said, seq=seq)

    def goes_with(self, other: Draft) -> bool:
        """Tell whether the words of both may come in one chunk, that of the other."""
        chunk = other.chunk
        return (
            (self.is_whole, self.field, self.thought) == (False, other.field, other.thought)
            and self.chunk.kind is chunk.kind
            and self.chunk.index == chunk.index
        )


Out: TypeAlias = "StreamChunk | Draft"
"""A chunk as it came, or one to be made."""


class _Waiting:
    """A chunk in a line, with what is decided of its words.

    Attributes:
        left: How many of its characters are not decided on.
        parts: What became of the others, each with whether it is reasoning now.
        intact: Whether nothing was changed, and nothing has gone out yet.
    """

    __slots__ = ("chunk", "field", "intact", "left", "parts")

    def __init__(self, chunk: StreamChunk, field: str = "", left: int = 0) -> None:
        self.chunk = chunk
        self.field = field
        self.left = left
        self.parts: list[tuple[str, bool]] = []
        self.intact = True

    def give(self, out: list[Out]) -> None:
        """Add what is decided to `out`; once all of it is, also what else the chunk brings."""
        chunk, field = self.chunk, self.field
        if self.intact and not self.left:
            # With the rest of the one before, it takes no number of its own away from those after.
            if out and field and chunk.data is None and isinstance(out[-1], Draft):
                text = getattr(chunk, field)
                _add(out, Draft(chunk, field, text, thought=False, is_whole=True))
            else:
                out.append(chunk)
            return
        self.intact = False
        for text, thought in self.parts:
            _add(out, Draft(chunk, field, text, thought=thought))
        self.parts = []
        if not self.left and _brings_something(chunk, field):
            _add(out, Draft(chunk, field, "", thought=False, is_whole=True))


def _add(out: list[Out], draft: Draft) -> None:
    """Add a draft, together with the words before it where they may come in one chunk."""
    before = out[-1] if out else None
    if isinstance(before, Draft) and before.goes_with(draft):
        draft.text = before.text + draft.text
        out.pop()
    out.append(draft)


class WaitingLine:
    """The chunks of one choice that wait behind characters that are held."""

    def __init__(self, make: Callable[[], Rewriter]) -> None:
        self._make = make
        self._rewriters: dict[str, Rewriter] = {}
        self._queue: deque[_Waiting] = deque()
        self._held: dict[str, deque[_Waiting]] = {}

    def take(self, chunk: StreamChunk, words: Sequence[str]) -> Sequence[Out]:
        """Add a chunk, `words` naming the fields to decide on; give what need not wait."""
        if not words:
            if not self._queue:
                return (chunk,)
            self._queue.append(_Waiting(chunk))
            return self._no_longer_waiting()
        if len(words) > 1:
            thoughts = altered(chunk, **_BARE, kind=ChunkKind.REASONING, text="")
            given = self.take(thoughts, ("reasoning",))
            return [*given, *self.take(altered(chunk, reasoning=""), ("text",))]
        field = words[0]
        text = getattr(chunk, field)
        rewriter = self._rewriters.get(field)
        if rewriter is None:
            rewriter = self._rewriters[field] = self._make()
            self._held[field] = deque()
        try:
            runs = rewriter.feed(text)
        except Exception:
            # What it has decided on by then comes before the error.
            self._wait(chunk, field, len(text))
            raise
        if not self._queue and len(runs) == 1:
            length, _, kept, thought = runs[0]
            if kept and not thought and length == len(text):
                return (chunk,)
        self._wait(chunk, field, len(text))
        self._decide(field, runs)
        return self._no_longer_waiting()

    def _wait(self, chunk: StreamChunk, field: str, length: int) -> None:
        waiting = _Waiting(chunk, field, length)
        self._queue.append(waiting)
        self._held[field].append(waiting)

    def finish(self, *, whole: bool) -> Sequence[Out]:
        """Give all that waits, since no more words come."""
        for field, rewriter in self._rewriters.items():
            self._decide(field, rewriter.finish(whole=whole))
        self._rewriters = {}
        return self._released()

    def forget(self) -> Sequence[Out]:
        """Give all that waits but held characters: they are of an answer that does not count."""
        for held in self._held.values():
            for waiting in held:
                waiting.left, waiting.intact = 0, False
        return self._released()

    def _decide(self, field: str, runs: Sequence[Run]) -> None:
        held = self._held[field]
        for length, text, kept, thought in runs:
            begin = 0
            while begin < length:
                first = held[0]
                size = min(length - begin, first.left)
                # What stands instead comes where the first of them stood.
                part = text[begin : begin + size] if kept else "" if begin else text
                if part:
                    first.parts.append((part, thought))
                if not kept or thought:
                    first.intact = False
                first.left -= size
                if not first.left:
                    held.popleft()
                begin += size

    def _no_longer_waiting(self) -> Sequence[Out]:
        given = self._released()
        if len(self._queue) - sum(map(len, self._held.values())) > _MOST_WAITING:
            for field, rewriter in self._rewriters.items():
                self._decide(field, rewriter.give_up())
            given += self._released()
        return given

    def _released(self) -> list[Out]:
        given: list[Out] = []
        queue = self._queue
        while queue:
            first = queue[0]
            if first.left:
                if first.parts:
                    first.give(given)
                break
            first.give(given)
            queue.popleft()
        return given
