"""The pump: batches in, pushes out, and a source that is always closed."""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import reactivex
from reactivex import abc
from reactivex import operators as rx
from reactivex.disposable import SerialDisposable

from rxwizard.demand import BoundedSubscriber, push_batches

from .sources import Numbers, read_all, settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def reports() -> list[object]:
    """What nobody else can be told goes to the loop; from here on it is collected."""
    found: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: found.append(context["exception"]))
    return found


async def test_a_batch_is_pushed_in_one_go_and_the_end_comes_after_the_source_is_closed() -> None:
    source = Numbers(20, batch=5)
    seen: list[tuple[object, int]] = []
    source.subscribe(
        lambda number: seen.append((number, source.closed)),
        on_completed=lambda: seen.append(("end", source.closed)),
    )
    await settle(2)
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4]
    await settle()

    assert seen == [*((number, 0) for number in range(20)), ("end", 1)]


async def test_nothing_is_opened_before_its_turn() -> None:
    source = Numbers(1)
    subscription = source.subscribe()
    assert source.opened == 0
    subscription.dispose()
    await settle()

    assert source.opened == 0


async def test_a_held_source_is_stopped_inside_a_batch_and_before_the_next_one() -> None:
    inside, between = Numbers(batch=8), Numbers(batch=8)
    readers = [
        BoundedSubscriber[int](5).attach(inside),
        BoundedSubscriber[int](8).attach(between),
    ]
    await settle()

    assert inside.given == 6  # the one that is not pushed has been asked for
    assert between.given == 8
    for reader in readers:
        reader.cancel()


async def test_the_error_of_a_source_is_the_observers() -> None:
    errors: list[Exception] = []
    Numbers(3, fails=1).subscribe(on_error=errors.append)
    await settle()

    assert [str(error) for error in errors] == ["reset"]


async def test_a_source_that_does_not_open_is_an_error() -> None:
    @asynccontextmanager
    async def refuse() -> AsyncGenerator[AsyncGenerator[list[int]]]:
        raise ConnectionRefusedError
        yield  # pragma: no cover

    def subscribe(
        observer: abc.ObserverBase[int], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return push_batches(refuse, observer)

    reader = BoundedSubscriber[int](8).attach(reactivex.create(subscribe))
    with pytest.raises(ConnectionRefusedError):
        await anext(reader)


async def test_an_observer_that_raises_is_told_so_and_the_source_is_closed() -> None:
    source = Numbers()
    errors: list[Exception] = []
    source.subscribe(lambda number: 1 / (3 - number), on_error=errors.append)
    await settle()

    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert source.given == 4
    assert source.is_closed


async def test_an_error_that_nobody_takes_goes_to_the_loop() -> None:
    found = reports()
    Numbers(3, fails=1).subscribe(print)
    await settle()

    assert [str(error) for error in found] == ["reset"]


async def test_a_completion_that_raises_goes_to_the_loop() -> None:
    found = reports()
    Numbers(3).subscribe(on_completed=lambda: dict[str, int]().popitem())
    await settle()

    assert [type(error) for error in found] == [KeyError]


async def test_nothing_is_pushed_after_dispose_not_even_of_the_same_batch() -> None:
    source = Numbers(batch=8)
    got: list[int] = []
    subscription = SerialDisposable()

    def take_three(number: int) -> None:
        got.append(number)
        if number == 2:
            subscription.dispose()

    subscription.disposable = source.subscribe(take_three)
    await settle()

    assert got == [0, 1, 2]
    assert source.is_closed


async def test_take_closes_the_source_inside_its_own_push_and_lets_it_clean_up() -> None:
    source = Numbers(leaves_slowly=5)
    reader = BoundedSubscriber[int](8).attach(source.pipe(rx.take(3)))
    assert await read_all(reader) == [0, 1, 2]
    await settle()

    assert source.is_closed
    assert source.given <= 4


@pytest.mark.parametrize("turns", range(8))
async def test_it_can_be_disposed_of_at_any_time(turns: int) -> None:
    source = Numbers(8, leaves_slowly=1)
    ends: list[str] = []
    subscription = source.subscribe(
        on_error=lambda _: ends.append("error"), on_completed=lambda: ends.append("end")
    )
    await settle(turns)
    subscription.dispose()
    subscription.dispose()
    before = list(ends)
    await settle()

    assert source.opened == source.closed
    assert ends == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_it_can_be_disposed_of_from_another_thread() -> None:
    source = Numbers()
    subscription = source.subscribe()
    await settle()
    thread = threading.Thread(target=subscription.dispose)
    thread.start()
    await asyncio.to_thread(thread.join)
    await settle()

    assert source.is_closed


def test_it_can_be_disposed_of_after_its_loop_is_gone() -> None:
    async def subscribe() -> tuple[Numbers, abc.DisposableBase]:
        source = Numbers()
        subscription = source.subscribe()
        await settle()
        return source, subscription

    source, subscription = asyncio.run(subscribe())
    subscription.dispose()

    assert source.is_closed


def test_a_loop_that_ends_takes_what_runs_with_it() -> None:
    source = Numbers(20, fails=1000)

    async def subscribe() -> None:
        source.pipe(rx.retry()).subscribe()
        await settle()

    asyncio.run(subscribe())

    assert source.is_closed


def test_without_a_loop_the_remedy_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"no event loop.*asyncio\.run"):
        Numbers(3).subscribe(print)
    with pytest.raises(RuntimeError, match=r"no event loop.*asyncio\.run"):
        BoundedSubscriber[int](8)


async def test_no_task_outlives_the_reader() -> None:
    sources = [Numbers() for _ in range(10)]
    reader = BoundedSubscriber[int](8).attach(reactivex.merge(*sources))
    await settle()
    assert len(asyncio.all_tasks()) == 11
    await reader.aclose()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert all(source.is_closed for source in sources)


async def test_twenty_thousand_items_do_not_nest() -> None:
    deepest = 0

    def measure(number: int) -> int:
        nonlocal deepest
        deepest = max(deepest, len(inspect.stack(0))) if number % 1000 == 999 else deepest
        return number

    reader = BoundedSubscriber[int](8).attach(Numbers(20_000).pipe(rx.map(measure)))

    assert await read_all(reader) == list(range(20_000))
    assert deepest < 80
