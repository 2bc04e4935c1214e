"""What a reader does when more arrives than it can take: the policies, and a ring for each."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any, TypeVar, cast

from rxwizard.demand.ring import Ring
from rxwizard.demand.weighed import (
    MAX_MERGED_WEIGHT,
    CoalesceRing,
    DropNewestRing,
    DropOldestRing,
    ErrorRing,
    Merge,
    Weigh,
    WeighedRing,
)
from rxwizard.errors import ConfigError

T = TypeVar("T")


class Overflow(StrEnum):
    """What happens to an item that finds its reader full."""

    PAUSE = "pause"  #: nothing is lost: the source is held until there is room
    COALESCE = "coalesce"  #: nothing is lost: neighbours are merged into one; right for displays
    DROP_OLDEST = "drop_oldest"  #: the longest waiting item makes room
    DROP_NEWEST = "drop_newest"  #: the new item is dropped
    LATEST = "latest"  #: only the newest item waits
    ERROR = "error"  #: the stream ends with a BufferOverflowError


def make_ring(
    capacity: int,
    overflow: Overflow | str = Overflow.PAUSE,
    *,
    merge: Merge[T] | None = None,
    weigh: Weigh[T] | None = None,
    max_weight: int | None = None,
    low: int | None = None,
    name: str = "reader",
) -> Ring[T]:
    """Make the ring of a policy; `BoundedSubscriber` says what the arguments mean.

    Raises:
        ConfigError: They cannot work, or the policy misses what it needs.
    """
    policy = checked_policy(
        capacity, overflow, merge=merge, weigh=weigh, max_weight=max_weight, low=low, name=name
    )
    limit = sys.maxsize if max_weight is None else max_weight
    match policy:
        case Overflow.PAUSE if max_weight is None:
            return Ring(capacity, low=low, name=name)
        case Overflow.PAUSE:
            return WeighedRing(capacity, weigh=weigh, max_weight=limit, low=low, name=name)
        case Overflow.DROP_OLDEST:
            return DropOldestRing(capacity, weigh=weigh, max_weight=limit, name=name)
        case Overflow.LATEST:
            return DropOldestRing(1, name=name)
        case Overflow.DROP_NEWEST:
            return DropNewestRing(capacity, weigh=weigh, max_weight=limit, name=name)
        case Overflow.ERROR:
            return ErrorRing(capacity, weigh=weigh, max_weight=limit, name=name)
        case Overflow.COALESCE:
            limit = MAX_MERGED_WEIGHT if max_weight is None else max_weight
            return CoalesceRing(
                capacity,
                merge=cast("Merge[T]", merge),  # or it would not have been a policy
                weigh=weigh,
                max_weight=limit,
                low=low,
                name=name,
            )


def checked_policy(
    capacity: int,
    overflow: Overflow | str = Overflow.PAUSE,
    *,
    merge: Merge[Any] | None = None,
    weigh: Weigh[Any] | None = None,
    max_weight: int | None = None,
    low: int | None = None,
    name: str = "reader",
) -> Overflow:
    """Give the policy, if a reader can be made of these; for those who make it later.

    Raises:
        ConfigError: They cannot work, or the policy misses what it needs.
    """
    try:
        policy = Overflow(overflow)
    except ValueError:
        message = f"there is no overflow policy {overflow!r}; there are: {', '.join(Overflow)}"
        raise ConfigError(message) from None
    complaint: str | None = None
    if not _is_whole(capacity, 1):
        complaint = f"a capacity of {capacity} cannot work; it must be 1 or more"
    elif low is not None and not (_is_whole(low, 0) and low < capacity):
        complaint = f"a low mark of {low} cannot work; it must be from 0 to below the capacity"
    elif max_weight is not None and not _is_whole(max_weight, 1):
        complaint = f"a max_weight of {max_weight} cannot work; it must be 1 or more"
    elif policy is Overflow.COALESCE and merge is None:
        complaint = "coalesce needs a merge function for items of this kind"
    elif max_weight is not None and weigh is None and policy is not Overflow.COALESCE:
        complaint = "max_weight needs weigh, which gives an item's weight"
    if complaint is not None:
        raise ConfigError(f"{name}: {complaint}")
    return policy


def _is_whole(number: object, least: int) -> bool:
    return isinstance(number, int) and number >= least
