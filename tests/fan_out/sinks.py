"""Sinks that note what happens to them."""

from __future__ import annotations

import asyncio
from typing import Any

from demand.sources import settle


class Notes:
    """Takes everything, and notes it.

    Args:
        fails_at: The number of the write that raises, counting from 0.
        seconds: How long each write takes, for virtual time.
        turns: The same, in turns of the loop.
        closing: How many turns closing takes.
        close_error: What closing raises.
    """

    def __init__(
        self,
        *,
        fails_at: int | None = None,
        error: BaseException | None = None,
        seconds: float = 0.0,
        turns: int = 0,
        closing: int = 0,
        close_error: Exception | None = None,
    ) -> None:
        self.items: list[Any] = []
        self.closed_with: list[BaseException | None] = []
        self.flushed = False
        #: When each item was taken, in seconds of the loop's clock.
        self.times: list[float] = []
        self._fails_at = fails_at
        self._error = error or OSError("no space left")
        self._seconds = seconds
        self._turns = turns
        self._closing = closing
        self._close_error = close_error

    async def write(self, item: Any) -> None:
        assert not self.closed_with
        if len(self.items) == self._fails_at:
            raise self._error
        if self._seconds:
            await asyncio.sleep(self._seconds)
        await settle(self._turns)
        self.items.append(item)
        self.times.append(asyncio.get_running_loop().time())

    async def close(self, error: BaseException | None = None) -> None:
        self.closed_with.append(error)
        await settle(self._closing)
        if self._close_error is not None:
            raise self._close_error
        self.flushed = True


class Stuck(Notes):
    """Takes some items, and then hangs.

    Args:
        after: Items taken before that.
        stubborn: Whether it does not even let itself be cancelled.
    """

    def __init__(self, after: int = 0, *, stubborn: bool = False, closes: bool = True) -> None:
        super().__init__()
        self._after = after
        self._stubborn = stubborn
        self._closes = closes
        #: Set to let a stubborn one go, so that the test leaves nothing behind.
        self.let_go = asyncio.Event()

    async def _hang(self) -> None:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                if not self._stubborn:
                    raise

    async def write(self, item: Any) -> None:
        if len(self.items) == self._after:
            await self._hang()
        await super().write(item)

    async def close(self, error: BaseException | None = None) -> None:
        await super().close(error)
        if not self._closes:
            self.flushed = False
            await self._hang()
