"""What an operator costs a chunk, beside reactivex's own `map` in the same run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxwizard import StreamChunk
from rxwizard import operators as ops
from tests.benchmarks.measure import Way, cpu_per_event

Operator = Callable[[Observable[Any]], Observable[Any]]

_WORDS = ["The", " quick", " brown", " fox", " jumps", " over", " a", " lazy", " dog", ". "]


def chunks(count: int) -> list[StreamChunk]:
    """Words of prose, a chunk each."""
    return [StreamChunk(text=_WORDS[n % 10], seq=n) for n in range(count)]


def document(count: int) -> list[StreamChunk]:
    """One JSON document in so many pieces, of some five characters each."""
    pieces = ['{"items": [', *(f'"w{n:04}",' for n in range(count - 2)), '"end"]}']
    return [StreamChunk(text=piece, seq=n) for n, piece in enumerate(pieces)]


def nothing_reported(_record: object) -> None:
    """Take a report; the log would be measured."""


#: Operators, what they read, and how much one may cost: µs a chunk where `map` costs `MAP`.
BOUNDS: dict[str, tuple[Callable[[], Operator], Callable[[int], list[StreamChunk]], float]] = {
    "text": (ops.text, chunks, 1.0),
    "reasoning": (ops.reasoning, chunks, 1.0),
    "usage": (ops.usage, chunks, 1.0),
    "final": (ops.final, chunks, 1.0),
    "tool_calls": (ops.tool_calls, chunks, 1.0),
    "choice": (partial(ops.choice, 0), chunks, 1.0),
    "accumulate_text": (ops.accumulate_text, chunks, 1.0),
    "buffer": (partial(ops.buffer, count=10), chunks, 1.0),
    "accumulate": (ops.accumulate, chunks, 2.0),
    "count_tokens": (ops.count_tokens, chunks, 3.0),
    "buffer_sentences": (ops.buffer_sentences, chunks, 3.0),
    "partial_json": (ops.partial_json, document, 3.0),
    "deadline": (partial(ops.deadline, idle=100), chunks, 1.0),
    "retry_stream": (partial(ops.retry_stream, after_first_token="restart"), chunks, 2.0),
    "tap_metrics": (partial(ops.tap_metrics, nothing_reported), chunks, 3.0),
}

#: µs a chunk that a source and `map` take on the machine the bounds are for, when it is idle.
MAP = 0.24


@cache
def _made(items: Callable[[int], list[StreamChunk]], count: int) -> list[StreamChunk]:
    made = items(count)
    # What is read is not to be looked through again and again by the garbage collector.
    gc.collect()
    gc.freeze()
    return made


async def _run(operator: Operator, items: Sequence[Any], times: int) -> int:
    for _ in range(times):
        reactivex.from_iterable(items).pipe(operator).subscribe(_nothing)
    return len(items) * times


def _nothing(_item: object) -> None:
    pass


def _same(item: Any) -> Any:
    return item


async def cost(name: str, count: int = 1_000, times: int = 10, rounds: int = 5) -> dict[str, float]:
    """Measure an operator, and `map`, in µs of CPU a chunk of streams of `count` chunks."""
    make, items, _ = BOUNDS[name]
    ways: dict[str, Way] = {
        "map": partial(_run, rx.map(_same), _made(chunks, count), times),
        name: partial(_run, make(), _made(items, count), times),
    }
    return await cpu_per_event(ways, rounds)


async def growth(name: str, short: int = 1_000, long: int = 100_000) -> float:
    """Measure how many times as much a chunk costs in a long stream as in a short one."""
    make, items, _ = BOUNDS[name]
    ways: dict[str, Way] = {
        "short": partial(_run, make(), _made(items, short), long // short // 4),
        "long": partial(_run, make(), _made(items, long), 1),
    }
    times = await cpu_per_event(ways, rounds=2)
    return times["long"] / times["short"]
