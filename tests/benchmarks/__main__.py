"""``make bench``: print the table."""

from __future__ import annotations

import asyncio
import sys

from tests.benchmarks import memory, speed


def _print_times(title: str, times: dict[str, float], floor: str) -> None:
    print(f"\n{title}")
    for name, time in times.items():
        print(f"  {name:<32}{time:>9.2f} µs{time / times[floor]:>9.2f} x")


def main() -> None:
    """Measure everything and print it; some two minutes."""
    result = asyncio.run(speed.whole_path(20_000, rounds=5, with_peers=True))
    _print_times("CPU per chunk, whole path; x: floors", result.times, "openai, floor")
    for body in ("openai", "anthropic"):
        print(f"  {body}: {result.above_floor(body):.2f} OpenAI floors above its own (bound 2.0)")
    print(f"  openai, five operators: {result.floors:.2f} floors (bound 3.0)")

    lengths = asyncio.run(speed.by_length((1_000, 4_000, 16_000, 64_000), rounds=3))
    _print_times("CPU per chunk, by chunks", {str(n): t for n, t in lengths.items()}, "1000")
    sizes = asyncio.run(speed.tool_arguments((64_000, 250_000, 1_000_000), rounds=3))
    _print_times("CPU per fragment, by bytes", {str(n): t for n, t in sizes.items()}, "64000")

    try:
        import uvloop
    except ImportError:
        print("\nuvloop is not installed: paced streams are not measured")
    else:
        title = f"CPU per event, {speed.STREAMS} streams at {speed.PACE} a second, uvloop"
        _print_times(title, uvloop.run(speed.paced(rounds=3)), "raw loop")
        print("  bound 2.2; a lower one takes a wake-up less: see speed.paced")

    if sys.platform == "linux":
        print(
            f"\nMemory of a paused stream: {memory.per_paused_stream() / 1000:.0f} KB (bound 100)"
        )


if __name__ == "__main__":
    main()
