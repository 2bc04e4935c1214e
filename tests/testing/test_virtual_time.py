from __future__ import annotations

import asyncio
import threading

import pytest

from rxwizard.testing import VirtualTimeLoop, run_in_virtual_time


def test_hours_pass_without_waiting() -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(48 * 3600)
        return loop.time() - start

    assert run_in_virtual_time(sleep()) == 48 * 3600


def test_timers_fire_in_the_order_of_their_times_and_at_them() -> None:
    async def race() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[str, float]] = []

        async def runner(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append((name, loop.time()))

        await asyncio.gather(runner("slow", 7.5), runner("quick", 0.25), runner("even", 3))
        return fired

    assert run_in_virtual_time(race()) == [("quick", 0.25), ("even", 3.0), ("slow", 7.5)]


def test_ready_work_goes_before_time() -> None:
    async def busy() -> float:
        loop = asyncio.get_running_loop()
        timer = loop.create_task(asyncio.sleep(1))
        for _ in range(1000):
            await asyncio.sleep(0)
        passed = loop.time()
        await timer
        return passed

    assert run_in_virtual_time(busy()) == 0.0


def test_timeouts_work_on_virtual_time() -> None:
    async def wait() -> None:
        async with asyncio.timeout(3600):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_in_virtual_time(wait())


def test_without_timers_the_loop_waits_in_earnest_and_can_be_woken() -> None:
    async def work() -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        waker = threading.Thread(
            target=loop.call_soon_threadsafe, args=(future.set_result, 42), daemon=True
        )
        waker.start()
        return await future

    assert run_in_virtual_time(work()) == 42


def test_the_loop_can_be_given_to_a_runner() -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(asyncio.sleep(60))

        assert runner.get_loop().time() == 60.0
