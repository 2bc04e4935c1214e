"""Streams on a surface, and the buttons that stop them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rxwizard.notebook.answer import Answer, State
from rxwizard.notebook.controls import buttons
from rxwizard.notebook.painter import Painter
from rxwizard.notebook.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rxwizard.notebook.answer import View
    from rxwizard.notebook.page import Bundle
    from rxwizard.notebook.slots import Surface
    from rxwizard.operators.pricing import Price
    from rxwizard.stream import Stream


class Display:
    """Reads streams side by side and shows what they bring.

    Made where a loop runs, and shown at once; `run` reads.

    Args:
        streams: What is read.
        surface: Where it is shown.
        lay_out: Makes the page of how they stand, and of the buttons, where there are any.
        rate: Drawings a second, at most.
        stops: What the buttons stop, by name; None: there are no buttons.
        price: What tokens cost.
        renders: Whether HTML is wanted.
        is_awaited: Whether the cell waits for it. Else the buttons come a moment later, when the
            cell has ended: what runs notebooks without a browser saves no more of it than what
            stood there then, and a button would be dead.
    """

    def __init__(
        self,
        streams: Sequence[Stream[Any]],
        surface: Surface,
        lay_out: Callable[[Sequence[View], Bundle | None], Sequence[Bundle]],
        *,
        rate: float,
        stops: Sequence[str] | None,
        price: Price | None,
        renders: bool = True,
        is_awaited: bool = True,
    ) -> None:
        self._surface = surface
        self._lay_out = lay_out
        self._readings = [
            Reading(stream, Answer(price, renders=renders), self._changed) for stream in streams
        ]
        self._buttons = None if stops is None else buttons(stops, self.stop)
        self._has_buttons = is_awaited
        self._painter = Painter(self._draw, rate)
        self._painter.changed()

    @property
    def answers(self) -> list[Answer]:
        """How they stand, in their order."""
        return [reading.answer for reading in self._readings]

    def stop(self, number: int) -> None:
        """Close the connection of one of them at once; the others go on."""
        self._readings[number].stop()

    def interrupt(self) -> None:
        """Close all connections at once."""
        for reading in self._readings:
            reading.stop(State.INTERRUPTED)

    async def run(self) -> None:
        """Read to the end of all of them, each with its own.

        When this returns or raises, all connections are closed and what is shown is the last of it.

        Raises:
            CancelledError: It was cancelled.
        """
        if not self._has_buttons:
            self._has_buttons = True
            self._changed()  # not now, but after the time between two drawings
        try:
            async with asyncio.TaskGroup() as tasks:
                for reading in self._readings:
                    tasks.create_task(reading.run())
        finally:
            for answer in self.answers:  # one that was cancelled before its task began
                answer.end(State.INTERRUPTED)
            try:
                self._painter.finish()
            finally:
                if self._buttons is not None:
                    self._buttons.close()

    def _changed(self) -> None:
        self._painter.changed()

    def _draw(self) -> int:
        answers = self.answers
        controls = self._buttons
        if controls is not None:
            for number, answer in enumerate(answers):
                if answer.is_over:
                    controls.disable(number)
        are_over = all(answer.is_over for answer in answers)
        is_wanted = self._has_buttons and not are_over
        row = controls.bundle if controls is not None and is_wanted else None
        return self._surface.show(self._lay_out([answer.view() for answer in answers], row))
