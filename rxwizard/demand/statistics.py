"""What a reader counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """What has happened at one reader so far."""

    capacity: int
    """Items that may wait."""
    waiting: int
    """Items that wait now."""
    peak: int
    """Most items that ever waited."""
    delivered: int
    """Items the reader has taken."""
    dropped: int
    """Items lost by policy."""
    merged: int
    """Items that became part of the one before."""
    pauses: int
    """How often the source was held."""
    paused_seconds: float
    """How long the source was held, in seconds of the loop's clock."""
    weight: int = 0
    """What the waiting items weigh; 0 where the reader has no bound by weight."""
