"""Sources with a clock, for virtual time, and drawings played on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.notification import OnError, OnNext
from reactivex.observable.marbles import parse

from rxwizard.testing import run_in_virtual_time

from .sources import Numbers


class Paced(Numbers):
    """Counts, a batch every so many seconds. Like all of ours, it can be held."""

    def __init__(self, count: int | None = None, *, seconds: float = 1, **options: Any) -> None:
        super().__init__(count, **options)
        self._seconds = seconds

    async def _batches(self, fails: bool) -> AsyncGenerator[Iterator[int]]:
        async for batch in super()._batches(fails):
            await asyncio.sleep(self._seconds)
            yield batch


Message = tuple[float, str, Any]
"""Seconds, "next", "error" or "completed", and the item or the error."""


class Drawn(Observable[Any]):
    """A cold source that says what is drawn, a column a second. It cannot be paused."""

    def __init__(self, drawing: str, error: Exception | None = None, **values: Any) -> None:
        super().__init__(self._push)
        self._records = _records(drawing, error, values)
        #: When its subscriptions were let go, in seconds.
        self.left: list[float] = []

    def _push(self, observer: Any, _scheduler: Any = None) -> Disposable:
        loop = asyncio.get_running_loop()
        began = loop.time()
        # One timer for what comes together: timers of one time run in any order.
        timers = [
            loop.call_at(began + at, _say, [each for _, each in together], observer)
            for at, together in groupby(self._records, key=itemgetter(0))
        ]

        def leave() -> None:
            self.left.append(loop.time())
            for timer in timers:
                timer.cancel()

        return Disposable(leave)


def _say(notifications: list[Any], observer: Any) -> None:
    for notification in notifications:
        notification.accept(observer)


@dataclass
class Played:
    messages: list[Message] = field(default_factory=list)
    left: list[float] = field(default_factory=list)


def play(
    operator: Callable[[Observable[Any]], Observable[Any]],
    drawing: str,
    *,
    error: Exception | None = None,
    until: float | None = None,
    **values: Any,
) -> Played:
    """Subscribe to the operator over the drawn source, until its end or the second `until`.

    Whatever happens, nothing is left running behind it.
    """
    source = Drawn(drawing, error, **values)
    played = Played(left=source.left)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def note(what: str, value: Any = None) -> None:
            played.messages.append((loop.time(), what, value))
            if what != "next":
                ended.set()

        subscription = operator(source).subscribe(
            partial(note, "next"), partial(note, "error"), partial(note, "completed")
        )
        try:
            async with asyncio.timeout(1000 if until is None else until):
                await ended.wait()
        except TimeoutError:
            assert until is not None, f"no end came of {drawing}: {played.messages}"
        subscription.dispose()
        before = len(played.messages)
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(1000)
        assert len(played.messages) == before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(run())
    return played


def drawn(drawing: str, error: Exception | None = None, **values: Any) -> list[Message]:
    """Give the messages of a drawing."""
    return [_message(*record) for record in _records(drawing, error, values)]


def _records(drawing: str, error: Exception | None, values: dict[str, Any]) -> list[Any]:
    return parse(drawing, lookup=values, error=error, raise_stopped=True)


def _message(at: float, notification: Any) -> Message:
    if isinstance(notification, OnNext):
        return (at, "next", notification.value)
    if isinstance(notification, OnError):
        return (at, "error", notification.exception)
    return (at, "completed", None)
