"""Operators that give the same chunks with other words in them.

What decides on the words is a `Rewriter`, one for the text and one for the reasoning of each
choice. It may hold characters back. Whatever comes after them on the same choice then waits behind
them, so the order of the wire is kept. What was held comes in a chunk of its own, or with the next
words if nothing stands between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rxwizard.chunks import BEGINS_ANEW, ChunkKind, FinishReason, StreamChunk, altered
from rxwizard.errors import ConfigError
from rxwizard.operators.making import Operator, Steps, lift
from rxwizard.operators.retracting import retracting
from rxwizard.operators.waiting_line import Draft, Out, WaitingLine, without_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rxwizard.operators.rewriter import Rewriter, Run

Of: TypeAlias = Literal["text", "reasoning", "both"]
"""Which words of an answer are meant."""

_FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "reasoning": ("reasoning",),
    "both": ("reasoning", "text"),
}


#: Where an answer ends so, there would have been more of it.
_CUT = {
    FinishReason.LENGTH,
    FinishReason.CONTENT_FILTER,
    FinishReason.ERROR,
    FinishReason.INTERRUPTED,
    FinishReason.CANCELLED,
    FinishReason.BUDGET,
}


def rewriting(
    make: Callable[[], Rewriter],
    of: Of = "text",
    *,
    kinds: frozenset[ChunkKind] | None = None,
    hide: Callable[[Exception], None] | None = None,
) -> Operator[Any, Any]:
    """Make an operator that has the words of chunks, or strings, decided by rewriters.

    Args:
        make: Makes a rewriter, for each subscription, choice and field.
        of: Which words of a chunk go through one.
        kinds: Of which chunks; None: of all.
        hide: Whether the words must not come by another way, and what takes them out of an error.

    Raises:
        ConfigError: `of` is none of the three.
    """
    fields = _FIELDS.get(of)
    if fields is None:
        message = f"of={of!r} cannot work; it must be one of {', '.join(_FIELDS)}"
        raise ConfigError(message)

    def begin() -> Steps[StreamChunk | str, StreamChunk | str]:
        strings = _Strings(make)
        answer = _Answer(make, fields, kinds, hides=hide is not None)

        def take(item: StreamChunk | str) -> Iterable[StreamChunk | str]:
            return strings.take(item) if isinstance(item, str) else answer.take(item)

        def rest() -> Iterable[StreamChunk | str]:
            return [*strings.rest(whole=True), *answer.rest(whole=True)]

        def rest_of_failed() -> Iterable[StreamChunk | str]:
            return [*strings.rest(whole=False), *answer.rest(whole=False)]

        return Steps(take, rest, rest_of_failed, hide or _let_be)

    return lift(begin)


def _let_be(_error: Exception) -> None:
    """Leave an error as it is."""


class _Strings:
    """The pieces of a text."""

    def __init__(self, make: Callable[[], Rewriter]) -> None:
        self._make = make
        self._rewriter: Rewriter | None = None

    def take(self, piece: str) -> Iterable[str]:
        if self._rewriter is None:
            self._rewriter = self._make()
        return _joined(self._rewriter.feed(piece))

    def rest(self, *, whole: bool) -> Iterable[str]:
        return _joined(self._rewriter.finish(whole=whole)) if self._rewriter else ()


def _joined(runs: Sequence[Run]) -> Iterable[str]:
    text = runs[0].text if len(runs) == 1 else "".join(run.text for run in runs)
    return (text,) if text else ()


class _Answer:
    """The chunks of an answer: a line for each choice, and the numbers of those that go out."""

    def __init__(
        self,
        make: Callable[[], Rewriter],
        fields: tuple[str, ...],
        kinds: frozenset[ChunkKind] | None,
        *,
        hides: bool,
    ) -> None:
        self._make = make
        self._fields = fields
        self._text = ("text",) if "text" in fields else ()
        self._kinds = kinds
        self._hides = hides
        self._lines: dict[int, WaitingLine] = {}
        self._epoch = 0
        self._seq: int | None = None
        #: Visible characters of choice 0 that have gone out in this epoch.
        self._shown = 0
        self._has_begun = False

    def take(self, chunk: StreamChunk) -> Iterable[StreamChunk]:
        if self._seq is None:
            self._seq = chunk.seq
        before: list[StreamChunk] = []
        if chunk.kind in BEGINS_ANEW or chunk.epoch > self._epoch:
            before = [self._numbered(out) for out in self._begun_anew(chunk)]
            chunk = retracting(chunk, self._shown)
            self._shown = 0
        line = self._lines.get(chunk.choice)
        if line is None:
            line = self._lines[chunk.choice] = WaitingLine(self._make)
        words = self._words(chunk)
        if self._hides and (chunk.raw is not None or (chunk.data is not None and not words)):
            data = chunk.data if words else without_words(chunk.data)
            chunk = altered(chunk, raw=None, data=data)
        if chunk.finish_reason is not None or chunk.is_final:
            given = self._ended(chunk, line, words)
        else:
            given = line.take(chunk, words)
            if len(given) == 1 and given[0] is chunk and chunk.seq == self._seq and not before:
                # Nine of ten are of this kind: nothing to do with them.
                self._seq += 1
                if not chunk.choice:
                    self._shown += len(chunk.text)
                return (chunk,)
        return [*before, *(self._numbered(out) for out in given)]

    def rest(self, *, whole: bool) -> Iterable[StreamChunk]:
        """Give what is held in all lines, since no more comes."""
        given = [out for line in self._lines.values() for out in line.finish(whole=whole)]
        return [self._numbered(out) for out in given]

    def _begun_anew(self, chunk: StreamChunk) -> Sequence[Out]:
        starts = chunk.kind is ChunkKind.START
        if starts and not self._has_begun:
            self._has_begun = True
            if chunk.epoch == self._epoch:
                return ()
        self._epoch = chunk.epoch
        given = [out for line in self._lines.values() for out in line.forget()]
        self._lines = {}
        return given

    def _ended(self, chunk: StreamChunk, line: WaitingLine, words: Sequence[str]) -> Sequence[Out]:
        """Take the chunk that ends its choice, or all of them."""
        whole = chunk.finish_reason not in _CUT
        given: list[Out] = []
        if chunk.is_final:
            for other in self._lines.values():
                if other is not line:
                    given += other.finish(whole=whole)
            self._lines = {}
        if words:
            given += line.take(chunk, words)
            given += line.finish(whole=whole)
        else:
            given += line.finish(whole=whole)
            given += line.take(chunk, words)
        return given

    def _words(self, chunk: StreamChunk) -> Sequence[str]:
        """Name the fields of a chunk that have words for a rewriter."""
        if self._kinds is not None and chunk.kind not in self._kinds:
            return ()
        if chunk.kind is ChunkKind.TEXT and not chunk.reasoning:
            return self._text if chunk.text else ()
        return [field for field in self._fields if getattr(chunk, field)]

    def _numbered(self, out: Out) -> StreamChunk:
        seq = self._seq or 0
        if isinstance(out, Draft):
            self._seq = seq + 1
            made = out.made(seq)
            self._see(made)
            return made
        self._see(out)
        if not out.seq and out.kind is ChunkKind.START:
            seq = 0  # another request: RxPY's `retry` goes on with its numbers
        self._seq = seq + 1
        return out if out.seq == seq else altered(out, seq=seq)

    def _see(self, chunk: StreamChunk) -> None:
        if not chunk.choice:
            self._shown += len(chunk.text)
