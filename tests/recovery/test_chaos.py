"""Thousands of random faults, over every wire protocol, against the text the model meant to send.

What can happen is in `schedules.py`, who answers in `chaos.py`, one run in `running.py`, and what
must be true of it in `laws.py`. A failure prints the schedule, as small as it gets; ``play`` plays
it again. ``CHAOS_EXAMPLES=5000 pytest tests/recovery/test_chaos.py`` looks for the rare ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from rxwizard.testing import VirtualTimeLoop

from .answers import WIRES
from .laws import check
from .running import play
from .schedules import MODES, Guard, Mode, Schedule, schedules

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Several of them, so that the cores share the work.
FAMILIES = {
    "chat": ("openai", "mistral", "deepseek", "openrouter", "openai-compatible", "vllm"),
    "messages": ("anthropic", "bedrock-anthropic", "vertex-anthropic", "cohere"),
    "others": ("gemini", "ollama", "bedrock", "bedrock-nova", "openai-responses"),
}
GUARDS: tuple[Guard, ...] = ("hedge", "limits", "circuit")

#: Schedules a test: some five milliseconds each.
EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "200"))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Give a loop for all runs: one of its own would take longer than a run."""
    # Each retry is logged, and pytest keeps what is logged.
    logging.disable(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            yield runner
    finally:
        logging.disable(logging.NOTSET)


def hold(runner: asyncio.Runner, **drawn: Any) -> None:
    """Play many schedules, and hold each run to the laws."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        # One failure at a time, and no more about it than the schedule: the rest takes minutes.
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(schedule=schedules(**drawn))
    def holds(schedule: Schedule) -> None:
        random.seed(0)  # of the jitter
        check(runner.run(play(schedule)))

    holds()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_happens_the_laws_hold(family: str, mode: Mode, runner: asyncio.Runner) -> None:
    hold(runner, providers=FAMILIES[family], mode=mode)


@pytest.mark.parametrize("guard", GUARDS)
def test_they_hold_with_hedging_limits_and_circuits(guard: Guard, runner: asyncio.Runner) -> None:
    hold(runner, providers=tuple(WIRES), guard=guard)


def test_every_wire_is_in_a_family() -> None:
    assert sorted(name for family in FAMILIES.values() for name in family) == sorted(WIRES)
