"""One run: a client asks once, as a user would, and a schedule says what comes between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rxwizard import (
    FallbackConfig,
    FallbackModel,
    Prompt,
    StreamChunk,
    StreamingClient,
    StreamingConfig,
    WizardConfig,
    WizardError,
)
from rxwizard import operators as ops
from rxwizard.admission.registry import forget_all
from rxwizard.demand.statistics import Statistics
from rxwizard.operators.metrics import StreamMetrics
from rxwizard.policies import (
    CircuitConfig,
    DeadlineConfig,
    HedgeConfig,
    RateLimitConfig,
    RetryConfig,
)

from .answers import PREFILLED
from .chaos import FakeWire
from .schedules import Schedule

BASE, MAX_DELAY, MAX_RETRY_AFTER = 0.5, 8.0, 60.0

#: Seconds: when a second request is sent, between two requests, and while a circuit is open.
HEDGE_AFTER, SPACING, COOL_DOWN = 3.0, 2.0, 15.0
FAILURES = 2

#: Seconds in which every run has come to its end: so many deadlines and waits there are not.
BOUND = 5000.0


@dataclass(slots=True, repr=False)  # asyncio writes down what a task gives
class Run:
    """What a run was like."""

    schedule: Schedule
    wire: FakeWire
    begun: float
    chunks: list[StreamChunk] = field(default_factory=list)
    error: WizardError | None = None
    records: list[StreamMetrics] = field(default_factory=list)
    #: When the reader left early, and how many chunks it had by then.
    left_at: float | None = None
    left_with: int = 0
    #: When the client was closed.
    closed_at: float | None = None
    ended_at: float = 0.0
    statistics: Statistics | None = None
    #: Tasks and timers that are still there, and what nobody caught.
    leftovers: list[object] = field(default_factory=list)

    @property
    def left(self) -> bool:
        return self.left_at is not None

    @property
    def was_closed(self) -> bool:
        """Whether it ended because the client was closed."""
        return self.closed_at is not None and not self.completed

    @property
    def completed(self) -> bool:
        return bool(self.chunks) and self.chunks[-1].is_final

    @property
    def was_paused(self) -> bool:
        return self.statistics is not None and self.statistics.pauses > 0


# -- one run -------------------------------------------------------------------------------------


async def play(schedule: Schedule) -> Run:
    """Ask once, as a user would, under this schedule."""
    loop = asyncio.get_running_loop()
    providers = {"first": schedule.provider, "second": schedule.fallback or ""}
    wire = FakeWire(schedule.oracle, schedule.attempts, providers)
    run = Run(schedule, wire, loop.time())
    loop.set_exception_handler(lambda _loop, context: run.leftovers.append(context))
    forget_all()
    streaming = StreamingConfig(heartbeats=schedule.heartbeats)
    client = StreamingClient(_config(schedule), streaming=streaming)
    client._shared.transport = wire
    client._models = client._make_models()
    stream = client.generate_stream(Prompt("Why?")).pipe(ops.tap_metrics(run.records.append))
    try:
        async with asyncio.timeout(BOUND), _closing(run, client):
            await _read(run, stream)
    except WizardError as error:
        run.error = error
    run.ended_at = loop.time()
    for _ in range(10):
        await asyncio.sleep(0)
    run.leftovers += asyncio.all_tasks() - {asyncio.current_task()}
    run.leftovers += [timer for timer in loop._scheduled if not timer.cancelled()]
    return run


def _config(schedule: Schedule) -> WizardConfig:
    fallback = None
    if schedule.fallback is not None:
        fallback = FallbackConfig(
            FallbackModel(
                _model(schedule.fallback, schedule),
                api_key="key",
                endpoint="https://second.test/v1",
            )
        )
    return WizardConfig(
        _model(schedule.provider, schedule),
        api_key="key",
        endpoint="https://first.test/v1",
        retry=RetryConfig(
            retries=schedule.retries,
            after_first_token=schedule.mode,
            base=BASE,
            max_delay=MAX_DELAY,
            max_retry_after=MAX_RETRY_AFTER,
            max_elapsed=schedule.max_elapsed,
        ),
        hedge=HedgeConfig(after=HEDGE_AFTER) if schedule.guard == "hedge" else None,
        rate_limit=(
            RateLimitConfig(requests_per_minute=60 / SPACING)
            if schedule.guard == "limits"
            else None
        ),
        circuit=(
            CircuitConfig(failures=FAILURES, cool_down=COOL_DOWN)
            if schedule.guard == "circuit"
            else None
        ),
        deadlines=DeadlineConfig(**dict(schedule.deadlines)),
        fallback=fallback,
    )


def _model(provider: str, schedule: Schedule) -> str:
    model = PREFILLED.get(provider, "m") if schedule.prefills else "m"
    return f"{provider}:{model}"


@asynccontextmanager
async def _closing(run: Run, client: StreamingClient) -> AsyncGenerator[None]:
    """Close the client, where the schedule says so, when its time has come."""
    leave, loop = run.schedule.leave, asyncio.get_running_loop()
    if leave is None or leave.how != "close":
        yield
        return

    async def close() -> None:
        run.closed_at = loop.time()
        await client.__aexit__(None, None, None)

    await client.__aenter__()
    closing: list[asyncio.Task[None]] = []
    timer = loop.call_later(leave.after, lambda: closing.append(loop.create_task(close())))
    try:
        yield
    finally:
        timer.cancel()
        if closing:
            await closing[0]
        else:
            await client.__aexit__(None, None, None)


async def _read(run: Run, stream: Any) -> None:
    loop, schedule, leave = asyncio.get_running_loop(), run.schedule, run.schedule.leave
    how, after = (leave.how, leave.after) if leave is not None else ("", 0.0)

    def note() -> None:
        run.left_at, run.left_with = loop.time(), len(run.chunks)

    overflow = "coalesce" if schedule.merges else "pause"
    async with stream.open(schedule.capacity, overflow) as reader:

        def dispose() -> None:
            note()
            reader.cancel()

        timer = loop.call_later(after, dispose) if how == "dispose" else None
        try:
            async with asyncio.timeout(after if how == "cancel" else None) as timeout:
                async for chunk in reader:
                    run.chunks.append(chunk)
                    if how == "break" and len(run.chunks) > after:
                        note()
                        break
                    if schedule.pace:
                        await asyncio.sleep(schedule.pace)
        except TimeoutError:
            assert timeout.expired()
            note()
        finally:
            run.statistics = reader.statistics()
            if timer is not None:
                timer.cancel()
