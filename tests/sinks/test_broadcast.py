"""The log that browsers share, without sockets, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import ConfigError
from rxwizard.errors import SinkError
from rxwizard.sinks.browsers import BATCH_BYTES, Broadcast, Browser
from rxwizard.sinks.events import KEEP_ALIVE, event, gap
from rxwizard.testing import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

END = event(1, b"{}", "end")


class Wire:
    """A connection that only knows whether it is closed."""

    def __init__(self) -> None:
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def broadcast(**options: Any) -> Broadcast:
    defaults = {"history": 4, "max_bytes": 10**6, "slow": "wait", "deadline": 30, "heartbeat": 15}
    return Broadcast(**(defaults | options))


async def write(to: Broadcast, *numbers: int) -> None:
    for number in numbers:
        await to.write(b"%d" % number)


def events(*numbers: int) -> bytes:
    return b"".join(event(number, b"%d" % number) for number in numbers)


def in_virtual_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_in_virtual_time(test())

    run.__name__ = test.__name__
    return run


@in_virtual_time
async def test_what_is_there_comes_in_one_batch_and_then_what_is_new() -> None:
    log = broadcast()
    browser = log.join(Wire())
    await write(log, 1, 2)

    assert await browser.read() == events(1, 2)
    waiting = asyncio.ensure_future(browser.read())
    await asyncio.sleep(0)
    assert not waiting.done()
    await write(log, 3)
    assert await waiting == events(3)


@in_virtual_time
async def test_a_batch_is_bounded_but_a_single_event_is_not() -> None:
    log = broadcast(history=64)
    for size in (BATCH_BYTES, 30_000, 30_000, 30_000):
        await log.write(b"x" * size)
    browser = log.join(Wire())

    assert [len(await browser.read()) // 10_000 for _ in range(3)] == [6, 6, 3]


@in_virtual_time
async def test_a_comment_comes_each_time_a_heartbeat_long_nothing_does() -> None:
    log = broadcast(heartbeat=15)
    browser = log.join(Wire())
    loop = asyncio.get_running_loop()

    assert await browser.read() == KEEP_ALIVE
    assert await browser.read() == KEEP_ALIVE
    assert loop.time() == 30
    loop.call_later(10, asyncio.ensure_future, write(log, 1))
    assert await browser.read() == events(1)
    assert await browser.read() == KEEP_ALIVE
    assert loop.time() == 55


@in_virtual_time
async def test_writing_waits_for_the_slowest_and_no_longer() -> None:
    log = broadcast(history=4)
    fast, slow = log.join(Wire()), log.join(Wire())
    await write(log, 1, 2, 3, 4)
    assert await fast.read() == events(1, 2, 3, 4)
    writing = asyncio.ensure_future(write(log, 5))
    await asyncio.sleep(29)
    assert not writing.done()

    assert await slow.read() == events(1, 2, 3, 4)
    await writing
    assert await slow.read() == await fast.read() == events(5)
    assert log.statistics().closed == 0


@in_virtual_time
async def test_writing_waits_for_the_deadline_and_then_goes_on_without_the_slow_one() -> None:
    log = broadcast(history=4, deadline=30)
    wire = Wire()
    fast, slow = log.join(Wire()), log.join(wire)
    await write(log, 1, 2, 3, 4)
    await fast.read()

    await write(log, 5, 6)
    assert asyncio.get_running_loop().time() == 30
    assert wire.closed
    assert await slow.read() == b""
    assert await fast.read() == events(5, 6)
    assert log.statistics().closed == 1


@in_virtual_time
async def test_writing_does_not_wait_for_one_that_is_gone() -> None:
    log = broadcast(history=1)
    wire, left = Wire(), log.join(Wire())
    log.join(wire)
    await write(log, 1)
    writing = asyncio.ensure_future(write(log, 2))
    await asyncio.sleep(1)
    wire.closed = True
    left.leave()
    await writing

    assert asyncio.get_running_loop().time() == 1
    assert log.statistics().browsers == 0


@in_virtual_time
async def test_a_wait_that_is_cancelled_has_written_nothing() -> None:
    log = broadcast(history=1)
    browser = log.join(Wire())
    await write(log, 1)
    writing = asyncio.ensure_future(write(log, 2))
    await asyncio.sleep(1)
    writing.cancel()
    await asyncio.wait([writing])
    assert await browser.read() == events(1)
    await write(log, 3)

    assert await browser.read() == event(2, b"3")


@in_virtual_time
async def test_skip_tells_what_was_missed_and_waits_for_nobody() -> None:
    log = broadcast(history=4, slow="skip")
    slow = log.join(Wire())
    await write(log, *range(1, 11))

    assert asyncio.get_running_loop().time() == 0
    assert await slow.read() == gap(6, 6) + events(7, 8, 9, 10)
    assert log.statistics().missed == 6


@in_virtual_time
async def test_a_writer_that_never_waits_outruns_nobody_who_reads() -> None:
    for slow in ("skip", "close"):
        log = broadcast(history=2, slow=slow)
        browser = log.join(Wire())
        reading = asyncio.ensure_future(read_to_the_end(browser))
        await write(log, *range(1, 101))
        await log.end(b"{}", "end")

        assert await reading == events(*range(1, 101)) + event(101, b"{}", "end")


@in_virtual_time
async def test_close_closes_one_that_falls_out_of_the_log() -> None:
    log = broadcast(history=4, slow="close")
    wire = Wire()
    fast, slow = log.join(Wire()), log.join(wire)
    await write(log, 1, 2, 3, 4)
    await fast.read()
    assert not wire.closed

    await write(log, 5)
    assert wire.closed
    assert await slow.read() == b""
    assert await fast.read() == events(5)
    assert log.statistics().closed == 1


@in_virtual_time
async def test_one_that_comes_back_behind_a_gap_is_not_told_twice() -> None:
    log = broadcast(history=2, slow="skip")
    await write(log, 1, 2, 3, 4, 5)
    assert await log.join(Wire()).read() == gap(3, 3) + events(4, 5)

    assert await log.join(Wire(), number=3).read() == events(4, 5)
    assert await log.join(Wire(), number=1).read() == gap(3, 2) + events(4, 5)


@in_virtual_time
async def test_the_log_holds_so_many_events_and_so_many_bytes() -> None:
    log = broadcast(history=3, max_bytes=1000)
    await write(log, 1, 2, 3, 4)
    assert log.statistics().held == 3

    await log.write(b"x" * 900)
    await log.write(b"x" * 900)
    assert log.statistics().held == 1
    assert 900 < log.statistics().held_bytes <= 1000
    await log.write(b"x" * 5000)  # larger than allowed, so it is alone
    assert log.statistics().held == 1
    assert log.statistics().events == 7


@in_virtual_time
async def test_the_end_waits_for_browsers_but_not_beyond_the_deadline() -> None:
    log = broadcast(deadline=30)
    stuck = Wire()
    log.join(stuck)
    browser = log.join(Wire())
    reading = asyncio.ensure_future(read_to_the_end(browser))
    await log.end(b"{}", "end")

    assert asyncio.get_running_loop().time() == 30
    assert stuck.closed
    assert await reading == END
    assert log.statistics().closed == 1
    await log.end(b"{}", "failed")  # changes nothing
    assert await log.join(Wire()).read() == END


@in_virtual_time
async def test_nothing_is_taken_after_the_end() -> None:
    log = broadcast()
    await log.end(b"{}", "end")
    with pytest.raises(SinkError, match="closed"):
        await write(log, 1)

    assert log.statistics().events == 0


@in_virtual_time
async def test_one_that_is_cut_off_while_it_waits_is_done() -> None:
    log = broadcast()
    reading = asyncio.ensure_future(log.join(Wire()).read())
    await asyncio.sleep(1)
    log.cut_off()

    assert await reading == b""
    assert asyncio.get_running_loop().time() == 1


@pytest.mark.parametrize(
    "options",
    [
        {"history": 0},
        {"max_bytes": 0},
        {"deadline": 0},
        {"heartbeat": -1},
        {"slow": "drop"},
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        broadcast(**options)


async def read_to_the_end(browser: Browser) -> bytes:
    parts: list[bytes] = []
    while part := await browser.read():
        parts.append(part)
    browser.leave()
    return b"".join(parts)
