"""How long each stage of an answer may take, and which clock runs out first."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from rxwizard.chunks import StreamChunk
from rxwizard.errors import (
    DeadlineError,
    FirstTokenDeadlineError,
    IdleDeadlineError,
    RateDeadlineError,
    TotalDeadlineError,
)
from rxwizard.operators.output_count import OutputCount
from rxwizard.operators.rate_floor import RateFloor
from rxwizard.operators.token_estimate import EstimatedCount
from rxwizard.policies import shortest


@dataclass(frozen=True, slots=True)
class Limits:
    """What the clocks of a stream are set to, in seconds; None: there is no such clock."""

    first_token: float | None = None
    idle: float | None = None
    heartbeats: bool = False
    min_rate: float | None = None
    window: float = 30.0
    total: float | None = None

    @property
    def has_any(self) -> bool:
        """Whether there is a clock."""
        clocks = (self.first_token, self.idle, self.min_rate, self.total)
        return any(seconds is not None for seconds in clocks)

    @property
    def silence(self) -> float | None:
        """The shortest time without content of which an error is made."""
        return shortest(self.idle, None if self.min_rate is None else self.window)

    def error(self, kind: type[DeadlineError]) -> DeadlineError:
        """Make the error for the clock that has run out."""
        if kind is FirstTokenDeadlineError:
            seconds = self.first_token or 0.0
            words = (
                f"Nothing of the answer came within {seconds:g} seconds. Ask again; or give it "
                "more time with first_token, since some models think for minutes."
            )
        elif kind is IdleDeadlineError:
            seconds = self.idle or 0.0
            words = (
                f"The stream fell silent: no content came within {seconds:g} seconds. Ask again; "
                "or give it more time with idle."
            )
        elif kind is RateDeadlineError:
            seconds = self.window
            words = (
                f"The answer comes too slowly: less than {self.min_rate or 0.0:g} tokens a second "
                f"over {seconds:g} seconds. Ask again, or another model; or set a lower min_rate."
            )
        else:
            seconds = self.total or 0.0
            words = (
                f"The answer was not at its end within {seconds:g} seconds. Ask for less, with "
                "max_tokens; or give it more time with total."
            )
        return kind(words, seconds=seconds)


class Clocks:
    """The clocks of one subscription.

    Args:
        limits: What they are set to.
        at: When it was made, in seconds.
    """

    def __init__(self, limits: Limits, at: float) -> None:
        self._limits = limits
        #: Whether only the end can follow, for which there is no clock.
        self.are_over = False
        self._began = at
        self.begin_anew(at)

    def begin_anew(self, at: float) -> None:
        """The answer begins anew."""
        self.are_over = False
        self._since = at
        self._floor: RateFloor | None = None
        self._tokens = None if self._limits.min_rate is None else OutputCount(EstimatedCount)

    @property
    def count_tokens(self) -> bool:
        """Whether `count` has to be called for what has content."""
        return self._tokens is not None

    def count(self, item: object, at: float) -> None:
        """Count the tokens of an item that came just now. The first one begins the window."""
        tokens, rate = self._tokens, self._limits.min_rate
        if tokens is None or rate is None:
            return
        if isinstance(item, StreamChunk):
            tokens.add(item)
        elif isinstance(item, str):
            tokens.add_text(item)
        if self._floor is None:
            self._floor = RateFloor(rate, self._limits.window, tokens.own, at)
        else:
            self._floor.add(tokens.own, at)

    def first(self, last: float | None) -> tuple[float, type[DeadlineError]] | None:
        """Give when the first of them runs out, and which, if nothing more comes.

        Args:
            last: When content came last; None: there is no token yet.
        """
        if self.are_over:
            return None
        limits = self._limits
        clocks: list[tuple[float, type[DeadlineError]]] = []
        if last is None:
            if limits.first_token is not None:
                clocks.append((self._since + limits.first_token, FirstTokenDeadlineError))
        else:
            if limits.idle is not None:
                clocks.append((last + limits.idle, IdleDeadlineError))
            if self._floor is not None:
                clocks.append((self._floor.due, RateDeadlineError))
        if limits.total is not None:
            clocks.append((self._began + limits.total, TotalDeadlineError))
        return min(clocks, key=itemgetter(0), default=None)
