"""Answering with what was recorded, at any pace and in any slices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from math import isfinite
from typing import TypeAlias

from rxwizard.chunks import StreamChunk
from rxwizard.config import StreamingConfig, WizardConfig
from rxwizard.errors import ConfigError, NetworkError, StreamInterruptedError, WizardError
from rxwizard.prompts import Prompt
from rxwizard.providers import PROTOCOLS, VENDORS, WireRequest
from rxwizard.recording.exchange import Exchange, Read
from rxwizard.recording.lines import error_of
from rxwizard.source import Source
from rxwizard.stream import Stream
from rxwizard.wire import Reply, Timeouts

Split: TypeAlias = int | Callable[[bytes], Iterable[bytes]]
"""How a body is cut anew: bytes of a slice, or what makes the slices out of the whole body."""

#: Seconds that a read may come late and the next ones catch up: more than a timer is late. One that
#: is later was not asked for before, so that the reader has paused, and the rest moves with it.
_LATE = 0.05

#: Seconds that a reply that was left is silent at its end: a clock that ran out does so again.
_IMPATIENCE = 0.1

#: Bytes of an error reply that are given: as many as of a live one.
_MAX_ERROR_BODY = 64 * 1024


class ReplayWire:
    """Answer requests with exchanges of a recording, whatever is asked.

    Each read comes as long after the one before as it did then; what the reader waits in between
    counts. Time is that of the event loop.

    Args:
        exchanges: Those of a `Recording`. Each request takes the next one.
        speed: 1 is the pace at which they came, 2 is twice as fast; None: at once.
        split: None: bodies come in the slices in which they were read. A number: in slices of so
            many bytes. A function: makes the slices out of a whole body. A slice comes when its
            last byte did.
        again: Whether to begin anew where there are no more exchanges.

    Raises:
        ConfigError: An option cannot be.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        *,
        speed: float | None = 1.0,
        split: Split | None = None,
        again: bool = False,
    ) -> None:
        if speed is not None and not (isfinite(speed) and speed > 0):
            raise ConfigError(f"speed: a replay is some times as fast, more than 0, not {speed!r}")
        if isinstance(split, int) and split < 1:
            raise ConfigError(f"split: a slice has 1 byte or more, not {split!r}")
        self._exchanges = exchanges
        self._speed = speed
        self._split = split
        self._again = again
        self._next = 0

    @asynccontextmanager
    async def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AsyncGenerator[Reply]:
        """Give the next exchange's reply. The request, the clocks and the buffer do not matter.

        Raises:
            WizardError: What the wire failed with when there was no response.
            NetworkError: There was none and nobody knows why, or there are no more exchanges.
        """
        del request, timeouts, read_bufsize
        if self._next >= len(self._exchanges) and (not self._again or not self._exchanges):
            message = f"The recording has {len(self._exchanges)} exchanges, and no more."
            raise NetworkError(message, retryable=False)
        exchange = self._exchanges[self._next % len(self._exchanges)]
        self._next += 1
        pace = _Pace(self._speed)
        if exchange.status is None:
            await pace.wait(exchange.ended_at)
            raise _failure(exchange, NetworkError)
        await pace.wait(exchange.answered_at)
        yield _ReplayedReply(exchange, exchange.status, pace, _cut(exchange.reads, self._split))


class _ReplayedReply:
    def __init__(self, exchange: Exchange, status: int, pace: _Pace, reads: Iterator[Read]) -> None:
        self.status = status
        self.headers = exchange.headers
        self.is_answered = False
        self._exchange = exchange
        self._pace = pace
        self._reads = reads

    async def read(self) -> bytes:
        if (read := next(self._reads, None)) is not None:
            await self._pace.wait(read.at)
            return read.data
        end, ended_at = self._exchange.end, self._exchange.ended_at
        await self._pace.wait(ended_at + _IMPATIENCE if end == "closed by us" else ended_at)
        if end in {"eof", "answered"}:
            return b""
        raise _failure(self._exchange, StreamInterruptedError)

    async def error_body(self) -> bytes:
        data = bytearray()
        try:
            while len(data) < _MAX_ERROR_BODY and (piece := await self.read()):
                data += piece
        except WizardError:
            pass  # as of a live one: half an error message is better than an error about it
        return bytes(data[:_MAX_ERROR_BODY])


class _Pace:
    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._now = asyncio.get_running_loop().time
        self._due = self._now()
        self._at = 0.0

    async def wait(self, at: float) -> None:
        """Wait until it is time for what came then, `at` seconds after the request."""
        wait = 0.0
        if self._speed is not None:
            self._due += max(at - self._at, 0.0) / self._speed
            self._at = max(at, self._at)
            now = self._now()
            wait = self._due - now
            if wait < -_LATE:
                self._due = now
        # Also where there is nothing to wait for: a body that comes at once must not keep the loop.
        await asyncio.sleep(max(wait, 0.0))


def _cut(reads: Sequence[Read], split: Split | None) -> Iterator[Read]:
    """Cut a body anew. An empty slice would be its end.

    Raises:
        ConfigError: What the function gives is not the body.
    """
    if split is None:
        yield from (read for read in reads if read.data)
        return
    body = b"".join(read.data for read in reads)
    ends = list(accumulate(len(read.data) for read in reads))
    slices: Iterable[bytes]
    if isinstance(split, int):
        slices = (body[start : start + split] for start in range(0, len(body), split))
    else:
        slices = split(body)
    position = which = 0
    for part in slices:
        if part:
            position += len(part)
            if body[position - len(part) : position] != part:
                break
            while ends[which] < position:
                which += 1
            yield Read(reads[which].at, part)
    else:
        if position == len(body):
            return
    raise ConfigError("split: joining the slices does not give the body")


def _failure(exchange: Exchange, otherwise: type[WizardError]) -> WizardError:
    if exchange.error is not None:
        return error_of(exchange.error, otherwise)
    why = "whoever read it left" if exchange.end == "closed by us" else "it was broken off"
    return otherwise(f"The recording ends here, where {why}.", retryable=False)


def replayed(
    exchange: Exchange, speed: float | None, split: Split | None, streaming: StreamingConfig
) -> Stream[StreamChunk]:
    """Make the cold stream of one exchange's answer.

    Raises:
        ConfigError: Its provider is not known, or speaks another protocol; or an option cannot be.
    """
    config = _config(exchange)

    @asynccontextmanager
    async def endpoint() -> AsyncGenerator[WizardConfig]:
        yield config

    wire = ReplayWire((exchange,), speed=speed, split=split, again=True)
    return Source(config, streaming, wire, endpoint).stream(_PROMPT)


#: What a request is made of that nobody will read.
_PROMPT = Prompt("(a recording is replayed)")

#: Stands where the key was. It is too short to be taken for one, and so is hidden nowhere.
_NO_KEY = "-"


def _config(exchange: Exchange) -> WizardConfig:
    vendor = VENDORS.get(exchange.provider)
    if vendor is None or vendor.protocol != exchange.protocol:
        message = (
            f'The recording is of the provider "{exchange.provider}" in the protocol '
            f'"{exchange.protocol}", which is not known here.'
        )
        raise ConfigError(message)
    model = f"{exchange.provider}:{exchange.model}"

    def asking(endpoint: str) -> WizardConfig:
        return WizardConfig(model=model, api_key=_NO_KEY, endpoint=endpoint)

    def url_of(config: WizardConfig) -> str:
        return PROTOCOLS[vendor.protocol].request(_PROMPT, config, vendor).url

    # The request goes nowhere. Its URL is in the words of some errors, and those must be the same.
    base = "http://recording.invalid/base"
    suffix = url_of(asking(base)).removeprefix(base)
    guesses = (asking(guess) for guess in _endpoints(exchange.url, suffix) if guess)
    return next((guess for guess in guesses if url_of(guess) == exchange.url), asking(base))


def _endpoints(url: str, suffix: str) -> Iterator[str]:
    """Guess from which endpoint a protocol made a URL, by what it adds to one without a query."""
    yield url.removesuffix(suffix)
    path, _, query = url.partition("?")
    added_path, _, added_query = suffix.partition("?")
    base, query = path.removesuffix(added_path), query.removesuffix(added_query).rstrip("&")
    yield f"{base}?{query}"
    yield f"{base}/?{query}"
