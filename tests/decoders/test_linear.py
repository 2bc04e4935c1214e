"""Four times the bytes may cost four times the work, not sixteen.

Measured as a ratio of CPU time within one run, so it holds on a slow or busy machine as well.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import pytest

from rxwizard.decoders import JSONLinesDecoder, LineDecoder, SSEDecoder

from .slicing import in_steps

if TYPE_CHECKING:
    from collections.abc import Callable

GROWTH = 4
BOUND = 8.0  # linear work gives 4, quadratic 16
NO_LIMIT = 1 << 30

DECODERS: dict[str, Callable[[], SSEDecoder | JSONLinesDecoder | LineDecoder]] = {
    "sse": lambda: SSEDecoder(NO_LIMIT),
    "jsonlines": lambda: JSONLinesDecoder(NO_LIMIT),
    "lines": lambda: LineDecoder(NO_LIMIT),
}
# What is repeated, how often, and the size of the pieces.
SHAPES: dict[str, tuple[bytes, int, int]] = {
    "one line in small pieces": (b"z", 600_000, 16),
    "one line in large pieces": (b"z", 16_000_000, 4_096),
    "one block of many lines": (b"data: xxxxxxxx\n", 40_000, 16),
    "one block of many lines, CRLF": (b"data: xxxxxxxx\r\n", 40_000, 16),
    "one comment in small pieces": (b":", 600_000, 16),
    "comments and no blank line": (b": x\n", 80_000, 16),
    "lines of no known field": (b"<p>\n", 80_000, 16),
    "blank lines": (b"\n", 300_000, 16),
    "CR alone": (b"\r", 300_000, 16),
    "small events": (b"data: {}\n\n", 40_000, 16),
    "small events at once": (b"data: {}\n\n", 100_000, 1 << 30),
    "blocks of mixed shape at once": (b"data: {}\n\n: c\n\nx\n\n", 20_000, 1 << 30),
}


def cpu_seconds(name: str, unit: bytes, times: int, step: int) -> float:
    parts = list(in_steps(unit * times, step))
    best = float("inf")
    # The collector's passes cost what the whole test process holds, not what the decoder does.
    gc.disable()
    try:
        for _ in range(3):
            decoder = DECODERS[name]()
            start = time.process_time()
            for part in parts:
                decoder.feed(part)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DECODERS)
def test_work_is_linear(name: str, shape: str) -> None:
    unit, times, step = SHAPES[shape]
    small = cpu_seconds(name, unit, times // GROWTH, step)

    assert cpu_seconds(name, unit, times, step) <= BOUND * small + 0.01
