"""One user, every wire protocol: the same scenarios, over real HTTP, under the same laws.

Who switches the provider changes one string; this is what must not change with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from rxwizard import (
    AuthenticationError,
    ChunkKind,
    FinishReason,
    Prompt,
    ProviderError,
    RateLimitError,
    RetryConfig,
    StreamChunk,
    StreamingClient,
    StreamInterruptedError,
    WizardConfig,
    WizardError,
)
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import (
    Close,
    Finish,
    Hold,
    HttpError,
    Reasoning,
    Refusal,
    Reset,
    StreamError,
    Text,
    ToolCall,
    Usage,
)
from rxwizard.testing.protocols import PROTOCOLS

if TYPE_CHECKING:
    from rxwizard import WizardResponse
    from rxwizard.testing.plugin import SimulatorFactory

#: The provider by which each of the simulator's protocols is asked.
PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "responses": "openai-responses",
    "cohere": "cohere",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "bedrock-anthropic": "bedrock-anthropic",
    "vertex-anthropic": "vertex-anthropic",
    "bedrock-nova": "bedrock-nova",
    "gemini-jsonarray": "gemini",
}
#: What the path alone does not tell from another protocol.
NAMED = {"bedrock-nova", "gemini-jsonarray"}
KEY = "sk-0123456789"
#: What has a way of its own to say no; elsewhere a refusal is text like any other.
REFUSES = {"openai", "anthropic", "responses", "bedrock-anthropic", "vertex-anthropic"}

pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)


class Asked:
    """What one stream gave: its chunks, and the error it ended with, if any."""

    def __init__(self, chunks: list[StreamChunk], error: WizardError | None) -> None:
        self.chunks = chunks
        self.error = error

    @property
    def response(self) -> WizardResponse:
        assert self.error is None, repr(self.error)
        return ResponseBuilder().add_all(self.chunks).build()


async def ask(factory: SimulatorFactory, protocol: str, *script: object) -> Asked:
    """Ask over HTTP, and hold what comes to the laws that hold for every stream."""
    simulator = await factory(*script, protocol=protocol if protocol in NAMED else None)
    provider = PROVIDERS[protocol]
    once = RetryConfig(retries=0)
    endpoint = simulator.endpoint(protocol)
    config = WizardConfig(f"{provider}:m", api_key=KEY, endpoint=endpoint, retry=once)
    chunks: list[StreamChunk] = []
    error: WizardError | None = None
    try:
        async for chunk in StreamingClient(config).generate_stream(Prompt("Hello?")):
            chunks.append(chunk)
            if len(simulator.requests) and chunk.text:
                simulator.requests[0].release()
    except WizardError as failure:
        error = failure

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.is_final for chunk in chunks[:-1]] == [False] * len(chunks[:-1])
    assert not chunks or chunks[0].kind is ChunkKind.START
    if error is None:
        assert (chunks[-1].is_final, chunks[-1].complete) == (True, True)
    else:
        assert not any(chunk.is_final for chunk in chunks)
        assert (error.provider, error.partial is None) == (provider, not chunks)
        if error.partial is not None:
            assert error.partial.text == "".join(chunk.text for chunk in chunks)
            assert error.partial.complete is False
    return Asked(chunks, error)


async def test_text(protocol: str, simulator: SimulatorFactory) -> None:
    response = (await ask(simulator, protocol, Text("Hello there, you."))).response

    assert response.text == "Hello there, you."
    assert response.finish_reason is FinishReason.STOP


async def test_reasoning_then_text(protocol: str, simulator: SimulatorFactory) -> None:
    response = (await ask(simulator, protocol, Reasoning("Let me see."), Text("Yes."))).response

    assert (response.reasoning, response.text) == ("Let me see.", "Yes.")


async def test_one_tool(protocol: str, simulator: SimulatorFactory) -> None:
    call = ToolCall("weather", {"city": "Zürich", "days": 2})
    response = (await ask(simulator, protocol, call)).response

    assert [(c.name, c.arguments, c.valid) for c in response.tool_calls] == [
        ("weather", {"city": "Zürich", "days": 2}, True)
    ]
    assert response.finish_reason is FinishReason.TOOL_CALLS
    assert response.text == ""


async def test_parallel_tools(protocol: str, simulator: SimulatorFactory) -> None:
    calls = (ToolCall("weather", {"city": "Bern"}), ToolCall("now"), ToolCall("weather", {"a": 1}))
    response = (await ask(simulator, protocol, Text("One moment."), *calls)).response

    assert [(c.index, c.name, c.arguments) for c in response.tool_calls] == [
        (0, "weather", {"city": "Bern"}),
        (1, "now", {}),
        (2, "weather", {"a": 1}),
    ]
    assert response.text == "One moment."


async def test_usage(protocol: str, simulator: SimulatorFactory) -> None:
    response = (await ask(simulator, protocol, Text("Hi."), Usage(12, 34))).response

    assert response.usage is not None
    assert response.usage.prompt_tokens == 12
    assert response.usage.completion_tokens == 34
    assert response.usage.total_tokens == 46
    assert response.usage.source == "reported"


async def test_length_limit(protocol: str, simulator: SimulatorFactory) -> None:
    response = (await ask(simulator, protocol, Text("Half a"), Finish("length"))).response

    assert response.finish_reason is FinishReason.LENGTH
    assert response.complete is True


async def test_refusal(protocol: str, simulator: SimulatorFactory) -> None:
    response = (await ask(simulator, protocol, Refusal("I will not."))).response

    assert response.text == "I will not."
    expected = FinishReason.REFUSAL if protocol in REFUSES else FinishReason.STOP
    assert response.finish_reason is expected


async def test_error_in_mid_stream(protocol: str, simulator: SimulatorFactory) -> None:
    asked = await ask(simulator, protocol, Text("Half a"), StreamError("It broke.", status=500))

    assert isinstance(asked.error, ProviderError)
    assert "It broke." in str(asked.error)


async def test_clean_early_close(protocol: str, simulator: SimulatorFactory) -> None:
    asked = await ask(simulator, protocol, Text("Half a"), Close())

    assert type(asked.error) is StreamInterruptedError
    assert asked.error.partial is not None
    assert asked.error.partial.text == "Half a"


async def test_reset(protocol: str, simulator: SimulatorFactory) -> None:
    asked = await ask(simulator, protocol, Text("Half", pieces=1), Hold(), Reset())

    assert type(asked.error) is StreamInterruptedError
    assert asked.error.partial is not None
    assert asked.error.partial.text == "Half"


async def test_http_401(protocol: str, simulator: SimulatorFactory) -> None:
    asked = await ask(simulator, protocol, HttpError(401))

    assert isinstance(asked.error, AuthenticationError)
    assert (asked.error.status, asked.error.retryable, asked.chunks) == (401, False, [])
    assert KEY not in str(asked.error)


async def test_http_429_with_a_wait(protocol: str, simulator: SimulatorFactory) -> None:
    asked = await ask(simulator, protocol, HttpError(429, headers={"retry-after": "7"}))

    assert isinstance(asked.error, RateLimitError)
    assert (asked.error.retryable, asked.error.retry_after) == (True, 7.0)
