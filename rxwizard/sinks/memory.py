"""A sink that keeps what it is given, for tests, notebooks and a look back."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from rxwizard.errors import ConfigError, SinkError

T = TypeVar("T")

# More chunks than the longest answers of today's models have tokens (128,000 at the most, several
# to a chunk). A text chunk takes some 700 bytes, so a full memory is about 70 MB.
LIMIT = 100_000


class Memory(Generic[T]):
    """Keep the last `limit` items.

    Args:
        limit: Items to keep; beyond it the oldest ones go and are counted in `dropped`. None: all,
            however many come.

    `close` keeps them, and sets `closed` and `error`; closing again changes nothing.

    Raises:
        ConfigError: `limit` is below 1.
        SinkError: From `write`, once it is closed.
    """

    def __init__(self, limit: int | None = LIMIT) -> None:
        if limit is not None and limit < 1:
            message = f"limit is 1 item or more, or None for all of them, not {limit!r}"
            raise ConfigError(message)
        self._items: deque[T] = deque(maxlen=limit)
        self._taken = 0
        self._closed = False
        self._error: BaseException | None = None

    @property
    def items(self) -> list[T]:
        """What is kept, oldest first; a new list each time."""
        return list(self._items)

    @property
    def dropped(self) -> int:
        """How many items went because newer ones came."""
        return self._taken - len(self._items)

    @property
    def closed(self) -> bool:
        """Whether the stream has ended, in whatever way."""
        return self._closed

    @property
    def error(self) -> BaseException | None:
        """Why it ended; None while it runs, and where nothing was left."""
        return self._error

    async def write(self, item: T, /) -> None:
        """Keep an item."""
        if self._closed:
            message = "this Memory is closed and keeps no more items"
            raise SinkError(message)
        self._items.append(item)
        self._taken += 1

    async def close(self, error: BaseException | None = None, /) -> None:
        """Keep how it ended."""
        if not self._closed:
            self._closed = True
            self._error = error
