from __future__ import annotations

import sys

import pytest

from tests.benchmarks import memory
from tests.benchmarks.measure import least

pytestmark = pytest.mark.benchmark


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_paused_stream_holds_at_most_100_kb() -> None:
    # The allocator may keep what others have freed.
    assert least(100_000, memory.per_paused_stream, attempts=3) <= 100_000
