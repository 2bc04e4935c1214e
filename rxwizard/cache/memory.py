"""A cache in memory: gone with its process."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from types import TracebackType
from typing import Self

from rxwizard.cache.bounds import ENTRY_COSTS, MAX_ENTRY_BYTES, Bounds
from rxwizard.cache.protocol import Pace


class MemoryCache:
    """Keep answers in memory, the ones used last, for as long as this object lives.

    Clients share it by being given the same one, also in several threads.

    Args:
        max_bytes: Bytes kept in all, 256 counted for each answer beside its own. Where more come,
            the answers go that were not used for longest. 64 MiB are some thousands of answers.
        max_age: Seconds an answer is given again after it came, by the event loop's clock; None:
            as long as there is room.
        max_entry_bytes: Bytes above which an answer is not stored.
        pace: How an answer is played again: "full" or "original".

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        max_bytes: int = 64 * 1024 * 1024,
        *,
        max_age: float | None = None,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        pace: Pace = "full",
    ) -> None:
        self._bounds = Bounds(max_bytes, max_age, max_entry_bytes, pace)
        #: When each was stored, and what; the one used last is the last.
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        # Streams read by plain loops run in threads of their own.
        self._lock = threading.Lock()

    @property
    def pace(self) -> Pace:
        """How an answer is played again."""
        return self._bounds.pace

    @property
    def max_entry_bytes(self) -> int:
        """Bytes above which an answer is not stored."""
        return self._bounds.largest

    async def size(self) -> int:
        """Give the bytes kept now, as `max_bytes` counts them, those too old included."""
        return self._bytes

    async def get(self, key: str, /) -> bytes | None:
        """Give what was stored under the key; None where there is nothing, or it is too old."""
        oldest = self._bounds.oldest(asyncio.get_running_loop().time())
        with self._lock:
            stored_at, entry = self._entries.get(key, (0.0, None))
            if entry is not None and stored_at <= oldest:
                self._forget(key)
                return None
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    async def put(self, key: str, entry: bytes, /) -> None:
        """Store an entry; those go that are too old, or for which there is no room any more.

        One that is over `max_entry_bytes` is not stored.
        """
        if len(entry) > self._bounds.largest:
            return
        now = asyncio.get_running_loop().time()
        oldest = self._bounds.oldest(now)
        with self._lock:
            self._forget(key)
            self._entries[key] = now, entry
            self._bytes += len(entry) + ENTRY_COSTS
            # Looked for only where room is wanted: those that are too old are never given.
            if self._bytes > self._bounds.max_bytes:
                for old in [key for key, (at, _) in self._entries.items() if at <= oldest]:
                    self._forget(old)
            while self._bytes > self._bounds.max_bytes:
                self._forget(next(iter(self._entries)))

    def _forget(self, key: str) -> None:
        _, entry = self._entries.pop(key, (0.0, None))
        if entry is not None:
            self._bytes -= len(entry) + ENTRY_COSTS

    async def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    async def close(self) -> None:
        """Forget all entries. Idempotent."""
        await self.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()
