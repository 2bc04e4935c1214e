"""What the caches have in common: their bounds, and whether they can work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from rxwizard.cache.protocol import Pace
from rxwizard.errors import ConfigError

#: The longest answers of today's models are about 1 MB of text. In pieces of a token each, with the
#: time of each, that is some 4 MB.
MAX_ENTRY_BYTES = 8 * 1024 * 1024

#: What an entry counts beside its own bytes: its key, and its place.
ENTRY_COSTS = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a cache keeps, and for how long.

    Raises:
        ConfigError: One of them cannot work.
    """

    max_bytes: int
    max_age: float | None
    max_entry_bytes: int
    pace: Pace

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_entry_bytes"):
            value = getattr(self, name)
            # True is a number to Python, and never meant as one.
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name}={value!r} cannot work; it is bytes, 1 or more")
        age = self.max_age
        if age is not None and (isinstance(age, bool) or not (math.isfinite(age) and age > 0)):
            raise ConfigError(f"max_age={age!r} cannot work; it is seconds, above 0, or None")
        if self.pace not in get_args(Pace):
            raise ConfigError(f'pace={self.pace!r} cannot work; it is "full" or "original"')

    @property
    def largest(self) -> int:
        """Bytes of the largest entry there is room for."""
        return max(0, min(self.max_entry_bytes, self.max_bytes - ENTRY_COSTS))

    def oldest(self, now: float) -> float:
        """Give the time at which, or before which, an entry was stored that is too old."""
        return -math.inf if self.max_age is None else now - self.max_age
