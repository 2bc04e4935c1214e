"""The tables of the SQLite sink, in words that `sqlite3 file .schema` shows as well."""

from __future__ import annotations

import sqlite3

from rxwizard.errors import SinkError

#: Kept in the file as ``PRAGMA user_version``. A change that an older reader or writer would not
#: understand raises it, and brings the statements that lead from the older one.
VERSION = 1

# SQLite keeps the words as they stand here, comments included. The rows of `chunks` are found by
# their key alone, so they live in its tree: one insert, one page.
_TABLES = (
    """CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at TEXT NOT NULL,   -- UTC, as 2025-01-31T12:00:00.000Z: the first write
    ended_at TEXT,              -- UTC; NULL while it runs, and for ever where its process crashed
    provider TEXT,              -- NULL before the first chunk; the last to answer, where several do
    model TEXT,
    response_id TEXT,
    request_id TEXT,
    error TEXT                  -- 'Type: words'; NULL where it ended well, or has not ended
)""",
    """CREATE TABLE chunks (
    stream_id INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,       -- rising; a chunk's own where that rises, else counted on
    kind TEXT NOT NULL,         -- a chunk's kind; 'text' for a string, 'other' for anything else
    text TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    choice INTEGER NOT NULL,    -- the answer is the text of choice 0 ...
    epoch INTEGER NOT NULL,     -- ... of the last epoch
    at REAL,                    -- seconds of the process's monotonic clock, when it was read
    json TEXT NOT NULL,         -- all of the item
    PRIMARY KEY (stream_id, seq)
) WITHOUT ROWID""",
    """CREATE TABLE responses (        -- one a stream that has ended and brought any chunk
    stream_id INTEGER PRIMARY KEY REFERENCES streams (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    finish_reason TEXT,
    raw_finish_reason TEXT,
    complete INTEGER NOT NULL,  -- 1 only after the provider's terminal signal
    prompt_tokens INTEGER,      -- NULL: not reported, which is not zero
    completion_tokens INTEGER,
    total_tokens INTEGER,
    reasoning_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    model TEXT NOT NULL,
    json TEXT NOT NULL          -- all of the response
)""",
)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; to be called in a transaction.

    Raises:
        SinkError: The file's tables are of a version this one does not know.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version != 0:
        message = f"its tables are of version {version}, and this rxwizard knows {VERSION}"
        raise SinkError(message)
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
