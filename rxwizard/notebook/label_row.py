"""Labels that share one line, of which none lies on another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rxwizard.notebook.svg import COLUMN, INK, Drawing
from rxwizard.notebook.words import columns, one_line


@dataclass(slots=True)
class LabelRow:
    """One line of labels between two places on the paper, in pixels; first come, first served.

    Attributes:
        drawing: Where they are written.
        foot: The height of the line.
        start: The leftmost place a label may take.
        end: The rightmost.
    """

    drawing: Drawing
    foot: float
    start: float
    end: float
    _taken: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def write(
        self,
        middle: float,
        words: str,
        colour: str = INK,
        *,
        tip: str = "",
        room: float = math.inf,
    ) -> bool:
        """Write a label around a place, moved inwards at the ends; False: there is no room.

        Also where it is longer than `room`.
        """
        length = columns(one_line(words)) * COLUMN
        left = min(max(middle - length / 2, self.start), self.end - length)
        right = left + length
        gap = COLUMN
        if (
            length > room
            or left < self.start
            or any(left < end + gap and start < right + gap for start, end in self._taken)
        ):
            return False
        self._taken.append((left, right))
        self.drawing.words((left, self.foot), words, colour, tip=tip)
        return True
