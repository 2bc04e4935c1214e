"""How much may be asked for now: by our own limit, and by what the provider said."""

from __future__ import annotations

#: Seconds that do not matter: clocks have a grain, and sums of fractions an error.
GRAIN = 1e-6

#: A clock that is this many seconds behind is another one (a test's, in virtual time).
OTHER_CLOCK = 1.0


class Bucket:
    """A limit of ours: it fills steadily up to its size, and each request takes what it costs.

    One that costs more than the bucket holds may go when it is full, and leaves a debt. So within
    any `t` seconds it gives at most ``rate * t`` and once its size, or once the largest request
    where that is more.

    Args:
        rate: What flows in, per second.
        size: What it holds at most. It begins full.
    """

    __slots__ = ("_at", "_rate", "_size", "level")

    def __init__(self, rate: float, size: float) -> None:
        self._rate = rate
        self._size = size
        self._at: float | None = None
        #: What is in it; below 0 it is in debt.
        self.level = size

    def wait(self, cost: float, now: float) -> float:
        """Give the seconds until it has room for `cost`."""
        self._fill(now)
        seconds = (min(cost, self._size) - self.level) / self._rate
        return seconds if seconds > GRAIN else 0.0

    def change(self, by: float, now: float) -> None:
        """Put something back, or take more (below 0)."""
        self._fill(now)
        self.level = min(self._size, self.level + by)

    def hold_at_most(self, most: float, now: float) -> None:
        """Hold no more than this now, whatever we thought."""
        self._fill(now)
        self.level = min(self.level, most)

    def _fill(self, now: float) -> None:
        if self._at is None or now < self._at - OTHER_CLOCK:
            self._at = now
        elif now > self._at:
            self.level = min(self._size, self.level + (now - self._at) * self._rate)
            self._at = now


class Allowance:
    """What the provider said is left of one of its limits, less what has been asked for since.

    When nothing is left of it, one waits until the provider's limit is full again. It is then
    believed for the same time once more, so that not all that waited goes at once, and forgotten
    after that: only its next word tells more.

    Args:
        left: What is left, 0 or more.
        limit: What there is when it is full; None: unknown.
        seconds: Time until it is full.
        now: The time.
    """

    __slots__ = ("_is_known", "_left", "_limit", "_seconds", "_until")

    def __init__(self, left: float, limit: float | None, seconds: float, now: float) -> None:
        self._left = left
        self._limit = limit
        self._seconds = seconds
        self._until = now + seconds
        self._is_known = True

    def wait(self, now: float) -> float:
        """Give the seconds until something is left of it."""
        self._renew(now)
        return 0.0 if self._left > 0 or not self._is_known else self._until - now

    def change(self, by: float) -> None:
        """Put something back, or take more (below 0)."""
        self._left += by

    def _renew(self, now: float) -> None:
        if now < self._until - self._seconds - OTHER_CLOCK:
            self._is_known = False
        if self._is_known and now >= self._until - GRAIN:
            self._is_known = self._limit is not None
            self._left, self._limit = self._limit or 0.0, None
            self._until += self._seconds
