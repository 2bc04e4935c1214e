"""Interrupting the kernel, so that it is heard whatever the kernel does at that moment.

ipykernel notes an interrupt in a way that does not wake its loop: where a cell awaits and nothing
else happens, as with a stream that has stalled, the loop would sleep through it. And a kernel in
which no cell runs ignores the signal altogether; while a stream is shown below a cell that has
ended, the signal is for that stream.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

# Seconds after which an interrupt is heard at the latest.
_SOON = 0.2

_stops: dict[Callable[[], None], asyncio.AbstractEventLoop] = {}


@contextmanager
def interruptible(look: Callable[[], object] = lambda: None) -> Generator[None]:
    """Have the loop wake often enough to hear an interrupt of the cell that awaits.

    Args:
        look: Is called each time.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.Handle

    def wake() -> None:
        nonlocal timer
        timer = loop.call_later(_SOON, wake)
        look()

    timer = loop.call_soon(wake)
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Generator[None]:
    """Have `stop` called, on the running loop, when the kernel is interrupted while idle."""
    _stops[stop] = asyncio.get_running_loop()
    try:
        with interruptible(_take_signal):
            yield
    finally:
        del _stops[stop]
        _give_signal_back()


def _take_signal() -> None:
    # A cell that runs has it, and the kernel puts back what it found when the cell began.
    is_free = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if is_free and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupted)


def _give_signal_back() -> None:
    is_ours = signal.getsignal(signal.SIGINT) is _interrupted
    if is_ours and not _stops and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    for stop, loop in tuple(_stops.items()):
        loop.call_soon_threadsafe(stop)
