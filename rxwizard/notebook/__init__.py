"""Notebooks: streams that are shown while they grow.

    from rxwizard.notebook import show

    response = await show(client.generate_stream("What is a stream?"))

It needs ``pip install 'rxwizard[notebook]'``. What draws is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxwizard.notebook.comparing import compare as compare
    from rxwizard.notebook.marble_diagrams import Marbles as Marbles
    from rxwizard.notebook.marble_diagrams import marbles as marbles
    from rxwizard.notebook.pressure import Backpressure as Backpressure
    from rxwizard.notebook.pressure import backpressure as backpressure
    from rxwizard.notebook.showing import show as show
    from rxwizard.notebook.timelines import Timeline as Timeline
    from rxwizard.notebook.timelines import timeline as timeline
    from rxwizard.notebook.timelines import timeline_of as timeline_of

__all__ = [
    "Backpressure",
    "Marbles",
    "Timeline",
    "backpressure",
    "compare",
    "marbles",
    "show",
    "timeline",
    "timeline_of",
]

#: The module of each name; none has the name of a function, or it would take its place.
_LAZY = {
    "Backpressure": "pressure",
    "Marbles": "marble_diagrams",
    "Timeline": "timelines",
    "backpressure": "pressure",
    "compare": "comparing",
    "marbles": "marble_diagrams",
    "show": "showing",
    "timeline": "timelines",
    "timeline_of": "timelines",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
