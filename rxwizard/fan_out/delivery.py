"""The delivery to one sink: its items, in order, one at a time, and then its end, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from reactivex import Observable

from rxwizard.errors import ConfigError, SinkDeadlineError
from rxwizard.fan_out.report import SinkReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.fan_out.branch import Branch


class Delivery:
    """Takes what waits for one sink and writes it, in a task of its own.

    Args:
        name: What the sink is called.
        branch: The sink, and how it is fed.
        close_deadline: Seconds it gets for `close`.
        is_streams: Tells whether an error is the stream's rather than this branch's.
        failed: Called when the branch has failed, before its reader leaves the source.
    """

    def __init__(
        self,
        name: str,
        branch: Branch,
        *,
        close_deadline: float,
        is_streams: Callable[[BaseException], bool],
        failed: Callable[[Delivery], None],
    ) -> None:
        self.name = name
        self.required = branch.required
        #: How the branch failed, or why it was stopped.
        self.error: BaseException | None = None
        #: Whether that was its own doing, rather than the stream's.
        self.has_failed = False
        self._sink = branch.sink
        self._operators = branch.operators
        self._deadline = branch.deadline
        self._close_deadline = close_deadline
        self._is_streams = is_streams
        self._failed = failed
        self._reader = branch.make_reader(name)
        self._loop = asyncio.get_running_loop()
        self._delivered = 0
        self._stopped_by: BaseException | None = None
        self._clock = _Clock(self._loop, self._late)
        self._has_begun = False
        self._is_late = False
        self._is_closing = False
        #: Done when there is nothing more to wait for.
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None

    def attach(self, source: Observable[Any]) -> None:
        """Subscribe to the source, by the branch's own operators.

        Raises:
            ConfigError: They give no Observable.
        """
        made: Any = source.pipe(*self._operators)
        if not isinstance(cast("object", made), Observable):
            message = f"{self.name}: what follows the sink must be operators; they gave {made!r}"
            raise ConfigError(message)
        self._reader.attach(made)

    def start(self) -> None:
        """Begin to deliver."""
        self._task = self._loop.create_task(self._run(), name=f"rxwizard sink {self.name}")
        self._task.add_done_callback(self._is_over)

    def stop(self, error: BaseException) -> None:
        """End it because of `error`: no further item, but time to close."""
        if self._stopped_by is None and not self._is_closing:
            self._stopped_by = error
            self._reader.cancel()
            # A task that is cancelled before it began would not close its sink.
            if self._task is not None and self._has_begun:
                self._task.cancel()

    def abandon(self) -> None:
        """Wait for it no more, not even for its `close`."""
        if self._task is not None:
            self._task.cancel()
        if not self.over.done():
            self.over.set_result(None)

    async def finish(self) -> None:
        """Wait until the source is closed, as far as it is this one's to wait for."""
        await self._reader.aclose()

    def report(self) -> SinkReport:
        """Say what it got."""
        seen = self._reader.statistics()
        return SinkReport(
            delivered=self._delivered,
            dropped=seen.dropped,
            merged=seen.merged,
            peak=seen.peak,
            waited=seen.paused_seconds,
            error=self.error,
        )

    async def _run(self) -> None:
        self._has_begun = True
        try:
            await self._deliver()
        except asyncio.CancelledError as error:
            self._take_cancellation(error)
        except Exception as error:
            if self._is_streams(error):
                self.error = error
            else:
                self._fail(error)
        except BaseException as error:
            # SystemExit ends the loop with it, but not before the sink knows that this is no end.
            self._fail(error)
            await self._end()
            raise
        await self._end()

    async def _end(self) -> None:
        self._is_closing = True
        self._clock.stop()
        self._reader.cancel()
        self.error = self.error or self._stopped_by
        await self._close()

    async def _deliver(self) -> None:
        ring, write, clock = self._reader.ring, self._sink.write, self._clock
        seconds = self._deadline
        while True:
            try:
                item = await ring.take()
            except StopAsyncIteration:
                return
            if seconds is not None:
                clock.start(seconds)
            await write(item)
            clock.since = None
            self._delivered += 1

    def _late(self) -> None:
        """A write has taken too long."""
        if self._is_late:  # and did not end when it was cancelled
            self.abandon()
            return
        self._is_late = True
        seconds = self._deadline or 0.0
        what = f"the sink {self.name!r} did not take an item within {seconds:g} seconds"
        self._fail(SinkDeadlineError(what, seconds=seconds))
        # Now, not when the write has ended: until then the source would wait.
        self._reader.cancel()
        if self._task is not None:
            self._task.cancel()
        self._clock.start(self._close_deadline)

    def _take_cancellation(self, error: asyncio.CancelledError) -> None:
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()  # it was to end the write; the sink still has to be closed
        if self.error is None and self._stopped_by is None:
            self._fail(error)  # the sink's own doing

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self.has_failed = True
        self._failed(self)

    async def _close(self) -> None:
        seconds = self._close_deadline
        # A sink that does not let itself be cancelled must not keep everybody waiting.
        last_resort = self._loop.call_later(2 * seconds, self.abandon)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await self._sink.close(self.error)
        except Exception as raised:
            what = f"the sink {self.name!r} did not close within {seconds:g} seconds"
            is_late = limit.expired()
            if self.error is None:  # what came first says more
                self._fail(SinkDeadlineError(what, seconds=seconds) if is_late else raised)
        finally:
            last_resort.cancel()

    def _is_over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.error = self.error or error
        if not self.over.done():
            self.over.set_result(None)


class _Clock:
    """Calls when something takes too long; one timer for many short things."""

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._now = loop.time
        self._call_at = loop.call_at
        self._late = late
        self._seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None
        #: When the thing at hand began; None while there is none.
        self.since: float | None = None

    def start(self, seconds: float) -> None:
        """Begin something that may take so many seconds."""
        self.since = now = self._now()
        if self._timer is None:
            self._seconds = seconds
            self._timer = self._call_at(now + seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.since is None:
            return
        due = self.since + self._seconds
        if self._now() < due:
            self._timer = self._call_at(due, self._look)
        else:
            self._late()

    def stop(self) -> None:
        """Nothing is at hand, nor will be."""
        self.since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
