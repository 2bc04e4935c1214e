"""What a cache is: bytes under keys, within a bound. Anything that keeps those will do."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, Protocol

Pace = Literal["full", "original"]
"""How an answer is played again.

- "full": as fast as it is read.
- "original": each chunk as long after the first one as it came then.
"""


class Cache(Protocol):
    """Keeps whole answers, each as some bytes under the key of its request.

    The methods may fail. That is logged, and the provider is asked as if there were no cache; no
    answer fails because of it.
    """

    @property
    def pace(self) -> Pace:
        """How an answer is played again."""
        ...

    @property
    def max_entry_bytes(self) -> int:
        """Bytes above which an answer is not stored; it is given up while it grows."""
        ...

    async def get(self, key: str, /) -> bytes | None:
        """Give what was stored under the key; None where there is nothing, or it is too old."""
        ...

    def put(self, key: str, entry: bytes, /) -> Awaitable[None]:
        """Store an entry, in place of another one under this key; others may have to go for it.

        It may be an ``async def``. One that begins when it is called, rather than when it is first
        awaited, is in time also where the reader leaves with the last chunk and closes the cache.
        """
        ...

    async def clear(self) -> None:
        """Forget all entries."""
        ...

    async def close(self) -> None:
        """Let go of what is open. Idempotent. Nothing is asked for after it."""
        ...
