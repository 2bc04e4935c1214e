"""The cache in memory, and the bounds that all of ours have."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rxwizard import ConfigError
from rxwizard.cache import Cache, MemoryCache, SQLiteCache
from rxwizard.cache.bounds import ENTRY_COSTS
from rxwizard.testing import run_in_virtual_time


async def keys(cache: MemoryCache, names: str) -> str:
    """Give those of the names that are in the cache; looking changes what was used last."""
    return "".join([name for name in names if await cache.get(name) is not None])


async def test_it_gives_what_was_put() -> None:
    cache: Cache = MemoryCache()
    assert await cache.get("a") is None
    await cache.put("a", b"1")
    await cache.put("b", b"2")
    await cache.put("a", b"3")

    assert [await cache.get(name) for name in "ab"] == [b"3", b"2"]


async def test_what_was_not_used_for_longest_goes_first() -> None:
    cache = MemoryCache(3 * (10 + ENTRY_COSTS))
    for name in "abc":
        await cache.put(name, b"x" * 10)
    assert await cache.size() == 3 * (10 + ENTRY_COSTS)
    await cache.get("a")
    await cache.put("d", b"x" * 10)

    assert await keys(cache, "abcd") == "acd"
    await cache.put("e", b"x")
    assert await keys(cache, "abcde") == "cde"


async def test_a_large_one_takes_the_room_of_several() -> None:
    cache = MemoryCache(3000)
    for name in "abcdef":
        await cache.put(name, b"x" * 100)
    await cache.put("g", b"x" * 2000)

    assert await keys(cache, "abcdefg") == "efg"
    assert await cache.size() == 2200 + 3 * ENTRY_COSTS


async def test_what_is_replaced_counts_once() -> None:
    cache = MemoryCache()
    await cache.put("a", b"x" * 100)
    await cache.put("a", b"x" * 10)

    assert await cache.size() == 10 + ENTRY_COSTS


async def test_one_that_is_too_large_is_not_stored() -> None:
    cache = MemoryCache(1000, max_entry_bytes=500)
    await cache.put("a", b"x" * 500)
    await cache.put("b", b"x" * 501)
    assert await keys(cache, "ab") == "a"

    small = MemoryCache(1000)
    assert small.max_entry_bytes == 1000 - ENTRY_COSTS
    await small.put("a", b"x" * small.max_entry_bytes)
    assert await small.size() == 1000
    assert MemoryCache(1).max_entry_bytes == 0


def test_what_is_too_old_is_not_given() -> None:
    async def main() -> None:
        cache = MemoryCache(max_age=60)
        await cache.put("a", b"1")
        await asyncio.sleep(30)
        await cache.put("b", b"2")
        await asyncio.sleep(29)
        assert await keys(cache, "ab") == "ab"
        await asyncio.sleep(1)
        assert await keys(cache, "ab") == "b"  # it is as old as it is, however often it is used
        assert await cache.size() == 1 + ENTRY_COSTS
        await cache.put("a", b"1")
        await asyncio.sleep(59)
        assert await keys(cache, "ab") == "a"

    run_in_virtual_time(main())


def test_what_is_too_old_goes_before_what_is_not() -> None:
    async def main() -> None:
        cache = MemoryCache(3 * (1 + ENTRY_COSTS), max_age=60)
        await cache.put("a", b"1")
        await asyncio.sleep(50)
        await cache.put("b", b"2")
        await cache.put("c", b"3")
        await cache.get("a")
        await asyncio.sleep(20)
        await cache.put("d", b"4")
        assert await keys(cache, "abcd") == "bcd"

    run_in_virtual_time(main())


async def test_clearing_and_closing_forget_all() -> None:
    async with MemoryCache() as cache:
        await cache.put("a", b"1")
        await cache.clear()
        assert (await keys(cache, "a"), await cache.size()) == ("", 0)
        await cache.put("a", b"1")
    assert await cache.size() == 0
    await cache.close()


def test_threads_share_it() -> None:
    cache = MemoryCache(50 * (10 + ENTRY_COSTS))

    async def work(number: int) -> None:
        for turn in range(200):
            await cache.put(f"{(number + turn) % 70}", b"x" * 10)
            await cache.get(f"{turn % 70}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: asyncio.run(work(number)), range(8)))

    assert cache._bytes == len(cache._entries) * (10 + ENTRY_COSTS) == 50 * (10 + ENTRY_COSTS)


MAKE: list[Callable[..., Any]] = [MemoryCache, lambda **options: SQLiteCache("c.db", **options)]


@pytest.mark.parametrize("make", MAKE, ids=["memory", "sqlite"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("max_bytes", value) for value in (0, -1, True, 1.5, math.inf)),
        *(("max_entry_bytes", value) for value in (0, -1, True, None)),
        *(("max_age", value) for value in (0, -1.0, math.nan, math.inf, True)),
        *(("pace", value) for value in ("fast", None, 1)),
    ],
)
def test_options_that_cannot_work_are_refused(
    make: Callable[..., Any],
    option: str,
    value: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=option):
        make(**{option: value})


def test_it_is_bounded_without_being_told() -> None:
    cache = MemoryCache()

    assert (cache.pace, cache.max_entry_bytes) == ("full", 8 * 1024 * 1024)
    assert cache._bounds.max_bytes == 64 * 1024 * 1024
    assert cache._bounds.max_age is None
