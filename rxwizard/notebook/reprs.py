"""What IPython asks a stream and a response for when they are the last value of a cell."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from rxwizard.notebook import page
from rxwizard.notebook.answer import view_of
from rxwizard.notebook.interrupts import on_interrupt
from rxwizard.notebook.options import is_installed
from rxwizard.notebook.showing import on_surface
from rxwizard.notebook.slots import Slots, kernel

if TYPE_CHECKING:
    from rxwizard.chunks import WizardResponse
    from rxwizard.notebook.displaying import Display
    from rxwizard.notebook.page import Bundle
    from rxwizard.stream import Stream

_log = logging.getLogger("rxwizard")

# The loop itself forgets its tasks.
_tasks: set[asyncio.Task[None]] = set()

_CARD = (
    "A stream. Nothing is sent before it is read: await show(stream), or async for item in stream"
)


def show_here(stream: Stream[Any]) -> None:
    """Begin to read a stream and show it below the cell that runs, while the kernel goes on.

    An error is shown, not raised: there is nobody to raise it to. Interrupting the kernel while no
    cell runs closes the connection.

    Raises:
        NotImplementedError: Here it cannot: IPython then shows it otherwise.
    """
    if kernel() is None or not is_installed():
        raise NotImplementedError
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise NotImplementedError from None
    task = loop.create_task(_run(on_surface(stream, Slots(), is_awaited=False)))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _run(display: Display) -> None:
    with on_interrupt(display.interrupt):
        try:
            await display.run()
        except Exception:
            _log.exception("a stream could not be shown")


def stream_bundle() -> Bundle:
    """Say what a stream is, where it cannot be shown."""
    return page.note(_CARD) if is_installed() else {}


def response_bundle(response: WizardResponse) -> Bundle:
    """Lay out a response as HTML; as text it is what it prints."""
    if not is_installed():
        return {}
    return {"text/html": page.whole(view_of(response))["text/html"]}
