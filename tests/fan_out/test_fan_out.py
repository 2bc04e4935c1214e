"""One stream, many sinks: what each of them gets, and what the others notice of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from demand.sources import Numbers, settle
from reactivex import operators as rx

import rxwizard
from rxwizard import (
    ConfigError,
    FanOutReport,
    SinkDeadlineError,
    SinkError,
    StreamInterruptedError,
    branch,
    fan_out,
    latest,
    live,
    lossless,
)
from rxwizard.testing import run_in_virtual_time

from .sinks import Notes, Stuck


class Ticking(Numbers):
    """One number a second."""

    async def _batches(self, fails: bool):
        for number in self._range:
            await asyncio.sleep(1)
            yield self._read(range(number, number + 1))
        if fails:
            message = "cut"
            raise StreamInterruptedError(message)


def everything_of(sink: Notes, count: int) -> bool:
    return sink.items == list(range(count)) and sink.closed_with == [None] and sink.flushed


# -- what sinks get --------------------------------------------------------------------------------


async def test_every_sink_gets_everything_by_one_subscription() -> None:
    source, sinks = Numbers(500), [Notes() for _ in range(5)]
    report = await fan_out(source, **{f"s{n}": sink for n, sink in enumerate(sinks)})

    assert all(everything_of(sink, 500) for sink in sinks)
    assert (source.opened, source.closed) == (1, 1)
    assert [report[f"s{n}"].delivered for n in range(5)] == [500] * 5
    assert report.failed == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_source_that_pushes_at_once_reaches_all_sinks() -> None:
    first, second = Notes(), Notes()
    await fan_out(reactivex.of(0, 1, 2), first=first, second=second)

    assert everything_of(first, 3)
    assert everything_of(second, 3)


async def test_an_empty_stream_closes_the_sinks() -> None:
    sink = Notes()
    report = await fan_out(reactivex.empty(), sink=sink)

    assert everything_of(sink, 0)
    assert report["sink"].delivered == 0


async def test_a_branch_has_operators_of_its_own() -> None:
    words, first = Notes(), Notes()
    report = await fan_out(
        Numbers(50), words=lossless(words, rx.map(str)), first=lossless(first, rx.take(3))
    )

    assert words.items == [str(n) for n in range(50)]
    assert everything_of(first, 3)
    assert report["first"].error is None


async def test_functions_and_lists_do_as_sinks() -> None:
    plain: list[int] = []
    waited: list[int] = []

    async def wait(item: int) -> None:
        await asyncio.sleep(0)
        waited.append(item)

    await fan_out(Numbers(5), plain=plain.append, waited=wait)

    assert plain == waited == [0, 1, 2, 3, 4]


# -- pace ------------------------------------------------------------------------------------------


def test_a_slow_lossless_sink_slows_the_source_and_nobody_is_far_behind() -> None:
    async def run() -> tuple[FanOutReport, Notes, Notes]:
        slow, quick = Notes(seconds=1), Notes()
        report = await fan_out(
            Numbers(40), slow=lossless(slow, capacity=4), quick=lossless(quick, capacity=4)
        )
        return report, slow, quick

    report, slow, quick = run_in_virtual_time(run())
    assert slow.items == quick.items == list(range(40))
    assert slow.times[-1] == 40
    assert quick.times[-1] >= 30  # it went at the source's pace, which is the slow one's
    assert report["slow"].peak == 4
    assert 30 <= report["slow"].waited <= 40
    assert report["quick"].waited == 0


def oldest_dropped(sink: Notes, **options: Any) -> Any:
    return branch(sink, overflow="drop_oldest", capacity=8, **options)


@pytest.mark.parametrize("make", [latest, live, oldest_dropped])
def test_a_lossy_or_merging_sink_slows_nobody(make: Any) -> None:
    async def run() -> tuple[FanOutReport, Notes, Notes]:
        slow, quick = Notes(seconds=100), Notes()
        text = Ticking(300).pipe(rx.map(lambda n: f"{n},"))
        report = await fan_out(text, slow=make(slow, deadline=None), quick=quick)
        return report, slow, quick

    report, slow, quick = run_in_virtual_time(run())
    assert quick.items == [f"{n}," for n in range(300)]
    assert quick.times == list(range(1, 301))
    assert report["slow"].waited == 0
    got = report["slow"]
    assert got.delivered + got.dropped + got.merged == 300
    assert got.delivered == len(slow.items) < 300
    if make is live:
        assert "".join(slow.items) == "".join(quick.items)


def test_a_sink_at_a_hundredth_of_the_speed_adds_no_delay_to_the_others() -> None:
    async def run(*, with_slow: bool) -> list[float]:
        quick = Notes()
        slow = {"slow": latest(Notes(seconds=100), deadline=None)} if with_slow else {}
        await fan_out(Ticking(200), quick=quick, **slow)
        return quick.times

    alone = run_in_virtual_time(run(with_slow=False))
    assert run_in_virtual_time(run(with_slow=True)) == alone == list(range(1, 201))


# -- failure ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_at", [0, 7])
async def test_a_sink_that_raises_is_closed_and_reported_and_the_others_go_on(
    fails_at: int,
) -> None:
    bad, good = Notes(fails_at=fails_at), Notes()
    report = await fan_out(Numbers(300), bad=lossless(bad, capacity=2), good=good)

    assert everything_of(good, 300)
    assert bad.items == list(range(fails_at))
    (error,) = bad.closed_with
    assert isinstance(error, OSError)
    assert report["bad"].error is error
    assert report["bad"].delivered == fails_at
    assert report.failed == {"bad": error}


def test_a_sink_that_hangs_is_closed_at_its_deadline_and_the_others_go_on() -> None:
    async def run() -> tuple[FanOutReport, Stuck, Notes, float]:
        stuck, good = Stuck(after=3), Notes()
        report = await fan_out(
            Numbers(300), stuck=lossless(stuck, capacity=2, deadline=5), good=good
        )
        return report, stuck, good, asyncio.get_running_loop().time()

    report, stuck, good, seconds = run_in_virtual_time(run())
    assert everything_of(good, 300)
    error = report["stuck"].error
    assert isinstance(error, SinkDeadlineError)
    assert error.seconds == 5
    assert "'stuck'" in str(error)
    assert stuck.closed_with == [error]
    assert stuck.flushed
    assert report["stuck"].delivered == 3
    assert seconds == 5


def test_a_deadline_is_for_one_write_and_not_for_all() -> None:
    async def run() -> FanOutReport:
        return await fan_out(Numbers(20), slow=lossless(Notes(seconds=4), deadline=5))

    assert run_in_virtual_time(run())["slow"].delivered == 20


def test_time_without_items_is_no_delay_of_the_sink() -> None:
    async def run() -> FanOutReport:
        return await fan_out(Ticking(5), sink=lossless(Notes(), deadline=0.5))

    assert run_in_virtual_time(run()).failed == {}


def test_a_sink_that_does_not_let_itself_be_cancelled_is_left_behind() -> None:
    async def run() -> tuple[FanOutReport, Notes, float]:
        stuck, good = Stuck(stubborn=True), Notes()
        report = await fan_out(
            Numbers(300), stuck=lossless(stuck, deadline=5), good=good, close_deadline=2
        )
        seconds = asyncio.get_running_loop().time()
        stuck.let_go.set()
        await settle()
        assert len(stuck.closed_with) == 1
        return report, good, seconds

    report, good, seconds = run_in_virtual_time(run())
    assert everything_of(good, 300)
    assert isinstance(report["stuck"].error, SinkDeadlineError)
    assert seconds == 7


@pytest.mark.parametrize(("stubborn", "expected"), [(False, 2), (True, 4)])
def test_a_sink_that_does_not_close_is_left_behind(stubborn: bool, expected: float) -> None:
    async def run() -> tuple[FanOutReport, Notes, float]:
        stuck, good = Stuck(after=10**9, stubborn=stubborn, closes=False), Notes()
        report = await fan_out(Numbers(30), stuck=stuck, good=good, close_deadline=2)
        seconds = asyncio.get_running_loop().time()
        stuck.let_go.set()
        await settle()
        return report, good, seconds

    report, good, seconds = run_in_virtual_time(run())
    assert everything_of(good, 30)
    if not stubborn:
        assert isinstance(report["stuck"].error, SinkDeadlineError)
        assert "did not close within 2 seconds" in str(report["stuck"].error)
    assert seconds == expected


async def test_an_error_of_close_is_reported() -> None:
    bad, good = Notes(close_error=OSError("flush")), Notes()
    report = await fan_out(Numbers(30), bad=bad, good=good)

    assert str(report["bad"].error) == "flush"
    assert report["bad"].delivered == 30
    assert bad.closed_with == [None]
    assert everything_of(good, 30)


async def test_an_error_of_write_says_more_than_that_of_close() -> None:
    bad = Notes(fails_at=2, close_error=OSError("flush"))
    report = await fan_out(Numbers(30), bad=bad, good=Notes())

    assert str(report["bad"].error) == "no space left"
    assert len(bad.closed_with) == 1


async def test_a_branch_whose_own_operator_fails_fails_alone() -> None:
    def fail(number: int) -> int:
        return 1 // (3 - number)

    bad, good = Notes(), Notes()
    report = await fan_out(Numbers(30), bad=lossless(bad, rx.map(fail)), good=good)

    assert isinstance(report["bad"].error, ZeroDivisionError)
    assert len(bad.items) == 3
    assert bad.closed_with == [report["bad"].error]
    assert everything_of(good, 30)


async def test_a_branch_that_allows_no_more_fails_alone() -> None:
    strict, good = Notes(turns=9), Notes()
    report = await fan_out(
        Numbers(30), strict=branch(strict, overflow="error", capacity=4), good=good
    )

    assert isinstance(report["strict"].error, rxwizard.BufferOverflowError)
    assert everything_of(good, 30)


# -- what ends it all ------------------------------------------------------------------------------


async def test_a_required_sink_that_fails_ends_it() -> None:
    source, bad, good = Numbers(), Notes(fails_at=5), Notes()
    with pytest.raises(SinkError, match="required sink 'bad' failed: no space left") as caught:
        await fan_out(source, bad=lossless(bad, required=True), good=good)

    error = caught.value
    assert isinstance(error.__cause__, OSError)
    assert source.is_closed
    assert good.closed_with == [error]
    assert good.flushed
    assert error.report is not None
    assert error.report["bad"].error is error.__cause__
    assert error.report["good"].error is error
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_required_sink_that_does_not_close_well_is_an_error_too() -> None:
    bad = lossless(Notes(close_error=OSError("flush")), required=True)
    with pytest.raises(SinkError, match="'bad' failed: flush"):
        await fan_out(Numbers(5), bad=bad, good=Notes())


async def test_when_all_sinks_have_failed_the_stream_is_stopped() -> None:
    source = Numbers()
    with pytest.raises(SinkError, match="no sink is left") as caught:
        await fan_out(source, a=Notes(fails_at=3), b=Notes(fails_at=200))

    assert source.is_closed
    report = caught.value.report
    assert report is not None
    assert (report["a"].delivered, report["b"].delivered) == (3, 200)
    assert report.failed.keys() == {"a", "b"}


async def test_by_choice_the_stream_is_read_to_its_end_when_all_sinks_have_failed() -> None:
    source = Numbers(5000)
    report = await fan_out(source, when_all_fail="drain", a=Notes(fails_at=3), b=Notes(fails_at=9))

    assert source.given == 5000
    assert source.is_closed
    assert report.failed.keys() == {"a", "b"}


async def test_an_error_of_the_stream_comes_after_what_waits_and_carries_the_report() -> None:
    def cut(_error: Exception, _source: object) -> reactivex.Observable[int]:
        return reactivex.throw(StreamInterruptedError("cut"))

    slow, quick = Notes(turns=9), Notes()
    source = Numbers(30, fails=1).pipe(rx.catch(cut))
    with pytest.raises(StreamInterruptedError, match="cut") as caught:
        await fan_out(source, slow=slow, quick=quick)

    assert slow.items == quick.items == list(range(30))
    assert slow.closed_with == quick.closed_with == [caught.value]
    report = caught.value.report
    assert report is not None
    assert report["slow"].delivered == 30
    assert report["slow"].error is caught.value


async def test_an_error_that_is_none_of_ours_is_raised_as_it_is() -> None:
    sink = Notes()
    with pytest.raises(OSError, match="reset"):
        await fan_out(Numbers(3, fails=1), sink=sink)

    assert sink.items == [0, 1, 2]
    assert len(sink.closed_with) == 1


async def test_a_source_that_cannot_be_subscribed_to_closes_the_sinks() -> None:
    def fail(*_: object) -> Any:
        message = "no"
        raise ValueError(message)

    sink = Notes()
    with pytest.raises(ValueError, match="no"):
        await fan_out(reactivex.create(fail), sink=sink)

    assert len(sink.closed_with) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_cancels_all_and_gives_time_to_flush() -> None:
    source, sinks = Numbers(), [Notes(), Stuck(after=5), Notes(closing=500)]
    running = asyncio.ensure_future(
        fan_out(source, **{f"s{n}": sink for n, sink in enumerate(sinks)})
    )
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert source.is_closed
    for sink in sinks:
        (error,) = sink.closed_with
        assert isinstance(error, asyncio.CancelledError)
        assert sink.flushed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_before_it_began_closes_the_sinks_too() -> None:
    sink = Notes()
    running = asyncio.ensure_future(fan_out(Numbers(), sink=sink))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert len(sink.closed_with) == 1
    assert sink.flushed


async def test_cancelling_twice_does_not_wait_for_anybody() -> None:
    sink = Stuck(after=10**9, closes=False)
    running = asyncio.ensure_future(fan_out(Numbers(), sink=sink))
    await settle()
    running.cancel()
    await settle()
    assert len(sink.closed_with) == 1
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await settle()

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_does_not_disturb_a_sink_that_is_closing() -> None:
    sink, other = Notes(closing=500), Stuck()
    running = asyncio.ensure_future(
        fan_out(Numbers(5), sink=lossless(sink, rx.take(2)), other=other)
    )
    await settle()
    assert sink.closed_with == [None]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert sink.flushed


async def test_a_sink_that_cancels_itself_fails_alone() -> None:
    bad, good = Notes(fails_at=1, error=asyncio.CancelledError()), Notes()
    report = await fan_out(Numbers(50), bad=bad, good=good)

    assert isinstance(report["bad"].error, asyncio.CancelledError)
    assert everything_of(good, 50)


# -- bad input -------------------------------------------------------------------------------------


async def test_without_a_sink_nothing_is_sent() -> None:
    source = Numbers(3)
    with pytest.raises(ConfigError, match="no sink"):
        await fan_out(source)

    assert source.opened == 0


async def test_what_is_no_sink_is_refused_and_the_others_are_closed() -> None:
    source, sink = Numbers(3), Notes()
    with pytest.raises(ConfigError, match=r"a int cannot take items: a sink has `async write"):
        await fan_out(source, sink=sink, other=42)

    assert source.opened == 0
    (error,) = sink.closed_with
    assert isinstance(error, ConfigError)


async def test_the_error_of_refusing_says_who_else_failed() -> None:
    with pytest.raises(ConfigError) as caught:
        await fan_out(Numbers(3), sink=Notes(close_error=OSError("flush")), other=42)

    assert caught.value.__notes__ == ["and a sink failed to close: OSError('flush')"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"capacity": 0}, "1 or more"),
        ({"overflow": "bounce"}, "no overflow policy"),
        ({"deadline": 0}, "over 0"),
        ({"deadline": float("nan")}, "over 0"),
        ({"overflow": "coalesce", "merge": None}, "merge function"),
        ({"max_weight": 0}, "1 or more"),
    ],
)
def test_bad_options_are_refused_when_the_branch_is_made(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        branch(Notes(), **options)


async def test_a_close_deadline_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="close_deadline"):
        await fan_out(Numbers(3), close_deadline=0, sink=Notes())


async def test_operators_that_are_none_are_refused_and_the_sinks_are_closed() -> None:
    source, good, bad = Numbers(3), Notes(), Notes()
    with pytest.raises(ConfigError, match="bad: what follows the sink must be operators"):
        await fan_out(source, good=good, bad=branch(bad, lambda _: None))

    assert source.opened == 0
    assert [len(sink.closed_with) for sink in (good, bad)] == [1, 1]
    assert all(isinstance(sink.closed_with[0], ConfigError) for sink in (good, bad))
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_sink_that_ends_the_program_is_not_told_that_all_is_well() -> None:
    bad, good = Notes(fails_at=2, error=SystemExit(3)), Notes()
    with pytest.raises(SystemExit):
        asyncio.run(fan_out(Numbers(), bad=bad, good=good))

    assert [type(error) for error in bad.closed_with] == [SystemExit]
    assert [type(error) for error in good.closed_with] == [asyncio.CancelledError]


async def test_one_sink_has_one_name() -> None:
    sink = Notes()
    with pytest.raises(ConfigError, match="b is a sink that has another name already"):
        await fan_out(Numbers(3), a=sink, b=sink)

    assert len(sink.closed_with) == 1


async def test_what_is_no_stream_is_refused() -> None:
    sink = Notes()
    with pytest.raises(ConfigError, match="sends an Observable"):
        await fan_out([1, 2], sink=sink)  # type: ignore[arg-type]

    assert len(sink.closed_with) == 1


async def test_an_unknown_choice_for_when_all_fail_is_refused() -> None:
    with pytest.raises(ConfigError, match="raise, drain"):
        await fan_out(Numbers(3), sink=Notes(), when_all_fail="ignore")  # type: ignore[arg-type]


def test_refusing_does_not_wait_for_a_sink_that_does_not_close() -> None:
    async def run() -> float:
        with pytest.raises(ConfigError):
            await fan_out(Numbers(3), close_deadline=2, sink=Stuck(closes=False), other=42)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(run()) == 2


async def test_an_error_that_is_none_of_ours_has_the_report_as_a_note() -> None:
    with pytest.raises(OSError, match="reset") as caught:
        await fan_out(Numbers(3, fails=1), sink=Notes())

    assert "delivered=3" in caught.value.__notes__[0]


class WritesAsItLikes:
    def write(self, item: object) -> None:
        raise AssertionError

    async def close(self, error: BaseException | None = None) -> None:
        raise AssertionError


class Yields:
    async def write(self, item: object) -> Any:
        yield item

    async def close(self, error: BaseException | None = None) -> None:
        raise AssertionError


@pytest.mark.parametrize("near", [WritesAsItLikes(), Yields()], ids=["sync write", "generator"])
def test_what_is_nearly_a_sink_is_refused(near: object) -> None:
    with pytest.raises(ConfigError, match="has not both"):
        lossless(near)


def test_a_class_is_no_sink() -> None:
    with pytest.raises(ConfigError, match=r"Notes is a class: make a sink of it"):
        lossless(Notes)
