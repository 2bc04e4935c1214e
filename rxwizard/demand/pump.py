"""The pump: the one place where pulled batches become pushed items, one by one, under a gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex.disposable import Disposable

from rxwizard.demand.gate import PumpGate, downstream, pushing, run_on, running_loop
from rxwizard.errors import ConfigError, WizardError

if TYPE_CHECKING:
    from reactivex import abc

T = TypeVar("T")

#: The tasks that run. A paused one is referred to by nothing but its own chain, which the garbage
#: collector would otherwise take as a whole, task included.
_running: set[asyncio.Task[None]] = set()

Batches = Callable[[], AbstractAsyncContextManager[AsyncIterable[Iterable[T]]]]
"""Opens a source: an async context manager that gives batches of items.

A batch may be lazy: its items are asked for one by one, while the gate is open.
"""


def push_batches(open_batches: Batches[T], observer: abc.ObserverBase[T]) -> abc.DisposableBase:
    """Open a source in a task of its own and push its items into `observer`.

    Items of a batch are pushed in one go while nobody holds the gate; a held gate stops it between
    two items, and before the next batch is asked for.

    Args:
        open_batches: Called once, in the new task.
        observer: Gets the items, then completion or the source's exception.

    Returns:
        What stops it: no item is pushed after `dispose`, and the source is closed at once. It may
        be called from any thread.

    Raises:
        RuntimeError: No event loop is running in this thread.
    """
    return Disposable(_Pump(open_batches, observer).stop)


class _Pump(Generic[T]):
    def __init__(self, open_batches: Batches[T], observer: abc.ObserverBase[T]) -> None:
        self._open_batches = open_batches
        self._observer = observer
        self._loop = running_loop()
        self._gate = PumpGate(parent=pushing.get())
        reader = downstream.get()
        if reader is not None:
            reader.attach(self._gate)
        self._is_leaving = False
        context = copy_context()
        context.run(pushing.set, self._gate)
        self._task = self._loop.create_task(self._run(), context=context)
        _running.add(self._task)
        self._task.add_done_callback(self._over)

    async def _run(self) -> None:
        observer, gate = self._observer, self._gate
        try:
            await self._push_all(observer.on_next)
        except Exception as error:
            # Whatever it is, the source's or the observer's own, it is the observer's to know.
            if gate.closed:
                if isinstance(error, WizardError) and not isinstance(error, ConfigError):
                    return  # a source that broke after its reader had left is nobody's loss
                # Nobody is left to take it: an operator failed in a chain without `on_error`.
                raise
            # Closed first: the observer may subscribe the next source inside this call (retry,
            # catch), and that one must not take this gate for its parent.
            gate.close()
            observer.on_error(error)
        else:
            if not gate.closed:
                gate.close()
                observer.on_completed()

    async def _push_all(self, push: Callable[[T], None]) -> None:
        gate = self._gate
        async with self._open_batches() as batches:
            try:
                async for batch in batches:
                    for item in batch:
                        if gate.holders and not await gate.wait_open():
                            return
                        push(item)
                    if gate.holders and not await gate.wait_open():
                        return
            finally:
                self._is_leaving = True

    def stop(self) -> None:
        run_on(self._loop, self._stop)

    def _stop(self) -> None:
        self._gate.close()
        # Stopped from inside its own push (take, a body that breaks) it sees the closed gate at its
        # next step. Cancelling it then, or when it is leaving, would only disturb its clean-up.
        if asyncio.current_task() is not self._task and not self._is_leaving:
            self._task.cancel()

    def _over(self, task: asyncio.Task[None]) -> None:
        _running.discard(task)
        self._gate.finish()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The observer failed to take the end; there is nobody left to tell but the loop.
            self._loop.call_exception_handler(
                {"message": "an observer raised", "exception": error, "task": task}
            )
