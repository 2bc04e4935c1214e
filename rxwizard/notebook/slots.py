"""Where a notebook shows things: outputs below a cell, each of which can be shown anew."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from rxwizard.notebook.page import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.notebook.page import Bundle


class Surface(Protocol):
    """What a page is shown on."""

    def show(self, bundles: Sequence[Bundle], /) -> int:
        """Show these, one below the other, in place of what was shown; give how much was sent."""
        ...


class Slots:
    """The outputs of the cell that runs, or has run, where this is made.

    One whose content stays the same is left alone: what a reader has unfolded there stays so.
    What is saved with the notebook is what was shown last.
    """

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._shown: list[Bundle] = []

    def show(self, bundles: Sequence[Bundle], /) -> int:
        """Show these; give the characters of HTML that were sent."""
        display: Any = import_module("IPython.display").display
        sent = 0
        # An output cannot be taken away again; one too many is left empty.
        wanted = [*bundles, *[NOTHING] * (len(self._handles) - len(bundles))]
        for number, bundle in enumerate(wanted):
            if number == len(self._handles):
                self._handles.append(display(bundle, raw=True, display_id=True))
                self._shown.append(bundle)
            elif self._shown[number] == bundle:
                continue
            else:
                self._handles[number].update(bundle, raw=True)
                self._shown[number] = bundle
            sent += len(bundle.get("text/html", ""))
        return sent


def kernel() -> Any:
    """Give the kernel of the notebook in which this runs; None: it runs in none."""
    # What is not imported yet does not run this. Without a type: what a kernel adds to the shell,
    # IPython does not know.
    ipython: Any = sys.modules.get("IPython")
    return None if ipython is None else getattr(ipython.get_ipython(), "kernel", None)
