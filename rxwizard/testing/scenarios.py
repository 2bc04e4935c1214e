"""The scripts a simulator without a script plays, by the name the request gives as its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from rxwizard.testing.script import (
    Cut,
    Echo,
    Finish,
    HttpError,
    Pause,
    Reasoning,
    Refusal,
    Repeat,
    Reset,
    Script,
    StreamError,
    Text,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from rxwizard.testing.exchange import Exchange

_ANSWER = Echo(
    "This is rxwizard's built-in simulator speaking, not a language model. You wrote: “{prompt}”. "
    "I cannot answer that, but I can say how these words reached you. "
    "They left a local server as bytes, one small write for each word. "
    "A decoder cut the bytes into frames, without waiting for anything. "
    "A reader turned each frame into a chunk, the same kind of value for every provider. "
    "The chunks were pushed through your operators in the order of the wire. "
    "At the end a bounded subscriber kept a few of them until you asked for the next. "
    "Had you been slow, it would have filled up, closed the gate above it, "
    "and the socket would no longer have been read; memory would not have grown."
)
_HALF = Text("This answer is going to end sooner than it")

_RECOVERED = (
    "The first request for this answer was refused, and the second one broke off in the middle. "
    "Whoever reads it to its end has recovered from both."
)


def _flaky(exchange: Exchange, number: int) -> Script:
    """Refuse the first request, break off the second; answer the third, or go on where it says."""
    refused, broken = number % 3 == 1, number % 3 == 2
    if refused:
        return Script(HttpError(529))
    if broken:
        spent = Usage(prompt_tokens=9, completion_tokens=18, usage_at="every_chunk")
        return Script(Text(_RECOVERED[: len(_RECOVERED) // 2]), Cut(), usage=spent)
    said = _last_of_assistant(exchange.json)
    return Script(Text(_RECOVERED.removeprefix(said)))


def _last_of_assistant(body: object) -> str:
    """Give what the assistant said last, in a request for chat completions."""
    conversation: Any = body
    messages: list[dict[str, Any]] = conversation["messages"]
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    return said[-1] if said else ""


Scenario: TypeAlias = Script | Callable[["Exchange", int], Script]
"""A script, or what makes one for a request and its number, from 1."""

SCENARIOS: dict[str, Scenario] = {
    "default": Script(_ANSWER),
    "reasoning": Script(
        Reasoning("The user asks the simulator. It does not think, but it can show thinking."),
        _ANSWER,
    ),
    "tools": Script(
        Text("Let me look at the weather in both places."),
        ToolCall("get_weather", {"city": "Paris", "unit": "celsius"}),
        ToolCall("get_weather", {"city": "Oslo", "unit": "celsius"}),
    ),
    "length": Script(Text("This answer stops in the middle of a"), Finish("length")),
    "refusal": Script(Refusal("I'm sorry, I can't help with that.")),
    "error": Script(_HALF, StreamError("The server had an error while processing your request.")),
    "cut": Script(_HALF, Cut()),
    # The pause lets a client on the same loop read what came before: a reset overtakes data.
    "reset": Script(_HALF, Pause(0.01), Reset()),
    "slow": Script(_ANSWER, pace=0.1),
    # Without a pace, whatever the simulator's: it is there to outrun its reader.
    "endless": Script(Repeat((Text("and so on, without an end, "),)), pace=0.0),
    "unauthorized": Script(HttpError(401)),
    "rate-limited": Script(HttpError(429, headers={"retry-after": "1"})),
    "overloaded": Script(HttpError(529)),
    "flaky": _flaky,
}
