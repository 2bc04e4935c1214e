"""Text that is shown evenly: what waits, and how much of it is due when."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxwizard.operators.making import clock
from rxwizard.operators.timing import Alarm, fullness, stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

#: Seconds between two looks, at least: as often as a screen is drawn.
_TICK = 1 / 60
#: What waits is known by its time of arrival, in so many steps of the longest lag.
_STEPS = 64
#: A family with skin tones has ten characters; more is play.
_LONGEST_CLUSTER = 256
#: Schedulers round to microseconds: what is due by so little more is due.
_SECONDS = 1e-5
_UNITS = 1e-2


@dataclass(frozen=True, slots=True)
class Pace:
    """How to show text.

    Attributes:
        divide: Divides a text into units, of which the last may grow.
        last_cluster: Gives where a text's last grapheme cluster begins, which may grow.
        per_second: Units a second, at least, while there are any; 0: as few as may be.
        max_lag: Seconds from a character's arrival to when it is shown, at most.
        max_characters: Characters that may wait.
    """

    divide: Callable[[str], list[str]]
    last_cluster: Callable[[str], int]
    per_second: float
    max_lag: float
    max_characters: int


@dataclass(slots=True)
class _Due:
    """So many units must be shown by then."""

    due: float
    units: int


class Pacer:
    """The text of one subscription that is not shown yet.

    It is shown at the lowest constant rate at which all of it is in time, or at `per_second` where
    that is higher. The rate is looked at again at each tick.

    Args:
        pace: How to show it.
        observer: Gets the pieces, and the end.
        scheduler: Keeps the time.
    """

    def __init__(
        self, pace: Pace, observer: abc.ObserverBase[str], scheduler: abc.SchedulerBase | None
    ) -> None:
        keeper = clock(scheduler)
        self._pace = pace
        self._observer = observer
        self._now = stopwatch(keeper)
        self._is_full = fullness()
        #: Rings when something is due.
        self.alarm = Alarm(keeper, self._tick)
        self._tick_seconds = min(_TICK, pace.max_lag / 8)
        self._step_seconds = max(self._tick_seconds, pace.max_lag / _STEPS)
        self._is_over = False
        #: When it was looked at last, when that will be next, and when anything was shown last.
        self._planned = -math.inf
        self._rings_at = math.inf
        self._shown_at = -math.inf
        #: Units that may be shown, earned at the rate since then.
        self._credit = 0.0
        self._since = -math.inf
        self._forget()

    def _forget(self) -> None:
        self._size = 0
        #: What came last and is not divided yet, and when that must be shown.
        self._fresh: list[str] = []
        self._fresh_due = -math.inf
        #: The last unit, which may still grow.
        self._tail = ""
        #: The cluster that was shown before it had ended; what comes now may still belong to it.
        self._begun = ""
        #: When the tail's parts must be shown: where each begins, and its time.
        self._tail_due: deque[tuple[int, float]] = deque()
        self._units: deque[str] = deque()
        #: When they must be shown, the next first.
        self._due: deque[_Due] = deque()
        self._rest()

    def _rest(self) -> None:
        """Nothing is left to be shown."""
        self._rate = self._pace.per_second
        self._rests = True

    # -- the source's side ---------------------------------------------------------------------

    def take(self, text: str) -> None:
        """Add a piece of text."""
        now = self._now()
        due = now + self._pace.max_lag
        if due - self._fresh_due >= self._step_seconds:
            if not self._divide():
                return
            self._fresh_due = due
        self._fresh.append(text)
        self._size += len(text)
        if self._size > self._pace.max_characters and not self._spill():
            return
        # Not at each piece, which may come by the thousand: as often as the clock would.
        next_look = self._planned + self._tick_seconds
        if now >= next_look:
            self._look(now)
        elif self._rings_at > next_look:
            self._ring_at(next_look, now)

    def complete(self) -> None:
        """No more text comes: show the rest in time, then complete."""
        if not self._divide():
            return
        self._is_over = True
        if self._tail:
            self._owe(self._tail_due[0][1])
            self._units.append(self._tail)
            self._tail = ""
        self._look(self._now())

    def flush(self) -> None:
        """Show all that waits, at once."""
        self.alarm.unset()
        rest = "".join((*self._units, self._tail, *self._fresh))
        self._forget()
        if rest:
            self._observer.on_next(rest)

    def drop(self) -> None:
        """Forget what waits: it no longer counts."""
        self._forget()

    # -- the clock's side ----------------------------------------------------------------------

    def _tick(self) -> None:
        self._look(self._now())

    def _look(self, now: float) -> None:
        """Show what is due, and have the alarm ring when the next is."""
        self._rings_at = math.inf
        if self._is_full():
            # What is overdue comes in one piece when it has room again.
            self._planned = now
            self._ring_at(now + self._tick_seconds, now)
            return
        if not self._divide():
            return
        if not self._rests:
            self._credit += (now - self._since) * self._rate
        elif self._rate:
            # Nobody saves while there is nothing to be shown.
            self._credit = min(1.0, self._credit + (now - self._since) * self._rate)
        else:
            # The first unit after a rest comes at once.
            self._credit = float(now >= self._shown_at + self._tick_seconds)
        self._planned = self._since = now
        units = max(int(self._credit + _UNITS), self._overdue(now))
        if units and self._units:
            self._credit = max(0.0, self._credit - units)
        # The tail may still grow. But nobody is to wait for a mark that may never come.
        late = units >= len(self._units) and self._tail and self._tail_due[0][1] <= now + _SECONDS
        self._show(units, self._overdue_tail(now) if late else 0)
        self._plan(now)

    def _plan(self, now: float) -> None:
        if not self._units:
            self._rest()
            if self._tail:
                self._ring_at(self._tail_due[0][1], now)
            elif self._is_over:
                self.alarm.dispose()
                self._observer.on_completed()
            return
        self._rests = False
        self._rate = max(self._pace.per_second, self._needed(now))
        next_unit = now + (1 - self._credit) / self._rate
        # Two pieces are a tick apart, but where one must be shown.
        next_tick = self._shown_at + self._tick_seconds
        self._ring_at(min(max(next_unit, next_tick), self._due[0].due), now)

    def _needed(self, now: float) -> float:
        """Give the lowest rate at which all that waits is in time."""
        rate, units = 0.0, 0
        for owed in self._due:
            units += owed.units
            rate = max(rate, units / max(owed.due - now, _SECONDS))
        if self._tail:
            rate = max(rate, (units + 1) / max(self._tail_due[0][1] - now, _SECONDS))
        return rate

    def _overdue(self, now: float) -> int:
        units = 0
        for owed in self._due:
            if owed.due > now + _SECONDS:
                break
            units += owed.units
        return units

    def _overdue_tail(self, now: float) -> int:
        """Give how many characters of an overdue tail are to be shown.

        All of a word's beginning; but its last cluster, which came later, has its own time.
        """
        begin = self._pace.last_cluster(self._tail)
        due = next(due for start, due in reversed(self._tail_due) if start <= begin)
        return len(self._tail) if due <= now + _SECONDS else begin

    def _ring_at(self, time: float, now: float) -> None:
        self._rings_at = time
        self.alarm.set(time - now)

    # -- what waits ----------------------------------------------------------------------------

    def _divide(self) -> bool:
        """Divide what is not yet; False: that failed, and the stream with it."""
        if not self._fresh:
            return True
        if not self._tail_due or self._tail_due[-1][1] != self._fresh_due:
            self._tail_due.append((len(self._tail), self._fresh_due))
        self._tail += "".join(self._fresh)
        self._fresh.clear()
        try:
            units = self._pace.divide(self._begun + self._tail)
        except Exception as error:
            # The user's own function.
            self.flush()
            self.alarm.dispose()
            self._observer.on_error(error)
            return False
        first = self._begun and _without(units, len(self._begun))
        self._tail = units.pop()
        if units or not first:
            self._begun = ""
        begin, dues = 0, self._tail_due
        for unit in units:
            while len(dues) > 1 and dues[1][0] <= begin:
                dues.popleft()
            self._owe(dues[0][1])
            begin += len(unit)
        self._tail_begins(begin)
        self._units.extend(units)
        return True

    def _owe(self, due: float) -> None:
        if self._due and self._due[-1].due == due:
            self._due[-1].units += 1
        else:
            self._due.append(_Due(due, 1))

    def _tail_begins(self, begin: int) -> None:
        """Keep the times of the tail, which begins there now."""
        if not self._tail:
            self._tail_due.clear()
            return
        dues = self._tail_due
        while len(dues) > 1 and dues[1][0] <= begin:
            dues.popleft()
        self._tail_due = deque((max(0, start - begin), due) for start, due in dues)

    def _spill(self) -> bool:
        """Show the oldest at once, so much that this is not asked for at each piece."""
        if not self._divide():
            return False
        enough = self._pace.max_characters * 3 // 4
        units, size = 0, self._size
        for unit in self._units:
            if size <= enough:
                break
            size -= len(unit)
            units += 1
        if size <= enough:
            tail = 0
        elif size - (tail := self._pace.last_cluster(self._tail)) > self._pace.max_characters:
            tail = len(self._tail)
        self._show(units, tail)
        return True

    def _show(self, units: int, tail: int) -> None:
        """Show so many units, where there are, and so many characters of the tail, in one piece."""
        shown: list[str] = []
        while units > 0 and self._units:
            shown.append(self._units.popleft())
            units -= 1
            oldest = self._due[0]
            oldest.units -= 1
            if not oldest.units:
                self._due.popleft()
        if tail:
            shown.append(self._tail[:tail])
            begun = self._begun + self._tail if tail == len(self._tail) else ""
            cluster = begun[self._pace.last_cluster(begun) :]
            self._begun = cluster if len(cluster) <= _LONGEST_CLUSTER else ""
            self._tail = self._tail[tail:]
            self._tail_begins(tail)
        text = "".join(shown)
        if text:
            self._shown_at = self._planned
            self._size -= len(text)
            self._observer.on_next(text)


def _without(units: list[str], characters: int) -> bool:
    """Take so many characters from the beginning; tell whether a unit was cut for that."""
    while characters >= len(units[0]):
        characters -= len(units.pop(0))
    units[0] = units[0][characters:]
    return characters > 0
