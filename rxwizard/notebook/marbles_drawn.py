"""The picture of a marble diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxwizard.notebook.axis import Axis, draw_time, seconds
from rxwizard.notebook.kinds import colour_of
from rxwizard.notebook.svg import COLUMN, INK, PAPER, RED, Drawing
from rxwizard.notebook.words import columns, cut, one_line

if TYPE_CHECKING:
    from rxwizard.notebook.marble_diagrams import Marbles, Mark, Stage

#: Pixels.
_MARGIN = 12
_PILL = 20
_ROW = 23
_BOX = 24
_SPACE = 10
_FOOT = 26
_LINE = 15
_END = 20

#: Rows of items on each other at one stage. More would drive the stages too far apart.
_ROWS = 6

#: Columns of a label, from the most generous on, until all items have found their place.
_LENGTHS = (12, 8, 4)

#: Columns of a stage's name.
_NAME = 24


@dataclass(frozen=True, slots=True)
class _Pill:
    """An item with its place: `x` is its middle, in pixels; `row` counts from the line down."""

    mark: Mark
    words: str
    x: float
    row: int

    @property
    def half(self) -> float:
        return _half(self.words)


def _half(words: str) -> float:
    return max(_PILL, columns(words) * COLUMN + 12) / 2


@dataclass(frozen=True, slots=True)
class _Row:
    """A stage with all that is to be drawn of it."""

    stage: Stage
    pills: list[_Pill]
    dots: list[Mark]
    captions: list[tuple[str, str]]

    @property
    def rows(self) -> int:
        return 1 + max((pill.row for pill in self.pills), default=0)

    @property
    def height(self) -> float:
        """From the top of the first row to the foot of the last."""
        return max(self.rows * _ROW, len(self.captions) * _LINE + 6)


def draw_marbles(marbles: Marbles) -> str:
    """Draw a line for each stage; items of one moment hang below each other, the first on top."""
    captions = [_captions(stage) for stage in marbles.stages]
    # How many become dots is known only when there is a place for the others.
    words = [words for lines in captions for words, _ in lines]
    words += [_dots(stage.items) for stage in marbles.stages if stage.items > _ROWS]
    longest = max(map(columns, words), default=0)
    left = 2 * _MARGIN + COLUMN * longest
    right = marbles.width - _MARGIN
    inset = _half("x" * _LENGTHS[0])
    axis = Axis(marbles.duration, left + inset, right - inset - _END)
    rows = [_row(stage, lines, axis) for stage, lines in zip(marbles.stages, captions, strict=True)]

    boxes = sum(_BOX + _SPACE for row in rows if row.stage.operator)
    bottom = _MARGIN + sum(row.height + _SPACE for row in rows) + boxes
    drawing = Drawing(marbles.width, bottom + _FOOT, repr(marbles))
    draw_time(drawing, axis, _MARGIN, bottom)
    top: float = _MARGIN
    for row in rows:
        if row.stage.operator:
            _draw_operator(drawing, row.stage.operator, left, right, top)
            top += _BOX + _SPACE
        _draw_stage(drawing, row, axis, left, top)
        top += row.height + _SPACE
    return drawing.svg()


def _captions(stage: Stage) -> list[tuple[str, str]]:
    name = [(cut(one_line(stage.name), _NAME), INK)] if stage.name else []
    count = (f"{stage.items:,} item{'' if stage.items == 1 else 's'}", INK)
    captions = [*name, count]
    if stage.left_out:
        captions.append((f"{stage.left_out:,} not kept", INK))
    if stage.end is not None and stage.end.error is not None:
        captions.append((cut(f"✕ {type(stage.end.error).__name__}", _NAME), RED))
    return captions


def _dots(count: int) -> str:
    return f"{count:,} as dots"


def _row(stage: Stage, captions: list[tuple[str, str]], axis: Axis) -> _Row:
    items = [mark for mark in stage.marks if mark.label is not None]
    pills: list[_Pill] = []
    dots = items
    for length in _LENGTHS:
        pills, dots = _placed(items, length, axis)
        if not dots:
            break
    if dots:
        captions = [*captions, (_dots(len(dots)), INK)]
    return _Row(stage, pills, dots, captions)


def _placed(items: list[Mark], length: int, axis: Axis) -> tuple[list[_Pill], list[Mark]]:
    """Find a place for each item in the first row that is free there; give what found none."""
    pills: list[_Pill] = []
    dots: list[Mark] = []
    ends = [float("-inf")] * _ROWS
    for mark in items:
        words = cut(mark.label.short if mark.label else "", length)
        x, half = axis(mark.at), _half(words)
        # Not above an earlier item that it touches: below each other they are read as they came.
        lowest = max((row for row in range(_ROWS) if ends[row] > x - half), default=-1)
        row = lowest + 1
        if row >= _ROWS:
            row = next((row for row in range(_ROWS) if ends[row] <= x - half), _ROWS)
        if row >= _ROWS:
            dots.append(mark)
            continue
        ends[row] = x + half + 2
        pills.append(_Pill(mark, words, x, row))
    return pills, dots


def _draw_operator(drawing: Drawing, name: str, left: float, right: float, top: float) -> None:
    drawing.rect((left, top), right - left, _BOX, radius=5, opacity=0.12)
    drawing.rect((left, top), right - left, _BOX, radius=5, opacity=0.6, outlined=True)
    room = int((right - left) / COLUMN) - 2
    drawing.words(
        ((left + right) / 2, top + 16), cut(one_line(name), room), anchor="middle", bold=True
    )


def _draw_stage(drawing: Drawing, row: _Row, axis: Axis, left: float, top: float) -> None:
    y = top + _ROW / 2
    for number, (words, colour) in enumerate(row.captions):
        bold = number == 0 and bool(row.stage.name)
        place = (left - _MARGIN, y + 4 + number * _LINE)
        drawing.words(place, words, colour, anchor="end", bold=bold)
    _draw_line(drawing, row, axis, y)
    dots = {(round(axis(mark.at)), mark.label.kind): None for mark in row.dots if mark.label}
    for x, kind in dots:
        drawing.circle((x, y), 2.5, colour_of(kind))
    for pill in row.pills:
        if pill.row:
            drawing.line((pill.x, y), (pill.x, y + pill.row * _ROW), opacity=0.6)
    for pill in row.pills:
        _draw_pill(drawing, pill, y)


def _draw_pill(drawing: Drawing, pill: _Pill, y: float) -> None:
    label = pill.mark.label
    if label is None:
        return
    middle = y + pill.row * _ROW
    tip = f"{seconds(pill.mark.at)}  {label.full}"
    corner = (pill.x - pill.half, middle - _PILL / 2)
    drawing.rect(corner, 2 * pill.half, _PILL, colour_of(label.kind), radius=_PILL / 2, tip=tip)
    drawing.words((pill.x, middle + 4), pill.words, PAPER, anchor="middle", tip=tip)


def _draw_line(drawing: Drawing, row: _Row, axis: Axis, y: float) -> None:
    marks = row.stage.marks
    if not marks:
        return
    start = axis(marks[0].at)
    again = [mark for mark in marks[1:] if mark.what == "subscribed"]
    ends = [mark for mark in marks if mark.what in {"completed", "failed", "disposed"}]
    # Behind the items of the same moment, which would cover it.
    places = [(mark, _free_from(row.pills, axis(mark.at))) for mark in ends]
    stop = places[-1][1] if row.stage.end is not None else axis.end + 24
    drawing.line((start, y), (stop, y), width=1.5)
    if row.stage.end is None:
        drawing.path([(stop - 7, y - 5), (stop, y), (stop - 7, y + 5)])
    for mark, x in places:
        _draw_end(drawing, mark, x, y)
    for mark in again:
        x = axis(mark.at)
        tip = f"{seconds(mark.at)}  subscribed again"
        drawing.path([(x - 5, y + 13), (x, y + 5), (x + 5, y + 13)], tip=tip)


def _free_from(pills: list[_Pill], x: float) -> float:
    covering = [pill.x + pill.half for pill in pills if not pill.row and pill.x <= x + 0.5]
    return max([x, *(edge + 9 for edge in covering if edge + 9 > x)])


def _draw_end(drawing: Drawing, mark: Mark, x: float, y: float) -> None:
    when = seconds(mark.at)
    if mark.what == "failed":
        tip = f"{when}  {type(mark.error).__name__}: {mark.error}"
        for turn in (-1, 1):
            drawing.line((x - 7, y - 7 * turn), (x + 7, y + 7 * turn), RED, width=2.5, tip=tip)
        return
    ended = mark.what == "completed"
    tip = f"{when}  {mark.what}"
    drawing.line((x, y - 11), (x, y + 11), width=2.5, dashed=not ended, tip=tip)
