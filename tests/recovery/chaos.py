"""A provider in memory: it means to say one thing, and a schedule says what comes between.

The bytes are those of the simulator's encoders, so every protocol's wire is real; only the network
is not, and so it all runs in virtual time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rxwizard.errors import (
    ConnectDeadlineError,
    FirstTokenDeadlineError,
    HeadersDeadlineError,
    NetworkError,
    StreamInterruptedError,
)
from rxwizard.providers import WireRequest
from rxwizard.testing.protocols import PROTOCOLS
from rxwizard.testing.protocols.base import Call, WireProtocol, compact
from rxwizard.wire import Timeouts

from .answers import PAGE, STATUSES, WIRES, Answer, Fate, Said
from .schedules import Attempt, NoConnection, OnlyPings, Oracle, Slow, Status, http_date

_CONTEXT = "This model's maximum context length is 8192 tokens."


@dataclass(slots=True)
class Asked:
    """One request, what became of it, and when. Times are the loop's."""

    number: int
    host: str
    at: float
    attempt: Attempt
    said: Said | None
    answer: Answer | None = None
    error_body: bytes = b""
    #: Bytes of the body that were read.
    given: int = 0
    #: When the first and the last content were read.
    token_at: float | None = None
    content_at: float | None = None
    ended_at: float | None = None
    #: What left it early.
    error: BaseException | None = None
    _fates: set[Fate] = field(default_factory=set)

    def give(self, data: bytes) -> bytes:
        """Note that so many bytes are read."""
        before, self.given = self.given, self.given + len(data)
        if self.answer is not None:
            ends = (e.end for e in self.answer.events if e.kind in {"content", "tool"})
            if any(before < end <= self.given for end in ends):
                self.content_at = asyncio.get_running_loop().time()
                if self.token_at is None and self.has_token:
                    self.token_at = self.content_at
        return data

    def may_end(self, *fates: Fate) -> None:
        """Note how it may end, before its body has begun."""
        self._fates = set(fates)

    @property
    def was_abandoned(self) -> bool:
        """Whether somebody lost interest in it before its end."""
        return isinstance(self.error, asyncio.CancelledError | GeneratorExit)

    @property
    def fates(self) -> set[Fate]:
        """How it may have ended."""
        return self._fates if self.answer is None else self.answer.fates(self.given)

    @property
    def reported(self) -> set[tuple[int, int] | None]:
        """The usage it told."""
        return {None} if self.answer is None else self.answer.reported(self.given)

    @property
    def has_token(self) -> bool | None:
        """Whether it brought anything of the answer; None where that cannot be said."""
        return False if self.answer is None else self.answer.has_token(self.given)


class FakeReply:
    """The answer to one request."""

    def __init__(self, asked: Asked, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.is_answered = False
        self._asked = asked
        self._slices = asked.answer.slices() if asked.answer is not None else iter(())

    async def read(self) -> bytes:
        asked, answer = self._asked, self._asked.answer
        assert answer is not None
        assert asked.ended_at is None, "a closed connection is read"
        for pause, data in self._slices:
            if pause:
                await asyncio.sleep(pause)
            if data:
                return asked.give(data)
        match answer.ending:
            case "reset":
                raise StreamInterruptedError("The connection broke in the middle of the answer.")
            case "hang":
                await asyncio.get_running_loop().create_future()
            case "pings":
                fault = answer.attempt.fault
                assert isinstance(fault, OnlyPings)
                await asyncio.sleep(fault.every)
                return answer.ping
        return b""

    async def error_body(self) -> bytes:
        return self._asked.error_body


class FakeWire:
    """Carries requests to providers in memory.

    The nth request gets the nth attempt, and those after the last go well. `providers`
    is who answers, by the first part of the host's name.
    """

    def __init__(
        self, oracle: Oracle, attempts: tuple[Attempt, ...], providers: Mapping[str, str]
    ) -> None:
        self.oracle = oracle
        self.attempts = attempts
        self.providers = providers
        self.asked: list[Asked] = []
        self.open_replies = 0
        self.most_open = 0
        #: What should not have been asked.
        self.complaints: list[str] = []

    def open(self) -> None:
        """Keep connections: there are none."""

    async def close(self) -> None:
        """Close what was kept."""

    @asynccontextmanager
    async def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AsyncGenerator[FakeReply]:
        now, number = asyncio.get_running_loop().time, len(self.asked)
        host = request.url.partition("://")[2].partition(".")[0]
        attempt = self.attempts[number] if number < len(self.attempts) else Attempt()
        said = said_in(request.body)
        if said is not None and not self.oracle.text.startswith(said.text):
            self.complaints.append(f"asked to go on from {said!r}")
        asked = Asked(number, host, now(), attempt, said)
        self.asked.append(asked)
        self.open_replies += 1
        self.most_open = max(self.most_open, self.open_replies)
        try:
            yield await self._reply(asked, request, timeouts)
        except BaseException as error:
            asked.error = error
            raise
        finally:
            self.open_replies -= 1
            asked.ended_at = now()

    async def _reply(self, asked: Asked, request: WireRequest, timeouts: Timeouts) -> FakeReply:
        fault, provider = asked.attempt.fault, self.providers[asked.host]
        protocol = PROTOCOLS[WIRES[provider]]
        call = Call(request.body, asked.number + 1, 0.0, "m")
        match fault:
            case NoConnection():
                asked.may_end(NetworkError)
                await asyncio.sleep(0.01)
                raise NetworkError("Nobody answers.")
            case Slow():
                await self._wait(asked, fault, timeouts)
            case Status():
                asked.may_end(STATUSES[fault.status])
                asked.error_body = _error_body(protocol, fault.status, call)
                await asyncio.sleep(0.01)
                headers = {**protocol.headers(call), **map_dates(fault.headers)}
                return FakeReply(asked, fault.status, headers)
        asked.answer = Answer(asked.attempt, self.oracle, provider, call, asked.said)
        return FakeReply(asked, 200, protocol.headers(call))

    @staticmethod
    async def _wait(asked: Asked, fault: Slow, timeouts: Timeouts) -> None:
        error: type[ConnectDeadlineError | HeadersDeadlineError]
        if fault.stage == "connect":
            limit, error = timeouts.connect, ConnectDeadlineError
        else:
            limit, error = timeouts.headers or math.inf, HeadersDeadlineError
        # The first token may be waited for less long than this.
        asked.may_end(error, FirstTokenDeadlineError)
        await asyncio.sleep(min(limit, fault.seconds))
        if fault.seconds > limit:
            raise error("It took too long.", seconds=limit)


def _error_body(protocol: WireProtocol, status: int, call: Call) -> bytes:
    if status == 502:
        return PAGE
    words = _CONTEXT if status == 413 else None
    return compact(protocol.error_body(status, words, call)).encode()


def map_dates(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Give headers to send: ``date:7`` becomes the moment seven seconds ahead."""
    return {
        name: http_date(float(value[5:])) if value.startswith("date:") else value
        for name, value in headers
    }


def said_in(body: Mapping[str, Any]) -> Said | None:
    """Find what the assistant has said last, in any protocol's request; None where it has not."""
    messages = next((body[key] for key in ("messages", "contents", "input") if key in body), ())
    for place, message in enumerate(reversed(messages) if isinstance(messages, list) else ()):
        if message.get("role") in {"assistant", "model"}:
            content = message.get("content") or message.get("parts")
            if not isinstance(content, str):
                content = "".join(part.get("text", "") for part in content or ())
            return Said(content, is_prefill=place == 0)
    return None
