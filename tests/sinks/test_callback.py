from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import ConfigError, SinkError
from rxwizard.sinks.callback import Callback
from rxwizard.sinks.protocol import is_sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

got: list[object] = []


def plain(item: object) -> None:
    got.append(item)


def truthy(item: object) -> bool:
    got.append(item)
    return True


async def asynchronous(item: object) -> None:
    await asyncio.sleep(0)
    got.append(item)


def hands_on(item: object) -> Awaitable[None]:
    return asynchronous(item)


async def with_more(more: list[object], item: object) -> None:
    await asyncio.sleep(0)
    more.append(item)


class Object:
    def __call__(self, item: object) -> None:
        got.append(item)

    async def method(self, item: object) -> None:
        await asynchronous(item)


class AsynchronousObject:
    async def __call__(self, item: object) -> None:
        await asynchronous(item)


class Class:
    def __init__(self, item: object) -> None:
        got.append(item)


FUNCTIONS: dict[str, Callable[[object], Any]] = {
    "plain": plain,
    "gives something": truthy,
    "asynchronous": asynchronous,
    "gives an awaitable": hands_on,
    "partial": partial(with_more, got),
    "built in": got.append,
    "object": Object(),
    "method": Object().method,
    "asynchronous object": AsynchronousObject(),
    "class": Class,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
async def test_the_function_is_called_and_awaited(function: Callable[[object], Any]) -> None:
    got.clear()
    callback = Callback(function)
    await callback.write(1)
    assert got == [1]

    await callback.write(2)
    await callback.close()
    assert got == [1, 2]
    assert is_sink(callback)


async def test_what_the_function_raises_passes_through() -> None:
    error = ValueError("mine")

    async def fail(_: object) -> None:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        await Callback(fail).write(1)
    assert caught.value is error


@pytest.mark.parametrize("on_close", [got.append, asynchronous, hands_on])
async def test_the_end_is_told_once(on_close: Callable[[object], Any]) -> None:
    got.clear()
    callback = Callback(plain, on_close=on_close)
    error = OSError("reset")
    await callback.close(error)
    await callback.close()
    assert got == [error]

    with pytest.raises(SinkError, match="closed"):
        await callback.write(1)
    assert got == [error]


async def test_an_end_that_raised_is_not_told_again() -> None:
    def fail(_: object) -> None:
        message = "mine"
        raise ValueError(message)

    callback = Callback(plain, on_close=fail)
    with pytest.raises(ValueError, match="mine"):
        await callback.close()
    await callback.close()


async def pulls(item: object) -> AsyncIterator[object]:
    yield item


def gives(item: object) -> Iterator[object]:
    yield item


@pytest.mark.parametrize("function", [gives, pulls])
def test_a_generator_function_is_refused(function: Any) -> None:
    with pytest.raises(ConfigError, match="would run nothing"):
        Callback(function)
    with pytest.raises(ConfigError, match="on_close is a generator"):
        Callback(plain, on_close=function)


def test_what_cannot_be_called_is_refused() -> None:
    target: Any = 1
    with pytest.raises(ConfigError, match="function is something to call, not a int"):
        Callback(target)
    with pytest.raises(ConfigError, match="on_close is something to call"):
        Callback(plain, on_close=target)


@pytest.mark.benchmark
async def test_it_costs_little_more_than_a_function_that_calls_another() -> None:
    async def nothing(_: object) -> None:
        pass

    async def direct(item: object) -> None:
        await nothing(item)

    async def cost(write: Callable[[object], Awaitable[None]]) -> float:
        start = time.process_time()
        for _ in range(5_000):
            await write(None)
        return time.process_time() - start

    write = Callback(nothing).write
    both = [(await cost(write), await cost(direct)) for _ in range(15)]
    assert min(ours for ours, _ in both) < 2 * min(theirs for _, theirs in both)
