"""Four times the bytes may cost four times the work, not sixteen.

Measured as a ratio of CPU time within one run, so it holds on a slow or busy machine as well.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import pytest
from amazon import event

from rxwizard.decoders import (
    EventStreamDecoder,
    JSONArrayDecoder,
    JSONLinesDecoder,
    LineDecoder,
    SSEDecoder,
)

from .slicing import in_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.decoders import Decoder

GROWTH = 4
BOUND = 8.0  # linear work gives 4, quadratic 16
ATTEMPTS = 3  # what the allocator does for a large body in a large process can spoil one
NO_LIMIT = 1 << 30

DECODERS: dict[str, Callable[[], Decoder[Any]]] = {
    "sse": lambda: SSEDecoder(NO_LIMIT),
    "jsonlines": lambda: JSONLinesDecoder(NO_LIMIT),
    "jsonarray": lambda: JSONArrayDecoder(NO_LIMIT),
    "lines": lambda: LineDecoder(NO_LIMIT),
}
# What is repeated, how often, and the size of the pieces.
SHAPES: dict[str, tuple[bytes, int, int]] = {
    "one line in small pieces": (b"z", 300_000, 16),
    "one line in large pieces": (b"z", 8_000_000, 4_096),
    "one block of many lines": (b"data: xxxxxxxx\n", 20_000, 16),
    "one block of many lines, CRLF": (b"data: xxxxxxxx\r\n", 20_000, 16),
    "one comment in small pieces": (b":", 300_000, 16),
    "comments and no blank line": (b": x\n", 40_000, 16),
    "lines of no known field": (b"<p>\n", 40_000, 16),
    "blank lines": (b"\n", 150_000, 16),
    "CR alone": (b"\r", 150_000, 16),
    "small events": (b"data: {}\n\n", 20_000, 16),
    "small events at once": (b"data: {}\n\n", 50_000, 1 << 30),
    "array elements in small pieces": (b'{"a":"\\""},', 20_000, 16),
    "brackets and no end": (b'{"', 150_000, 16),
    "blocks of mixed shape at once": (b"data: {}\n\n: c\n\nx\n\n", 20_000, 1 << 30),
}


def cpu_seconds(make: Callable[[], Decoder[Any]], wire: bytes, step: int) -> float:
    parts = list(in_steps(wire, step))
    best = float("inf")
    # The collector's passes cost what the whole test process holds, not what the decoder does.
    gc.disable()
    try:
        for _ in range(3):
            decoder = make()
            start = time.process_time()
            for part in parts:
                decoder.feed(part)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


def is_linear(make: Callable[[], Decoder[Any]], small: bytes, large: bytes, step: int) -> bool:
    """Tell whether `large`, which is GROWTH times `small`, costs no more than it may.

    Measured anew where it does not: noise can make linear work look worse, and not quadratic work
    better.
    """
    return any(
        cpu_seconds(make, large, step) <= BOUND * cpu_seconds(make, small, step) + 0.01
        for _ in range(ATTEMPTS)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DECODERS)
def test_work_is_linear(name: str, shape: str) -> None:
    unit, times, step = SHAPES[shape]

    assert is_linear(DECODERS[name], unit * (times // GROWTH), unit * times, step)


#: A wire of so many bytes, roughly, and the size of the pieces.
MESSAGES: dict[str, tuple[Callable[[int], bytes], int, int]] = {
    "one message in small pieces": (lambda size: event("x", b"z" * size), 2_000_000, 16),
    "one message in large pieces": (lambda size: event("x", b"z" * size), 16_000_000, 4_096),
    "small messages in small pieces": (
        lambda size: event("x", b"{}") * (size // 80),
        1_600_000,
        16,
    ),
    "small messages at once": (lambda size: event("x", b"{}") * (size // 80), 4_000_000, 1 << 30),
}


@pytest.mark.parametrize("shape", MESSAGES)
def test_work_on_binary_messages_is_linear(shape: str) -> None:
    wire, size, step = MESSAGES[shape]

    assert is_linear(lambda: EventStreamDecoder(NO_LIMIT), wire(size // GROWTH), wire(size), step)
