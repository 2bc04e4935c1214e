"""Sources that ask for an item when there is room for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from reactivex import operators as rx

from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.sources import from_async_iterable, from_iterable

from .sources import Numbers, read_all, settle


class Asked:
    """An iterable, of both kinds, that counts how often it was asked for an item."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self._count = count
        self._fails = fails
        self.asked = 0
        self.closed = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self._count):
            self.asked += 1
            yield number
        if self._fails:
            raise OSError("cut")

    def __aiter__(self) -> AsyncIterator[int]:
        self._kept = self._count_up()  # so that no garbage collector closes it
        return self._kept

    async def _count_up(self) -> AsyncIterator[int]:
        try:
            for number in self:
                yield number
        finally:
            self.closed += 1


both = pytest.mark.parametrize("make", [from_iterable, from_async_iterable])


@both
@pytest.mark.parametrize("count", [0, 1, 2, 62, 63, 64, 65, 127, 128, 129, 1000])
async def test_all_items_come_in_order(make: Any, count: int) -> None:
    stream = make(Asked(count))

    assert await read_all(BoundedSubscriber[int](8).attach(stream)) == [*range(count)]
    assert await read_all(BoundedSubscriber[int](64).attach(stream)) == [*range(count)]


async def test_a_million_items_wait_for_a_reader_of_64() -> None:
    reader = BoundedSubscriber[int](64).attach(from_iterable(range(10**6)))
    total = 0
    async for batch in reader.batches():
        total += sum(batch)

    assert total == sum(range(10**6))
    assert reader.statistics().peak == 64


@both
async def test_no_more_is_asked_for_than_there_is_room(make: Any) -> None:
    items = Asked(10**6)
    async with BoundedSubscriber[int](8).attach(make(items)) as reader:
        await settle()
        assert items.asked <= 8 + 1
        for _ in range(8):
            await anext(reader)
        await settle()
        assert items.asked <= 16 + 1
    await settle()

    assert items.asked <= 16 + 1
    assert items.closed == (make is from_async_iterable)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@both
async def test_others_have_their_turns_meanwhile(make: Any) -> None:
    got: list[int] = []
    subscription = make(Asked(10**6)).subscribe(got.append)
    await settle(10)
    subscription.dispose()

    assert 0 < len(got) <= 10 * 64
    await settle()


@both
async def test_an_exception_of_the_iterable_is_the_streams_error(make: Any) -> None:
    got: list[int] = []
    with pytest.raises(OSError, match="cut"):
        await read_all(BoundedSubscriber[int](8).attach(make(Asked(100, fails=True))), got)

    assert got == [*range(100)]


@both
async def test_what_cannot_be_iterated_is_the_streams_error(make: Any) -> None:
    with pytest.raises(TypeError):
        await read_all(BoundedSubscriber[int](8).attach(make(5)))


@both
async def test_taking_some_closes_it(make: Any) -> None:
    items = Asked(10**6)
    assert await read_all(BoundedSubscriber[int](8).attach(make(items).pipe(rx.take(3)))) == [
        0,
        1,
        2,
    ]
    await settle()

    assert items.asked <= 4
    assert items.closed == (make is from_async_iterable)


async def test_an_asynchronous_generator_that_waits_is_cancelled_and_closed() -> None:
    left: list[str] = []

    async def wait() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(3600)
        finally:
            left.append("closed")

    async with BoundedSubscriber[int](8).attach(from_async_iterable(wait())) as reader:
        assert await anext(reader) == 1
        await settle()

    assert left == ["closed"]


async def test_an_asynchronous_generator_that_was_handed_over_is_closed() -> None:
    items = Asked(10)
    generator = aiter(items)
    async with BoundedSubscriber[int](2).attach(from_async_iterable(generator)):
        await settle()

    assert items.closed == 1


async def test_an_iterator_that_was_handed_over_is_left_as_it_is() -> None:
    source = Numbers(20)
    reader = BoundedSubscriber[int](8).attach(source)

    class Handed:
        closed = False

        def __aiter__(self) -> Handed:
            return self

        async def __anext__(self) -> int:
            return await anext(reader)

        async def aclose(self) -> None:
            self.closed = True

    handed = Handed()
    stream = from_async_iterable(handed).pipe(rx.take(3))
    assert await read_all(BoundedSubscriber[int](8).attach(stream)) == [0, 1, 2]
    await settle()

    assert not handed.closed
    assert len(await read_all(reader)) in {16, 17}


async def test_a_million_prompts_are_asked_some_at_a_time() -> None:
    asked = 0

    async def ask(prompt: int) -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return prompt

    answers = from_iterable(range(10**6)).pipe(ops.map_async(ask, concurrency=4), rx.take(100))

    assert await read_all(BoundedSubscriber[int](8).attach(answers)) == [*range(100)]
    assert asked <= 100 + 4
