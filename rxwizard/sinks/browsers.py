"""Any number of browsers that read one log, each at its own pace. Nothing of HTTP here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.events import KEEP_ALIVE, event, gap

#: Bytes of events that are handed to a connection in one go. It is as much as a socket takes at
#: once; and as nothing more is handed over before that is sent, it is what a browser costs.
BATCH_BYTES = 65_536


class Slow(StrEnum):
    """What happens when the log is full and a browser has not read its oldest event."""

    WAIT = "wait"  #: nothing is lost: writing waits for the browser, up to the deadline
    SKIP = "skip"  #: the browser misses what it was too slow for, and is told how much
    CLOSE = "close"  #: its connection is closed; it may come back


class Connection(Protocol):
    """What is asked of a connection; an `asyncio.Transport` has it."""

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""
        ...

    def abort(self) -> None:
        """Close it at once; what is not sent yet is dropped."""


@dataclass(frozen=True, slots=True)
class BrowserStatistics:
    """What has happened between a sink and its browsers so far."""

    browsers: int
    """Browsers connected now."""
    events: int
    """Events written, the end not counted."""
    held: int
    """Events in the log."""
    held_bytes: int
    """Bytes in the log."""
    missed: int
    """Events that browsers were told they had missed: by `skip`, or having come late."""
    closed: int
    """Connections closed because the browser was too slow."""


class Broadcast:
    """A log of the last events, and the browsers that read it.

    One task writes. Each browser's own task reads, through the `Browser` that `join` gives. All of
    it on one event loop.

    Args:
        history: Events held, 1 or more.
        max_bytes: Bytes held. A single event may be larger, and is held alone.
        slow: What happens to a browser that does not keep up.
        deadline: Seconds that writing waits for browsers at most.
        heartbeat: Seconds without news after which a browser gets a comment.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self, *, history: int, max_bytes: int, slow: Slow | str, deadline: float, heartbeat: float
    ) -> None:
        if history < 1 or max_bytes < 1:
            message = f"a log of {history} events and {max_bytes} bytes cannot work: 1 or more"
            raise ConfigError(message)
        if deadline <= 0 or heartbeat <= 0:
            message = f"a deadline of {deadline} s with a heartbeat of {heartbeat} s cannot work"
            raise ConfigError(message)
        try:
            self._slow = Slow(slow)
        except ValueError:
            message = f"there is no way {slow!r} to treat slow browsers; there are: "
            raise ConfigError(message + ", ".join(Slow)) from None
        self._history = history
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._heartbeat = heartbeat
        self._log: dict[int, bytes] = {}
        self._bytes = 0
        self._first = 0
        self._count = 0
        self._end: bytes | None = None
        self._browsers: set[Browser] = set()
        self._moved = asyncio.Event()
        self._missed = 0
        self._closed = 0

    @property
    def count(self) -> int:
        """How many events have been written; the id of the last one."""
        return self._count

    @property
    def ended(self) -> bool:
        """Whether no more events will come."""
        return self._end is not None

    async def write(self, data: bytes) -> None:
        """Append an event with one line of data, once the log has room for it.

        Raises:
            SinkError: The end has been written.
        """
        if self._end is not None:
            message = "this sink is closed and takes no more items"
            raise SinkError(message)
        written = event(self._count + 1, data)
        until = asyncio.get_running_loop().time() + self._deadline
        while self._log and not self._has_room(len(written)):
            # Cancelled in here, nothing has been written.
            await self._leave_the_oldest(until)
            self._bytes -= len(self._log.pop(self._first))
            self._first += 1
        self._log[self._count] = written
        self._bytes += len(written)
        self._count += 1
        self._wake()

    def _has_room(self, size: int) -> bool:
        return len(self._log) < self._history and self._bytes + size <= self._max_bytes

    async def _leave_the_oldest(self, until: float) -> None:
        """See to it that no browser that must not miss it needs the oldest event any more."""
        if not self._at_the_oldest():
            return
        if self._slow is Slow.WAIT:
            try:
                async with asyncio.timeout_at(until):
                    while self._at_the_oldest():
                        await self._any_moves()
            except TimeoutError:
                self._put_out(self._at_the_oldest())
            return
        # A turn of the loop, for those that are slow only because whoever writes never waits.
        await asyncio.sleep(0)
        if self._slow is Slow.CLOSE:
            self._put_out(self._at_the_oldest())

    def _at_the_oldest(self) -> list[Browser]:
        """Whom the oldest event must still be kept for."""
        here = (browser for browser in self._browsers if not browser.is_gone)
        if self._slow is Slow.WAIT:
            # One that has just come is behind it, until it has been told what it missed.
            return [browser for browser in here if browser.position <= self._first]
        return [browser for browser in here if browser.position == self._first]

    async def end(self, data: bytes, name: str) -> None:
        """Append the last event, and wait until the browsers that are here have it and are gone.

        Those that take longer than the deadline are cut off. A second end changes nothing.
        """
        if self._end is None:
            self._end = event(self._count + 1, data, name)
            self._wake()
        await self.wait_until_gone()

    async def wait_until_gone(self) -> None:
        """Wait until the browsers that are here have gone; cut them off after the deadline."""
        here = self._browsers.copy()
        try:
            async with asyncio.timeout(self._deadline):
                while any(not b.is_gone for b in here & self._browsers):
                    await self._any_moves()
        except TimeoutError:
            self._put_out([b for b in here & self._browsers if not b.is_gone])

    def cut_off(self) -> None:
        """Close all connections at once."""
        for browser in tuple(self._browsers):
            browser.cut_off()

    def join(self, connection: Connection, number: int = 0) -> Browser:
        """Add a browser that has the first `number` events already, or anything it says it has."""
        browser = Browser(self, connection, min(number, self._count))
        self._browsers.add(browser)
        return browser

    def statistics(self) -> BrowserStatistics:
        """Say what has happened so far."""
        return BrowserStatistics(
            browsers=sum(not browser.is_gone for browser in self._browsers),
            events=self._count,
            held=len(self._log),
            held_bytes=self._bytes,
            missed=self._missed,
            closed=self._closed,
        )

    def _put_out(self, browsers: list[Browser]) -> None:
        self._closed += len(browsers)
        for browser in browsers:
            browser.cut_off()

    def _wake(self) -> None:
        for browser in self._browsers:
            browser.news.set()

    async def _any_moves(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    # -- what a browser asks -------------------------------------------------------------------

    def read(self, browser: Browser) -> bytes:
        """Give a browser what comes next, up to a batch; empty where there is nothing yet."""
        parts: list[bytes] = []
        if browser.position < self._first:
            missed = self._first - browser.position
            self._missed += missed
            # Its id is that of the last event missed, so that a browser that comes back behind it
            # is not told twice.
            parts.append(gap(self._first, missed))
            browser.position = self._first
        size = 0
        while size < BATCH_BYTES and browser.position < self._count:
            next_one = self._log[browser.position]
            if size and size + len(next_one) > BATCH_BYTES:
                break
            parts.append(next_one)
            size += len(next_one)
            browser.position += 1
        if self._end is not None and browser.position == self._count and not browser.has_end:
            browser.has_end = True
            parts.append(self._end)
        self._moved.set()
        return b"".join(parts)

    async def wait_for_news(self, browser: Browser) -> bool:
        """Wait for the next event, a heartbeat long; whether there is one."""
        browser.news.clear()
        try:
            async with asyncio.timeout(self._heartbeat):
                await browser.news.wait()
        except TimeoutError:
            return False
        return True

    def leave(self, browser: Browser) -> None:
        """Forget a browser."""
        self._browsers.discard(browser)
        self._moved.set()


class Browser:
    """A place in the log, and the connection of who reads there.

    Attributes:
        position: Events taken, or missed.
        has_end: Whether it has been given the end.
        news: Set when there is something to read, or nothing any more.
    """

    def __init__(self, broadcast: Broadcast, connection: Connection, position: int) -> None:
        self.position = position
        self.has_end = False
        self.news = asyncio.Event()
        self._broadcast = broadcast
        self._connection = connection

    @property
    def is_gone(self) -> bool:
        """Whether its connection is closed, also where its task does not know yet."""
        return self._connection.is_closing()

    async def read(self) -> bytes:
        """Wait for what to send next: events, a gap, the end, or a keep-alive comment.

        Empty when there is nothing more: the browser has the end, or is gone.
        """
        while not self.is_gone:
            if data := self._broadcast.read(self):
                return data
            if self.has_end:
                break
            if not await self._broadcast.wait_for_news(self):
                return KEEP_ALIVE
        return b""

    def cut_off(self) -> None:
        """Close its connection at once."""
        self._connection.abort()
        self.news.set()

    def leave(self) -> None:
        """Give up the place. Idempotent."""
        self._broadcast.leave(self)
