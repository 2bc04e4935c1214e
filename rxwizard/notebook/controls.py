"""The Stop buttons.

A cell that awaits keeps its kernel busy, and a kernel that is busy lets clicks wait for the end of
the cell. There are two ways around it, both of them in ipykernel: it runs the messages of widgets
beside a cell that awaits, from 7.4 on; and it has subshells, threads which run the messages that
JupyterLab sends there. With an older one there is no button, rather than one that does nothing.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rxwizard.notebook.page import Bundle

#: From here on, a click is heard while the cell awaits.
_HEARS = (7, 4)

#: What is said where there is no button.
HINT = "interrupt the kernel to stop"


class Buttons:
    """A row of buttons, each of which stops one stream.

    They are widgets while they are of use; `close` leaves nothing of them in the notebook.

    Args:
        widgets: The module ipywidgets.
        names: What is to be stopped; a single one needs none.
        stop: Is called with its number, on the loop that runs now, whatever thread hears the click.
    """

    def __init__(
        self,
        widgets: Any,
        names: Sequence[str],
        stop: Callable[[int], None],
    ) -> None:
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._buttons = [
            widgets.Button(
                description=f"Stop {name}"[:40].strip(),
                tooltip="Close the connection",
                icon="stop",
                layout=widgets.Layout(width="auto"),
            )
            for name in names
        ]
        for number, button in enumerate(self._buttons):
            button.on_click(self._clicks(number))
        self._row = widgets.HBox(self._buttons)

    @property
    def bundle(self) -> Bundle:
        """What shows them; without widgets, nothing."""
        bundle: Bundle = self._row._repr_mimebundle_()
        return {**bundle, "text/plain": ""}

    def disable(self, number: int) -> None:
        """Show that there is nothing to stop any more."""
        self._buttons[number].disabled = True

    def close(self) -> None:
        """Take them away, in every page that shows them."""
        for widget in (self._row, *self._buttons):
            for part in (widget.layout, getattr(widget, "style", None), widget):
                if part is not None:
                    part.close()

    def _clicks(self, number: int) -> Callable[[Any], None]:
        def clicked(_button: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stop, number)

        return clicked


def buttons(names: Sequence[str], stop: Callable[[int], None]) -> Buttons | None:
    """Make the buttons, where a loop runs; None where there cannot be any."""
    try:
        ipykernel: Any = importlib.import_module("ipykernel")
        widgets: Any = importlib.import_module("ipywidgets")
    except ImportError:
        return None
    if tuple(ipykernel.version_info[:2]) < _HEARS:
        return None
    return Buttons(widgets, names, stop)
