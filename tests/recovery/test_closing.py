"""A client that is closed leaves nothing waiting, and nothing is asked for after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import (
    RateLimitConfig,
    RetryConfig,
    StreamingClient,
    StreamInterruptedError,
    WizardConfig,
)
from rxwizard.admission import forget_all
from rxwizard.testing import Cut, HttpError, Script, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxwizard.testing import Simulator
    from rxwizard.testing.plugin import SimulatorFactory


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


def config(sim: Simulator, **settings: Any) -> WizardConfig:
    given = {"api_key": "test", "endpoint": sim.endpoint("openai"), **settings}
    return WizardConfig("openai:any", **given)


async def test_it_waits_for_no_retry(simulator: SimulatorFactory) -> None:
    sim = await simulator(HttpError(429, headers={"retry-after": "50"}))
    async with StreamingClient(config(sim)) as client:
        reader = client.generate_stream("Hi").bounded()
        warning = await anext(reader)
    with pytest.raises(StreamInterruptedError, match="closed"):
        await anext(reader)

    assert warning.kind == "warning"
    assert len(sim.requests) == 1


async def test_what_had_arrived_is_told(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Text("One two"), Cut()), Script(Text("three"))])
    retry = RetryConfig(after_first_token="restart", base=50, max_delay=50)
    async with StreamingClient(config(sim, retry=retry)) as client:
        reader = client.generate_stream("Hi").bounded()
        while (await anext(reader)).kind != "warning":
            pass
    with pytest.raises(StreamInterruptedError, match="closed") as caught:
        await anext(reader)

    assert caught.value.partial is not None
    assert caught.value.partial.text == "One two"
    assert len(sim.requests) == 1


async def test_it_waits_for_no_turn(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("One"))
    limit = RateLimitConfig(requests_per_minute=1, burst=60)
    async with StreamingClient(config(sim, rate_limit=limit)) as client:
        await client.generate_complete("Hi")
        waiting = asyncio.create_task(client.generate_complete("Hi"))
        await asyncio.sleep(0)
    with pytest.raises(StreamInterruptedError, match="turn"):
        await waiting

    assert len(sim.requests) == 1


async def test_it_can_be_opened_again(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text("One"))
    client = StreamingClient(config(sim))
    for _ in range(2):
        async with client:
            assert (await client.generate_complete("Hi")).text == "One"
    assert (await client.generate_complete("Hi")).text == "One"
