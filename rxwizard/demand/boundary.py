"""Asynchronous boundaries: a bounded reader of what is above, and a pump for what is below.

Between the two the stream is pulled, so a boundary can wait, for time or for work, and hold what is
above it while it does. This is what operators with a queue or a clock of their own lack.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable

from rxwizard.demand.gate import pushing, resolve
from rxwizard.demand.pump import push_batches
from rxwizard.demand.ring import BURST, Ring

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence

    from reactivex import abc

    from rxwizard.demand.gate import Gate

A = TypeVar("A")
B = TypeVar("B")


def boundary(
    sources: Sequence[Observable[Any]],
    make_ring: Callable[[], Ring[Any]],
    between: Callable[..., AsyncGenerator[Iterable[B]]],
) -> Observable[B]:
    """Read each source into a ring of its own, and push what `between` makes of them.

    Args:
        sources: What is read.
        make_ring: Makes the ring of one source; called at subscription.
        between: Given the gate of what is below and the rings, one for each source, it gives
            batches of what is to be pushed, in the task that pushes. What has left a ring is in no
            bound any more, so the batches are lazy and take nothing while the gate is held.
    """

    def subscribe(
        observer: abc.ObserverBase[B], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        rings = [make_ring() for _ in sources]
        for ring, source in zip(rings, sources, strict=True):
            ring.attach(source)

        @asynccontextmanager
        async def opened() -> AsyncGenerator[AsyncGenerator[Iterable[B]]]:
            gate = pushing.get()
            assert gate is not None  # noqa: S101  # this runs in a pump
            gate.evidence = partial(_evidence, rings)
            try:
                async with aclosing(between(gate, *rings)) as batches:
                    yield batches
            finally:
                await _leave(rings)

        pump = push_batches(opened, observer)
        # The rings also directly: a pump that never ran has nothing to leave.
        return CompositeDisposable(pump, *(Disposable(ring.cancel) for ring in rings))

    return Observable(subscribe)


def _evidence(rings: Sequence[Ring[Any]]) -> Any:
    known = (ring.group.evidence() for ring in rings)
    return next((evidence for evidence in known if evidence is not None), None)


async def _leave(rings: Sequence[Ring[Any]]) -> None:
    """Cancel, and wait until the sources have freed what they held."""
    gates = [gate for ring in rings for gate in ring.group.gates]
    for ring in rings:
        ring.cancel()
    for gate in gates:
        # One that is still open goes on for others, who share it.
        if gate.closed:
            await gate.wait_finished()


class Inlet(Ring[A]):
    """A ring of a boundary whose bound nobody named: it follows from what the boundary does.

    Sources that can be paused are held at it. One that cannot (`reactivex.of`, a Subject) may be
    `BURST` items ahead: a few hundred items in one go are what such operators are tried with first.
    """

    def _is_over(self) -> bool:
        return len(self.queue) > self._most

    def _bound(self) -> str:
        return f"{self._most:,} items"

    @property
    def _most(self) -> int:
        return self.capacity + BURST


async def items(gate: Gate, ring: Ring[A]) -> AsyncGenerator[Iterable[A]]:
    """Give what waits, one by one."""

    def waiting() -> Iterator[A]:
        # Looked at here, before an item leaves the ring: the pump would hold one more in its hand.
        while ring.queue and not gate.holders:
            yield from ring.take_waiting(1)

    while await is_left(ring):
        yield waiting()


async def rows(gate: Gate, *rings: Ring[Any]) -> AsyncGenerator[Iterable[tuple[Any, ...]]]:
    """Give one item of each ring at a time, until one of them has no more."""

    def complete() -> Iterator[tuple[Any, ...]]:
        while all(ring.queue for ring in rings) and not gate.holders:
            if len(row := [item for ring in rings for item in ring.take_waiting(1)]) == len(rings):
                yield tuple(row)  # it is shorter where the rings were cancelled on another thread

    while True:
        for ring in rings:
            if not await is_left(ring, *rings):
                return
        yield complete()


async def is_left(ring: Ring[Any], *others: Ring[Any]) -> bool:
    """Wait for an item of `ring`; False where there comes none, from it or one of the others.

    Raises:
        Exception: Their source's own.
    """
    while not ring.queue:
        for each in (ring, *others):
            if each.exhausted:
                if each.error is not None:
                    raise each.error
                return False
        await _any_arrival([each for each in {ring, *others} if not each.queue])
    return True


async def _any_arrival(rings: Sequence[Ring[Any]]) -> None:
    """Wait until one of the rings, which are empty, has an item or its end."""
    arrived = asyncio.get_running_loop().create_future()
    wake = partial(resolve, arrived)
    for ring in rings:
        ring.call_when_ready(wake)
    try:
        await arrived
    finally:
        for ring in rings:
            ring.call_off(wake)
