"""How long one endpoint takes to its first token, of late."""

from __future__ import annotations

from itertools import count
from typing import Any

from rxwizard.errors import ConfigError
from rxwizard.operators.making import check_count

#: Tokens that must have been seen before a percentile is told: of fewer, one more moves it too far.
_ENOUGH = 20


class FirstTokenTimes:
    """The last times to first token of one endpoint, for `hedge`: keep one for each endpoint.

    It outlives subscriptions, and may be shared by any number of streams, on any threads.

    Where a request was given up before its first token, it is known only that it would have taken
    longer. Such a time is censored, as statistics calls it, and counts as that: taken for a time to
    first token, or left out, it would make the endpoint look quicker than it is, and the quicker it
    looks, the sooner the next one is given up. The percentile is read from the estimate of Kaplan
    and Meier [#]_, which is right as long as one request is not slow because another is.

    Args:
        size: Times that are kept, 20 or more; the oldest makes room. 256 are enough for a 95th
            percentile, and few enough to forget a bad hour within the next.

    Raises:
        ConfigError: The size cannot work.

    .. [#] E. L. Kaplan, P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal
       of the American Statistical Association 53, 1958.
    """

    __slots__ = ("_next", "_size", "_times")

    def __init__(self, size: int = 256) -> None:
        check_count("FirstTokenTimes", least=_ENOUGH, size=size)
        self._size = size
        #: Seconds, and whether they are censored. A list of one length needs no lock: each place is
        #: written in one step, and which one is next is found in one.
        self._times: list[tuple[float, bool] | None] = [None] * size
        self._next = count()

    def add(self, seconds: float) -> None:
        """Note that a first token has come after so many seconds."""
        self._times[next(self._next) % self._size] = (seconds, False)

    def add_censored(self, seconds: float) -> None:
        """Note that in so many seconds no token had come, and none was waited for any longer."""
        self._times[next(self._next) % self._size] = (seconds, True)

    def percentile(self, percent: float) -> float | None:
        """Give the seconds in which so many of 100 bring their first token.

        None before 20 have. Where so many were waited for no longer that it cannot be told, it is
        the longest time that is known.

        Raises:
            ConfigError: It is not between 0 and 100.
        """
        check_percentile("FirstTokenTimes", percent=percent)
        known = sorted(time for time in self._times if time is not None)
        if sum(not is_censored for _, is_censored in known) < _ENOUGH:
            return None
        #: How likely one is to take longer.
        longer = 1.0
        for waiting, (seconds, is_censored) in zip(range(len(known), 0, -1), known, strict=True):
            if not is_censored:
                longer *= (waiting - 1) / waiting
                if longer <= 1 - percent / 100 + _ROUNDING:
                    return seconds
        return known[-1][0]


#: A product of 256 factors is off by less.
_ROUNDING = 1e-9


def check_percentile(operator: str, **options: Any) -> None:
    """Refuse options that are no numbers between 0 and 100, both excluded.

    Raises:
        ConfigError: One is not.
    """
    for name, value in options.items():
        # True is a number to Python, and never meant as one.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < 100:
            message = f"{operator}: {name}={value!r} cannot work; it must be between 0 and 100"
            raise ConfigError(message)
