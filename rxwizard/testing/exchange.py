"""What a test sees of one request: what was asked, how far the answer got, how it ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Progress:
    """How far one answer has got. The player writes it, the `Exchange` reads it."""

    sent_bytes: int = 0
    sent_events: int = 0
    attempts: int = 0
    finished: bool = False
    gone_at: float | None = None
    writing: asyncio.Event = field(default_factory=asyncio.Event)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    releases: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def begin_write(self) -> None:
        """Note that a write has begun and may have to wait."""
        self.attempts += 1
        self.writing.set()

    def end_write(self, size: int) -> None:
        """Note that a write of so many bytes of the body is complete."""
        self.writing.clear()
        self.sent_bytes += size
        self.sent_events += 1

    async def hold(self) -> None:
        """Wait for one release, which may have come already."""
        if self.releases.locked():
            self.holding.set()
        await self.releases.acquire()

    def release(self) -> None:
        """Free one hold. That it is left is true from here on, not from when the player runs."""
        if not self.over.is_set():
            self.holding.clear()
        self.releases.release()

    def left(self) -> None:
        """Note that the client went away, once, with the time of the running loop."""
        if self.gone_at is None and not self.finished:
            self.gone_at = asyncio.get_running_loop().time()

    def end(self) -> None:
        """Note that the handler is over, and wake everyone who waits for anything."""
        self.over.set()
        self.writing.set()
        self.holding.set()


class Exchange:
    """One request that arrived, body and all, and the state of its answer.

    Waiting for what can no longer happen raises RuntimeError instead of hanging.
    """

    def __init__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        protocol: str | None,
        progress: Progress,
    ) -> None:
        self.method = method
        #: With the query string, percent-encoded as it came.
        self.path = path
        #: Looked up without regard to case.
        self.headers = headers
        self.body = body
        #: "openai", "anthropic", "ollama"; None if the path belongs to none of them.
        self.protocol = protocol
        self._progress = progress

    def __repr__(self) -> str:
        state = "finished" if self.finished else "gone" if self.gone_at is not None else "open"
        return f"<Exchange {self.method} {self.path} {state}, {self.sent_bytes} bytes sent>"

    @property
    def json(self) -> Any:
        """The request's body parsed anew; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def sent_bytes(self) -> int:
        """Bytes of the answer's body that the kernel has taken; HTTP's own framing not counted."""
        return self._progress.sent_bytes

    @property
    def sent_events(self) -> int:
        """Writes the kernel has taken whole: one an event, one a piece of `Raw`."""
        return self._progress.sent_events

    @property
    def finished(self) -> bool:
        """Whether the script was played to its end, be it a good or a bad one."""
        return self._progress.finished

    @property
    def gone_at(self) -> float | None:
        """When the client went away before the end, in `loop.time()`; None: it did not."""
        return self._progress.gone_at

    def release(self) -> None:
        """Let one `Hold` of the script go on, the present one or the next."""
        self._progress.release()

    async def held(self) -> None:
        """Wait until the script stands at a `Hold`: everything before it has been sent."""
        await self._progress.holding.wait()
        if self._progress.over.is_set():
            raise RuntimeError("the answer is over, it will not come to a Hold")

    async def answered(self) -> None:
        """Wait until the server has nothing more to do for this request, whatever way it ended."""
        await self._progress.over.wait()

    async def gone(self) -> None:
        """Wait until the client's connection went away before the script's end."""
        await self._progress.over.wait()
        if self.gone_at is None:
            how = "was played to its end" if self.finished else "was stopped by the simulator"
            raise RuntimeError(f"nobody went away: the script {how}")

    async def stalled(self, quiet: int = 64) -> None:
        """Wait until the server cannot send because the client does not read.

        That is: one and the same write has been waiting for `quiet` turns of the event loop. A
        write waits when the kernel has not taken all its bytes (the transport has no buffer of its
        own), and every turn polls the sockets and runs all that is ready, so a client on this loop
        that still reads would have let the write through. No clock is looked at; for a client in
        another process, which needs time rather than turns, ask for more of them.
        """
        progress = self._progress
        while True:
            await progress.writing.wait()
            attempt = progress.attempts
            for _ in range(quiet):
                await asyncio.sleep(0)
                if progress.over.is_set():
                    raise RuntimeError("the answer is over, no write waits for the client")
                if progress.attempts != attempt or not progress.writing.is_set():
                    break
            else:
                return
