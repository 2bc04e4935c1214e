"""How a ratio is measured: CPU time, in one process, the ways interleaved, the best of several.

CPU time because the machine has other work; interleaved because its clock speed drifts; the best
because noise only ever adds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Mapping

Way = Callable[[], Awaitable[int]]
"""Reads one body and gives the number of its events."""


async def cpu_per_event(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Measure the CPU time of each way, in µs an event."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            started = time.process_time()
            events = await way()
            spent = (time.process_time() - started) / events * 1e6
            best[name] = min(spent, best.get(name, spent))
    return best


async def below(bound: float, ratio: Callable[[], Awaitable[float]], attempts: int = 5) -> float:
    """Measure a ratio until it is below `bound`, at most `attempts` times; give the best.

    A neighbour on the machine can spoil one measurement; it cannot make a slow path look fast.
    """
    best = await ratio()
    for _ in range(attempts - 1):
        if best <= bound:
            break
        best = min(best, await ratio())
    return best


def least(bound: float, measure: Callable[[], float], attempts: int) -> float:
    """Measure until it is at most `bound`, at most `attempts` times; give the least."""
    best = measure()
    for _ in range(attempts - 1):
        if best <= bound:
            break
        best = min(best, measure())
    return best
