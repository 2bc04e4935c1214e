# ruff: noqa: ASYNC240 - the files are what is tested
from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rxwizard import (
    ChunkKind,
    ChunkSource,
    ConfigError,
    FinishReason,
    SinkError,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    WizardResponse,
)
from rxwizard.sinks.protocol import is_sink
from rxwizard.sinks.sqlite import SQLite

ASKED = ChunkSource(provider="openai", model="gpt")
ANSWERS = ChunkSource(provider="openai", model="gpt-2025", response_id="r1", request_id="q1")

CHUNKS = [
    StreamChunk(kind=ChunkKind.START, source=ASKED, at=1.0),
    StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm", seq=1, source=ASKED, at=1.5),
    StreamChunk(text="Hel", seq=2, source=ANSWERS, at=2.0),
    StreamChunk(text="lo", seq=3, source=ANSWERS, at=2.5),
    StreamChunk(text="Ho", seq=4, source=ANSWERS, choice=1, at=2.5),
    StreamChunk(
        kind=ChunkKind.FINAL,
        is_final=True,
        complete=True,
        finish_reason=FinishReason.STOP,
        raw_finish_reason="stop",
        usage=TokenUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
        seq=5,
        source=ANSWERS,
        at=3.0,
    ),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "streams.db"


async def put(sink: SQLite, *items: object, error: BaseException | None = None) -> None:
    for item in items:
        await sink.write(item)
    await sink.close(error)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask from a connection of one's own, as somebody who watches does."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        return connection.execute(sql).fetchall()


def record(path: Path, table: str) -> dict[str, Any]:
    """The only row of a table."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute(f"SELECT * FROM {table}").fetchall()
        return dict(row)


@contextmanager
def locked(path: Path) -> Generator[Callable[[], None]]:
    """Hold the lock as another process would; gives what lets it go."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield lambda: connection.execute("ROLLBACK") and None


async def until(condition: Callable[[], object]) -> None:
    """Wait for another thread, which no turn of the loop hurries."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def threads() -> list[str]:
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("rxwizard-sqlite")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Generator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("rxwizard-sqlite"):
            thread.join(1)
    assert threads() == []


# -- the rows --------------------------------------------------------------------------------------


async def test_each_item_is_a_row_that_others_see_at_once(path: Path) -> None:
    sink = SQLite(path)
    assert is_sink(sink)
    assert not path.exists()
    for number, chunk in enumerate(CHUNKS):
        await sink.write(chunk)
        assert query(path, "SELECT count(*) FROM chunks") == [(number + 1,)]
        assert query(path, "SELECT ended_at FROM streams") == [(None,)]
    await sink.close()

    columns = "seq, kind, text, reasoning, choice, epoch, at"
    assert query(path, f"SELECT {columns} FROM chunks ORDER BY seq") == [
        (0, "start", "", "", 0, 0, 1.0),
        (1, "reasoning", "", "Hm", 0, 0, 1.5),
        (2, "text", "Hel", "", 0, 0, 2.0),
        (3, "text", "lo", "", 0, 0, 2.5),
        (4, "text", "Ho", "", 1, 0, 2.5),
        (5, "final", "", "", 0, 0, 3.0),
    ]
    rows = query(path, "SELECT json FROM chunks ORDER BY seq")
    assert [StreamChunk.model_validate_json(row) for (row,) in rows] == CHUNKS


async def test_the_stream_knows_who_answers_when_and_how_it_ended(path: Path) -> None:
    sink = SQLite(path)
    assert sink.stream_id is None
    await sink.write(CHUNKS[0])
    assert query(path, "SELECT id, provider, model, response_id, error FROM streams") == [
        (sink.stream_id, "openai", "gpt", None, None)
    ]
    await put(sink, *CHUNKS[1:])

    stream = record(path, "streams")
    began, ended = (datetime.fromisoformat(stream[name]) for name in ("started_at", "ended_at"))
    assert began <= ended
    assert began.utcoffset() is not None
    told = (stream[name] for name in ("provider", "model", "response_id", "request_id", "error"))
    assert tuple(told) == ("openai", "gpt-2025", "r1", "q1", None)


async def test_the_response_is_the_fold(path: Path) -> None:
    sink = SQLite(path)
    for chunk in CHUNKS:
        await sink.write(chunk)
    assert query(path, "SELECT * FROM responses") == []
    await sink.close()

    response = record(path, "responses")
    whole = WizardResponse.model_validate_json(response.pop("json"))
    assert whole.choices[0].text == "Ho"
    assert response == {
        "stream_id": sink.stream_id,
        "text": "Hello",
        "reasoning": "Hm",
        "finish_reason": "stop",
        "raw_finish_reason": "stop",
        "complete": 1,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "reasoning_tokens": None,
        "cached_tokens": None,
        "cache_write_tokens": None,
        "model": "gpt-2025",
    }


async def test_an_answer_that_was_cut_is_not_complete_and_says_why(path: Path) -> None:
    await put(SQLite(path), *CHUNKS[:3], error=StreamInterruptedError("cut off"))

    assert record(path, "responses")["text"] == "Hel"
    assert record(path, "responses")["complete"] == 0
    assert record(path, "streams")["error"] == "StreamInterruptedError: cut off"
    assert record(path, "streams")["ended_at"]


async def test_an_error_without_words_is_its_name(path: Path) -> None:
    await put(SQLite(path), error=asyncio.CancelledError())

    assert record(path, "streams")["error"] == "CancelledError"


@pytest.mark.parametrize("error", [None, ValueError("early")])
async def test_a_stream_without_items_is_a_row_all_the_same(
    path: Path, error: ValueError | None
) -> None:
    await put(SQLite(path), error=error)

    stream = record(path, "streams")
    assert stream["ended_at"]
    assert stream["error"] == (error and "ValueError: early")
    assert query(path, "SELECT * FROM responses") == []


async def test_anything_is_a_row_and_counted(path: Path) -> None:
    usage = TokenUsage(prompt_tokens=1)
    await put(SQLite(path), "Hello", usage, {"a": [1]}, 5)

    rows = query(path, "SELECT seq, kind, text, at, json FROM chunks ORDER BY seq")
    assert rows[0] == (0, "text", "Hello", None, '"Hello"')
    assert rows[1] == (1, "other", str(usage), None, '{"prompt_tokens":1}')
    assert [(*row[:2], json.loads(row[4])) for row in rows[2:]] == [
        (2, "other", {"a": [1]}),
        (3, "other", 5),
    ]
    assert query(path, "SELECT * FROM responses") == []


async def test_seq_is_the_chunks_own_where_it_rises_and_counted_on_where_not(path: Path) -> None:
    own = [4, 7, 0, 1, 20]  # filtered, then begun anew by a retry
    await put(SQLite(path), "a", *(StreamChunk(seq=seq) for seq in own), "z")

    rows = query(path, "SELECT seq, json FROM chunks ORDER BY seq")
    assert [seq for seq, _ in rows] == [0, 4, 7, 8, 9, 20, 21]
    assert [json.loads(row)["seq"] for _, row in rows[1:-1]] == own


async def test_text_is_kept_to_the_character(path: Path) -> None:
    texts = ["a\r\nb", "a\0b", "\u2028😀é\x1b", "'); DROP TABLE chunks; --", ""]
    await put(SQLite(path), *(StreamChunk(text=text, seq=n) for n, text in enumerate(texts)))

    assert [text for (text,) in query(path, "SELECT text FROM chunks ORDER BY seq")] == texts
    assert record(path, "responses")["text"] == "".join(texts)
    rows = query(path, "SELECT json FROM chunks ORDER BY seq")
    assert [json.loads(row)["text"] for (row,) in rows] == texts


async def test_half_a_surrogate_pair_is_an_escape_and_the_json_has_it(path: Path) -> None:
    half = "a\ud83d"
    source = ChunkSource(model=half, provider="p")
    chunks = [
        StreamChunk(text=half, reasoning=half, source=source),
        StreamChunk(raw_finish_reason=half, finish_reason=FinishReason.OTHER, seq=1, source=source),
    ]
    await put(SQLite(path), *chunks, half, [half], error=ValueError(half))

    rows = query(path, "SELECT text, reasoning, json FROM chunks ORDER BY seq")
    assert rows[0][:2] == ("a\\ud83d", "a\\ud83d")
    assert json.loads(rows[0][2])["text"] == half
    assert rows[2][0] == "a\\ud83d"
    assert json.loads(rows[3][2]) == [half]
    assert record(path, "streams")["model"] == "a\\ud83d"
    assert record(path, "streams")["error"] == "ValueError: a\\ud83d"
    response = record(path, "responses")
    assert response["raw_finish_reason"] == "a\\ud83d"
    assert json.loads(response["json"])["text"] == half


async def test_many_streams_go_to_one_file_at_once(path: Path) -> None:
    sinks = [SQLite(path) for _ in range(6)]
    await asyncio.gather(*(put(sink, *CHUNKS) for sink in sinks))

    assert len({sink.stream_id for sink in sinks}) == 6
    assert query(path, "SELECT count(*) FROM chunks GROUP BY stream_id") == [(6,)] * 6
    assert query(path, "SELECT DISTINCT text FROM responses") == [("Hello",)]


async def test_it_is_a_database_in_wal_mode_with_a_version(path: Path) -> None:
    await put(SQLite(path), "a")

    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert query(path, "PRAGMA user_version") == [(1,)]
    assert query(path, "PRAGMA foreign_key_check") == []
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


async def test_tables_of_yours_stay_as_they_are(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (a)")
        connection.execute("INSERT INTO mine VALUES (1)")
    await put(SQLite(path), "a")

    assert query(path, "SELECT * FROM mine") == [(1,)]
    assert query(path, "SELECT text FROM chunks") == [("a",)]


# -- the end ---------------------------------------------------------------------------------------


async def test_closing_twice_is_harmless_and_writing_then_is_not(path: Path) -> None:
    sink = SQLite(path)
    await put(sink, *CHUNKS)
    await sink.close(ValueError())
    with pytest.raises(SinkError, match=r"streams\.db: the sink is closed"):
        await sink.write("b")

    assert record(path, "streams")["error"] is None
    assert query(path, "SELECT count(*) FROM chunks") == [(6,)]


async def test_closing_leaves_the_file_alone_in_its_directory(path: Path) -> None:
    await put(SQLite(path), "a")

    assert [entry.name for entry in path.parent.iterdir()] == ["streams.db"]


async def test_a_sink_that_was_never_used_has_nothing_to_free(path: Path) -> None:
    SQLite(path)

    assert threads() == []
    assert not path.exists()


_CRASHING = """
import asyncio, os, signal, sys
from rxwizard import StreamChunk
from rxwizard.sinks.sqlite import SQLite

async def main():
    sink = SQLite(sys.argv[1])
    for seq in range(20):
        await sink.write(StreamChunk(seq=seq, text="x"))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_leaves_every_row_it_wrote(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _CRASHING, str(path))

    assert await process.wait() == -signal.SIGKILL
    assert query(path, "SELECT seq FROM chunks") == [(seq,) for seq in range(20)]
    assert record(path, "streams")["ended_at"] is None
    await put(SQLite(path), "next run")
    assert query(path, "SELECT stream_id, count(*) FROM chunks GROUP BY 1") == [(1, 20), (2, 1)]


# -- failures --------------------------------------------------------------------------------------


async def test_a_full_disk_is_a_sink_error_and_the_rows_before_stay(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    sink = SQLite(path)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", small)
        await sink.write("whole")
        with pytest.raises(SinkError, match=r"streams\.db: database or disk is full") as caught:
            await sink.write("x" * 1_000_000)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    await sink.close(caught.value)

    assert query(path, "SELECT text FROM chunks") == [("whole",)]
    assert record(path, "streams")["error"].startswith("SinkError: ")


async def test_a_file_that_is_no_database_is_a_sink_error_and_stays_as_it_is(path: Path) -> None:
    words = b"These are words, and no database." * 100
    path.write_bytes(words)
    sink = SQLite(path)
    with pytest.raises(SinkError, match=r"streams\.db: file is not a database") as caught:
        await sink.write("a")
    await sink.close(caught.value)

    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes() == words


async def test_a_close_that_cannot_say_the_end_is_a_sink_error_and_frees_all(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    sink = SQLite(path)
    with pytest.raises(SinkError, match="file is not a database"):
        await sink.close()

    await sink.close()


async def test_a_file_of_a_newer_version_is_a_sink_error_and_stays_as_it_is(path: Path) -> None:
    query(path, "PRAGMA user_version = 2")
    sink = SQLite(path)
    with pytest.raises(SinkError, match=r"streams\.db: its tables are of version 2") as caught:
        await sink.write("a")
    await sink.close(caught.value)

    assert query(path, "SELECT name FROM sqlite_schema") == []


async def test_a_table_of_yours_of_the_same_name_is_a_sink_error(path: Path) -> None:
    query(path, "CREATE TABLE chunks (mine)")
    sink = SQLite(path)
    with pytest.raises(SinkError, match="table chunks already exists") as caught:
        await sink.write("a")
    await sink.close(caught.value)

    assert query(path, "SELECT name FROM sqlite_schema") == [("chunks",)]


async def test_an_item_that_cannot_be_a_row_is_a_sink_error(path: Path) -> None:
    circle: list[object] = []
    circle.append(circle)
    sink = SQLite(path)
    with pytest.raises(SinkError, match=r"streams\.db: a list cannot be written as JSON"):
        await sink.write(circle)
    with pytest.raises(SinkError, match=r"streams\.db: a number is larger") as caught:
        await sink.write(StreamChunk(seq=2**63))
    await sink.close(caught.value)

    assert query(path, "SELECT * FROM chunks") == []
    assert record(path, "streams")["ended_at"]


# -- locks -----------------------------------------------------------------------------------------


async def test_a_lock_is_waited_for_while_the_loop_goes_on(path: Path) -> None:
    sink = SQLite(path, busy_timeout=60)
    await sink.write("a")
    with locked(path) as let_go:
        writing = asyncio.ensure_future(sink.write("b"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not writing.done()
        let_go()
        await writing
    await sink.close()

    assert query(path, "SELECT text FROM chunks ORDER BY seq") == [("a",), ("b",)]


async def test_the_first_write_waits_for_a_lock_as_well(path: Path) -> None:
    query(path, "PRAGMA journal_mode = WAL")
    sink = SQLite(path, busy_timeout=60)
    with locked(path) as let_go:
        writing = asyncio.ensure_future(sink.write("a"))
        await until(threads)
        let_go()
        await writing
    await sink.close()

    assert query(path, "SELECT text FROM chunks") == [("a",)]


async def test_a_lock_that_is_held_for_too_long_is_a_sink_error(path: Path) -> None:
    sink = SQLite(path, busy_timeout=0.01)
    await sink.write("a")
    with locked(path):
        with pytest.raises(SinkError, match=r"streams\.db: .* is locked.*for 0.01 sec") as caught:
            await sink.write("b")
        await sink.close(caught.value)  # it has been said; a second error would say nothing new

    assert query(path, "SELECT text FROM chunks") == [("a",)]
    assert record(path, "streams")["ended_at"] is None


async def test_an_end_that_a_lock_keeps_out_is_a_sink_error(path: Path) -> None:
    sink = SQLite(path, busy_timeout=0)
    await sink.write("a")
    with locked(path), pytest.raises(SinkError, match="is locked"):
        await sink.close()

    assert query(path, "SELECT text FROM chunks") == [("a",)]


async def test_a_write_that_is_cancelled_is_whole_or_absent_and_close_works(path: Path) -> None:
    sink = SQLite(path, busy_timeout=60)
    await sink.write(CHUNKS[0])
    with locked(path) as let_go:
        writing = asyncio.ensure_future(sink.write(StreamChunk(text="late", seq=1)))
        for _ in range(10):
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await writing
        closing_it = asyncio.ensure_future(sink.close(caught.value))
        await asyncio.sleep(0)
        let_go()
        await closing_it

    texts = [text for (text,) in query(path, "SELECT text FROM chunks ORDER BY seq")]
    assert texts in ([""], ["", "late"])
    assert record(path, "responses")["text"] == "".join(texts)
    assert record(path, "streams")["error"] == "CancelledError"


@pytest.mark.parametrize("turns", [0, 1, 100])
async def test_a_close_that_is_cancelled_ends_at_once_and_frees_all(path: Path, turns: int) -> None:
    sink = SQLite(path, busy_timeout=3600)
    await sink.write("a")
    with locked(path):
        writing = asyncio.ensure_future(sink.write("stuck"))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        closing_it = asyncio.ensure_future(sink.close(TimeoutError()))
        for _ in range(turns):
            await asyncio.sleep(0)
        closing_it.cancel()
        await asyncio.gather(writing, closing_it, return_exceptions=True)
        assert closing_it.cancelled()
        if turns:
            await until(lambda: not threads())  # while the lock is still held
    await sink.close()

    if turns:
        assert query(path, "SELECT text FROM chunks") == [("a",)]
        assert record(path, "streams")["ended_at"] is None
    else:
        # Cancelled before it began, it has to be closed again.
        assert record(path, "streams")["ended_at"]


_STUCK = """
import asyncio, sqlite3, sys
from rxwizard.sinks.sqlite import SQLite

async def main():
    sink = SQLite(sys.argv[1], busy_timeout=3600)
    await sink.write("a")
    other = sqlite3.connect(sys.argv[1], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        async with asyncio.timeout(0.01):
            await sink.write("stuck")
    except TimeoutError as error:
        try:
            async with asyncio.timeout(0.01):
                await sink.close(error)
        except TimeoutError:
            print("cancelled", flush=True)
    return other

other = asyncio.run(main())
other.close()
"""


async def test_a_lock_does_not_keep_the_interpreter_from_ending(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", _STUCK, str(path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()

    assert (output, errors, process.returncode) == (b"cancelled\n", b"", 0)


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing/a", "missing does not exist"),
        ("file/a", "file is not a directory"),
        (".", "is a directory"),
    ],
)
def test_a_path_that_cannot_work_is_refused_when_the_sink_is_made(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=says):
        SQLite(tmp_path / name)


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="name a file"):
        SQLite(":memory:")


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(path: Path, seconds: float) -> None:
    with pytest.raises(ConfigError, match="busy_timeout is"):
        SQLite(path, busy_timeout=seconds)
