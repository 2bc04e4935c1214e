"""The gate between the readers of a shared source and the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.demand.gate import Gate, GateGroup

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from rxwizard.demand.stall import StallWatch


class HubGate(Gate):
    """What the readers of a hub hold; it hands their hold on to the gates of the hub's source.

    Args:
        lock: The hub's: what it knows of its readers changes together with who holds it.
        watch: Is told who holds it; None: nobody is.
    """

    __slots__ = ("_watch", "sources")

    def __init__(self, lock: threading.RLock, watch: StallWatch | None) -> None:
        super().__init__()
        self._lock = lock
        self._watch = watch
        #: The gates of what the hub has subscribed to.
        self.sources: GateGroup = _Sources(self)
        self.evidence = self.sources.evidence

    @property
    def finished(self) -> bool:
        """Whether the sources have freed what they held, too."""
        # One that is still open goes on for others: the source is itself a branch of a shared one.
        return self._closed and not any(gate.closed for gate in self.sources.gates)

    async def wait_finished(self) -> None:
        """Wait until the sources have freed what they held."""
        for gate in self.sources.gates:
            if gate.closed:
                await gate.wait_finished()

    @property
    def pausable(self) -> bool:
        """Whether holding it stops what comes."""
        return self.sources.linked

    def hold(self, holder: object) -> None:
        """Hold the sources for as long as `holder` does not release them. Idempotent."""
        with self._lock:
            if self._closed:
                return
            is_new = holder not in self.holders
            super().hold(holder)
            if self._watch is not None and isinstance(holder, GateGroup):
                self._watch.holds(holder.readers())
            if is_new:
                self.sources.hold_known()

    def release(self, holder: object) -> None:
        """Take back `holder`'s hold. Does nothing where it has none."""
        with self._lock:
            super().release(holder)
            if self._watch is not None and isinstance(holder, GateGroup):
                self._watch.releases(holder)

    def close(self) -> None:
        """The sources are over, or are to stop."""
        with self._lock:
            if self._watch is not None:
                self._watch.close()
                # It knows the hub, and with it all that is kept; readers may outlive that.
                self._watch = None
            super().close()

    def _opened(self) -> None:
        self.sources.release()


class _Sources(GateGroup):
    """The sources of one hub, held in the name of those who hold the hub."""

    __slots__ = ("_gate",)

    def __init__(self, gate: HubGate) -> None:
        super().__init__("share")
        self._gate = gate

    def readers(self) -> Iterator[GateGroup]:
        """Give the readers that stand behind the hub and hold it."""
        for holder in tuple(self._gate.holders):
            if isinstance(holder, GateGroup):
                yield from holder.readers()

    def attach(self, gate: Gate | None) -> None:
        """Take in a gate; not the hub's own, where a reader feeds what it reads."""
        if gate is not self._gate:
            super().attach(gate)
