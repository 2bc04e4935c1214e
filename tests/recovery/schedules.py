"""What can come between a model and its reader: faults as values, and how to draw many of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from time import time as time_of_day
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from rxwizard.testing import ToolCall

#: Seconds of a pause that no deadline minds, and of one that each of them does.
SHORT, LONG = 2.0, 1000.0

Mode: TypeAlias = Literal["raise", "restart", "continue"]
MODES: tuple[Mode, ...] = ("raise", "restart", "continue")
Guard: TypeAlias = Literal["none", "hedge", "limits", "circuit"]


@dataclass(frozen=True, slots=True)
class Oracle:
    """The answer that the model means to send, and in how many pieces."""

    text: str
    pieces: int = 4
    reasoning: str = ""
    has_tool: bool = False

    @property
    def tool(self) -> ToolCall | None:
        """The call at its end."""
        return ToolCall("weather", {"city": "Zürich", "days": 2}) if self.has_tool else None


# -- faults ------------------------------------------------------------------------------------
# A place in a body is told in thousandths of it, so that it stands in any.


@dataclass(frozen=True, slots=True)
class Fine:
    """The answer comes."""


@dataclass(frozen=True, slots=True)
class Status:
    """An error reply. 413 stands for a context that is too long."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NoConnection:
    """Nobody is there."""


@dataclass(frozen=True, slots=True)
class Slow:
    """It takes so many seconds to connect, or to begin to answer."""

    stage: Literal["connect", "headers"]
    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The body ends early: by a reset, or in order."""

    at: int
    how: Literal["reset", "close"]


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing comes for so many seconds."""

    at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OnlyPings:
    """From here on nothing but a sign of life every so many seconds."""

    at: int
    every: float


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error in mid-stream, in the protocol's own shape; then the end, or the rest."""

    at: int
    status: int
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no event stand between two events."""

    at: int
    which: int


@dataclass(frozen=True, slots=True)
class Instead:
    """A status of 200, and a body that is no answer."""

    what: str


@dataclass(frozen=True, slots=True)
class Twice:
    """The last events come twice."""


@dataclass(frozen=True, slots=True)
class NoTerminal:
    """The terminal event is left out."""


@dataclass(frozen=True, slots=True)
class Trailing:
    """Bytes that are no content come after the end."""

    which: int


Fault: TypeAlias = (
    Fine
    | Status
    | NoConnection
    | Slow
    | Cut
    | Silence
    | OnlyPings
    | ErrorEvent
    | Garbage
    | Instead
    | Twice
    | NoTerminal
    | Trailing
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What happens to one request.

    `slices` says where the body is cut into reads; `pause` is the seconds between them; `repeats`
    the words of the end of the partial that a continuation says again.
    """

    fault: Fault = Fine()
    slices: tuple[int, ...] = ()
    pause: float = 0.0
    pings: bool = False
    usage_at: str = "after_finish"
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """The reader leaves: by ``break`` after so many chunks, or after so many seconds.

    Or the client is closed, which ends what it reads.
    """

    how: Literal["break", "cancel", "dispose", "close"]
    after: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run: who is asked for what, what happens to each request, and who reads.

    `prefills`: whether the model goes on from the beginning of an answer, where not all do.
    `guard`: which of the other settings is on. `heartbeats`: whether they are asked for. `merges`:
    whether the reader does (COALESCE); `pace` is the seconds it takes over each chunk.
    """

    provider: str
    oracle: Oracle
    prefills: bool = False
    attempts: tuple[Attempt, ...] = ()
    mode: Mode = "raise"
    retries: int = 2
    fallback: str | None = None
    guard: Guard = "none"
    max_elapsed: float | None = None
    deadlines: tuple[tuple[str, Any], ...] = ()
    heartbeats: bool = False
    capacity: int = 64
    merges: bool = False
    pace: float = 0.0
    leave: Leave | None = None

    def deadline(self, name: str, default: float = math.inf) -> float:
        """Give a deadline in seconds."""
        value = dict(self.deadlines).get(name, default)
        return math.inf if value is None else value


# -- how they are drawn --------------------------------------------------------------------------

Choose: TypeAlias = Callable[[int], int]
"""Gives a number from 0 to below its argument. What comes first is the simplest."""

_TEXT = (
    "Water boils at one hundred degrees; naïve cooks 🙂 wait,\n\nthen add\u2028tea. A better "
    "letter 'tt' seems less bitter: « déjà vu » {\"json\": [1]} data: [DONE] é́ 水 end."
)
_WORDS = tuple(_TEXT.split(" "))
_DEADLINES: tuple[tuple[tuple[str, Any], ...], ...] = (
    (("connect", 5.0), ("headers", 30.0), ("first_token", 40.0), ("idle", 20.0)),
    (("connect", 5.0), ("headers", None), ("first_token", 25.0), ("idle", 20.0)),
    (("connect", 5.0), ("headers", 30.0), ("first_token", 40.0), ("idle", 20.0), ("total", 90.0)),
    (
        *(("connect", 5.0), ("headers", 30.0), ("first_token", 40.0), ("idle", 20.0)),
        *(("heartbeats", True), ("total", 150.0)),
    ),
)
_HEADERS: tuple[tuple[str, str], ...] = (
    ("retry-after", "3"),
    ("retry-after-ms", "2500"),
    ("retry-after", "date:7"),
    ("retry-after", "soon"),
    ("retry-after", "500"),
    ("x-should-retry", "false"),
    ("retry-after", "0"),
)
_STATUSES = (503, 429, 500, 529, 502, 408, 409, 400, 401, 403, 404, 413)
INSTEAD = ("nothing", "a page", "an error", "words", "half an event", "blank lines")
GARBAGES = 7


def make_schedule(
    choose: Choose, providers: tuple[str, ...], mode: Mode | None, guard: Guard = "none"
) -> Schedule:
    """Draw a schedule; of any mode, if none is given."""

    def one_of(options: Any) -> Any:
        return options[choose(len(options))]

    start, count = choose(8), 1 + choose(len(_WORDS) - 8)
    text = " ".join(_WORDS[start : start + count])
    kind, pieces = divmod(choose(60), 12)
    oracle = Oracle(
        text="" if kind == 4 else text,
        pieces=1 + pieces,
        reasoning="Let me think about it." if kind in {1, 3} else "",
        has_tool=kind >= 2,
    )
    leave = None
    if choose(5) == 4:
        how = one_of(("break", "cancel", "dispose", "close"))
        leave = Leave(how, choose(8) if how == "break" else choose(400) / 10)
    rest, prefills = divmod(choose(24), 2)
    pace, capacity = divmod(rest, 3)
    rest, merges = divmod(choose(18), 3)
    heartbeats, elapsed = divmod(rest, 3)
    return Schedule(
        provider=one_of(providers),
        oracle=oracle,
        prefills=prefills == 1,
        attempts=tuple(_attempt(choose) for _ in range(1 + choose(4))),
        mode=mode or one_of(MODES),
        retries=(2, 1, 0, 3)[choose(4)],
        fallback=one_of(providers) if choose(4) == 3 else None,
        guard=guard,
        max_elapsed=10.0 if elapsed == 2 else None,
        deadlines=one_of(_DEADLINES),
        heartbeats=heartbeats == 1,
        merges=merges == 2,
        capacity=(64, 4, 1)[capacity],
        pace=(0.0, 0.0, 0.3, 1.7)[pace],
        leave=leave,
    )


_USAGES = ("after_finish", "after_finish", "with_finish", "every_chunk", "never")


def _attempt(choose: Choose) -> Attempt:
    fault = _fault(choose)
    # One draw for all of this: drawing takes as long as playing. Zero is nothing special.
    rest, repeats = divmod(choose(3 * 3 * 4 * len(_USAGES)), 3)
    rest, pause = divmod(rest, 3)
    usage_at, pings = divmod(rest, 4)
    slicing = choose(1000)
    dice = random.Random(slicing)
    slices = dice.choices(range(1000), k=dice.randrange(6)) if slicing else []
    return Attempt(
        fault=fault,
        slices=tuple(sorted(slices)),
        pause=(0.0, 0.001, 0.4)[pause],
        pings=pings == 3,
        usage_at=_USAGES[usage_at],
        repeats=(0, 1, 3)[repeats],
    )


def _fault(choose: Choose) -> Fault:
    match choose(16):
        case 0:
            return Fine()
        case 1 | 2:
            named = _HEADERS[choose(len(_HEADERS))] if choose(2) else None
            return Status(_STATUSES[choose(len(_STATUSES))], (named,) if named else ())
        case 3:
            return NoConnection()
        case 4:
            stages: tuple[Literal["connect", "headers"], ...] = ("connect", "headers")
            return Slow(stages[choose(2)], (SHORT, LONG)[choose(2)])
        case 5 | 6 | 7:
            hows: tuple[Literal["reset", "close"], ...] = ("close", "reset")
            return Cut(choose(1001), hows[choose(2)])
        case 8 | 9:
            return Silence(choose(1001), (math.inf, LONG, SHORT)[choose(3)])
        case 10:
            return OnlyPings(choose(1001), (7.0, 19.0)[choose(2)])
        case 11:
            return ErrorEvent(choose(1001), (500, 529, 429, 400)[choose(4)], choose(2) == 1)
        case 12:
            return Garbage(choose(1001), choose(GARBAGES))
        case 13:
            return Instead(INSTEAD[choose(len(INSTEAD))])
        case 14:
            return (Twice(), NoTerminal())[choose(2)]
        case _:
            return Trailing(choose(GARBAGES))


@cache
def _below(limit: int) -> st.SearchStrategy[int]:
    return st.integers(0, limit - 1)


@st.composite
def schedules(
    draw: st.DrawFn, *, providers: tuple[str, ...], mode: Mode | None = None, guard: Guard = "none"
) -> Schedule:
    """Draw schedules, the simple ones first."""
    return make_schedule(lambda limit: draw(_below(limit)), providers, mode, guard)


def http_date(seconds: float) -> str:
    """Give the moment that lies so many seconds ahead, as HTTP writes it."""
    return formatdate(time_of_day() + seconds, usegmt=True)
