"""The chunks of several attempts at one answer, told as those of one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.chunks import ChunkKind, ChunkSource, StreamChunk, TokenUsage, altered
from rxwizard.demand.gate import pushing
from rxwizard.fold import ResponseBuilder

if TYPE_CHECKING:
    from rxwizard.chunks import WizardResponse
    from rxwizard.errors import WizardError
    from rxwizard.operators.seam import Seam

_TEXT, _START = ChunkKind.TEXT, ChunkKind.START

#: What leaves nothing to erase where the answer begins anew.
_PASSING = {
    *(ChunkKind.START, ChunkKind.RETRACT, ChunkKind.FINAL),
    *(ChunkKind.USAGE, ChunkKind.HEARTBEAT, ChunkKind.WARNING),
}

#: What cannot come before the text that a seam holds back.
_ENDS_TEXT = {ChunkKind.TOOL_CALL, ChunkKind.REFUSAL, ChunkKind.FINAL}


class Attempts:
    """Tells the chunks of several attempts as one stream.

    The chunks of the first attempt are passed on as they are. Those of a later one go on counting
    `seq`; their usage is the sum of all attempts; their source says which attempt it is.

    An attempt that begins the answer anew opens an epoch, by a chunk of kind retract. It comes with
    the first content that replaces what it erases, not sooner: where nothing more comes, what had
    arrived is still what there is.

    Args:
        goes_on: Whether attempts may go on from what was told, which then has to be known to the
            character.
        ends_at_token: Whether no attempt follows one that has brought something of the answer.
    """

    __slots__ = (
        "_brought",
        "_characters",
        "_ends_at_token",
        "_epoch",
        "_fold",
        "_has_started",
        "_is_anew",
        "_is_first",
        "_is_plain",
        "_last",
        "_latest",
        "_own_epoch",
        "_own_source",
        "_own_usage",
        "_partial",
        "_seam",
        "_seq",
        "_source",
        "_spent",
        "count",
        "has_answer",
        "has_content",
        "has_token",
        "passes",
    )

    def __init__(self, *, goes_on: bool = False, ends_at_token: bool = False) -> None:
        self._ends_at_token = ends_at_token
        #: Whether chunks pass as they are from now on, and need not be taken any more.
        self.passes = False
        self._seq = 0
        self._epoch = 0
        self._source = ChunkSource()
        self._has_started = False
        #: Visible characters of choice 0 in this epoch, and what came last in it.
        self._characters = 0
        self._last: ChunkKind | None = None
        #: Whether this epoch has anything that would have to be erased, and anything of the answer.
        self.has_content = False
        self.has_answer = False
        # Of the attempt at hand.
        #: Whether it has brought text, reasoning, or a tool call.
        self.has_token = False
        self._brought = False
        self._is_first = True
        #: Whether text needs no more than to be counted: nobody asks what came last.
        self._is_plain = False
        self._latest: StreamChunk | None = None
        self._is_anew = False
        self._seam: Seam | None = None
        self._own_epoch = 0
        self._own_usage: TokenUsage | None = None
        self._own_source: ChunkSource | None = None
        # Of those before it.
        #: Requests made for them.
        self.count = 0
        self._spent: TokenUsage | None = None
        # What there is of the answer. The reader of a wire keeps it, too, and its errors carry it.
        self._fold = ResponseBuilder() if goes_on else None
        self._partial: WizardResponse | None = None

    # -- one attempt -------------------------------------------------------------------------

    def take(self, chunk: StreamChunk) -> tuple[StreamChunk, ...]:
        """Take the next chunk of the attempt at hand; give what is told of it."""
        if (
            self._is_plain
            and chunk.kind is _TEXT
            and chunk.usage is None
            and chunk.epoch == self._epoch
            and not chunk.choice
        ):  # nine of ten
            self._characters += len(chunk.text)
            self._latest = chunk
            return (chunk,)
        if not self._is_first:
            return tuple(self._retold(chunk))
        self._see_first(chunk)
        if self._fold is not None:
            self._fold.add(chunk)
        if chunk.usage is not None:
            self._own_usage = chunk.usage
        self._latest = chunk
        self._is_plain = self.has_token and self._fold is None
        self.passes = self._is_plain and self._ends_at_token
        return (chunk,)

    def _see_first(self, chunk: StreamChunk) -> None:
        if not self._brought:
            self._begin_to_keep()
        if chunk.epoch > self._epoch or chunk.kind is ChunkKind.RETRACT:
            self._epoch = self._own_epoch = max(chunk.epoch, self._epoch)
            self._open_epoch()
        self._see(chunk)

    def _begin_to_keep(self) -> None:
        self._brought = True
        gate = pushing.get()
        if self._fold is None and (gate is None or gate.evidence is None):
            self._fold = ResponseBuilder()

    def _see(self, chunk: StreamChunk) -> None:
        self._source = chunk.source
        self._has_started = self._has_started or chunk.kind is _START
        if _brings(chunk):
            self._last = chunk.kind
            self.has_content = True
            if not _is_empty(chunk):
                self.has_token = self.has_answer = True
            if not chunk.choice:
                self._characters += len(chunk.text)

    def _open_epoch(self) -> None:
        self._characters = 0
        self._last = None
        self.has_content = self.has_answer = self.has_token = False

    # -- between two attempts ----------------------------------------------------------------

    @property
    def can_go_on(self) -> bool:
        """Whether what there is ends in visible text that another attempt can go on from."""
        if self._last is not _TEXT or self._fold is None:
            return False
        partial = self._fold.build()
        return bool(partial.text.strip()) and not (
            partial.tool_calls or partial.choices or partial.truncated
        )

    def partial(self) -> WizardResponse | None:
        """Give what there is of the answer; None before the first chunk."""
        if self._fold is not None:
            return self._fold.build() if self._brought else None
        return self._partial

    def failed(self, error: WizardError) -> None:
        """Have the attempt at hand be over.

        What its seam still held back is dropped: it was not told from a repetition yet, and whoever
        goes on from here says it again.
        """
        before, self.count = self.count, self.count + error.attempts
        self._is_plain = self.passes = False
        if self._latest is not None:
            self._seq, self._latest = self._latest.seq + 1, None
        self._seam = None
        if error.partial is not None and error.partial.usage is not None:
            # A start chunk that came a second time was not told, and its usage neither.
            self._own_usage = error.partial.usage
        if error.partial is not None and (self.has_token or self._partial is None):
            self._partial = _placed_after(before, error.partial)
        if error.partial is None:
            error.partial = self.partial()

    def warn(self, words: str, at: float, provider: str | None) -> StreamChunk:
        """Make a chunk of kind warning, on behalf of the request that failed."""
        known = {"provider": self._source.provider or provider or "", "attempt": self.count - 1}
        return self._numbered(
            StreamChunk(
                kind=ChunkKind.WARNING,
                data=words,
                at=at,
                source=self._source.model_copy(update=known),
                epoch=self._epoch,
            )
        )

    def begin_again(self) -> None:
        """Begin an attempt in place of one that brought nothing of the answer."""
        self._begin()

    def begin_anew(self) -> None:
        """Begin an attempt whose answer replaces what there is."""
        self._begin()
        self._is_anew = True

    def go_on(self, seam: Seam) -> None:
        """Begin an attempt that goes on from what there is; `seam` drops what it says again."""
        self._begin()
        self._seam = seam

    def _begin(self) -> None:
        own = self._own_usage
        if own is not None:
            # What brought something is wasted only once that is erased.
            own = own if self.has_token else own.as_wasted()
            self._spent = _plain(own) if self._spent is None else self._spent + own
        self._own_usage = self._own_source = None
        self._own_epoch = 0
        self._is_first = self.has_token = False

    def end_with(self, error: WizardError) -> None:
        """Have the error that ends all of it carry what there is."""
        error.attempts = self.count
        partial = self.partial()
        if partial is None or (self.count == 1 and error.partial is not None):
            return
        error.partial = partial.model_copy(update={"usage": self._sum() or partial.usage})

    # -- a later attempt ---------------------------------------------------------------------

    def _retold(self, chunk: StreamChunk) -> list[StreamChunk]:
        told: list[StreamChunk] = []
        if not self._brought:
            self._begin_to_keep()
        if chunk.usage is not None:
            self._own_usage = chunk.usage
        changes: dict[str, Any] = {"source": self._placed(chunk.source)}
        is_anew = chunk.kind is ChunkKind.RETRACT or chunk.epoch > self._own_epoch
        self._own_epoch = max(self._own_epoch, chunk.epoch)
        if chunk.kind is _START and self._has_started:
            return told
        if is_anew and not self._is_anew:
            # The attempt itself begins anew: it is erased together with what it went on from.
            self._seam = None
            told.append(self._retract(chunk, changes["source"]))
        if chunk.kind is ChunkKind.RETRACT:
            return told
        brings = _brings(chunk)
        if self._is_anew and (brings or chunk.is_final):
            self._is_anew = False
            if self.has_content:
                told.append(self._retract(chunk, changes["source"]))
        if self._seam is not None and (brings or chunk.is_final):
            if chunk.kind is _TEXT and not chunk.choice and chunk.text:
                changes["text"] = self._seam.take(chunk.text)
                if not changes["text"] and not chunk.reasoning and chunk.usage is None:
                    return told
            elif chunk.kind in _ENDS_TEXT:
                told += self._flush()
        if chunk.usage is not None or chunk.is_final:
            changes["usage"] = self._sum()
        told.append(self._numbered(chunk, epoch=self._epoch, **changes))
        self._see(told[-1])
        return told

    def _flush(self) -> list[StreamChunk]:
        """Give what the seam has held back, which is then over."""
        seam, self._seam = self._seam, None
        rest = "" if seam is None else seam.rest()
        if not rest:
            return []
        chunk = self._numbered(StreamChunk(text=rest, source=self._source, epoch=self._epoch))
        self._see(chunk)
        return [chunk]

    def _retract(self, chunk: StreamChunk, source: ChunkSource) -> StreamChunk:
        data = {"epoch": self._epoch, "characters": self._characters}
        self._epoch += 1
        self._open_epoch()
        if self._spent is not None:
            self._spent = self._spent.as_wasted()
        self._partial = None
        return self._numbered(
            StreamChunk(
                kind=ChunkKind.RETRACT, data=data, epoch=self._epoch, at=chunk.at, source=source
            )
        )

    def _numbered(self, chunk: StreamChunk, **changes: Any) -> StreamChunk:
        chunk = altered(chunk, seq=self._seq, **changes)
        self._seq += 1
        if self._fold is not None:
            self._fold.add(chunk)
        return chunk

    def _placed(self, source: ChunkSource) -> ChunkSource:
        """Give the source as that of a later attempt: one object for all chunks that share one."""
        if source is not self._own_source:
            self._own_source = source
            attempt = self.count + source.attempt
            self._source = source.model_copy(update={"attempt": attempt})
        return self._source

    def _sum(self) -> TokenUsage | None:
        """Give what all attempts have reported so far."""
        own, spent = self._own_usage, self._spent
        if spent is None:
            return own
        if own is None:
            # The one at hand has reported nothing yet, which is not what the others have.
            return spent.model_copy(update={"latest": TokenUsage()})
        latest = own.latest or own.model_copy(update={"wasted": None})
        return (spent + own).model_copy(update={"latest": latest})


def _placed_after(count: int, partial: WizardResponse) -> WizardResponse:
    """Say of a partial answer which attempt it is of, where so many came before."""
    if not count:
        return partial
    attempt = count + partial.metadata.attempt
    metadata = partial.metadata.model_copy(update={"attempt": attempt})
    return partial.model_copy(update={"metadata": metadata})


def _brings(chunk: StreamChunk) -> bool:
    """Tell whether a chunk brings anything that would have to be erased."""
    return chunk.kind not in _PASSING and not (chunk.kind is _TEXT and _is_empty(chunk))


def _is_empty(chunk: StreamChunk) -> bool:
    """Tell whether a chunk brings nothing that the model has written."""
    return not (chunk.text or chunk.reasoning or chunk.tool_call)


def _plain(usage: TokenUsage) -> TokenUsage:
    """Give it as a part of a sum."""
    return usage.model_copy(update={"latest": None, "raw": None})
