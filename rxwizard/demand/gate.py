"""Gates: how a reader that is full pauses the sources that feed it.

Credits (``request(n)``) cannot cross Rx operators: a filter eats them and a flat-map mints them. A
gate can, because it is a level and not a count: whoever is full *holds* it, whoever has room again
*releases* it, and it is open while nobody holds it.

How a reader finds the gates above it, whatever operators stand between, without anyone passing
anything: two context variables. `downstream` is set while subscribing; asyncio copies it into tasks
and timers, so a source that is subscribed now or later (concat, retry, flat_map) knows for whom it
works. `pushing` is set once inside each source's own task, so a reader that fills up knows who is
pushing into it at that moment, also behind a Subject or a plain ``observable.subscribe(reader)``.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

_CLOSED = "closed"


class Gate(ABC):
    """What holds a source back. It is open while `holders` is empty.

    `hold` and `release` may be called from any thread.

    Args:
        parent: The gate of the source inside whose push this one came to be, if any. Inner sources
            of a flat-map have the outer one as parent: who holds them must hold it as well.
    """

    __slots__ = ("__weakref__", "_closed", "_lock", "evidence", "holders", "parent")

    def __init__(self, parent: Gate | None = None) -> None:
        #: Who keeps it closed. Names the culprit where a stream stands still.
        self.holders: set[object] = set()
        self.parent = parent
        #: Gives what has come through so far, for a reader's errors; None where nobody keeps it.
        self.evidence: Callable[[], Any] | None = None
        self._closed = False
        # Re-entrant: a reader's finaliser may release from inside a hold.
        self._lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether its source has come to an end and pushes no more."""
        return self._closed

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether its source has freed what it held, too."""

    @property
    @abstractmethod
    def pausable(self) -> bool:
        """Whether holding it stops what comes."""

    @abstractmethod
    async def wait_finished(self) -> None:
        """Wait until the source has freed what it held."""

    @abstractmethod
    def _opened(self) -> None:
        """Let the source go on, or learn that the gate was closed."""

    def hold(self, holder: object) -> None:
        """Close it for as long as `holder` does not release it. Idempotent."""
        with self._lock:
            if not self._closed:
                self.holders.add(holder)

    def release(self, holder: object) -> None:
        """Take back `holder`'s hold. Does nothing where it has none."""
        with self._lock:
            self.holders.discard(holder)
            if not self.holders or self._closed:
                self._opened()

    def close(self) -> None:
        """The source is over, or is to stop: nothing it might still push is wanted. Idempotent."""
        with self._lock:
            self._closed = True
            self.parent = None
            # A closed gate counts as held, so that the source needs to look at one thing only.
            self.holders = {_CLOSED}
            self._opened()


class PumpGate(Gate):
    """The gate of one pump.

    The pump looks at `holders` before each item, which costs one attribute read, and awaits
    `wait_open` where it is not empty; `close` and `wait_open` are for the loop's thread only.
    """

    __slots__ = ("_loop", "_over", "_waiter", "replays")

    def __init__(self, parent: Gate | None = None) -> None:
        super().__init__(parent)
        #: Whether the pump gives again what came earlier, so that what comes now is not its own.
        self.replays = False
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()

    @property
    def finished(self) -> bool:
        """Whether its source has freed what it held, too."""
        return self._over.done()

    @property
    def pausable(self) -> bool:
        """Whether holding it stops what comes."""
        return not self.replays

    def finish(self) -> None:
        """The pump's task is over and has freed what it held."""
        self.close()
        self.evidence = None
        if not self._over.done():
            self._over.set_result(None)

    async def wait_finished(self) -> None:
        """Wait until the source has freed what it held."""
        if asyncio.get_running_loop() is self._loop:
            await asyncio.shield(self._over)

    async def wait_open(self) -> bool:
        """Wait until nobody holds it. False: it was closed, the source must stop."""
        while not self._closed:
            with self._lock:
                if not self.holders:
                    return True
                waiter = self._waiter = self._loop.create_future()
            try:
                await waiter  # not the attribute: a release on another thread may be quicker
            finally:
                self._waiter = None
        return False

    def _opened(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            resolve(waiter)


class Holder(Protocol):
    """A reader, as those see it whom it holds."""

    @property
    def delivered(self) -> int:
        """Items it has taken. One that holds its sources and takes nothing stands still."""
        ...

    def fail(self, error: Exception) -> None:
        """End it with this error; its sources go on for others."""


class GateGroup:
    """All the gates above one reader, held and released as one. Safe from any thread.

    Args:
        name: What the reader is called where a message names it.
        holder: The reader; None where several stand behind it.
    """

    __slots__ = ("__weakref__", "_gates", "_holding", "_linked", "_lock", "holder", "lossy", "name")

    def __init__(self, name: str = "reader", holder: Holder | None = None) -> None:
        self.name = name
        self.holder = holder
        #: Whether it may hold nobody any more; its reader then drops what it has no room for.
        self.lossy = False
        self._gates: set[Gate] = set()
        self._linked = False
        self._holding = False
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def holding(self) -> bool:
        """Whether the sources are being held."""
        return self._holding and not self.lossy

    @property
    def linked(self) -> bool:
        """Whether a source that can be paused was ever found."""
        # Asked for, not noted when found: a shared source is joined before it is subscribed to.
        with self._lock:
            return self._linked or any(gate.pausable for gate in self._gates)

    def readers(self) -> Iterable[GateGroup]:
        """Give the readers in whose name it holds: itself, or those that stand behind it."""
        return () if self.holder is None else (self,)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates of the sources that still push, or still have to free what they hold."""
        with self._lock:
            return tuple(gate for gate in self._gates if not gate.finished)

    def evidence(self) -> Any:
        """Give what has come through one of the sources so far; None where nobody keeps it."""
        known = (gate.evidence for gate in self.gates)
        return next((evidence() for evidence in known if evidence is not None), None)

    def attach(self, gate: Gate | None) -> None:
        """Take in a gate, and those of the sources it came from; held at once if the group is."""
        with self._lock:
            # Sources come and go (repeat, concat): forget those that are over.
            over = {known for known in self._gates if known.finished}
            self._linked = self._linked or any(known.pausable for known in over)
            self._gates -= over
            while gate is not None and not gate.closed:
                self._gates.add(gate)
                if self._holding and not self.lossy:
                    gate.hold(self)
                gate = gate.parent

    def hold(self) -> None:
        """Hold every source, and the one that is pushing right now if it was not known yet."""
        gate_of_pusher = pushing.get()
        with self._lock:
            if gate_of_pusher is not None and gate_of_pusher not in self._gates:
                self.attach(gate_of_pusher)
            self.hold_known()

    def hold_known(self) -> None:
        """Hold every source that was found. Who is pushing may be somebody else's."""
        with self._lock:
            self._holding = True
            if not self.lossy:
                for gate in self._gates:
                    gate.hold(self)

    def turn_lossy(self) -> None:
        """Let every source go on, for good."""
        with self._lock:
            self.lossy = True
            for gate in self._gates:
                gate.release(self)

    def release(self) -> None:
        """Let every source go on."""
        with self._lock:
            self._holding = False
            for gate in self._gates:
                gate.release(self)


#: The reader for which a source is being subscribed.
downstream: ContextVar[GateGroup | None] = ContextVar("rxwizard_downstream", default=None)

#: The gate of the source in whose task this code runs.
pushing: ContextVar[Gate | None] = ContextVar("rxwizard_pushing", default=None)


def running_loop() -> asyncio.AbstractEventLoop:
    """Give the running event loop.

    Raises:
        RuntimeError: None is running in this thread.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = (
            "no event loop is running here: a stream is read and subscribed to inside a coroutine, "
            "such as the one given to asyncio.run()"
        )
        raise RuntimeError(message) from None


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether this code runs in that loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def run_on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call it on the loop's thread: at once where this is it, else in its next turn.

    Where the loop is closed, nobody is left for whom it would matter.
    """
    if runs_here(loop):
        function()
        return
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)


def resolve(waiter: asyncio.Future[None]) -> None:
    """Wake who waits for it, from any thread."""
    run_on(waiter.get_loop(), partial(_resolve, waiter))


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
