# ruff: noqa: ASYNC240 - the files are what is tested
"""The cache in a file."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rxwizard import ConfigError, SinkError
from rxwizard.cache import Cache, SQLiteCache, cached
from rxwizard.cache.bounds import ENTRY_COSTS
from rxwizard.sinks import SQLite as SQLiteSink

from .answers import HELLO, Asked, contents, read, whole

KEY = "0" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


class Clock:
    """The time, as it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1e-3  # so that no two uses are at the same time
        return self.now


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock as another process would."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


async def keys(cache: SQLiteCache, names: str) -> str:
    return "".join([name for name in names if await cache.get(name) is not None])


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("rxwizard-cache")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Generator[None]:
    yield
    for thread in threads():
        thread.join(1)
    assert threads() == []


# -- there and back --------------------------------------------------------------------------------


async def test_it_gives_what_was_put_also_to_another_one(path: Path) -> None:
    async with SQLiteCache(path) as made:
        assert not path.exists()
        cache: Cache = made
        assert await cache.get("a") is None
        await cache.put("a", b"1")
        await cache.put("b", b"\xff\x00")
        await cache.put("a", b"3")
        assert await made.size() == 1 + 2 + 2 * ENTRY_COSTS
        async with SQLiteCache(path) as other:
            assert [await other.get(name) for name in "ab"] == [b"3", b"\xff\x00"]
            await other.put("c", b"4")
        assert await cache.get("c") == b"4"


async def test_two_clients_share_a_file(path: Path) -> None:
    async with SQLiteCache(path) as one, SQLiteCache(path) as two:
        source = Asked()
        chunks = await read(cached(one, KEY, source))
        again = await read(cached(two, KEY, source))

    assert source.asked == 1
    assert contents(again) == contents(chunks)
    assert all(chunk.source.from_cache for chunk in again)


async def test_processes_share_a_file(path: Path) -> None:
    program = """
import asyncio, sys
from rxwizard.cache import SQLiteCache

async def main(path):
    async with SQLiteCache(path, 40_000, busy_timeout=20) as cache:
        print("ready", flush=True)
        for number in range(100):
            await cache.put(f"a{number}", b"x" * 1000)
            await cache.get(f"b{number // 2}")

asyncio.run(main(*sys.argv[1:]))
"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with SQLiteCache(path, 40_000, busy_timeout=20) as cache:
        assert await process.stdout.readline() == b"ready\n"
        for number in range(100):
            await cache.put(f"b{number}", b"x" * 1000)
            await cache.get(f"a{number // 2}")
        assert await asyncio.wait_for(process.wait(), 30) == 0

    sizes = query(path, "SELECT count(*), sum(size), (SELECT bytes FROM total) FROM answers")
    assert sizes == [(31, 31 * (1000 + ENTRY_COSTS), 31 * (1000 + ENTRY_COSTS))]
    assert query(path, "SELECT count(*) FROM bodies") == [(31,)]


async def test_nothing_of_the_request_is_in_the_file(path: Path) -> None:
    async with SQLiteCache(path) as cache:
        await read(cached(cache, KEY, Asked(whole("Hel", "lo"))))

    ((key, body),) = query(path, "SELECT key, body FROM answers JOIN bodies USING (id)")
    assert key == KEY
    told = [json.loads(line) for line in body.splitlines()]
    assert told[1] == {
        "source": {
            "provider": "openai",
            "model": "gpt-5",
            "response_id": "r1",
            "request_id": "q1",
        }
    }
    columns = query(path, "SELECT name FROM pragma_table_info('answers')")
    assert columns == [("id",), ("key",), ("stored_at",), ("used_at",), ("size",)]


# -- its bounds ------------------------------------------------------------------------------------


async def test_what_was_not_used_for_longest_goes_first(path: Path) -> None:
    async with SQLiteCache(path, 3 * (10 + ENTRY_COSTS), clock=Clock()) as cache:
        for name in "abc":
            await cache.put(name, b"x" * 10)
        await cache.get("a")
        await cache.put("d", b"x" * 10)
        assert await keys(cache, "abcd") == "acd"
        await cache.put("e", b"x" * (20 + ENTRY_COSTS))
        assert await keys(cache, "abcde") == "de"
        assert await cache.size() == 30 + 3 * ENTRY_COSTS
    assert query(path, "SELECT count(*) FROM bodies") == [(2,)]


async def test_what_is_too_old_is_not_given_and_goes_with_the_next_one(path: Path) -> None:
    clock = Clock()
    async with SQLiteCache(path, max_age=60, clock=clock) as cache:
        await cache.put("a", b"1")
        clock.now += 30
        await cache.put("b", b"2")
        clock.now += 29
        assert await keys(cache, "ab") == "ab"
        clock.now += 2
        assert await keys(cache, "ab") == "b"
        await cache.put("c", b"3")
        assert query(path, "SELECT key FROM answers ORDER BY key") == [("b",), ("c",)]


async def test_one_that_is_too_large_is_not_stored(path: Path) -> None:
    async with SQLiteCache(path, 1000) as cache:
        assert cache.max_entry_bytes == 1000 - ENTRY_COSTS
        await cache.put("a", b"x" * cache.max_entry_bytes)
        await cache.put("b", b"x" * (cache.max_entry_bytes + 1))
        assert await keys(cache, "ab") == "a"


async def test_clearing_forgets_all(path: Path) -> None:
    async with SQLiteCache(path) as cache:
        for name in "abc":
            await cache.put(name, b"1")
        await cache.clear()
        assert (await keys(cache, "abc"), await cache.size()) == ("", 0)
    assert query(path, "SELECT count(*) FROM bodies") == [(0,)]


async def test_the_room_of_what_goes_is_used_again(path: Path) -> None:
    async with SQLiteCache(path, 100_000) as cache:
        for number in range(200):
            await cache.put(f"{number}", b"x" * 5_000)
    assert path.stat().st_size < 400_000


# -- what is broken --------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, by far" * 1000)


def foreign(path: Path) -> None:
    query(path, "CREATE TABLE mine (x)")


def newer(path: Path) -> None:
    asyncio.run(_filled(path))
    query(path, "PRAGMA user_version = 99")


def cut(path: Path) -> None:
    asyncio.run(_filled(path))
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff" * 20_000)


async def _filled(path: Path) -> None:
    async with SQLiteCache(path) as cache:
        await cache.put(KEY, b"x" * 10_000)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (garbage, "not a database"),
        (foreign, "a file of its own"),
        (newer, "version 99"),
        (cut, "malformed|not a database"),
    ],
)
def test_a_broken_file_breaks_no_answer(
    spoil: Any, words: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    before = path.read_bytes()

    async def main() -> None:
        async with SQLiteCache(path) as cache:
            source = Asked()
            stream = cached(cache, KEY, source)
            assert await read(stream) == await read(stream) == HELLO
            assert source.asked == 2
            with pytest.raises(SinkError, match=words) as caught:
                await cache.get(KEY)
            assert str(path) in str(caught.value)

    asyncio.run(main())

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert str(path) in caplog.text
    if spoil is not cut:
        assert path.read_bytes() == before


async def test_a_file_of_the_sink_is_not_taken_for_one(path: Path) -> None:
    sink = SQLiteSink(path)
    await sink.write("Hello")
    await sink.close()
    async with SQLiteCache(path) as cache:
        with pytest.raises(SinkError, match="a file of its own"):
            await cache.put(KEY, b"1")

    assert query(path, "SELECT text FROM chunks") == [("Hello",)]


async def test_a_damaged_entry_is_asked_for_and_replaced(path: Path) -> None:
    async with SQLiteCache(path) as cache:
        source = Asked()
        stream = cached(cache, KEY, source)
        await read(stream)
        query_and_commit(path, "UPDATE bodies SET body = substr(body, 1, 200)")
        assert await read(stream) == HELLO
        await read(stream)

    assert source.asked == 2


def query_and_commit(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


async def test_a_lock_that_is_held_breaks_no_answer(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with SQLiteCache(path, busy_timeout=0) as cache:
        source = Asked()
        stream = cached(cache, KEY, source)
        await read(stream)
        with locked(path):
            assert await read(stream) == HELLO
            with pytest.raises(SinkError, match="locked"):
                await cache.clear()
        await read(stream)

    assert source.asked == 2
    assert len(caplog.records) == 1


async def test_a_file_that_was_repaired_works_again(path: Path) -> None:
    garbage(path)
    async with SQLiteCache(path) as cache:
        with pytest.raises(SinkError):
            await cache.get(KEY)
        path.unlink()
        await cache.put(KEY, b"1")
        assert await cache.get(KEY) == b"1"


async def test_a_cache_that_is_closed_breaks_no_answer(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = SQLiteCache(path)
    await cache.close()
    await cache.close()

    assert await read(cached(cache, KEY, Asked())) == HELLO
    assert "closed" in caplog.text
    assert not path.exists()


async def test_closing_lets_what_is_under_way_be_stored(path: Path) -> None:
    async with SQLiteCache(path) as cache:
        async for chunk in cached(cache, KEY, Asked()):
            if chunk.is_final:
                break

    assert query(path, "SELECT key FROM answers") == [(KEY,)]


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_a_timeout_that_cannot_work_is_refused(path: Path, timeout: float) -> None:
    with pytest.raises(ConfigError, match="busy_timeout"):
        SQLiteCache(path, busy_timeout=timeout)


def test_a_path_that_cannot_work_is_refused(tmp_path: Path) -> None:
    for wrong in (":memory:", tmp_path, tmp_path / "no" / "a.db"):
        with pytest.raises(ConfigError):
            SQLiteCache(wrong)


def test_it_is_bounded_without_being_told(path: Path) -> None:
    bounds = SQLiteCache(path)._bounds

    assert (bounds.max_bytes, bounds.max_age) == (1024**3, 30 * 24 * 3600)
    assert (bounds.largest, bounds.pace) == (8 * 1024 * 1024, "full")
