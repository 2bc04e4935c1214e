"""A cache in a SQLite file: it outlives its process, and processes share it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import Self, TypeVar

from rxwizard.cache import tables
from rxwizard.cache.bounds import MAX_ENTRY_BYTES, Bounds
from rxwizard.cache.protocol import Pace
from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.database import Database, is_busy
from rxwizard.sinks.disk import AnyPath, checked_path

T = TypeVar("T")

#: A month, in seconds: models are replaced behind their names.
_MONTH = 30 * 24 * 3600.0


class SQLiteCache:
    """Keep answers in a SQLite file, the ones used last.

    Clients share it by being given the same one; processes, by opening the same file. It is in WAL
    mode, so it has companions (`-wal`, `-shm`) while it is open, and does not belong on a network
    drive. What goes leaves room in the file for what comes; the file itself does not shrink.

    The keys are hashes: of a request nothing is in the file, of its answer all is. There is no key
    to a provider in it.

    All work is done in one thread of the cache's own. Where another connection holds the lock, an
    answer waits for it up to `busy_timeout` seconds, once before it begins and once before its
    completion.

    Args:
        path: The file. It is made, where it is missing, when it is first looked into.
        max_bytes: Bytes kept in all, 256 counted for each answer beside its own. Where more come,
            the answers go that were not used for longest. 1 GiB are some fifty thousand answers.
        max_age: Seconds an answer is given again after it came, 30 days; None: as long as there is
            room. Models are replaced behind their names.
        max_entry_bytes: Bytes above which an answer is not stored.
        pace: How an answer is played again: "full" or "original".
        busy_timeout: Seconds to wait for a lock that another connection holds.
        clock: Gives the seconds by which answers age, on all processes' common clock.

    Raises:
        ConfigError: An option cannot work, its directory is missing or may not be written to, or it
            is no regular file.
    """

    def __init__(
        self,
        path: AnyPath,
        max_bytes: int = 1024 * 1024 * 1024,
        *,
        max_age: float | None = _MONTH,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        pace: Pace = "full",
        busy_timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if str(path) == ":memory:":
            raise ConfigError(":memory: would be gone with the cache: take a MemoryCache")
        if not (math.isfinite(busy_timeout) and busy_timeout >= 0):
            raise ConfigError(f"busy_timeout is {busy_timeout}; it is seconds, 0 or more")
        self._bounds = Bounds(max_bytes, max_age, max_entry_bytes, pace)
        self._path = checked_path(path, needs_parent=True)
        self._clock = clock
        self._database = Database(self._path, busy_timeout)
        # It starts its thread with the first work.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rxwizard-cache")
        self._closed = False

    @property
    def pace(self) -> Pace:
        """How an answer is played again."""
        return self._bounds.pace

    @property
    def max_entry_bytes(self) -> int:
        """Bytes above which an answer is not stored."""
        return self._bounds.largest

    async def size(self) -> int:
        """Give the bytes kept now, as `max_bytes` counts them, those too old included.

        Raises:
            SinkError: The file cannot be read.
        """
        return await self._work(tables.size)

    async def get(self, key: str, /) -> bytes | None:
        """Give what was stored under the key; None where there is nothing, or it is too old.

        Raises:
            SinkError: The file is damaged or something else's, its lock was held for too long, or
                the cache is closed.
        """
        now = self._clock()
        oldest = self._bounds.oldest(now)
        return await self._work(lambda connection: tables.find(connection, key, now, oldest))

    def put(self, key: str, entry: bytes, /) -> Awaitable[None]:
        """Store an entry; those go that are too old, or for which there is no room any more.

        One that is over `max_entry_bytes` is not stored. It begins at once: `close` waits for it,
        and it is stored also where waiting for it is cancelled.

        Raises:
            SinkError: As for `get`, or the disk is full. Nothing was changed.
        """
        now = self._clock()
        oldest, bounds = self._bounds.oldest(now), self._bounds

        def store(connection: sqlite3.Connection) -> None:
            if len(entry) <= bounds.largest:
                tables.store(connection, key, entry, now, oldest, bounds.max_bytes)

        return self._work(store)

    async def clear(self) -> None:
        """Forget all entries, those of other processes included.

        Raises:
            SinkError: As for `put`.
        """
        await self._work(lambda connection: connection.execute("DELETE FROM answers"))

    async def close(self) -> None:
        """Close the file, after what is under way. Idempotent; the entries stay."""
        if self._closed:
            return
        self._closed = True
        closing = self._worker.submit(self._database.close)
        self._worker.shutdown(wait=False)
        await asyncio.wrap_future(closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Have the thread do it, after what it has to do already."""
        if self._closed:
            raise SinkError(f"{self._path}: the cache is closed")
        return asyncio.get_running_loop().run_in_executor(self._worker, self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        database = self._database
        database.renew_patience()
        try:
            if not database.is_open:
                self._refuse_others()
                # What models say to their users is for those alone.
                self._path.touch(mode=0o600)
                database.open(tables.prepare)
            return database.transact(work)
        except sqlite3.Error as error:
            if not is_busy(error):
                # Another file may stand there by now: it is opened anew the next time.
                database.close()
            raise SinkError(f"{self._path}: {error}") from error
        except SinkError as error:
            raise SinkError(f"{self._path}: {error}") from error.__cause__

    def _refuse_others(self) -> None:
        """Look before the file is turned to WAL: it may be something else's."""
        if not self._path.exists():
            return
        with closing(sqlite3.connect(self._path, timeout=0)) as connection:
            try:
                tables.is_ready(connection)
            except sqlite3.OperationalError as error:
                if not is_busy(error):  # then it is opened patiently, and looked into again
                    raise
