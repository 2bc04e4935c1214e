"""What really passed between the operators of a pipeline, as a marble diagram."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, Self, TypeAlias, cast

from reactivex import Observable, abc

from rxwizard.errors import ConfigError
from rxwizard.notebook.axis import check_width
from rxwizard.notebook.labels import Label, label_of
from rxwizard.notebook.marbles_drawn import draw_marbles
from rxwizard.notebook.marbles_written import write_marbles
from rxwizard.notebook.names import name_of
from rxwizard.notebook.svg import Picture
from rxwizard.operators.making import PassThrough, check_count, clock
from rxwizard.operators.taps import Tap, tapped
from rxwizard.operators.timing import stopwatch
from rxwizard.stream import Stream

AnyOperator: TypeAlias = Callable[[Observable[Any]], Observable[Any]]
Named: TypeAlias = "AnyOperator | tuple[str, AnyOperator]"
"""An operator, or its name and itself where it should be called something else."""

What: TypeAlias = Literal["subscribed", "next", "completed", "failed", "disposed"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that happened at a stage.

    Attributes:
        at: Seconds since the first subscription.
        what: What it was.
        label: Of an item: what it looked like then.
        error: What it failed with.
    """

    at: float
    what: What
    label: Label | None = None
    error: Exception | None = None


@dataclass(slots=True)
class Stage:
    """One line of the diagram.

    Attributes:
        name: What is written at its left.
        operator: What stands between the line above and this one; empty where that is not known.
        marks: What happened, in order; of items, the first ones up to the limit.
        items: How many items passed.
        left_out: How many of them are not among the marks.
    """

    name: str
    operator: str = ""
    marks: list[Mark] = field(default_factory=list[Mark])
    items: int = 0
    left_out: int = 0

    @property
    def end(self) -> Mark | None:
        """How it ended, where it did."""
        last = self.marks[-1] if self.marks else None
        return None if last is None or last.what in {"subscribed", "next"} else last


class Marbles(Picture):
    """Looks at a pipeline while it runs, and draws what it saw.

    Around a pipeline that is read by somebody else::

        with Marbles() as diagram:
            async for sentence in stream.pipe(diagram.watch(ops.text(), ops.buffer_sentences())):
                ...
        diagram

    Or stage by stage, where only some places matter: ``stream.pipe(diagram.stage("chunks"),
    ops.text(), diagram.stage("text"))``.

    What passes is looked at and handed on within the same call: nothing is held back, reordered or
    asked for, so a full reader pauses the source as it would without. Time is that of the
    subscription's scheduler: the loop's, or virtual. After the ``with`` block it looks away.

    Args:
        limit: Items kept of each stage, less than 1 KiB each; later ones are only counted. Twice
            what a picture can show.
        width: Pixels of the picture.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(self, *, limit: int = 1000, width: float = 880) -> None:
        check_count("Marbles", limit=limit)
        check_width("Marbles", width)
        self.width = width
        #: The lines, from the source down.
        self.stages: list[Stage] = []
        self._limit = limit
        self._now: Callable[[], float] | None = None
        self._began = 0.0
        self._looks = True

    def stage(self, name: str) -> PassThrough:
        """Make an operator that notes what passes at its place, and changes nothing."""
        return self._looked_at(Stage(name))

    def watch(self, *operators: Named, source: str = "source") -> AnyOperator:
        """Compose operators left to right, and look before the first one and behind each.

        Args:
            operators: Each by itself, or with what it should be called: ``("shout", operator)``.
            source: What the first line is called.

        Raises:
            ConfigError: One of them is no operator.
        """
        pairs = [_named(operator) for operator in operators]
        steps: list[AnyOperator] = [self.stage(source)]
        for name, operator in pairs:
            steps += [operator, self._looked_at(Stage("", name))]

        def watched(observable: Observable[Any]) -> Observable[Any]:
            return reduce(_applied, steps, observable)

        return watched

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_how: object) -> None:
        self._looks = False

    @property
    def duration(self) -> float:
        """Seconds from the first subscription to the last thing that happened."""
        return max((mark.at for stage in self.stages for mark in stage.marks), default=0.0)

    def svg(self) -> str:
        """Draw a line for each stage, with the operators between."""
        return draw_marbles(self)

    def text(self, columns: int = 80) -> str:
        """Draw it with letters, in so many columns; a letter is the first one of an item."""
        return write_marbles(self, columns)

    def __repr__(self) -> str:
        return self.text()

    def _looked_at(self, stage: Stage) -> PassThrough:
        self.stages.append(stage)

        def begin(scheduler: abc.SchedulerBase | None) -> Tap:
            now = self._clock(scheduler)

            def note(
                what: What, label: Label | None = None, error: Exception | None = None
            ) -> None:
                if self._looks:
                    stage.marks.append(Mark(now() - self._began, what, label, error))

            def see(item: Any) -> None:
                if not self._looks:
                    return
                stage.items += 1
                if stage.items - stage.left_out <= self._limit:
                    note("next", label_of(item))
                else:
                    stage.left_out += 1

            note("subscribed")
            return Tap(see, lambda outcome, error: note(outcome, None, error))

        return tapped(begin)

    def _clock(self, scheduler: abc.SchedulerBase | None) -> Callable[[], float]:
        # One for all: a subscription goes from below upwards, and an operator on its way may have a
        # scheduler of its own, or hand none on.
        if self._now is None:
            self._now = stopwatch(clock(scheduler))
            self._began = self._now()
        return self._now


async def marbles(
    source: Observable[Any],
    *operators: Named,
    name: str = "source",
    limit: int = 1000,
    width: float = 880,
) -> Marbles:
    """Run a pipeline to its end and draw what passed between each pair of its operators.

    It is subscribed to once, and read as fast as it comes. One that fails is drawn up to there; its
    error is in the picture and is not raised. Cancelling closes the stream.

    Args:
        source: Where the items come from.
        operators: Left to right, as for `pipe`; with a name where it should be another than the
            function's: ``("shout", operator)``.
        name: What the first line is called.
        limit: Items kept of each stage; later ones are only counted.
        width: Pixels of the picture.

    Raises:
        ConfigError: An option cannot work, or there is something that is no operator.
    """
    if not isinstance(cast("object", source), Observable):
        raise ConfigError(f"marbles: takes a stream, not a {type(source).__name__}")
    diagram = Marbles(limit=limit, width=width)
    watched = diagram.watch(*operators, source=name)
    with diagram:
        async with Stream.of(source).pipe(watched).open() as reader:
            try:
                async for _ in reader:
                    pass
            except Exception:
                end = diagram.stages[-1].end
                if end is None or end.what != "failed":  # it is the reader's own
                    raise
    return diagram


def _named(operator: Named) -> tuple[str, AnyOperator]:
    given: Any = operator
    name: str
    function: Any
    if isinstance(operator, tuple):
        name, function = given
    else:
        name, function = name_of(given), given
    if not callable(function):
        raise ConfigError(f"marbles: an operator is a function, not a {type(function).__name__}")
    return name, cast("AnyOperator", function)


def _applied(observable: Observable[Any], operator: AnyOperator) -> Observable[Any]:
    return operator(observable)
