from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import partial

import pytest

from tests.benchmarks import operating
from tests.benchmarks.measure import below

# CPU of two things in one process, in turns: what runs beside is felt by both.
pytestmark = pytest.mark.benchmark(quiet=False)


@pytest.fixture(scope="module", autouse=True)
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", operating.BOUNDS)
async def test_an_operator_costs_no_more_than_so_many_maps(name: str) -> None:
    bound = operating.BOUNDS[name][2] / operating.MAP

    async def maps() -> float:
        times = await operating.cost(name)
        return times[name] / times["map"]

    assert await below(bound, maps) <= bound


@pytest.mark.parametrize("name", operating.BOUNDS)
async def test_the_cost_of_a_chunk_is_the_same_in_a_long_stream(name: str) -> None:
    assert await below(1.5, partial(operating.growth, name)) <= 1.5
