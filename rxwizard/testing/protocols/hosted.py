"""Models as others host them: the events of one protocol, with the manners of another's host."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar

from rxwizard.testing.protocols.anthropic import Anthropic, AnthropicEncoder
from rxwizard.testing.protocols.base import Call, Encoder, Json, compact
from rxwizard.testing.protocols.bedrock import Bedrock, BedrockEncoder, event_message
from rxwizard.testing.protocols.gemini import Gemini

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.testing.script import StreamError, Usage


class BedrockAnthropicEncoder(AnthropicEncoder):
    """Each event is the content of a chunk; an error is the service's, not the model's."""

    def error(self, step: StreamError) -> list[bytes]:
        """Encode an exception; nothing follows it."""
        return BedrockEncoder(self.call).error(step)

    def _event(self, data: Json) -> bytes:
        return _chunk(data)


class BedrockNovaEncoder(BedrockEncoder):
    """Each event is the content of a chunk: an object whose one member is named as Converse's."""

    def _event(self, kind: str, payload: Json) -> bytes:
        return _chunk({kind: payload})


class BedrockAnthropic(Bedrock):
    """Anthropic's models at bedrock-runtime.{region}.amazonaws.com, in their own form."""

    name: ClassVar[str] = "bedrock-anthropic"
    path: ClassVar[str] = "/invoke-with-response-stream"

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return BedrockAnthropicEncoder(call, usage)

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for the version and the required fields; the URL says the model, and to stream."""
        return _complaint(body, model="", stream=True)


class BedrockNova(Bedrock):
    """Amazon's own models at the same place, in their own form."""

    name: ClassVar[str] = "bedrock-nova"
    path: ClassVar[str] = BedrockAnthropic.path

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return BedrockNovaEncoder(call, usage)


class VertexAnthropic(Gemini):
    """Anthropic's models at {region}-aiplatform.googleapis.com; errors before them are Google's."""

    name: ClassVar[str] = "vertex-anthropic"
    path: ClassVar[str] = ":streamRawPredict"
    base: ClassVar[str] = "/v1"
    content_type: ClassVar[str] = Anthropic.content_type

    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""
        return AnthropicEncoder(call, usage)

    def model_not_found(self, call: Call) -> str:
        """Give the service's words."""
        return (
            f"Publisher Model `publishers/anthropic/models/{call.model}` was not found or your "
            "project does not have access to it."
        )

    def complaint(self, _headers: Mapping[str, str], body: Json, /) -> str | None:
        """Ask for the version, the required fields, and for a stream; the URL says the model."""
        return _complaint(body, model="")


def _chunk(event: Json) -> bytes:
    return event_message("chunk", {"bytes": b64encode(compact(event).encode()).decode()})


def _complaint(body: Json, **implied: object) -> str | None:
    if "anthropic_version" not in body:
        return "anthropic_version: Field required"
    for name in implied:
        if name in body:
            return f"{name}: Extra inputs are not permitted"
    return Anthropic().complaint({"anthropic-version": ""}, {**body, **implied})
