"""One stream on its way into an answer that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.demand import Overflow
from rxwizard.notebook.answer import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.demand import BoundedSubscriber
    from rxwizard.notebook.answer import Answer
    from rxwizard.stream import Stream

# Items that may wait while a page is drawn; text beyond that is merged, and nothing is held up.
_CAPACITY = 64


class Reading:
    """Reads a stream to its end, an error, or until it is stopped.

    Args:
        stream: It is subscribed to by `run`, and not before.
        answer: Takes its items, and how it ended.
        changed: Is called after each of them.
    """

    def __init__(self, stream: Stream[Any], answer: Answer, changed: Callable[[], None]) -> None:
        self.answer = answer
        self._stream = stream
        self._changed = changed
        self._reader: BoundedSubscriber[Any] | None = None

    async def run(self) -> None:
        """Read; when this returns, the connection is closed, and the answer knows how it ended.

        Raises:
            CancelledError: It was cancelled, and nothing else.
        """
        answer = self.answer
        try:
            if not answer.is_over:
                await self._read()
            answer.end(State.ENDED)
        except Exception as error:  # whatever a stream can end with is an end
            answer.end(State.FAILED, error)
        except BaseException as error:
            answer.end(State.INTERRUPTED, error)
            raise
        finally:
            self._changed()

    async def _read(self) -> None:
        options = {"name": "the display"}
        async with self._stream.open(_CAPACITY, Overflow.COALESCE, **options) as reader:
            self._reader = reader
            async for item in reader:
                self.answer.take(item)
                self._changed()

    def stop(self, state: State = State.STOPPED) -> None:
        """Close the connection at once. Idempotent; after the end it does nothing."""
        self.answer.end(state)
        if self._reader is not None:
            self._reader.cancel()
