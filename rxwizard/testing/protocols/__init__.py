"""The wire formats the simulator speaks, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.testing.protocols.anthropic import Anthropic
from rxwizard.testing.protocols.bedrock import Bedrock
from rxwizard.testing.protocols.cohere import Cohere
from rxwizard.testing.protocols.gemini import Gemini, GeminiArray
from rxwizard.testing.protocols.hosted import BedrockAnthropic, BedrockNova, VertexAnthropic
from rxwizard.testing.protocols.ollama import Ollama
from rxwizard.testing.protocols.openai import OpenAI
from rxwizard.testing.protocols.responses import Responses

if TYPE_CHECKING:
    from rxwizard.testing.protocols.base import WireProtocol

PROTOCOLS: dict[str, WireProtocol] = {
    protocol.name: protocol
    for protocol in (
        OpenAI(),
        Anthropic(),
        Ollama(),
        Responses(),
        Cohere(),
        Bedrock(),
        Gemini(),
        BedrockAnthropic(),
        VertexAnthropic(),
        # Asked at the same path as another one, which comes first: they have to be named.
        BedrockNova(),
        GeminiArray(),
    )
}


def protocol_of(path: str) -> WireProtocol | None:
    """Find the protocol whose requests go to this path; None if no one's do."""
    matches = (known for known in PROTOCOLS.values() if path.endswith(known.path))
    return next(matches, None)
