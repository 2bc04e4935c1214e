"""The body that a provider means to send, and what a fault makes of it.

Each event of it is marked with what it brings, so that after any number of its bytes it is known
how the request may end, what it has reported, and whether there was anything of the answer.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rxwizard.errors import (
    AuthenticationError,
    DecodeError,
    FirstTokenDeadlineError,
    IdleDeadlineError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RequestError,
    StreamInterruptedError,
    TokenLimitError,
    WizardError,
)
from rxwizard.providers import VENDORS
from rxwizard.testing import Reasoning, StreamError, Text, ToolCall, Usage
from rxwizard.testing.protocols import PROTOCOLS
from rxwizard.testing.protocols.base import Call

from .schedules import (
    LONG,
    Attempt,
    Cut,
    ErrorEvent,
    Garbage,
    Instead,
    NoTerminal,
    OnlyPings,
    Oracle,
    Silence,
    Trailing,
    Twice,
)

Fate: TypeAlias = "type[WizardError] | None"
"""How an attempt may end: by an error of this type; None: well."""

#: The protocol of the simulator that each provider speaks.
WIRES: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "openai-responses": "responses",
    "ollama": "ollama",
    "cohere": "cohere",
    "bedrock": "bedrock",
    "bedrock-anthropic": "bedrock-anthropic",
    "bedrock-nova": "bedrock-nova",
    "vertex-anthropic": "vertex-anthropic",
    "mistral": "openai",
    "deepseek": "openai",
    "openrouter": "openai",
    "openai-compatible": "openai",
    "vllm": "openai",
}
#: Models that go on from the beginning of an answer, where not all of a provider's do.
PREFILLED: Mapping[str, str] = {
    "anthropic": "claude-sonnet-4-5",
    "bedrock-anthropic": "anthropic.claude-sonnet-4-20250514-v1:0",
    "vertex-anthropic": "claude-sonnet-4@20250514",
    "bedrock": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "openrouter": "anthropic/claude-sonnet-4.5",
}
_ANTHROPICS = {"anthropic", "bedrock-anthropic", "vertex-anthropic"}
_BINARIES = {"bedrock", "bedrock-anthropic", "bedrock-nova"}

#: What closes an event of text. Whether one without it counts is the decoders' business.
_FRAMING = 4

STATUSES: Mapping[int, type[WizardError]] = {
    408: ProviderError,
    409: RequestError,
    429: RateLimitError,
    500: ProviderError,
    502: ProviderError,
    503: OverloadedError,
    529: OverloadedError,
    400: RequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: TokenLimitError,
}
PAGE = b"<!DOCTYPE html>\n<html><body><h1>502 Bad Gateway</h1></body></html>\n"
_INSTEAD: Mapping[str, bytes] = {
    "nothing": b"",
    "a page": PAGE,
    "an error": b'{"error": {"message": "It broke.", "type": "server_error"}}',
    "words": b"upstream connect error or disconnect/reset before headers",
    "half an event": b'data: {"id": "1", "choi',
    "blank lines": b"\n\n\r\n\r\n",
}
_GARBAGE: tuple[bytes, ...] = (
    b'data: {"choices": [{"delta"\n\n',
    b"data: \xff\xfe\xfd\n\n",
    b"\x00\x01\x02\x03\n\n",
    b"event: nonsense\ndata: {}\n\n",
    b"garbage without a field\n\n",
    b'data: "a string"\n\n',
    b"data: 17\n\ndata: null\n\ndata: []\n\n",
)
#: What comes of bytes that are no events; nothing at all may, too.
_GARBLED: set[Fate] = {DecodeError, ProviderError, StreamInterruptedError}


@dataclass(frozen=True, slots=True)
class Event:
    """A write of the provider.

    `kind` is one of content, tool (a part of a call), terminal, error, garbage or nothing of these;
    `usage` what it reports, input and output; `end` its place in the body.
    """

    data: bytes
    kind: str = ""
    usage: tuple[int, int] | None = None
    end: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """The partial answer in a request, and whether the model goes on from it unasked."""

    text: str
    is_prefill: bool


class Answer:
    """The body that one request gets, its events, and how it ends."""

    def __init__(
        self, attempt: Attempt, oracle: Oracle, provider: str, call: Call, said: Said | None
    ) -> None:
        self.attempt = attempt
        self.provider = provider
        self._wire = WIRES[provider]
        self._counts = (100 + call.number * 7, 10 + call.number * 3)
        usage = Usage(*self._counts, usage_at=attempt.usage_at)  # type: ignore[arg-type]
        self._encoder = PROTOCOLS[self._wire].encoder(call, usage)
        #: close, reset, hang or pings.
        self.ending = "close"
        self._stall: tuple[int, float] | None = None
        events = list(self._whole(oracle, said))
        self._tools = sum(event.kind == "tool" for event in events)
        if attempt.pings:
            ping = [Event(data) for data in self._encoder.keep_alive("ping")]
            events = [events[0], *(each for event in events[1:] for each in (*ping, event))]
        events = self._with_fault(events)
        ends = itertools.accumulate(len(event.data) for event in events)
        self.events = [replace(e, end=end) for e, end in zip(events, ends, strict=True)]
        self.data = b"".join(event.data for event in events)
        self._cut_short()

    # -- what is sent --------------------------------------------------------------------------

    def _whole(self, oracle: Oracle, said: Said | None) -> Iterator[Event]:
        encoder, is_anthropic = self._encoder, self._wire in _ANTHROPICS
        rest = oracle.text if said is None else oracle.text[self._begins(said) :]
        steps: list[Any] = [Reasoning(oracle.reasoning, pieces=2)] if said is None else []
        steps += [Text(rest, pieces=oracle.pieces), oracle.tool]
        is_opening = True
        for step in steps:
            if isinstance(step, ToolCall):
                for data in encoder.tool_call(step):
                    yield self._event(data, "tool", is_opening=is_opening)
                    is_opening = False
                continue
            encode = encoder.reasoning if isinstance(step, Reasoning) else encoder.text
            for piece in step.split() if step is not None and step.text else ():
                # What opens and closes comes before it, in events of its own.
                *before, data = encode(piece)
                for each in before:
                    yield self._event(each, "", is_opening=is_opening)
                    is_opening = False
                yield self._event(data, "content", is_opening=is_opening)
                is_opening = False
        *before, data = encoder.finish("tool_calls" if oracle.has_tool else "stop")
        for each in before:
            yield self._event(each, "", is_opening=is_opening)
            is_opening = False
        yield self._event(data, "" if is_anthropic else "terminal", place="finish")
        for place, data in enumerate(encoder.end()):
            kind = "terminal" if is_anthropic else ""
            yield self._event(data, kind, place="end" if place == 0 else "")

    def _event(self, data: bytes, kind: str, *, is_opening: bool = False, place: str = "") -> Event:
        """Note which usage an event reports: that is each protocol's own way."""
        at, counts = self.attempt.usage_at, self._counts
        reports = False
        if at == "never":
            pass
        elif self._wire == "openai":
            is_due = place == {"with_finish": "finish", "after_finish": "end"}.get(at)
            reports = (is_due or at == "every_chunk") and b"[DONE]" not in data
        elif self._wire == "gemini":
            reports = True
        elif self._wire in {"bedrock", "bedrock-nova"}:
            reports = place == "end"
        elif self._wire in _ANTHROPICS and is_opening:
            counts, reports = (counts[0], 1), True
        else:
            reports = place == "finish"
        return Event(data, kind, counts if reports else None)

    def _begins(self, said: Said) -> int:
        """Find where in the answer a continuation begins; it may say some words again."""
        if said.is_prefill:
            return 0 if VENDORS[self.provider].prefill_echoed else len(said.text)
        # What is repeated begins with a word, and has one that is no accident; white space is
        # never broken off in its middle.
        start = len(said.text.rstrip())
        for _ in range(self.attempt.repeats):
            start = said.text.rfind(" ", 0, max(start - 1, 0)) + 1
        repeated = re.search(r"\w{3}", said.text[start:].replace("_", " "))
        return start if repeated else len(said.text.rstrip())

    def _with_fault(self, events: list[Event]) -> list[Event]:
        fault = self.attempt.fault
        match fault:
            case ErrorEvent():
                place = self._index(events, fault.at)
                error = self._encoder.error(StreamError("It broke.", status=fault.status))
                told = [Event(data, "error") for data in error]
                return [*events[:place], *told, *(events[place:] if fault.goes_on else ())]
            case Garbage():
                place = self._index(events, fault.at)
                garbage = Event(self._garbage(fault.which), "garbage")
                return [*events[:place], garbage, *events[place:]]
            case Trailing():
                return [*events, Event(self._garbage(fault.which))]
            case Twice():
                terminal = next(n for n, event in enumerate(events) if event.kind == "terminal")
                return [*events, *events[terminal:]]
            case NoTerminal():
                return [event for event in events if event.kind != "terminal"]
            case Instead():
                return [Event(_INSTEAD[fault.what], "garbage")]
            case _:
                return events

    @staticmethod
    def _index(events: list[Event], at: int) -> int:
        return len(events) * at // 1000

    def _garbage(self, which: int) -> bytes:
        if self._wire not in _BINARIES:
            return _GARBAGE[which]
        frame = bytearray(self._encoder.error(StreamError("x"))[0])
        frame[-1 - which] ^= 0x55
        return bytes(frame)

    def _cut_short(self) -> None:
        fault, length = self.attempt.fault, len(self.data)
        match fault:
            case Cut():
                self.data = self.data[: length * fault.at // 1000]
                self.ending = fault.how
            case Silence() if math.isinf(fault.seconds):
                self.data = self.data[: length * fault.at // 1000]
                self.ending = "hang"
            case Silence():
                self._stall = (length * fault.at // 1000, fault.seconds)
            case OnlyPings():
                index = self._index(self.events, fault.at)
                self.data = self.data[: self.events[index - 1].end if index else 0]
                self.ending = "pings" if self.ping else "hang"

    def slices(self) -> Iterator[tuple[float, bytes]]:
        """Give what each read gets, and the seconds before it."""
        length = len(self.data)
        cuts = {0, length, *(length * at // 1000 for at in self.attempt.slices)}
        if self._stall is not None:
            cuts.add(self._stall[0])
        for start, end in itertools.pairwise(sorted(cuts)):
            is_stalled = self._stall is not None and start == self._stall[0]
            pause = self._stall[1] if is_stalled and self._stall else self.attempt.pause
            yield pause, self.data[start:end]
        if self._stall is not None and self._stall[0] == length:
            yield self._stall[1], b""

    @property
    def ping(self) -> bytes:
        """A sign of life; nothing in protocols that have none."""
        return b"".join(self._encoder.keep_alive("ping")[-1:])

    # -- what it means -------------------------------------------------------------------------

    def reported(self, given: int) -> set[tuple[int, int] | None]:
        """Give the usage that so many bytes tell of; several where it cannot be said."""
        told: set[tuple[int, int] | None] = {None}
        for event in self.events:
            if event.kind == "error":
                break
            if event.usage is None:
                continue
            if event.end <= given:
                told = {event.usage}
            elif event.end - _FRAMING <= given:
                told |= {event.usage}
        if any(event.kind == "garbage" and event.end <= given for event in self.events):
            told |= {event.usage for event in self.events} | {None}
        return told

    def has_token(self, given: int) -> bool | None:
        """Tell whether so many bytes bring anything of the answer; None where it is at the edge."""
        is_near, tools = False, 0
        for event in self.events:
            is_read = event.end <= given
            if event.kind == "error" and is_read:
                break
            if event.kind == "garbage" and is_read:
                # It may have failed by then.
                return None
            if event.kind == "content" and is_read:
                return True
            if event.kind in {"content", "tool"}:
                is_near = is_near or event.end - _FRAMING <= given
            # Which of the events of a call is the first to bring something is the protocol's own.
            tools += event.kind == "tool" and is_read
        if self._tools and tools == self._tools:
            return True
        return None if is_near else False

    def fates(self, given: int) -> set[Fate]:
        """Give how it may end when so many bytes of it have been read."""
        fates: set[Fate] = set()
        for event in self.events:
            if event.end > given:
                if event.kind == "terminal" and event.end - _FRAMING <= given:
                    fates.add(None)
                if event.kind == "garbage" and event.end - len(event.data) < given:
                    fates |= _GARBLED
                break
            if event.kind == "terminal":
                # After garbage it may have failed already; after the end nothing is an error.
                return {None, *fates}
            if event.kind == "error":
                return {*fates, *self._told_error()}
            if event.kind == "garbage":
                fates |= _GARBLED
        if self.ending in {"close", "reset"} and given == len(self.data):
            fates.add(StreamInterruptedError)
        if self.ending in {"hang", "pings"} or (self._stall and self._stall[1] >= LONG):
            token = self.has_token(given)
            fates |= {IdleDeadlineError} if token is not False else set()
            fates |= {FirstTokenDeadlineError} if not token else set()
        if isinstance(self.attempt.fault, NoTerminal) and self.provider == "openai-compatible":
            fates.add(None)
        return fates

    def _told_error(self) -> set[Fate]:
        fault = self.attempt.fault
        assert isinstance(fault, ErrorEvent)
        # Not every protocol has a place for the status.
        return {STATUSES[fault.status], ProviderError, OverloadedError}
