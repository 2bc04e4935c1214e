"""`fan_out`: the deliveries of one stream, side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from reactivex import Observable, Observer

from rxwizard.demand import LoopScheduler
from rxwizard.demand.share import Hub
from rxwizard.errors import ConfigError, SinkError, WizardError
from rxwizard.fan_out.branch import Branch, lossless
from rxwizard.fan_out.delivery import Delivery
from rxwizard.fan_out.report import FanOutReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reactivex import abc

    from rxwizard.sinks.protocol import Sink


async def fan_out(
    stream: Observable[Any],
    /,
    *,
    when_all_fail: Literal["raise", "drain"] = "raise",
    close_deadline: float = 10.0,
    **sinks: Any,
) -> FanOutReport:
    """Send one stream, by one request, into any number of sinks, and wait for the end.

    ::

        report = await fan_out(
            stream,
            ui=live(Console()),                          # text is merged while the screen is slow
            log=lossless(JsonLines("answer.jsonl")),     # the source waits for it
            count=latest(show_count, ops.accumulate_text()),  # the newest, whenever it is ready
        )
        print(report["log"].delivered)

    Each sink has a queue and a policy of its own (`lossless`, `live`, `latest`, or `branch` for
    others; without one it is lossless). A slow lossless sink slows the source, and so all; a lossy
    one slows nobody. One that raises, or takes longer than its deadline, is closed and reported,
    and the others go on. (A function that blocks the event loop blocks all of them, and no deadline
    can end it.)

    Each sink's `close` is called exactly once: with None after the stream's completion, else with
    what ended it, after what still waits has been written. Cancelling cancels the stream and what
    is being written; the sinks are still closed, and waited for.

    Args:
        stream: What is sent: subscribed to once.
        when_all_fail: Whether to stop the stream and raise a SinkError when no sink is left, or to
            read it to its end all the same.
        close_deadline: Seconds each sink gets for `close`, over 0.
        sinks: The sinks by their names, which may be any but those of the options above.

    Returns:
        What each sink got, and how it failed if it did.

    Raises:
        WizardError: The stream failed; `report` is what would have been returned, `partial` what
            had arrived. An error that is none of ours is raised as it is, with a note of it.
        SinkError: A required sink failed, or all did; its own error is `__cause__`.
        ConfigError: There is no sink, or one of them is none; nothing is sent then.
    """
    branches = await _branches(stream, sinks, when_all_fail, close_deadline)
    fan = _Fan(stream, branches, drains=when_all_fail == "drain", close_deadline=close_deadline)
    return await fan.run()


class _Fan:
    def __init__(
        self,
        stream: Observable[Any],
        branches: Mapping[str, Branch],
        *,
        drains: bool,
        close_deadline: float,
    ) -> None:
        self._hub: Hub[Any] = Hub(stream)
        self._drains = drains
        self._deliveries = [
            Delivery(
                name,
                branch,
                close_deadline=close_deadline,
                is_streams=lambda error: error is self._hub.error,
                failed=self._failed,
            )
            for name, branch in branches.items()
        ]
        self._error: SinkError | None = None
        self._drained: asyncio.Future[None] | None = None

    async def run(self) -> FanOutReport:
        loop = asyncio.get_running_loop()
        shared = Observable(self._subscribe)
        for delivery in self._deliveries:
            delivery.start()
        try:
            for delivery in self._deliveries:
                delivery.attach(shared)
            # Only now, so that all of them get all of it, also from a source that pushes at once.
            self._hub.connect(LoopScheduler(loop))
            await self._all_over()
        except BaseException as error:
            await self._stopped(error)
            raise
        await self._closed()
        return self._outcome()

    def _subscribe(
        self, observer: abc.ObserverBase[Any], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._hub.join(observer)

    async def _all_over(self) -> None:
        for delivery in self._deliveries:
            await asyncio.shield(delivery.over)
        if self._drained is not None:
            await self._drained

    async def _stopped(self, error: BaseException) -> None:
        """Stop what still runs, and give the sinks their time to close."""
        for delivery in self._deliveries:
            delivery.stop(error)
        try:
            await asyncio.wait([delivery.over for delivery in self._deliveries])
        except asyncio.CancelledError:
            # Asked twice: not even for that.
            for delivery in self._deliveries:
                delivery.abandon()
            raise
        await self._closed()

    async def _closed(self) -> None:
        """Wait until the source has freed what it held."""
        for delivery in self._deliveries:
            await delivery.finish()

    def _failed(self, failed: Delivery) -> None:
        """A branch has failed; its reader has not left yet."""
        if failed.required:
            self._stop(f"the required sink {failed.name!r} failed: {failed.error}", failed)
        elif not all(each.has_failed for each in self._deliveries):
            pass
        elif self._drains:
            self._drain()
        else:
            self._stop(f"no sink is left; the last one failed: {failed.error}", failed)

    def _stop(self, why: str, failed: Delivery) -> None:
        if self._error is None:
            self._error = SinkError(why)
            self._error.__cause__ = failed.error
            for delivery in self._deliveries:
                if delivery is not failed:
                    delivery.stop(self._error)

    def _drain(self) -> None:
        if not self._hub.over:
            drained = self._drained = asyncio.get_running_loop().create_future()

            def end(_error: Exception | None = None) -> None:
                if not drained.done():
                    drained.set_result(None)

            self._hub.join(Observer(on_error=end, on_completed=end))

    def _outcome(self) -> FanOutReport:
        report = FanOutReport({each.name: each.report() for each in self._deliveries})
        error = self._error or self._hub.error
        if error is None:
            return report
        if isinstance(error, WizardError):
            error.report = report
        else:
            error.add_note(f"what the sinks had got: {report!r}")
        raise error


async def _branches(
    stream: object, sinks: Mapping[str, Any], when_all_fail: str, close_deadline: float
) -> dict[str, Branch]:
    """Make branches of what was named as sinks.

    Raises:
        ConfigError: One of them is none, or something else cannot work. The others are closed.
    """
    made: dict[str, Branch] = {}
    try:
        if not sinks:
            message = "there is no sink to send the stream to: fan_out(stream, name=sink)"
            raise ConfigError(message)
        if not close_deadline > 0:
            message = f"a close_deadline of {close_deadline} cannot work; it must be over 0 seconds"
            raise ConfigError(message)
        for name, sink in sinks.items():
            branch = sink if isinstance(sink, Branch) else lossless(sink)
            if any(branch.sink is other.sink for other in made.values()):
                message = f"{name} is a sink that has another name already; each is closed once"
                raise ConfigError(message)
            made[name] = branch
        if not isinstance(stream, Observable):
            message = f"fan_out sends an Observable, such as a Stream; {stream!r} is none"
            raise ConfigError(message)
        if when_all_fail not in ("raise", "drain"):
            message = f"when_all_fail cannot be {when_all_fail!r}; it is one of: raise, drain"
            raise ConfigError(message)
    except ConfigError as error:
        for branch in made.values():
            await _close(branch.sink, error, close_deadline)
        raise
    return made


async def _close(sink: Sink[Any], error: ConfigError, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0, seconds)):
            await sink.close(error)
    except Exception as also:
        error.add_note(f"and a sink failed to close: {also!r}")
