"""A connection to a database that others write as well. It blocks: for a thread of its own."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two tries for a lock: at first, and at most. A commit takes far less than the
#: first; the second bounds what a process that holds it long costs us.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


class Database:
    """One connection in WAL mode, on which each transaction waits for the lock, for a time.

    SQLite's own waiting is not used: it cannot be ended early, and it is left out where several
    processes turn a new file to WAL at once.

    All methods but `give_up` are called in the same thread.

    Args:
        path: The file; it is made where it is missing.
        busy_timeout: Seconds to wait for locks that other connections hold, between two calls of
            `renew_patience`.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = self._patience = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._given_up = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def renew_patience(self) -> None:
        """Allow `busy_timeout` seconds of waiting from now on, for whatever is done next."""
        self._patience = self._busy_timeout

    def open(self, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """Connect, and let `prepare` make its tables in a transaction.

        Raises:
            sqlite3.Error: SQLite's own; there is no connection then.
        """
        # None: transactions begin and end where `transact` says so.
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        self._connection = connection
        try:
            self._wait_for(lambda: _configure(connection))
            self.transact(prepare)
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in a transaction, and all of it or nothing.

        `work` is called anew where the lock was not to be had.

        Raises:
            sqlite3.Error: SQLite's own, `is_busy` where the lock was held for too long.
        """
        connection = self._connection
        if connection is None:
            raise sqlite3.ProgrammingError("there is no connection")

        def once() -> T:
            with _transaction(connection):
                return work(connection)

        return self._wait_for(once)

    def give_up(self) -> None:
        """End the waiting for locks, now and later. May be called from any thread."""
        self._given_up.set()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wait_for(self, work: Callable[[], T]) -> T:
        pause = _FIRST_PAUSE
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                began = time.monotonic()
                if (
                    not is_busy(error)
                    or self._patience <= 0
                    or self._given_up.wait(min(pause, self._patience))
                ):
                    raise
            self._patience -= time.monotonic() - began
            pause = min(2 * pause, _LONGEST_PAUSE)


def _configure(connection: sqlite3.Connection) -> None:
    # Any of them may meet the lock of one who turns a new file to WAL, or closes it as the last.
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    # Enough for WAL: a crash of the process loses nothing, one of the machine the last few
    # commits, none of them the file.
    connection.execute("PRAGMA synchronous = NORMAL")


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection holds the lock."""
    # The lower byte is the kind of the error; an error of the module's own has no code.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    # IMMEDIATE takes the lock at once. One that takes it later can be refused in the middle, for
    # what it has read is old by then.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
