"""What a fan-out is told of one sink: its bound, its policy, and what it may not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rxwizard.demand import BoundedSubscriber, Overflow
from rxwizard.demand.overflow import checked_policy
from rxwizard.errors import ConfigError
from rxwizard.sinks.protocol import Sink, as_sink
from rxwizard.stream import join_text, weight_in_characters

Operators = tuple[Callable[[Any], Any], ...]

#: Seconds one write may take: no file or socket that works needs as long, and a person who stops
#: the screen to read is back by then, or uses a lossy policy.
WRITE_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Branch:
    """One sink of a fan-out, and how it is fed. Made by `branch` and its short forms."""

    sink: Sink[Any]
    operators: Operators
    """What this branch makes of the stream before it reaches the sink."""
    required: bool
    """Whether the whole fan-out fails with it."""
    deadline: float | None
    """Seconds one write may take; None: for ever."""
    make_reader: Callable[[str], BoundedSubscriber[Any]]
    """Makes its reader, given the name of the sink."""


def branch(
    sink: Any,
    *operators: Callable[[Any], Any],
    capacity: int = 64,
    overflow: Overflow | str = Overflow.PAUSE,
    required: bool = False,
    deadline: float | None = WRITE_DEADLINE,
    **options: Any,
) -> Branch:
    """Feed a sink of a fan-out by a policy of its own.

    Args:
        sink: A sink, an open file, a rich Console, or a function of one item; see `as_sink`.
        operators: What this branch makes of the stream first; the other sinks do not see it.
        capacity: Items that may wait for the sink, 1 or more.
        overflow: What happens to an item that finds no room.
        required: Whether the whole fan-out ends when this sink fails.
        deadline: Seconds one write may take, over 0; None: for ever.
        options: The others of `BoundedSubscriber`: merge (by default, text is joined), weigh (by
            default, characters), max_weight, low.

    Raises:
        ConfigError: This is no sink, or a number or policy cannot work.
    """
    if deadline is not None and not deadline > 0:
        message = f"a deadline of {deadline} seconds cannot work; it must be over 0, or None"
        raise ConfigError(message)
    options = {"merge": join_text, "weigh": weight_in_characters, **options}
    checked_policy(capacity, overflow, **options)

    def make_reader(name: str) -> BoundedSubscriber[Any]:
        return BoundedSubscriber(capacity, overflow=overflow, name=name, **options)

    return Branch(as_sink(sink), operators, required, deadline, make_reader)


def lossless(sink: Any, *operators: Callable[[Any], Any], **options: Any) -> Branch:
    """Give a sink every item; while it is full, the source waits for it. Options as for `branch`.

    What a sink gets that is named without any of these.
    """
    return branch(sink, *operators, overflow=Overflow.PAUSE, **options)


def live(sink: Any, *operators: Callable[[Any], Any], **options: Any) -> Branch:
    """Give a display all the text, in larger pieces while it is slow. Options as for `branch`.

    Nothing is lost, and what is shown is as new as the display is quick: while it is busy, what
    comes is merged into one piece, up to 65,536 characters; beyond, the source waits.
    """
    display: dict[str, Any] = {"capacity": 1, "overflow": Overflow.COALESCE}
    return branch(sink, *operators, **(display | options))


def latest(sink: Any, *operators: Callable[[Any], Any], **options: Any) -> Branch:
    """Give a sink the newest item whenever it is ready for one. Options as for `branch`.

    For what supersedes itself, such as a count. It slows nobody; what it misses is counted.
    """
    return branch(sink, *operators, overflow=Overflow.LATEST, **options)
