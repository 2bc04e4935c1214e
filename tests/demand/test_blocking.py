"""A stream in a thread of its own, for plain synchronous code."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from reactivex import operators as rx

from rxwizard import ConfigError, StreamInterruptedError
from rxwizard.demand import BlockingIterator, BoundedSubscriber

from .sources import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def blocking(source: reactivex.Observable[Any], capacity: int = 8) -> BlockingIterator[Any]:
    return BlockingIterator(lambda: BoundedSubscriber[Any](capacity).attach(source))


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "rxwizard stream"}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every stream is closed at the end, soon at the latest."""
    yield
    for thread in threads():
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("capacity", [1, 2, 64])
def test_a_loop_gets_every_item_and_leaves_no_thread(capacity: int) -> None:
    source = Numbers(1000)
    items = blocking(source, capacity)

    assert list(items) == list(range(1000))
    assert source.is_closed
    assert not threads()
    assert list(items) == []


def test_an_error_comes_after_what_came_before_it_and_again() -> None:
    items, got = blocking(Numbers(20, fails=1)), list[int]()
    for _ in range(2):
        with pytest.raises(OSError, match="reset"):
            got.extend(items)

    assert got == list(range(20))
    assert not threads()


def test_break_closes() -> None:
    source = Numbers()
    for item in blocking(source):
        if item == 20:
            break
    for thread in threads():
        thread.join(10)

    assert source.is_closed


def test_an_exception_in_the_body_closes() -> None:
    source = Numbers()

    def read() -> None:
        for item in blocking(source):
            if item == 20:
                raise KeyError(item)

    with pytest.raises(KeyError):
        read()
    gc.collect()  # the test's own traceback refers to the loop
    for thread in threads():
        thread.join(10)

    assert source.is_closed


def test_leaving_a_block_waits_until_it_is_closed() -> None:
    source = Numbers(leaves_slowly=50)
    with blocking(source) as items:
        assert next(items) == 0
        assert not source.is_closed

    assert source.is_closed
    assert not threads()


def test_close_is_idempotent_and_reading_gives_the_end() -> None:
    source = Numbers()
    items = blocking(source)
    next(items)
    for _ in range(3):
        items.close()
        assert source.is_closed

    assert list(items) == []


def test_dropping_it_closes() -> None:
    source = Numbers()
    items = blocking(source)
    next(items)
    del items
    for thread in threads():
        thread.join(10)

    assert source.is_closed


def test_a_generator_that_is_not_read_to_its_end_closes() -> None:
    def words(items: Iterator[int]) -> Iterator[str]:
        for item in items:
            yield str(item)

    source = Numbers()
    some = words(blocking(source))
    assert [next(some), next(some)] == ["0", "1"]
    some.close()
    for thread in threads():
        thread.join(10)

    assert source.is_closed


def test_the_bound_holds_while_the_body_is_slow() -> None:
    source = Numbers()
    items = blocking(source)
    stopped = threading.Event()
    next(items)
    loop = items._ring.loop

    def look() -> None:
        if items._ring.group.holding:
            stopped.set()
        else:
            loop.call_soon(look)

    loop.call_soon_threadsafe(look)
    assert stopped.wait(10)
    given = source.given
    assert given <= 8 + 2
    assert [next(items) for _ in range(100)] == list(range(1, 101))
    assert items._ring.statistics().peak == 8
    items.close()


def test_two_at_once() -> None:
    first, second = blocking(Numbers(500)), blocking(Numbers(500, start=1000))

    assert list(zip(first, second, strict=True)) == [(n, 1000 + n) for n in range(500)]


def test_what_fails_at_subscription_is_raised_where_it_is_made() -> None:
    with pytest.raises(ConfigError, match="a capacity of 0"):
        blocking(Numbers(), capacity=0)

    assert not threads()


async def test_where_a_loop_runs_it_says_what_to_use_instead() -> None:
    with pytest.raises(RuntimeError, match="use `async for`"):
        blocking(Numbers())

    assert not threads()


def test_a_loop_may_not_be_blocked_by_one_that_was_made_before_it() -> None:
    subject: Any = reactivex.subject.ReplaySubject()
    items = blocking(subject)
    waiter = asyncio.Event()

    async def read() -> None:
        waiter.set()
        with pytest.raises(RuntimeError, match="use `async for`"):
            next(items)

    asyncio.run(read())
    assert waiter.is_set()
    subject.on_next(1)
    assert next(items) == 1  # it is none the worse
    items.close()


def wait_for(thread_waits: Callable[[], object]) -> None:
    """Let other threads run until one of them waits."""
    until = time.monotonic() + 10
    while not thread_waits():
        assert time.monotonic() < until
        time.sleep(0)


def test_one_thread_waits_at_a_time() -> None:
    subject: Any = reactivex.subject.Subject()
    items = blocking(subject)
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.append(next(items)))
    waiting.start()
    wait_for(lambda: items._ring._waiting)
    with pytest.raises(RuntimeError, match="two"):
        next(items)
    subject.on_next(7)
    waiting.join(10)

    assert got == [7]
    items.close()


def test_closing_it_from_another_thread_ends_the_loop() -> None:
    items = blocking(reactivex.never())

    def close() -> None:
        wait_for(lambda: items._ring._waiting)
        items.close()

    closing = threading.Thread(target=close)
    closing.start()
    assert list(items) == []
    closing.join(10)


def test_closing_it_from_inside_the_stream_does_not_wait_for_itself() -> None:
    def close(item: int) -> None:
        if item == 5:
            made.wait(10)
            items.close()

    made = threading.Event()
    source = Numbers()
    items = blocking(source.pipe(rx.do_action(close)))
    made.set()
    rest = list(items)

    assert rest == list(range(len(rest)))
    assert len(rest) <= 5
    assert source.is_closed


def interrupt(when: Callable[[], object]) -> threading.Thread:
    """Press Ctrl+C when something is true."""

    def press() -> None:
        wait_for(when)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_ctrl_c_while_it_waits_closes_it() -> None:
    items = blocking(Numbers(3).pipe(rx.concat(reactivex.never())))
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    pressing = interrupt(lambda: items._ring._waiting)
    with pytest.raises(KeyboardInterrupt):
        next(items)
    pressing.join()

    for _ in range(2):
        with pytest.raises(StreamInterruptedError, match="Reading was interrupted"):
            next(items)
    assert not threads()


def test_ctrl_c_while_it_is_being_opened_leaves_no_thread() -> None:
    source = Numbers()
    pressed, begun = threading.Event(), threading.Event()

    def read() -> BoundedSubscriber[int]:
        begun.set()
        assert pressed.wait(10)
        return BoundedSubscriber[int](8).attach(source)

    pressing = interrupt(begun.is_set)
    with pytest.raises(KeyboardInterrupt):
        BlockingIterator(read)
    pressing.join()
    (thread,) = threads()
    pressed.set()
    thread.join(10)

    assert source.opened == source.closed
    assert not threads()


def test_operators_see_the_context_of_the_caller() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    name.set("caller")

    assert list(blocking(Numbers(2).pipe(rx.map(lambda _: name.get())))) == ["caller"] * 2
