"""A marble diagram in letters, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.notebook.axis import Axis, seconds
from rxwizard.notebook.words import columns, cut, one_line

if TYPE_CHECKING:
    from rxwizard.notebook.marble_diagrams import Marbles, Mark, Stage

#: Lines of items on each other at one stage.
_ROWS = 4

#: Columns of a stage's name, and the fewest that are left for what happened.
_NAME, _FEWEST = 16, 20

_ENDS = {"completed": "|", "failed": "#", "disposed": ">"}


def write_marbles(marbles: Marbles, width: int) -> str:
    """Write ``-a-b-|`` for each stage; items of one column stand below each other.

    An item is its first letter, and a plus stands for all that found no place. ``|`` is completion,
    ``#`` an error, ``>`` disposal.
    """
    stages = marbles.stages
    names = [cut(one_line(stage.name), _NAME) for stage in stages]
    left = max(map(columns, names), default=0)
    room = max(width - left - 1, _FEWEST)
    axis = Axis(marbles.duration, 0, room - 2)
    lines = [f"{len(stages)} stages in {seconds(marbles.duration)}"]
    for stage, name in zip(stages, names, strict=True):
        indent = " " * (left + 1)
        if stage.operator:
            lines.append(f"{indent}[ {cut(one_line(stage.operator), room - 4)} ]")
        first, *others = _stage(stage, axis, room)
        lines.append(f"{name}{' ' * (left - columns(name))} {first}")
        lines += [f"{indent}{other}" for other in others]
    return "\n".join(line.rstrip() for line in lines)


def _stage(stage: Stage, axis: Axis, room: int) -> list[str]:
    rows = [[" "] * room for _ in range(_ROWS)]
    end = stage.end
    stop = _column(axis, end) + 1 if end is not None else room
    rows[0][:stop] = "-" * stop
    counts: dict[int, int] = {}
    for mark in stage.marks:
        if mark.label is None:
            continue
        column = _column(axis, mark)
        row = counts[column] = counts.get(column, -1) + 1
        rows[min(row, _ROWS - 1)][column] = _letter(mark) if row < _ROWS else "+"
    if end is not None:
        # Behind an item of the same column: the end comes after it.
        rows[0][stop - 1 if stop - 1 not in counts else stop] = _ENDS[end.what]
    return ["".join(row) for row in rows if "".join(row).strip()] or ["-"]


def _column(axis: Axis, mark: Mark) -> int:
    return int(axis(mark.at))


def _letter(mark: Mark) -> str:
    short = mark.label.short if mark.label is not None else ""
    # Others, such as wide letters, would move all that stands at their right.
    return next((letter for letter in short if letter.isprintable() and columns(letter) == 1), "·")
