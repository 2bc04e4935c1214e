"""Numbers that cannot work fail where the operator is made, not where the stream runs."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex

from rxwizard import ConfigError
from rxwizard import operators as ops


async def same(item: Any) -> Any:
    return item


COUNTS = {
    "batched": lambda count: ops.batched(count, 1),
    "bounded": ops.bounded,
    "budget": lambda count: ops.budget(tokens=count),
    "buffer": lambda count: ops.buffer(count=count),
    "buffer_words": ops.buffer_words,
    "choice": lambda index: ops.choice(index - 1),
    "map_async": lambda count: ops.map_async(same, concurrency=count),
    "map_prompts": lambda count: ops.map_prompts([], None, concurrency=count),
    "share": lambda count: ops.share(replay=count - 1),
    "zip_with": lambda count: ops.zip_with(reactivex.never(), capacity=count),
}
SECONDS = {
    "batched": lambda seconds: ops.batched(1, seconds),
    "buffer": lambda seconds: ops.buffer(seconds=seconds),
    "coalesce": ops.coalesce,
    "deadline": lambda seconds: ops.deadline(idle=seconds),
    "heartbeat": ops.heartbeat,
    "hedge": lambda seconds: ops.hedge(after=seconds),
    "race": lambda seconds: ops.race([reactivex.never()], stagger=seconds or -1),
    "smooth": ops.smooth,
    "throttle_latest": ops.throttle_latest,
}


@pytest.mark.parametrize("count", [0, -1, 1.5, float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("make", COUNTS.values(), ids=COUNTS)
def test_a_count_is_a_whole_number(make: Any, count: Any) -> None:
    with pytest.raises(ConfigError):
        make(count)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "x", True], ids=str)
@pytest.mark.parametrize("make", SECONDS.values(), ids=SECONDS)
def test_a_time_is_a_finite_number_over_zero(make: Any, seconds: Any) -> None:
    with pytest.raises(ConfigError):
        make(seconds)
