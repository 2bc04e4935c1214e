"""Test code that streams: a simulated provider, marbles, virtual time.

    async with Simulator(Script(Text("Hello there."))) as simulator:
        ...  # any client, at simulator.endpoint("openai")

Steps are imported at once, they are plain values. What needs aiohttp or reactivex is imported when
it is first asked for, because pytest loads this package at every start, through our plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rxwizard.testing.script import Close as Close
from rxwizard.testing.script import Cut as Cut
from rxwizard.testing.script import Echo as Echo
from rxwizard.testing.script import Finish as Finish
from rxwizard.testing.script import Hold as Hold
from rxwizard.testing.script import HttpError as HttpError
from rxwizard.testing.script import KeepAlive as KeepAlive
from rxwizard.testing.script import Pause as Pause
from rxwizard.testing.script import Raw as Raw
from rxwizard.testing.script import Reasoning as Reasoning
from rxwizard.testing.script import Refusal as Refusal
from rxwizard.testing.script import Repeat as Repeat
from rxwizard.testing.script import Reset as Reset
from rxwizard.testing.script import Script as Script
from rxwizard.testing.script import Step as Step
from rxwizard.testing.script import StreamError as StreamError
from rxwizard.testing.script import Text as Text
from rxwizard.testing.script import ToolCall as ToolCall
from rxwizard.testing.script import Usage as Usage

if TYPE_CHECKING:
    from rxwizard.testing.exchange import Exchange as Exchange
    from rxwizard.testing.marbles import Played as Played
    from rxwizard.testing.marbles import assert_marbles as assert_marbles
    from rxwizard.testing.marbles import play as play
    from rxwizard.testing.scenarios import SCENARIOS as SCENARIOS
    from rxwizard.testing.simulator import Simulator as Simulator
    from rxwizard.testing.virtual_time import VirtualTimeLoop as VirtualTimeLoop
    from rxwizard.testing.virtual_time import run_in_virtual_time as run_in_virtual_time

__all__ = [
    "SCENARIOS",
    "Close",
    "Cut",
    "Echo",
    "Exchange",
    "Finish",
    "Hold",
    "HttpError",
    "KeepAlive",
    "Pause",
    "Played",
    "Raw",
    "Reasoning",
    "Refusal",
    "Repeat",
    "Reset",
    "Script",
    "Simulator",
    "Step",
    "StreamError",
    "Text",
    "ToolCall",
    "Usage",
    "VirtualTimeLoop",
    "assert_marbles",
    "play",
    "run_in_virtual_time",
]

_LAZY = {
    "Exchange": "exchange",
    "Played": "marbles",
    "SCENARIOS": "scenarios",
    "Simulator": "simulator",
    "VirtualTimeLoop": "virtual_time",
    "assert_marbles": "marbles",
    "play": "marbles",
    "run_in_virtual_time": "virtual_time",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
