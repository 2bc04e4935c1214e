"""Google's Gemini API, also as Vertex AI serves it.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent, and
recordings. Each event is a whole response that holds what is new. The body is an event stream where
``alt=sse`` asks for one, and one JSON array where a server takes no notice of that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, TokenUsage
from rxwizard.decoders import SniffingDecoder
from rxwizard.errors import DecodeError, WizardError
from rxwizard.providers.gemini_calls import FunctionCalls
from rxwizard.providers.gemini_request import gemini_request
from rxwizard.providers.protocol import WireProtocol
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.shape import as_list, as_object, is_object, objects
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts

#: Answers to one prompt; Google allows 8. A hostile server would make memory grow with more.
MAX_CANDIDATES = 1024

#: What a candidate of plain text may hold beside it.
_PLAIN = {"content", "index", "safetyRatings"}

#: What Vertex tells instead of counts while the answer goes on.
_NO_COUNTS = {"trafficType", "serviceTier"}

#: What the events of this protocol hold; another one is unknown.
_KNOWN = {"candidates", "promptFeedback", "usageMetadata"}

#: What tells who answers.
_IDENTITY = ("responseId", "modelVersion")

#: What else a candidate may say, shown where it says something.
_EXTRAS = ("groundingMetadata", "urlContextMetadata", "logprobsResult", "finishMessage")

_UNSPECIFIED = (None, "", 0, "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED")


class _Candidate:
    """One of the answers to the prompt, over all events."""

    def __init__(self, calls: FunctionCalls) -> None:
        self.calls = calls
        self.raw_reason: object = None
        #: The citations that the newest event with any had: some servers repeat them all.
        self.cited: set[str] = set()


class GeminiReader(Reader):
    """Read the events of one answer.

    A finish reason, or the reason for which the prompt was blocked, is the terminal signal; but the
    stream goes on to the end of the body (code that the server runs has more text after it), and
    the last finish reason counts.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "STOP": FinishReason.STOP,
        "MAX_TOKENS": FinishReason.LENGTH,
        "SAFETY": FinishReason.CONTENT_FILTER,
        "RECITATION": FinishReason.CONTENT_FILTER,
        "LANGUAGE": FinishReason.CONTENT_FILTER,
        "BLOCKLIST": FinishReason.CONTENT_FILTER,
        "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
        "SPII": FinishReason.CONTENT_FILTER,
        "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
        "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
        "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
        "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
        "MALFORMED_FUNCTION_CALL": FinishReason.ERROR,
        "UNEXPECTED_TOOL_CALL": FinishReason.ERROR,
        "TOO_MANY_TOOL_CALLS": FinishReason.ERROR,
        "MALFORMED_RESPONSE": FinishReason.ERROR,
        # With enum-encoding=int. From 9 on, Gemini and Vertex number differently.
        1: FinishReason.STOP,
        2: FinishReason.LENGTH,
        3: FinishReason.CONTENT_FILTER,
        4: FinishReason.CONTENT_FILTER,
        6: FinishReason.CONTENT_FILTER,
        7: FinishReason.CONTENT_FILTER,
        8: FinishReason.CONTENT_FILTER,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._candidates: dict[int, _Candidate] = {}
        self._is_identified = False
        #: The newest usage, where events of plain text have told it: nobody has asked for it yet.
        self._uncounted: Mapping[str, Any] | None = None

    @property
    def _is_finished(self) -> bool:
        return self._finished and all(
            candidate.raw_reason is not None for candidate in self._candidates.values()
        )

    def _plain_text(self, event: Any) -> str | None:
        try:
            candidates = event["candidates"]
            candidate = candidates[0]
            parts = candidate["content"]["parts"]
            part = parts[0]
            text = part["text"]
            if (
                text.__class__ is not str
                or not text
                or len(part) != 1
                or len(parts) != 1
                or len(candidates) != 1
                or not candidate.keys() <= _PLAIN
                or candidate.get("index")
                or "promptFeedback" in event
                or "error" in event
                or not (self._is_identified or event.keys().isdisjoint(_IDENTITY))
            ):
                return None
            usage = event.get("usageMetadata")
            if usage is not None:
                if usage.get("totalTokenCount").__class__ is int:
                    # Every event tells it: it is enough to understand the last one.
                    self._uncounted = usage
                elif not usage.keys() <= _NO_COUNTS:
                    return None
        except (AttributeError, KeyError, IndexError, TypeError):
            return None
        return text

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        # Also where the quick way is not taken: what a chunk holds must not depend on that.
        text = self._plain_text(event) if self._started else None
        if text is not None:
            self._known(0)
            yield {"text": text}
            return
        self._settle()
        self._identify(event.get("responseId"), event.get("modelVersion"))
        self._is_identified = self._is_identified or not event.keys().isdisjoint(_IDENTITY)
        self._count(event.get("usageMetadata"))
        reason = as_object(event.get("promptFeedback")).get("blockReason")
        if reason not in _UNSPECIFIED:
            self._finish(reason)
            self._reason = FinishReason.CONTENT_FILTER
            for known in self._candidates.values():
                known.raw_reason = reason
        for candidate in objects(event.get("candidates")):
            yield from self._candidate(candidate)
        if not event.keys() & _KNOWN:
            yield {"kind": ChunkKind.OTHER, "data": event}

    # -- candidates and their parts ----------------------------------------------------------

    def _candidate(self, candidate: Mapping[str, Any]) -> Iterator[Draft]:
        number = candidate.get("index")
        number = number if isinstance(number, int) else 0
        known = self._known(number)
        for draft in self._drafts(candidate, known):
            yield {**draft, "choice": number} if number else draft
        raw_reason = candidate.get("finishReason")
        if raw_reason in _UNSPECIFIED:
            return
        is_news = raw_reason != known.raw_reason
        known.raw_reason = raw_reason
        yield from self._finish_choice(number, raw_reason, is_news=is_news)

    def _known(self, number: int) -> _Candidate:
        if (known := self._candidates.get(number)) is None:
            if len(self._candidates) >= MAX_CANDIDATES:
                message = f"{self._name} sent more than {MAX_CANDIDATES:,} candidates"
                raise DecodeError(message)
            calls = ToolCalls(partial(self._response.arguments_are_whole, number))
            known = self._candidates[number] = _Candidate(FunctionCalls(calls))
        return known

    def _drafts(self, candidate: Mapping[str, Any], known: _Candidate) -> Iterator[Draft]:
        for part in as_list(as_object(candidate.get("content")).get("parts")):
            if is_object(part):
                yield from self._part(part, known)
            else:
                yield {"kind": ChunkKind.OTHER, "data": part}
        yield from _citations(candidate, known)
        extras = {name: candidate[name] for name in _EXTRAS if candidate.get(name)}
        if extras:
            yield {"kind": ChunkKind.OTHER, "data": extras}

    def _part(self, part: Mapping[str, Any], known: _Candidate) -> Iterator[Draft]:
        signature = part.get("thoughtSignature")
        # It has to be sent back with the part it came with.
        signed: Draft = {"data": {"thoughtSignature": signature}} if signature else {}
        call = part.get("functionCall")
        text = part.get("text")
        if is_object(call):
            drafts = known.calls.read(call, **signed)
            yield from [{"kind": ChunkKind.OTHER, "data": part}] if drafts is None else drafts
        elif not isinstance(text, str):
            yield {"kind": ChunkKind.OTHER, "data": part}
        elif not text:
            if signed:
                yield {"kind": ChunkKind.OTHER, **signed}
        elif part.get("thought") is True:
            yield {"kind": ChunkKind.REASONING, "reasoning": text, **signed}
        else:
            yield {"text": text, **signed}

    # -- usage -------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Count what events of plain text have told."""
        if self._uncounted is not None:
            self._count(self._uncounted)
            self._uncounted = None

    def _final(self, at: float) -> StreamChunk:
        self._settle()
        return super()._final(at)

    def _fail(self, error: WizardError, at: float) -> Iterator[StreamChunk]:
        self._settle()
        if self._usage.is_news and self._started:
            # The partial answer of the error shall have it.
            yield self._chunk({"kind": ChunkKind.USAGE, "usage": self._usage.tell()}, at)
        yield from super()._fail(error, at)

    def _count(self, raw: object) -> None:
        # With tools on the server's side, counts are no running sums and may fall.
        is_whole = is_object(raw) and isinstance(raw.get("totalTokenCount"), int)
        self._usage.count(raw, self._usage_of, replaces=is_whole)

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        thoughts = raw.get("thoughtsTokenCount")
        return counts(
            raw,
            # What server-side tools have read for the model is input.
            prompt_tokens=_sum(raw.get("promptTokenCount"), raw.get("toolUsePromptTokenCount")),
            completion_tokens=_sum(raw.get("candidatesTokenCount"), thoughts),
            total_tokens=raw.get("totalTokenCount"),
            reasoning_tokens=thoughts,
            cached_tokens=raw.get("cachedContentTokenCount"),
        )


def _sum(*parts: object) -> int | None:
    known = [part for part in parts if isinstance(part, int)]
    return sum(known) if known else None


def _citations(candidate: Mapping[str, Any], known: _Candidate) -> Iterator[Draft]:
    """Give the sources of the answer that the events before did not name."""
    metadata = as_object(candidate.get("citationMetadata"))
    found = [
        *as_list(metadata.get("citations", metadata.get("citationSources"))),
        *as_list(as_object(candidate.get("groundingMetadata")).get("groundingChunks")),
    ]
    if not found:
        return
    cited = {json.dumps(citation, sort_keys=True): citation for citation in found}
    for key, citation in cited.items():
        if key not in known.cited:
            yield {"kind": ChunkKind.CITATION, "data": citation}
    known.cited = set(cited)


GEMINI = WireProtocol(
    "gemini", request=gemini_request, decoder=SniffingDecoder, reader=GeminiReader
)
