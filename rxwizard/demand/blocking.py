"""A stream for plain synchronous code: an iterator whose loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rxwizard.errors import StreamInterruptedError

if TYPE_CHECKING:
    from types import TracebackType

    from rxwizard.demand.ring import Ring
    from rxwizard.demand.subscriber import BoundedSubscriber

T = TypeVar("T")

#: Seconds after which one who waits looks around. A Ctrl+C that comes just before a wait is seen
#: only after it; on Windows, also one that comes during it.
SIGNAL_PATIENCE = 0.25

#: Seconds that the interpreter's exit waits for a stream to close. Closing a socket takes less than
#: a thousandth of it; no operator of yours may keep the program from ending.
EXIT_PATIENCE = 2.0


class BlockingIterator(Iterator[T], Generic[T]):
    """Give a stream's items to a ``for`` loop, blocking its thread while there is none.

    The stream runs on an event loop in a thread of its own, under the bound of its reader: a slow
    body pauses the socket. Operators run in that thread, and see the context variables of the
    caller.

    Leaving the loop drops this iterator and so closes the connection at once; `close`, and the end
    of a ``with`` block, also wait until that has happened. Ctrl+C while it waits closes the stream,
    too, and so does the end of the program. One thread reads it at a time; any may close it.

    Raises while iterating:
        WizardError: The stream failed; `partial` is what had arrived.
        StreamInterruptedError: It was closed by Ctrl+C, and is read again.
        RuntimeError: An event loop runs in this thread, or another thread waits already.

    Args:
        read: Subscribes and gives the reader; called on the loop. What it raises is raised here.

    Raises:
        RuntimeError: An event loop runs in this thread, which this would block.
    """

    def __init__(self, read: Callable[[], BoundedSubscriber[T]]) -> None:
        _refuse_a_running_loop()
        opened: Future[_Session[T]] = Future()
        # A function, not a method: the thread must not keep this object alive.
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(_run, read, opened),
            name="rxwizard stream",
            daemon=True,
        )
        try:
            self._thread.start()
            while not opened.done():
                wait([opened], SIGNAL_PATIENCE)
            self._session = opened.result()
        except BaseException:
            # Ctrl+C, too: then it may be open, or open later.
            opened.add_done_callback(_leave)
            if opened.done():
                self._thread.join()
            raise
        self._ring = self._session.ring

    def __next__(self) -> T:
        ring = self._ring
        try:
            while not ring.exhausted:
                if items := ring.take_waiting(1):
                    return items[0]
                self._wait()
        except Exception:
            raise  # of this call, not of the stream
        except BaseException:
            message = "Reading was interrupted, which closed the stream."
            self._session.leave(StreamInterruptedError(message))
            raise
        self.close()
        if ring.error is not None:
            raise ring.error
        raise StopIteration

    def _wait(self) -> None:
        _refuse_a_running_loop()
        arrived = threading.Event()
        wake = arrived.set
        try:
            self._ring.call_when_ready(wake)
            while not arrived.wait(SIGNAL_PATIENCE):
                pass
        finally:
            self._ring.call_off(wake)

    def close(self) -> None:
        """Close the stream and wait until it is closed. Idempotent, from any thread."""
        self._session.leave()
        # From inside the stream, such as from an operator, it cannot be waited for.
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # No waiting here: this may run anywhere, also on the stream's own thread.
        if (session := getattr(self, "_session", None)) is not None:
            session.leave()


class _Session(Generic[T]):
    """What the two threads share: the ring, and how to end it."""

    def __init__(self, ring: Ring[T]) -> None:
        self.ring = ring
        self._loop = asyncio.get_running_loop()
        self._left = asyncio.Event()

    def leave(self, error: Exception | None = None) -> None:
        """Close the stream, without waiting; reading gives `error`, or the end. From any thread."""
        self.ring.cancel(error)
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._left.set)

    async def wait_left(self) -> None:
        """Wait until somebody calls `leave`."""
        await self._left.wait()


#: The streams that are open, by their threads.
_open: dict[threading.Thread, _Session[Any]] = {}


def _close_all() -> None:
    # A thread that the interpreter stops in its tracks may have a lock that a finaliser needs.
    for thread, session in list(_open.items()):
        session.leave()
        thread.join(EXIT_PATIENCE)


atexit.register(_close_all)


def _refuse_a_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    message = "an event loop is running here, and this would block it: use `async for`"
    raise RuntimeError(message)


def _leave(opened: Future[_Session[Any]]) -> None:
    if opened.exception() is None:
        opened.result().leave()


def _run(read: Callable[[], BoundedSubscriber[Any]], opened: Future[_Session[Any]]) -> None:
    try:
        asyncio.run(_read(read, opened))
    except BaseException as error:
        if opened.done():
            raise
        opened.set_exception(error)
    finally:
        _open.pop(threading.current_thread(), None)


async def _read(read: Callable[[], BoundedSubscriber[Any]], opened: Future[_Session[Any]]) -> None:
    async with read() as reader:
        session = _open[threading.current_thread()] = _Session(reader.ring)
        opened.set_result(session)
        await session.wait_left()
