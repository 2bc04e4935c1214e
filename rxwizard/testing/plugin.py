"""The pytest plugin: one fixture, `simulator`.

    async def test_my_pipeline(simulator):
        sim = await simulator(Text("Hello there."))
        ...  # any client, at sim.endpoint("openai")

It needs no asyncio plugin of its own choice: the fixture is synchronous and gives an asynchronous
factory, so pytest-asyncio (either mode), anyio and a plain `asyncio.run` in the test all do. pytest
imports this file at every start, so aiohttp is imported only when a simulator is made.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxwizard.testing.script import Script, Step
    from rxwizard.testing.simulator import Responder, Simulator

    Given: TypeAlias = Script | Step | Responder


class SimulatorFactory:
    """Starts simulators, all of which are closed when the test is over."""

    def __init__(self) -> None:
        self._open: list[tuple[Simulator, asyncio.Task[None]]] = []

    async def __call__(
        self,
        *script: Given,
        pace: float = 0.0,
        protocol: str | None = None,
        api_key: str | None = None,
        send_buffer: int = 65536,
    ) -> Simulator:
        """Start a simulator with these steps, or one script, or several for successive requests.

        Without any it plays the scenario that a request names as its model. The other arguments
        are those of `Simulator`.
        """
        from rxwizard.testing.simulator import Simulator

        several = cast("tuple[Script | Step, ...]", script) or None
        simulator = Simulator(
            script[0] if len(script) == 1 else several,
            pace=pace,
            protocol=protocol,
            api_key=api_key,
            send_buffer=send_buffer,
        )
        await simulator.start()
        started = asyncio.Event()
        keeper = asyncio.get_running_loop().create_task(
            _keep(simulator, started), name="rxwizard simulator"
        )
        # A task that is cancelled before it ran never comes to its `finally`.
        await started.wait()
        self._open.append((simulator, keeper))
        return simulator

    def close(self) -> None:
        """Close what is still open, on the loop it was opened on, if that still exists."""
        while self._open:
            _, keeper = self._open.pop()
            loop = keeper.get_loop()
            if not keeper.done() and not loop.is_closed():
                keeper.cancel()
                with suppress(asyncio.CancelledError):
                    loop.run_until_complete(keeper)


async def _keep(simulator: Simulator, started: asyncio.Event) -> None:
    # Whoever runs the loop may close it before pytest comes to tear this fixture down, and a loop
    # cancels its tasks before it closes; so whichever comes first, this task ends and closes.
    try:
        started.set()
        await asyncio.get_running_loop().create_future()
    finally:
        await simulator.close()


@pytest.fixture
def simulator() -> Iterator[SimulatorFactory]:
    """Give the factory; what it starts is closed at the end of the test."""
    factory = SimulatorFactory()
    yield factory
    factory.close()
