"""``make bench``: print the table."""

from __future__ import annotations

import asyncio
import sys

from tests.benchmarks import flow, memory, operating, speed


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

    _print_flow()
    _print_operators()

    if sys.platform == "linux":
        print(
            f"\nMemory of a paused stream: {memory.per_paused_stream() / 1000:.0f} KB (bound 100)"
        )
        grown = memory.grown_while_asleep() / 1e6
        print(f"Grown while 100 MB meet a sleeping reader: {grown:.1f} MB (bound 5)")


def _print_flow() -> None:
    times = asyncio.run(flow.hand_over(100_000, rounds=5))
    _print_times("CPU per item, from a source to a reader", times, "asyncio.Queue")
    numbers = (1, 10, 100)
    times = asyncio.run(flow.fanned_out(2_000, rounds=3, numbers_of_sinks=numbers))
    _print_times("CPU per chunk, fanned out", times, "asyncio.Queue")
    for number in numbers[1:]:
        beyond = flow.beyond_the_first(times, number)
        print(f"  {beyond:.2f} µs for each (chunk, sink) beyond the first of {number} (bound 1.5)")


def _print_operators() -> None:
    print("\nCPU per chunk, source and operator; x: that of map")
    for name, (_, _, bound) in operating.BOUNDS.items():
        times = asyncio.run(operating.cost(name))
        ratio = times[name] / times["map"]
        print(
            f"  {name:<32}{times[name]:>9.2f} µs{ratio:>9.2f} x (bound {bound / operating.MAP:.1f})"
        )


if __name__ == "__main__":
    main()
