"""The picture of a reader and its source."""

from __future__ import annotations

from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING

from rxwizard.notebook.axis import Axis, draw_time, seconds
from rxwizard.notebook.label_row import LabelRow
from rxwizard.notebook.samples import Sample, joined
from rxwizard.notebook.svg import BLUE, COLUMN, INK, ORANGE, PURPLE, RED, Drawing
from rxwizard.notebook.words import columns, cut

if TYPE_CHECKING:
    from rxwizard.notebook.pressure import Backpressure

#: Pixels.
_HEAD = 74
_PLOT = 140
_LANE = 20
_FOOT = 26
_MARGIN = 12
_LINE = 14


def draw_backpressure(measured: Backpressure) -> str:
    """Draw how many waited as a line, the pauses as bands, and what was lost in lanes below."""
    lanes = [
        (name, count, colour)
        for name, count, colour in (
            ("dropped", measured.dropped, RED),
            ("merged", measured.merged, PURPLE),
        )
        if count
    ]
    names = [f"{name} {count:,}" for name, count, _ in lanes]
    left = 2 * _MARGIN + COLUMN * max(map(columns, [*names, f"capacity {measured.capacity:,}"]))
    right = measured.width - 2 * _MARGIN
    floor = _HEAD + _PLOT
    bottom = floor + _LANE * len(lanes)
    drawing = Drawing(measured.width, bottom + _FOOT, repr(measured))
    axis = Axis(measured.duration, left, right)
    heights = Axis(max(measured.peak, measured.capacity), floor, _HEAD)
    samples = _by_pixel(measured.samples, axis)

    _draw_head(drawing, measured)
    _draw_holds(drawing, measured, axis, floor)
    draw_time(drawing, axis, _HEAD, bottom)
    _draw_scale(drawing, measured, axis, heights)
    _draw_waiting(drawing, samples, axis, heights)
    for number, (name, colour) in enumerate(
        zip(names, (colour for _, _, colour in lanes), strict=True)
    ):
        middle = floor + _LANE * (number + 0.5)
        drawing.words((left - _MARGIN, middle + 4), name, colour, anchor="end")
        what = lanes[number][0]
        for sample in samples:
            count = sample.dropped if what == "dropped" else sample.merged
            if count:
                x, tip = axis(sample.at), f"{count:,} {what} at {seconds(sample.at)}"
                drawing.line((x, middle - 5), (x, middle + 5), colour, width=1.6, tip=tip)
    return drawing.svg()


def _draw_head(drawing: Drawing, measured: Backpressure) -> None:
    room = int((measured.width - 2 * _MARGIN) / COLUMN)
    facts = [
        f"{measured.overflow}, capacity {measured.capacity:,}",
        f"{measured.delivered:,} of {measured.pushed:,} items taken",
        seconds(measured.duration),
    ]
    drawing.words((_MARGIN, 16), cut(" · ".join(facts), room), bold=True)
    facts = [f"at most {measured.peak:,} waited", measured.held]
    drawing.words((_MARGIN, 33), cut(" · ".join(facts), room))
    colour = INK if measured.error is None else RED
    end = cut(f"ended: {measured.ending}", room)
    drawing.words((_MARGIN, 50), end, colour, tip=measured.ending)


def _draw_holds(drawing: Drawing, measured: Backpressure, axis: Axis, floor: float) -> None:
    bands: list[tuple[float, float]] = []
    for hold in measured.holds:
        start, end = axis(hold.begin), max(axis(hold.end), axis(hold.begin) + 1)
        if bands and start < bands[-1][1]:
            # Closer to each other than pixels are.
            bands[-1] = (bands[-1][0], max(end, bands[-1][1]))
        else:
            bands.append((start, end))
    tip = "the source is held"
    for start, end in bands:
        drawing.rect((start, _HEAD), end - start, floor - _HEAD, ORANGE, opacity=0.2, tip=tip)
    labels = LabelRow(drawing, _HEAD - 6, axis.start, axis.end)
    for hold in measured.holds:
        start, end = axis(hold.begin), axis(hold.end)
        words = f"held {seconds(hold.seconds)}"
        labels.write((start + end) / 2, words, ORANGE, room=1.5 * (end - start))


def _draw_scale(drawing: Drawing, measured: Backpressure, axis: Axis, heights: Axis) -> None:
    edge = axis.start - _MARGIN
    drawing.line((axis.start, heights.start), (axis.end, heights.start), opacity=0.6)
    drawing.words((edge, heights.start), "0", anchor="end")
    capacity = heights(measured.capacity)
    drawing.line((axis.start, capacity), (axis.end, capacity), dashed=True)
    taken = [heights.start, capacity]
    drawing.words((edge, capacity + 4), f"capacity {measured.capacity:,}", anchor="end")
    others = [(measured.low, f"low {measured.low:,}"), (measured.peak, f"peak {measured.peak:,}")]
    for value, words in others:
        height = heights(value)
        # Beside another label there is no room for it; the line above says it in words.
        if value and all(abs(height - other) >= _LINE for other in taken):
            taken.append(height)
            drawing.words((edge, height + 4), words, anchor="end")
            drawing.line((axis.start, height), (axis.end, height), opacity=0.4, dashed=True)


def _draw_waiting(drawing: Drawing, samples: list[Sample], axis: Axis, heights: Axis) -> None:
    points: list[tuple[float, float]] = []
    before = 0
    for sample in samples:
        x = axis(sample.at)
        for value in (before, sample.least, sample.most, sample.waiting):
            point = (x, heights(value))
            if not points or point != points[-1]:
                points.append(point)
        before = sample.waiting
    points.append((axis.end, heights(before)))
    floor = heights.start
    drawing.path([(axis.start, floor), *points, (axis.end, floor)], BLUE, fill=0.15)
    drawing.path(points, BLUE, tip="items that wait")


def _by_pixel(samples: tuple[Sample, ...], axis: Axis) -> list[Sample]:
    """Make one of all samples that would be drawn at one place."""
    groups = groupby(samples, lambda sample: round(axis(sample.at)))
    return [reduce(joined, group) for _, group in groups]
