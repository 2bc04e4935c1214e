"""Frames in, chunks out: what all readers have in common, without IO.

A reader is the state of one response. It sees to the laws that hold for every provider: one start
and one final chunk, `seq` without gaps, usage merged, errors typed and carrying the partial answer,
a cut stream never called complete. A provider says what its events mean (`_event`), which of them
bring nothing but text (`_plain_text`), and which tell of an error (`_error_in`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError
from pydantic_core import from_json

from rxwizard.chunks import (
    ChunkKind,
    ChunkSource,
    FinishReason,
    StreamChunk,
    TokenUsage,
    WizardResponse,
    text_chunk,
    text_template,
)
from rxwizard.decoders import Comment, Frame, JSONLine, ServerSentEvent, UnknownLines
from rxwizard.errors import ProviderError, StreamInterruptedError, WizardError
from rxwizard.fold import ResponseBuilder
from rxwizard.providers.failures import conceal, error_from_event
from rxwizard.providers.lenient import parse_leniently
from rxwizard.providers.shape import is_object
from rxwizard.providers.thinktags import TaggedText
from rxwizard.providers.unreadable import cut_in_event, no_stream, unreadable
from rxwizard.providers.usage import UsageCounter
from rxwizard.providers.vendors import Vendor

#: Characters that are kept of a body that is no stream: more than any error has.
_STRAY = 4096

#: What a document over several lines begins with.
_OPENING = {"{", "["}

#: What a line of an event stream begins with; half of one at the end is no message.
_FIELDS = ("data", "event", "id", "retry")

Draft = dict[str, Any]
"""The fields of a chunk that only the provider knows; the reader adds the rest."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """What a reader has to know beside the frames.

    Attributes:
        vendor: Whose answer it is.
        source: What is known of it before its first event.
        heartbeats: Whether pings and comments become chunks.
        raw: Whether each chunk carries the provider's whole event.
        think_tags: Whether ``<think>`` in the text of an answer begins reasoning.
        redact: Takes every secret out of a text that is going to be shown.
    """

    vendor: Vendor
    source: ChunkSource
    heartbeats: bool = False
    raw: bool = False
    think_tags: bool = False
    redact: Callable[[str], str] = str


class Reader(ABC):
    """Turn the frames of one response into chunks.

    Call `read` for each slice of frames, then once `end` (the body ended) or `cut` (it broke off).
    All three are lazy: nothing is parsed before it is asked for, so a pipeline that pauses between
    two chunks has not paid for the next.
    """

    #: Unified finish reasons, by the provider's own. What is not in it is `FinishReason.OTHER`.
    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {}

    def __init__(self, options: ReaderOptions) -> None:
        self.is_told = False  #: the final chunk was taken
        self.done = False  #: the final chunk was given, or an error raised: read no further
        self._options = options
        self._source = options.source
        self._response = ResponseBuilder()
        self._seq = 0
        self._started = False
        self._template: dict[str, Any] | None = None
        self._usage = UsageCounter()
        self._finished = False
        self._reason: FinishReason | None = None
        self._raw_reason: str | int | float | None = None
        self._stray = ""
        self._position = 0
        self._tags = TaggedText()
        self._broke_off: WizardError | None = None
        #: Whether a text chunk is nothing but its text.
        self._is_quick = not options.raw and not options.think_tags
        #: The error to raise, if any; raised where no frame of the traceback holds what was read.
        self._failures: list[WizardError] = []

    # -- what a provider says ----------------------------------------------------------------

    @abstractmethod
    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        """Say what an event brings. Sets `done` where it ends the answer."""

    @abstractmethod
    def _plain_text(self, event: Any) -> str | None:
        """Give the text of an event that brings text to choice 0 and nothing else, else None.

        It is asked before `_event`, for nine of ten events, so it must be quick and sure.
        """

    @abstractmethod
    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        """Put the provider's (merged) usage object into the terms of `TokenUsage`."""

    def _error_in(self, event: Mapping[str, Any], name: str) -> object | None:
        """Give what tells of an error in this event, or None. `name` is the SSE event name."""
        error = event.get("error")
        if error:
            return event
        return event if name == "error" or event.get("object") == "error" else None

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:  # noqa: ARG002 - most have none
        """Take data that is a mark rather than JSON, such as ``[DONE]``; None: it is no mark."""
        return None

    # -- the three calls ---------------------------------------------------------------------

    def read(
        self, frames: Iterable[Frame | JSONLine], at: float, position: int = 0
    ) -> Iterator[StreamChunk]:
        """Give the chunks of some frames.

        Args:
            frames: What the decoder made of one slice of the body.
            at: When that slice was read, in seconds of the loop's clock.
            position: Bytes of the body taken in with it, for error messages.

        Raises:
            WizardError: The stream tells of an error, or cannot be read; it has the partial.
        """
        self._position = position
        response = self._response
        response.seen(self._source, at)
        write_text = _ignore if response.is_full(position) else response.write_text
        plain_text, template = self._plain_text, self._template
        for frame in frames:
            kind = frame.__class__
            if kind is not ServerSentEvent and kind is not JSONLine:
                yield from self._aside(frame, at)  # type: ignore[arg-type]
            else:
                try:
                    event = from_json(frame.data)  # type: ignore[union-attr]
                except ValueError:
                    yield from self._unparsed(frame, at)  # type: ignore[arg-type]
                else:
                    # One loop for both, because a call for each chunk would cost a tenth of it.
                    if template is not None and (text := plain_text(event)) is not None:
                        seq = self._seq
                        self._seq = seq + 1
                        write_text(text)
                        yield text_chunk(template, text, seq, at)
                        continue
                    yield from self._take(event, getattr(frame, "event", ""), at)
            if self.done:
                if self._failures:
                    # The frames of a traceback show what the server sent, and that may be the key.
                    del frames, frame
                    event = text = None
                    raise self._failures.pop()
                return
            template = self._template

    def end(
        self, frames: Iterable[Frame | JSONLine], at: float, position: int = 0
    ) -> Iterator[StreamChunk]:
        """Give the last chunks after the body has ended; `frames` are the decoder's last.

        Raises:
            StreamInterruptedError: There was no terminal signal.
        """
        last = self.read(frames, at, position)
        del frames
        yield from last
        if self.done:
            return
        if self._is_finished:
            yield from self._ending(at)
        elif self._stray:
            yield from self._fail(no_stream(self._name, self._stray), at)
        else:
            what = "the stream ended before its terminal signal"
            if not self._started:
                what = "the response body was empty"
            yield from self._fail(StreamInterruptedError(f"{self._name}: {what}"), at)
        if self._failures:
            raise self._failures.pop()

    def cut(
        self, error: WizardError, at: float, frames: Iterable[Frame | JSONLine] = ()
    ) -> Iterator[StreamChunk]:
        """Give the last chunks after the body broke off with `error`.

        `frames` are the decoder's last: one that is whole counts, one that is half does not.

        Raises:
            WizardError: `error`, with the partial; not where the terminal signal had been seen.
        """
        self._broke_off = error
        last = self.read(frames, at, self._position)
        del frames
        yield from last
        if not self.done:
            yield from self._fail(error, at)
        del error
        if self._failures:
            raise self._failures.pop()

    @property
    def answered(self) -> bool:
        """Whether the provider's terminal signal has been seen; usage or a mark may still follow.

        With some (Gemini) so may text: the last signal counts.
        """
        return self._is_finished

    def partial(self) -> WizardResponse | None:
        """Give what has arrived of the answer; None before the first chunk."""
        return self._response.build() if self._seq else None

    # -- one event ---------------------------------------------------------------------------

    def _take(self, event: Any, name: str, at: float) -> Iterator[StreamChunk]:
        if not is_object(event):
            if name == "error":
                yield from self._fail(error_from_event(event), at)
                return
            yield from self._begin(at, event)
            yield self._chunk({"kind": ChunkKind.OTHER, "data": event}, at, event)
            return
        wrong = self._error_in(event, name)
        if wrong is not None:
            # OpenRouter tells the usage beside the error
            self._count(event.get("usage"))
            yield from self._fail(error_from_event(wrong), at)
            return
        drafts: list[Draft]
        try:
            drafts = list(self._event(event))
        except WizardError as error:
            yield from self._fail(error, at)
            return
        except (AttributeError, LookupError, TypeError, ValueError):
            # A known event of unknown shape is an unknown event: shown, never an exception.
            drafts = [{"kind": ChunkKind.OTHER, "data": event}]
        if self._usage.is_news and self._started and not self.done:
            if not drafts:
                drafts.append({"kind": ChunkKind.USAGE})
            drafts[-1]["usage"] = self._usage.tell()
        yield from self._begin(at, event)
        if self._options.think_tags:
            drafts = [part for draft in drafts for part in self._tags.split(draft)]
        for draft in drafts:
            yield self._chunk(draft, at, event)
        if self.done:
            yield from self._ending(at)

    def _begin(self, at: float, event: object) -> Iterator[StreamChunk]:
        if not self._started:
            self._started = True
            draft: Draft = {"kind": ChunkKind.START}
            if self._usage.is_news:
                draft["usage"] = self._usage.tell()
            yield self._chunk(draft, at, event)

    def _chunk(self, draft: Draft, at: float, event: object = None) -> StreamChunk:
        rest: dict[str, Any] = {
            "seq": self._seq,
            "at": at,
            "source": self._source,
            "raw": event if self._options.raw else None,
        }
        try:
            chunk = StreamChunk(**draft, **rest)
        except ValidationError:
            # A number where there should be text: shown as what it is, never an exception.
            chunk = StreamChunk(kind=ChunkKind.OTHER, data=event, **rest)
        self._seq += 1
        self._response.add(chunk)
        if chunk.kind is ChunkKind.TEXT and chunk.choice == 0 and self._is_quick:
            self._template = self._fitting_template(chunk.index)
        return chunk

    def _fitting_template(self, index: int) -> dict[str, Any]:
        """Give the template for text of content part `index`, made anew only when it changed."""
        old = self._template
        if old is not None and old["index"] == index and old["source"] is self._source:
            return old
        return text_template(self._source, index=index)

    def _held_back(self, at: float) -> Iterator[StreamChunk]:
        """Give what might have become a tag, now that the answer is over."""
        for draft in self._tags.flush():
            yield self._chunk(draft, at)

    def _ending(self, at: float) -> Iterator[StreamChunk]:
        yield from self._held_back(at)
        yield self._final(at)
        self.is_told = True

    def _final(self, at: float) -> StreamChunk:
        self.done = True
        reason = self._reason
        if reason is FinishReason.STOP:
            # Ollama, Gemini and Responses say "stop" for all three.
            if self._response.has_tool_calls:
                reason = FinishReason.TOOL_CALLS
            elif self._response.refused:
                reason = FinishReason.REFUSAL
        return self._chunk(
            {
                "kind": ChunkKind.FINAL,
                "is_final": True,
                "usage": self._usage.tell(),
                "finish_reason": reason,
                "raw_finish_reason": self._raw_reason,
                "complete": True,
            },
            at,
        )

    # -- what is no event --------------------------------------------------------------------

    def _aside(self, frame: Comment | UnknownLines, at: float) -> Iterator[StreamChunk]:
        if isinstance(frame, Comment):
            if self._options.heartbeats:
                words = frame.text.decode("utf-8", "replace")
                yield self._chunk({"kind": ChunkKind.HEARTBEAT, "data": words}, at)
            return
        text = frame.lines.decode("utf-8", "replace").strip()
        if frame.complete or not any(name.startswith(text) for name in _FIELDS):
            yield from self._stray_text(text, at)

    def _stray_text(self, text: str, at: float) -> Iterator[StreamChunk]:
        """Take text that is no event: an error, a part of one, or of a body that is no stream."""
        # GPUStack sends a field named "error"; others send a bare JSON document, also over several
        # lines, which end up here one by one where a line is a frame.
        is_error = text.startswith("error:")
        whole = text.removeprefix("error:") if is_error else f"{self._stray}\n{text}"
        try:
            payload: object = from_json(whole)
        except ValueError:
            payload = whole.strip()
        if is_error or (is_object(payload) and self._error_in(payload, "")):
            yield from self._fail(error_from_event(payload), at)
        elif self._started:
            yield self._chunk({"kind": ChunkKind.OTHER, "data": payload}, at)
        else:
            self._stray = whole[:_STRAY].strip()

    def _unparsed(self, frame: ServerSentEvent | JSONLine, at: float) -> Iterator[StreamChunk]:
        """Take a frame that is not strict JSON: a mark, forgivable JSON, or an error."""
        data = frame.data.strip()
        if not data:
            return
        drafts = self._sentinel(data)
        if drafts is not None:
            yield from self._begin(at, None)
            for draft in drafts:
                yield self._chunk(draft, at)
            if self.done:
                yield from self._ending(at)
            return
        text = data.decode("utf-8", "replace")
        begins = text in _OPENING and frame.complete
        if isinstance(frame, JSONLine) and not self._started and (begins or self._stray):
            yield from self._stray_text(text, at)
            return
        try:
            event = parse_leniently(text)
        except ValueError as error:
            problem = unreadable(self._name, text, error, position=self._position)
            if not frame.complete and not isinstance(problem, ProviderError):
                problem = self._broke_off or cut_in_event(self._name, text)
            elif getattr(frame, "event", "") == "error":
                problem = error_from_event(text)
            yield from self._fail(problem, at)
        else:
            yield from self._take(event, getattr(frame, "event", ""), at)

    def _fail(self, error: WizardError, at: float) -> Iterator[StreamChunk]:
        """Have `error` raised, with the partial; after the terminal signal, warn and end well."""
        conceal(error, self._options.redact)
        # Not kept: an error whose traceback has this reader would hold itself.
        self._broke_off = None
        if self._is_finished:
            words = f"after the answer's end: {error}"
            yield self._chunk({"kind": ChunkKind.WARNING, "data": words}, at)
            yield from self._ending(at)
            return
        self.done = True
        yield from self._held_back(at)
        error.provider = self._options.vendor.name
        error.request_id = error.request_id or self._source.request_id
        error.partial = self.partial()
        self._failures.append(error)

    # -- what providers call -----------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._options.vendor.name

    @property
    def _is_finished(self) -> bool:
        """Whether the provider's terminal signal has been seen."""
        return self._finished

    def _identify(self, response_id: object, model: object) -> None:
        """Note who answers, as soon as the provider says so."""
        source = self._source
        if source.response_id is None and isinstance(response_id, str) and response_id:
            source = source.model_copy(update={"response_id": response_id})
        if isinstance(model, str) and model and model != source.model:
            source = source.model_copy(update={"model": model})
        self._source = source

    def _finish(self, raw_reason: object) -> FinishReason | None:
        """Note the terminal signal of choice 0, and give its unified reason."""
        self._finished = True
        if raw_reason is not None:
            self._reason, self._raw_reason = self._unify(raw_reason)
        return self._reason

    def _finish_choice(self, number: int, raw_reason: object, *, is_news: bool) -> Iterator[Draft]:
        """Note the end of one of several choices; a further one's is told at once.

        An answer with only further choices is an answer; choice 0 then has no reason.
        """
        if number == 0:
            self._finish(raw_reason)
            return
        self._finished = True
        if is_news:
            reason, raw = self._unify(raw_reason)
            yield {
                "kind": ChunkKind.OTHER,
                "choice": number,
                "finish_reason": reason,
                "raw_finish_reason": raw,
            }

    def _unify(self, raw_reason: object) -> tuple[FinishReason, str | int | float]:
        raw = raw_reason if isinstance(raw_reason, str | int | float) else str(raw_reason)
        return self._finish_reasons.get(raw, FinishReason.OTHER), raw

    def _count(self, raw: object) -> None:
        """Bring the usage up to date with a newer object of the provider's."""
        self._usage.count(raw, self._usage_of)


def _ignore(_text: str) -> None:
    """Stand in for `write_text` once the response has reached its limit."""
