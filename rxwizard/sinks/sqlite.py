"""Streams as tables: every chunk and, in the end, every response, in a SQLite file."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from rxwizard.chunks import ChunkKind, ChunkSource, StreamChunk, TokenUsage, WizardResponse
from rxwizard.errors import ConfigError, SinkError
from rxwizard.fold import ResponseBuilder
from rxwizard.sinks import schema
from rxwizard.sinks.database import Database, is_busy
from rxwizard.sinks.disk import AnyPath, checked_path, encodable, encodable_json
from rxwizard.sinks.items import text_of

T = TypeVar("T")


class SQLite:
    r"""Write a stream to a SQLite file: one row in `streams`, one in `chunks` for each item.

    Each write is a commit, so any other connection sees the stream grow, and a crash of this
    process loses nothing that was written. In the end the row in `streams` gets its `ended_at` and
    `error`, and `responses` the whole answer, or what had come of it, `complete` being 0 then.
    `chunks` also has what was retracted, `responses` has not: it is the answer of the last epoch.
    A stream that brought no chunk has no response. `rxwizard/sinks/schema.py` tells the columns.

    One sink is one stream; many of them, in one process or several, write to one file, which may
    hold tables of yours as well. The file is in WAL mode (so it has companions, `-wal` and `-shm`,
    while it is open, and does not belong on a network drive). The `-wal` grows for as long as a
    reader keeps one transaction open.

    All work is done in one thread of the sink's own, and `write` waits for it. Where another
    connection holds the lock, that is up to `busy_timeout` seconds. A write that is cancelled may
    still have taken its item.

    Text is kept as it is, NUL characters included. Of half a surrogate pair, which SQLite cannot
    hold, the columns have the escape, such as ``\ud83d``; `json` has the character, as an escape.

    Memory: the answer's text once, up to `rxwizard.fold.MAX_RESPONSE_CHARACTERS`.

    Args:
        path: The file. It is made, where it is missing, by the first write or by `close`.
        busy_timeout: Seconds to wait for a lock that another connection holds.

    Raises:
        ConfigError: Its directory is missing or may not be written to, it is no regular file, or
            the time is not a number of 0 or more.
    """

    def __init__(self, path: AnyPath, *, busy_timeout: float = 5.0) -> None:
        if str(path) == ":memory:":
            raise ConfigError(":memory: would be gone with the sink: name a file")
        if not (math.isfinite(busy_timeout) and busy_timeout >= 0):
            raise ConfigError(f"busy_timeout is {busy_timeout}; it is seconds, 0 or more")
        self._path = checked_path(path, needs_parent=True)
        self._busy_timeout = busy_timeout
        self._database = Database(self._path, busy_timeout)
        self._stream = _Stream(self._database)
        # It starts its thread with the first work.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rxwizard-sqlite")
        self._closed = False

    @property
    def stream_id(self) -> int | None:
        """The stream's `id` in `streams`; None before the first write has made the row."""
        return self._stream.id

    async def write(self, item: object, /) -> None:
        """Add a row for the item and commit it.

        Raises:
            SinkError: The disk is full, the lock was held for too long, the file is no database,
                the item cannot be JSON, or the sink is closed. No row was added.
        """
        if self._closed:
            raise SinkError(f"{self._path}: the sink is closed")
        await self._work(self._stream.add, item)

    async def close(self, error: BaseException | None = None, /) -> None:
        """Write the end and the response, and close the connection. Idempotent.

        Where it is cancelled, what waits for a lock gives up: the stream is left without its end,
        as after a crash, and nothing goes on behind your back.

        Raises:
            SinkError: The end could not be written, unless a failed write has said so before.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await self._work(self._stream.end, error)
        finally:
            # After this came back it finds nothing to do. Else its turn is after what runs now.
            self._database.give_up()
            self._worker.submit(self._database.close)
            self._worker.shutdown(wait=False)

    async def _work(self, work: Callable[[T], None], argument: T) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._do, work, argument)

    def _do(self, work: Callable[[T], None], argument: T) -> None:
        self._database.renew_patience()
        try:
            work(argument)
        except sqlite3.Error as error:
            words = str(error)
            if is_busy(error):
                words += f": another connection held it for {self._busy_timeout:g} seconds"
            raise SinkError(f"{self._path}: {words}") from error
        except OverflowError as error:
            message = f"{self._path}: a number is larger than the 64 bits a column has"
            raise SinkError(message) from error
        except SinkError as error:
            raise SinkError(f"{self._path}: {error}") from error.__cause__


class _Stream:
    """The rows of one stream. It lives in the sink's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._builder = ResponseBuilder()
        self._has_chunks = False
        self._source = ChunkSource()
        self.id: int | None = None
        self._seq = -1
        self._failed = False

    def add(self, item: object) -> None:
        failed, self._failed = self._failed, True
        stream = self._begun()
        row = _row(item)
        seq = row["seq"] = max(row["seq"], self._seq + 1)
        source = item.source if isinstance(item, StreamChunk) else self._source
        is_new = source is not self._source and source != self._source

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT_CHUNK, {"stream_id": stream, **row})
            if is_new:
                connection.execute(_UPDATE_SOURCE, {"id": stream, **_origin(source)})

        self._database.transact(insert)
        self._seq, self._source = seq, source
        if isinstance(item, StreamChunk):
            self._builder.add(item)
            self._has_chunks = True
        self._failed = failed

    def end(self, error: BaseException | None) -> None:
        try:
            self._write_end(error)
        except (sqlite3.Error, OverflowError, SinkError):
            if not self._failed:
                raise
        finally:
            self._database.close()

    def _write_end(self, error: BaseException | None) -> None:
        if self._failed and self.id is None:
            return  # there is no stream to end: opening the file is what failed
        stream = self._begun()
        words = None if error is None else _words(error)
        response = _response(self._builder.build()) if self._has_chunks else None

        def finish(connection: sqlite3.Connection) -> None:
            if response is not None:
                connection.execute(_INSERT_RESPONSE, {"stream_id": stream, **response})
            connection.execute(_UPDATE_END, {"id": stream, "ended_at": _now(), "error": words})

        self._database.transact(finish)

    def _begun(self) -> int:
        if not self._database.is_open:
            self._database.open(schema.prepare)
        if self.id is None:
            self.id = self._database.transact(_insert_stream)
        return self.id


def _insert_stream(connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO streams (started_at) VALUES (?)", (_now(),))
    (number,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    return int(number)


def _row(item: object) -> dict[str, Any]:
    json = encodable_json(item)
    if isinstance(item, StreamChunk):
        return {
            "seq": item.seq,
            "kind": item.kind.value,
            "text": encodable(item.text),
            "reasoning": encodable(item.reasoning),
            "choice": item.choice,
            "epoch": item.epoch,
            "at": item.at,
            "json": json,
        }
    kind = ChunkKind.TEXT if isinstance(item, str) else ChunkKind.OTHER
    text = encodable(text_of(item))
    row = {"seq": -1, "kind": kind.value, "text": text, "reasoning": "", "choice": 0, "epoch": 0}
    return {**row, "at": None, "json": json}


def _response(response: WizardResponse) -> dict[str, Any]:
    usage = response.usage or TokenUsage()
    raw = response.raw_finish_reason
    return {
        "text": encodable(response.text),
        "reasoning": encodable(response.reasoning),
        "finish_reason": response.finish_reason,
        "raw_finish_reason": None if raw is None else encodable(str(raw)),
        "complete": response.complete,
        **{name: getattr(usage, name) for name in _COUNTS},
        "model": encodable(response.model),
        "json": encodable_json(response),
    }


def _origin(source: ChunkSource) -> dict[str, str | None]:
    told = {name: getattr(source, name) or None for name in _ORIGIN}
    return {name: text and encodable(text) for name, text in told.items()}


def _words(error: BaseException) -> str:
    name, words = type(error).__name__, str(error)
    return encodable(f"{name}: {words}" if words else name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ORIGIN = ("provider", "model", "response_id", "request_id")

_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
)

_CHUNK = ("stream_id", "seq", "kind", "text", "reasoning", "choice", "epoch", "at", "json")


def _insert(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - ours


_INSERT_CHUNK = _insert("chunks", _CHUNK)
_INSERT_RESPONSE = _insert(
    "responses",
    (
        *("stream_id", "text", "reasoning", "finish_reason", "raw_finish_reason", "complete"),
        *_COUNTS,
        *("model", "json"),
    ),
)
_UPDATE_SOURCE = f"UPDATE streams SET {', '.join(f'{c} = :{c}' for c in _ORIGIN)} WHERE id = :id"  # noqa: S608 - ours
_UPDATE_END = "UPDATE streams SET ended_at = :ended_at, error = :error WHERE id = :id"
