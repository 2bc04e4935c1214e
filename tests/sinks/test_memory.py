from __future__ import annotations

import pytest

from rxwizard import ConfigError, SinkError
from rxwizard.sinks.memory import LIMIT, Memory
from rxwizard.sinks.protocol import is_sink


async def test_it_keeps_the_last_items_and_counts_the_others() -> None:
    memory = Memory[int](3)
    for number in range(10):
        await memory.write(number)

    assert memory.items == [7, 8, 9]
    assert memory.dropped == 7
    assert is_sink(memory)


async def test_without_a_limit_it_keeps_all() -> None:
    memory = Memory[int](None)
    for number in range(LIMIT + 1):
        await memory.write(number)

    assert memory.items == list(range(LIMIT + 1))
    assert memory.dropped == 0


async def test_by_default_it_is_bounded() -> None:
    memory = Memory[int]()
    for number in range(LIMIT + 1):
        await memory.write(number)

    assert len(memory.items) == LIMIT
    assert memory.dropped == 1


async def test_what_it_gives_is_yours() -> None:
    memory = Memory[int](3)
    await memory.write(1)
    memory.items.append(2)

    assert memory.items == [1]


async def test_it_keeps_how_it_ended_the_first_time() -> None:
    memory = Memory[int](3)
    assert (memory.closed, memory.error) == (False, None)

    await memory.write(1)
    error = OSError("reset")
    await memory.close(error)
    await memory.close(ValueError())
    assert memory.closed
    assert memory.error is error
    assert memory.items == [1]

    with pytest.raises(SinkError, match="closed"):
        await memory.write(2)
    assert memory.items == [1]


async def test_an_end_without_an_error() -> None:
    memory = Memory[int](3)
    await memory.close()
    await memory.close(ValueError())

    assert (memory.closed, memory.error) == (True, None)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_1_or_more(limit: int) -> None:
    with pytest.raises(ConfigError, match="1 item or more"):
        Memory(limit)
