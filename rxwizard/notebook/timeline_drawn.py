"""The picture of a timeline."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rxwizard.notebook.axis import Axis, draw_time, seconds
from rxwizard.notebook.kinds import colour_of
from rxwizard.notebook.label_row import LabelRow
from rxwizard.notebook.svg import BLUE, COLUMN, GREEN, INK, ORANGE, RED, Drawing
from rxwizard.notebook.words import columns, cut

if TYPE_CHECKING:
    from rxwizard.notebook.timelines import Timeline

#: Pixels.
_LANE = 22
_HEAD = 58
_AREA = 64
_GAP = 16
_FOOT = 26
_MARGIN = 12

#: Stalls that are drawn; of more, the longest. More than that lie on each other.
_STALLS = 100


def draw_timeline(timeline: Timeline) -> str:
    """Draw a lane for each kind, the throughput below, and stalls as bands across both."""
    names = {kind: f"{kind} {count:,}" for kind, count in timeline.kinds.items()}
    left = 2 * _MARGIN + COLUMN * max(map(columns, [*names.values(), "characters/s"]))
    right = timeline.width - 2 * _MARGIN
    area_top = _HEAD + _LANE * max(len(names), 1) + _GAP
    bottom = area_top + _AREA
    drawing = Drawing(timeline.width, bottom + _FOOT, repr(timeline))
    axis = Axis(timeline.duration, left, right)

    _draw_head(drawing, timeline)
    _draw_marks(drawing, timeline, axis, bottom)
    draw_time(drawing, axis, _HEAD, bottom)
    for number, (kind, name) in enumerate(names.items()):
        middle = _HEAD + _LANE * (number + 0.5)
        drawing.words((left - _MARGIN, middle + 4), name, colour_of(kind), anchor="end")
        drawing.line((left, middle), (right, middle), opacity=0.25)
        _draw_lane(drawing, timeline, kind, axis, middle)
    _draw_throughput(drawing, timeline, axis, area_top, bottom)
    return drawing.svg()


def _draw_head(drawing: Drawing, timeline: Timeline) -> None:
    room = int((timeline.width - 2 * _MARGIN) / COLUMN)
    facts = [
        timeline.model,
        f"{timeline.chunks:,} chunks",
        f"{timeline.characters:,} characters",
        "" if timeline.tokens is None else f"{timeline.tokens:,} tokens",
        seconds(timeline.duration),
        f"{timeline.left_out:,} chunks not drawn" if timeline.left_out else "",
    ]
    head = cut(" · ".join(filter(None, facts)), room)
    drawing.words((_MARGIN, 16), head, bold=True)
    colour = INK if timeline.error is None else RED
    end = cut(f"ended: {timeline.ending}", room)
    drawing.words((_MARGIN, 33), end, colour, tip=timeline.ending)


def _draw_marks(drawing: Drawing, timeline: Timeline, axis: Axis, bottom: float) -> None:
    labels = LabelRow(drawing, _HEAD - 5, axis.start, axis.end)
    first = timeline.time_to_first_token
    if first is not None:
        drawing.line((axis(first), _HEAD), (axis(first), bottom), GREEN, width=1.5, dashed=True)
        labels.write(axis(first), f"first token {seconds(first)}", GREEN)
    if timeline.error is not None:
        end = axis(timeline.duration)
        tip = timeline.ending
        drawing.line((end, _HEAD), (end, bottom), RED, width=2, tip=tip)
        labels.write(end, cut(f"✕ {type(timeline.error).__name__}", 40), RED, tip=tip)
    longest = sorted(timeline.stalls, key=lambda stall: stall.seconds, reverse=True)[:_STALLS]
    for stall in longest:
        start, end = axis(stall.begin), axis(stall.end)
        tip = f"nothing came for {seconds(stall.seconds)}, from {seconds(stall.begin)} on"
        width = max(end - start, 1)
        drawing.rect((start, _HEAD), width, bottom - _HEAD, ORANGE, opacity=0.2, tip=tip)
        words = f"stall {seconds(stall.seconds)}"
        half = columns(words) * COLUMN / 2
        # In the middle of its band, or where there is room beside another label.
        for middle in ((start + end) / 2, start + half, end - half):
            if labels.write(middle, words, ORANGE, tip=tip):
                break


def _draw_lane(drawing: Drawing, timeline: Timeline, kind: str, axis: Axis, middle: float) -> None:
    # No more marks than pixels: those that would lie on each other are one.
    counts = Counter(round(axis(a.at)) for a in timeline.arrivals if a.kind == kind)
    per_pixel = axis.high / max(axis.end - axis.start, 1)
    for x, count in counts.items():
        at = seconds((x - axis.start) * per_pixel)
        tip = f"{kind} at {at}" if count == 1 else f"{kind} at {at}, {count:,} times"
        drawing.line((x, middle - 7), (x, middle + 7), colour_of(kind), width=1.6, tip=tip)


def _draw_throughput(
    drawing: Drawing, timeline: Timeline, axis: Axis, top: float, bottom: float
) -> None:
    rates = _rates(timeline, int((axis.end - axis.start) / 2))
    highest = max((rate for _, rate in rates), default=0.0)
    label = axis.start - _MARGIN
    drawing.words((label, bottom), "0", anchor="end")
    drawing.words((label, (top + bottom) / 2 + 4), "characters/s", BLUE, anchor="end")
    drawing.line((axis.start, bottom), (axis.end, bottom), opacity=0.6)
    if not highest:
        return
    drawing.words((label, top + 8), f"{highest:,.0f}", anchor="end")
    heights = Axis(highest, bottom, top)
    line = [(axis(at), heights(rate)) for at, rate in rates]
    closed = [(line[0][0], bottom), *line, (line[-1][0], bottom)]
    tip = f"characters per second, over {seconds(timeline.window)}; at most {highest:,.0f}"
    drawing.path(closed, BLUE, fill=0.2, tip=tip)
    drawing.path(line, BLUE)


def _rates(timeline: Timeline, count: int) -> list[tuple[float, float]]:
    """Give the throughput at so many moments: what came in the window that ends there."""
    arrivals, window = timeline.arrivals, timeline.window
    if not arrivals or not timeline.duration:
        return []
    rates: list[tuple[float, float]] = []
    inside = first = after = 0
    for step in range(count + 1):
        now = timeline.duration * step / count
        while after < len(arrivals) and arrivals[after].at <= now + 1e-9:
            inside += arrivals[after].characters
            after += 1
        while first < after and arrivals[first].at <= now - window:
            inside -= arrivals[first].characters
            first += 1
        rates.append((now, inside / window))
    return rates
