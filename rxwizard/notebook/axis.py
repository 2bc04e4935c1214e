"""Axes: where on the paper a number lies, and which numbers are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rxwizard.errors import ConfigError
from rxwizard.notebook.svg import COLUMN
from rxwizard.notebook.words import columns

if TYPE_CHECKING:
    from rxwizard.notebook.svg import Drawing

#: Pixels that a label of the axis of time has for itself.
_LABEL = 75

#: Below this, in whatever unit, all is one point: a clock knows nothing so short.
_LEAST = 1e-9

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

#: Pixels. Narrower, there is no room for a picture beside the names at its left; beyond, no screen
#: shows it.
_NARROWEST, _WIDEST = 300, 10_000


@dataclass(frozen=True, slots=True)
class Axis:
    """From 0 to `high`, laid out between two places on the paper, in pixels."""

    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Give the place of a number; what is beyond an end is put at that end."""
        if self.high < _LEAST:
            return self.start
        share = min(max(value / self.high, 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Give round numbers from 0 on, at equal steps, no more than `most` and 2 or more."""
        if self.high < _LEAST:
            return [0.0]
        rough = self.high / max(most - 1, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * by for by in (1, 2, 5, 10) if power * by >= rough * (1 - 1e-9))
        if step > self.high:
            return [0.0, self.high]
        return [step * number for number in range(int(self.high / step + 1e-9) + 1)]


def draw_time(drawing: Drawing, axis: Axis, top: float, bottom: float) -> None:
    """Draw the axis of time under what lies between two heights, with faint lines through it."""
    for tick in axis.ticks(max(2, int((axis.end - axis.start) / _LABEL))):
        x = axis(tick)
        drawing.line((x, top), (x, bottom), opacity=0.25)
        words = seconds(tick)
        middle = min(x, drawing.width - columns(words) * COLUMN / 2 - 1)
        drawing.words((middle, bottom + 15), words, anchor="middle")


def seconds(value: float) -> str:
    """Write a time with three digits and the unit that suits it; below a minute or above."""
    if value >= 60:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    for size, unit in _UNITS:
        if value >= size * 0.9995:
            return f"{float(f'{value / size:.3g}'):g} {unit}"
    return "0 s"


def check_width(picture: str, width: Any) -> None:
    """Refuse a width that no picture can have.

    Raises:
        ConfigError: It cannot work.
    """
    is_number = isinstance(width, int | float) and not isinstance(width, bool)
    if not is_number or not _NARROWEST <= width <= _WIDEST:
        message = f"{picture}: width={width!r} cannot work; it is {_NARROWEST} to {_WIDEST} pixels"
        raise ConfigError(message)
