"""What holds for every operator: the same checks for all of them.

An operator here is one that is made: ``ops.buffer_words(2)``. Sources are drawn as for `play`. The
value checks are each operator's own.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import reactivex as rx
from reactivex import operators as rx_ops

from rxwizard.testing import assert_marbles, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reactivex import Observable

    Operator = Callable[[Observable[Any]], Observable[Any]]


def results(operator: Operator, items: Iterable[Any]) -> list[Any]:
    """Give what comes out where the items go in at once, without a clock."""
    given: list[Any] = []
    failures: list[Exception] = []
    rx.from_iterable(items).pipe(operator).subscribe(given.append, failures.append)
    if failures:
        raise failures[0]
    return given


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    """Cut a text at these places, as hypothesis draws them; some pieces may be empty."""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def check_empty(operator: Operator) -> None:
    """An empty source completes at once with nothing, or fails at once."""
    assert_marbles(operator, "--|", "--|")
    assert_marbles(operator, "--#", "--#", error=OSError("reset"))


def check_error(operator: Operator, source: str = "-a-b-", **values: Any) -> None:
    """An error comes after all that completion would have given, at the same moment, unchanged.

    `source` is drawn without its end.
    """
    error = OSError("reset")
    failed = play(operator, f"{source}#", error=error, **values).messages
    completed = play(operator, f"{source}|", **values).messages

    assert (failed[-1].what, failed[-1].value) == ("error", error)
    assert failed[:-1] == completed[:-1]
    assert failed[-1].tick == completed[-1].tick == len(source)


def check_dispose(
    operator: Operator, source: str = "-a-b-c-|", until: float = 2, **values: Any
) -> None:
    """Disposing frees the source at once, and nothing comes any more: not even what was held."""
    played = play(operator, source, until=until, **values)

    assert played.held == [(0, until)]
    assert all(m.tick < until and m.what == "next" for m in played.messages)


def check_two_subscribers(operator: Operator, source: str = "-a-b-c-|", **values: Any) -> None:
    """Two that subscribe to one stream at the same time each get what one alone gets."""
    alone = play(operator, source, **values).values

    def twice(cold: Observable[Any]) -> Observable[Any]:
        stream = cold.pipe(operator)
        first, second = (
            stream.pipe(rx_ops.map(lambda value, name=name: (name, value))) for name in (1, 2)
        )
        return rx.merge(first, second)

    both = play(twice, source, **values).values

    assert alone
    for name in (1, 2):
        assert [value for whose, value in both if whose == name] == alone


def check_linear(make: Callable[[], Operator], items: Callable[[int], list[Any]], few: int) -> None:
    """Four times the items cost about four times the time, not sixteen times."""

    def cpu_seconds(count: int) -> float:
        source = rx.from_iterable(items(count)).pipe(make())
        began = time.process_time()
        source.subscribe(lambda _: None)
        return time.process_time() - began

    small = min(cpu_seconds(few) for _ in range(3))

    assert min(cpu_seconds(4 * few) for _ in range(2)) < 9 * small + 0.02
