"""An event loop whose time does not pass but jumps: hours of timers in milliseconds.

For code without real sockets, files or threads: the clock runs ahead of whatever they deliver. A
server on loopback and virtual time do not go together; for that there is `Hold`.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Jump to the next timer whenever nothing else is ready.

    `time()` starts at 0.0 and is in seconds. Order is that of any loop: what is ready runs first,
    timers run in the order of their times. With neither timers nor ready work the loop waits in
    earnest, as any loop would.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Give the seconds that have been jumped over since the loop was made."""
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


def run_in_virtual_time(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end like `asyncio.run`, on a `VirtualTimeLoop` of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)


class _JumpingSelector(selectors.BaseSelector):
    """A selector that, asked to wait for some seconds, reports them as passed instead."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._jump = jump
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return self._real.select(None)
        ready = self._real.select(0)
        if not ready:
            self._jump(max(timeout, 0.0))
        return ready

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
