from __future__ import annotations

import pytest

from tests.benchmarks import speed
from tests.benchmarks.measure import below

pytestmark = pytest.mark.benchmark


class Measured:
    """The whole path, measured once for all who ask; who asks again gets a measurement anew."""

    first: speed.WholePath | None = None

    def __init__(self) -> None:
        self._asked = False

    async def whole_path(self) -> speed.WholePath:
        found = None if self._asked else Measured.first
        self._asked = True
        if found is None:
            found = await speed.whole_path(3_000, rounds=3)
            Measured.first = Measured.first or found
        return found


async def test_the_whole_path_costs_at_most_three_floors() -> None:
    measured = Measured()

    async def floors() -> float:
        return (await measured.whole_path()).floors

    assert await below(3.0, floors) <= 3.0


@pytest.mark.parametrize("body", ["openai", "anthropic"])
async def test_each_body_costs_at_most_two_floors_above_its_own(body: str) -> None:
    measured = Measured()

    async def above() -> float:
        return (await measured.whole_path()).above_floor(body)

    assert await below(2.0, above) <= 2.0


async def test_the_cost_of_a_chunk_does_not_depend_on_the_length_of_the_answer() -> None:
    async def growth() -> float:
        times = await speed.by_length((1_000, 64_000), rounds=2)
        return times[64_000] / times[1_000]

    assert await below(1.3, growth) <= 1.3


async def test_the_cost_of_a_fragment_does_not_depend_on_the_length_of_the_arguments() -> None:
    async def growth() -> float:
        times = await speed.tool_arguments((64_000, 1_000_000), rounds=1)
        return times[1_000_000] / times[64_000]

    assert await below(1.3, growth) <= 1.3


async def test_the_official_sdk_needs_ten_times_as_much() -> None:
    pytest.importorskip("openai", reason="the official SDK is not installed: pip install .[bench]")

    async def share() -> float:
        times = (await speed.whole_path(1_000, rounds=3, with_peers=True)).times
        return times["openai, five operators"] / times["openai, official SDK"]

    assert await below(0.1, share) <= 0.1


def test_many_paced_streams_cost_little_more_than_raw_loops() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed: pip install .[speed]")

    async def ratio() -> float:
        times = await speed.paced(rounds=1)
        return times["five operators"] / times["raw loop"]

    assert uvloop.run(below(2.2, ratio)) <= 2.2
