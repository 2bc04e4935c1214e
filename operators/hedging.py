"""A second request where the first token takes long; the first one to bring it wins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable

from rxwizard.chunks import StreamChunk, TokenUsage, altered
from rxwizard.errors import ConfigError, DeadlineError, WizardError
from rxwizard.operators.contest import Contender, Contest, Runner, is_token
from rxwizard.operators.first_tokens import FirstTokenTimes as FirstTokenTimes
from rxwizard.operators.first_tokens import check_percentile
from rxwizard.operators.making import PassThrough, clock
from rxwizard.operators.timing import check_over_zero, stopwatch
from rxwizard.policies import HedgeConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

A = TypeVar("A")

_log = logging.getLogger(__name__)

#: Items each may bring before its first token: a start, usage, signs of life.
MAX_HELD = 1024

#: Seconds. Where nearly all answer sooner (a cache, a test), no second request would.
_SOONEST = 0.001


def hedge(
    config: HedgeConfig | None = None,
    *,
    after: float | None = None,
    percentile: float | None = None,
    history: FirstTokenTimes | None = None,
) -> PassThrough:
    """Ask a second time where the first token takes long, and go on with whichever brings it first.

    The other one is closed at that moment, before anything is passed on, so that it generates, and
    bills, no more. It takes the longest waits away, and costs what the losers had generated.

    .. marble::
        ---------a-|  --c-d-|
        [ hedge(after=3) ]
        -----c-d-|

    Emits the items of the winner, unchanged, from its first on. A token is text, reasoning, a
    refusal or a tool call. Until one comes, what the two bring is held, up to 1,024 items each; who
    brings more wins, and so does who completes first. Where it is certain that there will be no
    second request, nothing is held.

    The winner's completion or error passes through at once. Before the second was asked, an error
    of the first passes through at once, behind what it had brought; once both run, an error of one
    waits for the other; when both have failed, it is as if the first alone had. Disposing closes
    both at once.

    Where the loser had reported usage, that of the winner is the sum: `usage.latest` is its own,
    and `usage.wasted` has the loser's. Most providers report nothing before the end; what a loser
    they answered has cost is then not known, and not in it. That it was asked, and who won, is
    logged (logger ``rxwizard.operators.hedging``, level INFO).

    Times go from the subscription to the first token, so what waits in between, such as a rate
    limiter, counts.

    Args:
        config: The settings; None: the defaults. What is given beside them counts.
        after: Seconds without a token after which the second is asked.
        percentile: Instead of `after`: the seconds in which so many of 100 have brought their first
            token of late. Before 20 have, no second is asked.
        history: The times to first token that were seen, where they are noted as well: one for each
            endpoint, shared by its streams. None: with a percentile, the operator keeps one, which
            all who subscribe through it share, against the custom of operators.

    Raises:
        ConfigError: An option cannot work, or both `after` and `percentile` are given.

    Example:
        >>> quick = reactivex.of(StreamChunk(text="Hi"))
        >>> quick.pipe(ops.hedge(after=2)).run().text
        'Hi'
    """
    seconds, percent = _delay(config, after, percentile)
    times = FirstTokenTimes() if history is None and percent is not None else history

    def operator(source: Observable[A]) -> Observable[A]:
        def subscribe(
            observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            delay = seconds
            if percent is not None and times is not None:
                delay = times.percentile(percent)
            return _Hedge(source, delay, times, observer, scheduler).begin()

        return Observable(subscribe)

    return operator


def _delay(
    config: HedgeConfig | None, after: float | None, percentile: float | None
) -> tuple[float | None, float | None]:
    """Give the seconds to wait, or the percentile they are taken from."""
    if not isinstance(cast("object", config), HedgeConfig | None):
        message = f"hedge: {config!r} is no HedgeConfig; a time is given as after="
        raise ConfigError(message)
    if after is not None and percentile is not None:
        message = "hedge: either after or percentile says when the second is asked, not both"
        raise ConfigError(message)
    if after is not None:
        check_over_zero("hedge", after=after)
        return after, None
    if percentile is not None:
        check_percentile("hedge", percentile=percentile)
        return None, percentile
    config = config or HedgeConfig()
    return (config.after, None) if config.after is not None else (None, config.percentile)


class _Hedge(Contest[A]):
    """One subscription.

    Args:
        source: What is asked, once or twice.
        delay: Seconds until the second time; None: there is none.
        times: Where times to first token are noted.
        observer: Gets the items of the winner.
        scheduler: Keeps the time.
    """

    replaces_failed: ClassVar[bool] = False

    def __init__(
        self,
        source: Observable[A],
        delay: float | None,
        times: FirstTokenTimes | None,
        observer: abc.ObserverBase[A],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        sources = [source] if delay is None else [source, source]
        stagger = 0.0 if delay is None else max(delay, _SOONEST)
        super().__init__(sources, is_token, stagger, MAX_HELD, observer, scheduler)
        self._is_alone = delay is None
        self._times = times
        self._now = stopwatch(clock(scheduler))
        #: When each request was sent whose first token is waited for.
        self._sent: dict[int, float] = {}
        #: What the loser had reported.
        self._lost: TokenUsage | None = None

    def begin(self) -> abc.DisposableBase:
        """Begin; gives what closes both."""
        return CompositeDisposable(super().begin(), Disposable(self._leave))

    def _begin(self, runner: Runner[A]) -> None:
        if runner.index:
            _log.info("no first token in %.3f s: asking a second time", self._stagger)
        self._sent[runner.index] = self._now()
        super()._begin(runner)

    def _take(self, runner: Runner[A], item: A) -> None:
        is_first_token = is_token(item)
        if is_first_token:
            self._note(runner.index, came=True)
        if not self._is_alone:
            super()._take(runner, item)
            return
        if is_first_token:
            self._win(runner)
        self._observer.on_next(item)

    def _lose(self, runner: Runner[A], error: Exception) -> None:
        if isinstance(error, DeadlineError):
            self._note(runner.index, came=False)
        # Any other error, soon or late, says nothing about how long a token takes.
        self._sent.pop(runner.index, None)
        super()._lose(runner, error)

    def _overflow(self, runner: Runner[A], item: A) -> None:
        # It works, and would have without hedging, so this must not be what ends it.
        self._win(runner)
        if runner.emit is not None:
            runner.emit(item)

    def _fail(self, errors: list[Exception]) -> None:
        self._give_on(self._runners[0])
        self._break_off(errors[0])

    def _tell(self, contenders: tuple[Contender, ...]) -> None:
        for contender in contenders:
            if contender.outcome == "closed":
                self._note(contender.index, came=False)
        self._sent.clear()
        if self._is_alone or contenders[1].outcome == "waiting":
            return
        if self._winner is None:
            _log.info("both requests failed: %s", contenders)
        else:
            which = "second" if self._winner.index else "first"
            _log.info("the %s request won: %s", which, contenders)

    def _leave(self) -> None:
        """Note that nobody waits any longer."""
        for index in tuple(self._sent):
            self._note(index, came=False)

    def _note(self, index: int, *, came: bool) -> None:
        """Note, once for each request, how long its first token took, or had not come."""
        sent_at = self._sent.pop(index, None)
        if sent_at is None or self._times is None:
            return
        add = self._times.add if came else self._times.add_censored
        add(self._now() - sent_at)

    # -- what both have cost ---------------------------------------------------------------------

    def _emitter(self, runner: Runner[A]) -> Callable[[A], object]:
        others = [each.usage for each in self._runners if each is not runner]
        lost = self._lost = next((usage for usage in others if usage is not None), None)
        give = self._observer.on_next
        if lost is None:
            return give

        def give_with_sum(item: A) -> None:
            if isinstance(item, StreamChunk) and item.usage is not None:
                item = cast("A", altered(item, usage=_sum(item.usage, lost)))
            give(item)

        return give_with_sum

    def _break_off(self, error: Exception) -> None:
        partial = error.partial if isinstance(error, WizardError) else None
        if self._lost is not None and partial is not None and partial.usage is not None:
            usage = _sum(partial.usage, self._lost)
            cast("WizardError", error).partial = partial.model_copy(update={"usage": usage})
        super()._break_off(error)


def _sum(own: TokenUsage, lost: TokenUsage) -> TokenUsage:
    """Add what the loser reported to what the winner did."""
    both = own + lost.as_wasted()
    return both.model_copy(update={"latest": own.latest or own})
