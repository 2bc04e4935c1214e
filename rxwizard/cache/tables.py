"""The tables of the SQLite cache, in words that `sqlite3 file .schema` shows as well."""

from __future__ import annotations

import sqlite3

from rxwizard.cache.bounds import ENTRY_COSTS
from rxwizard.errors import SinkError

#: Kept in the file as ``PRAGMA user_version``: that of the tables, not of the entries in them.
VERSION = 1

#: Kept in the file as ``PRAGMA application_id``: "rxwc" in ASCII.
APPLICATION = 0x72787763

# The bodies stand apart: each time an answer is used its row is written anew.
_TABLES = (
    """CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,   -- SHA-256 of the request
    stored_at REAL NOT NULL,    -- seconds since 1970
    used_at REAL NOT NULL,      -- seconds since 1970: when it was stored, or last given
    size INTEGER NOT NULL       -- bytes it counts
)""",
    "CREATE INDEX answers_by_age ON answers (stored_at)",
    "CREATE INDEX answers_by_use ON answers (used_at)",
    """CREATE TABLE bodies (
    id INTEGER PRIMARY KEY REFERENCES answers (id),
    body BLOB NOT NULL          -- lines of JSON
)""",
    "CREATE TABLE total (bytes INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0)",
    """CREATE TRIGGER answer_comes AFTER INSERT ON answers BEGIN
    UPDATE total SET bytes = bytes + new.size;
END""",
    """CREATE TRIGGER answer_goes AFTER DELETE ON answers BEGIN
    DELETE FROM bodies WHERE id = old.id;
    UPDATE total SET bytes = bytes - old.size;
END""",
)


def is_ready(connection: sqlite3.Connection) -> bool:
    """Tell whether the tables are there; False where the file is new.

    Raises:
        SinkError: The file is something else's, or its tables are of another version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (others,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and (application or version or others):
        raise SinkError("it holds something else: a cache wants a file of its own")
    if application == APPLICATION and version != VERSION:
        message = f"its tables are of version {version}, and this rxwizard knows {VERSION}"
        raise SinkError(message)
    return bool(application)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; to be called in a transaction.

    Raises:
        SinkError: As for `is_ready`.
    """
    if is_ready(connection):
        return
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def find(connection: sqlite3.Connection, key: str, now: float, oldest: float) -> bytes | None:
    """Give what was stored under the key later than `oldest`, and note that it was used."""
    found = connection.execute(
        "SELECT id, body FROM answers JOIN bodies USING (id) WHERE key = ? AND stored_at > ?",
        (key, oldest),
    ).fetchone()
    if found is None:
        return None
    number, body = found
    connection.execute("UPDATE answers SET used_at = ? WHERE id = ?", (now, number))
    return bytes(body)


def store(  # noqa: D417 - the others are those of `find`
    connection: sqlite3.Connection,
    key: str,
    body: bytes,
    now: float,
    oldest: float,
    max_bytes: int,
) -> None:
    """Store a body in place of another under its key, and remove what there is no room for.

    Args:
        max_bytes: Bytes kept in all, this one included.
    """
    connection.execute("DELETE FROM answers WHERE stored_at <= ? OR key = ?", (oldest, key))
    inserted = connection.execute(
        "INSERT INTO answers (key, stored_at, used_at, size) VALUES (?, ?, ?, ?)",
        (key, now, now, len(body) + ENTRY_COSTS),
    )
    number = inserted.lastrowid
    connection.execute("INSERT INTO bodies (id, body) VALUES (?, ?)", (number, body))
    removed = 1
    while removed and size(connection) > max_bytes:
        removed = connection.execute(
            "DELETE FROM answers WHERE id = "
            "(SELECT id FROM answers WHERE id <> ? ORDER BY used_at, id LIMIT 1)",
            (number,),
        ).rowcount


def size(connection: sqlite3.Connection) -> int:
    """Give the bytes of all answers, as they count."""
    (total,) = connection.execute("SELECT bytes FROM total").fetchone()
    return int(total)
