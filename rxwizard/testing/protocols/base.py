"""What every wire format has in common. Nothing here does IO: steps in, bytes out.

To add a protocol: one file with a `WireProtocol` and its `Encoder`, one line in `PROTOCOLS`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from rxwizard.testing.script import (
    Content,
    Echo,
    KeepAlive,
    Reasoning,
    Refusal,
    StreamError,
    Text,
    ToolCall,
    Usage,
)
from rxwizard.testing.words import count_words, shorten, split_evenly, split_words

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """What an encoder knows of a request.

    `number` counts the simulator's requests from 1; `created` is in seconds since the epoch;
    `named` is the model that the URL names, in the protocols that have it there.
    """

    body: Json
    number: int = 1
    created: float = 0.0
    named: str = ""

    @property
    def model(self) -> str:
        """The model asked for; empty if the request names none."""
        model = self.named or self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def prompts(self) -> list[str]:
        """The texts of all messages in order, the system prompt first; other parts are left out."""
        system = self.body.get("system") or self.body.get("instructions")
        system = system or as_object(self.body.get("systemInstruction")).get("parts")
        texts = [text_of(system)] if system else []
        messages = mappings(self.body, "messages") or mappings(self.body, "input")
        texts += [text_of(message.get("content")) for message in messages]
        texts += [text_of(content.get("parts")) for content in mappings(self.body, "contents")]
        said = self.body.get("input")
        return [*texts, said] if isinstance(said, str) and not messages else texts

    @property
    def last_prompt(self) -> str:
        """The text of the last message, empty if there is none."""
        prompts = self.prompts
        return prompts[-1] if prompts else ""


class Encoder(ABC):
    """Turn the steps of one answer into the writes that carry them.

    Each item of a returned list is one event, to be written on its own. Not to be shared between
    answers: it counts.
    """

    def __init__(self, call: Call, usage: Usage | None = None) -> None:
        self.call = call
        self._fixed = usage
        self._prompted = sum(count_words(prompt) for prompt in call.prompts)
        self._said = 0
        self._thought = 0

    @property
    def usage(self) -> Usage:
        """The numbers as they stand now: those of the script, else words counted so far."""
        if self._fixed is not None:
            return self._fixed
        thought = self._thought or None
        return Usage(self._prompted, self._said, reasoning_tokens=thought)

    def encode(self, step: Content) -> list[bytes]:
        """Encode one step; an opening that is due (a role, `message_start`) goes before it."""
        match step:
            case Text():
                return self._each(self.text, step.split())
            case Echo():
                prompt = shorten(self.call.last_prompt, step.limit)
                return self._each(self.text, split_words(step.text.replace("{prompt}", prompt)))
            case Reasoning():
                return self._each(self.reasoning, step.split(), thought=True)
            case Refusal():
                return self._each(self.refusal, split_words(step.text))
            case ToolCall():
                self._said += count_words(arguments_text(step)) + 1
                return self.tool_call(step)
            case KeepAlive():
                return self.keep_alive(step.text)
            case StreamError():
                return self.error(step)
            case _:
                return self.finish(step.reason)

    def _each(
        self,
        encode: Callable[[str], list[bytes]],
        pieces: tuple[str, ...],
        *,
        thought: bool = False,
    ) -> list[bytes]:
        events: list[bytes] = []
        for piece in pieces:
            # Counted piece by piece, so that usage on every chunk grows as the answer does.
            words = count_words(piece)
            self._said += words
            self._thought += words if thought else 0
            events += encode(piece)
        return events

    def partial(self) -> bytes:
        """Give the first half of an event: what a cut connection still delivers."""
        event = self.text(" unfinished")[0]
        return event[: len(event) // 2]

    @abstractmethod
    def text(self, piece: str) -> list[bytes]:
        """Encode one piece of visible text."""

    @abstractmethod
    def reasoning(self, piece: str) -> list[bytes]:
        """Encode one piece of thinking."""

    def refusal(self, piece: str) -> list[bytes]:
        """Encode one piece of a refusal: text, where the protocol has nothing better."""
        return self.text(piece)

    @abstractmethod
    def tool_call(self, step: ToolCall) -> list[bytes]:
        """Encode one whole tool call."""

    @abstractmethod
    def keep_alive(self, text: str, /) -> list[bytes]:
        """Encode a sign of life."""

    @abstractmethod
    def error(self, step: StreamError) -> list[bytes]:
        """Encode an error in mid-stream."""

    @abstractmethod
    def finish(self, reason: str) -> list[bytes]:
        """Encode the finish reason, unified or raw."""

    @abstractmethod
    def end(self) -> list[bytes]:
        """Encode what follows the finish reason at the very end of the stream."""


class WireProtocol(ABC):
    """One vendor's HTTP interface, apart from the stream itself."""

    name: ClassVar[str]
    #: How the path of a request in this protocol ends.
    path: ClassVar[str]
    #: What this vendor's own SDK takes after the origin as its base URL.
    base: ClassVar[str]
    content_type: ClassVar[str]

    @abstractmethod
    def encoder(self, call: Call, usage: Usage | None = None) -> Encoder:
        """Make the encoder of one answer."""

    @abstractmethod
    def headers(self, call: Call, /) -> dict[str, str]:
        """Give the headers that every response carries, errors included."""

    @abstractmethod
    def error_body(self, status: int, message: str | None, call: Call, /) -> Json:
        """Give the error body for an HTTP status; `message` None: the vendor's usual words."""

    @abstractmethod
    def complaint(self, headers: Mapping[str, str], body: Json, /) -> str | None:
        """Say what the vendor would refuse this request for with status 400; None: nothing."""

    def model_not_found(self, call: Call) -> str:
        """Give the vendor's words for an unknown model, status 404."""
        return f"The model `{call.model}` does not exist or you do not have access to it."

    def model_in(self, _path: str, /) -> str:
        """Give the model that a request's path names, percent-encoded as it came; empty if none."""
        return ""

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """Give the key a request carries, None if it has none."""
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" else None


def compact(value: object) -> str:
    """Write JSON as the vendors do: no spaces, characters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def arguments_text(step: ToolCall) -> str:
    """Give the arguments as text: a string as it stands, a mapping as JSON."""
    return step.arguments if isinstance(step.arguments, str) else compact(dict(step.arguments))


def argument_pieces(step: ToolCall) -> tuple[str, ...]:
    """Give the arguments in as many pieces as the step asks for; none if there is no text."""
    text = arguments_text(step)
    return split_evenly(text, step.fragments) if text else ()


def text_of(content: object) -> str:
    """Give the text of a message's content: a string, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (as_object(part).get("text") for part in cast("list[object]", content))
    return " ".join(text for text in texts if isinstance(text, str))


def mappings(body: Json, key: str) -> list[Json]:
    """Give the items of a list in the body as objects; an empty list for anything else."""
    items = body.get(key)
    if not isinstance(items, list):
        return []
    return [as_object(item) for item in cast("list[object]", items)]


def as_object(value: object) -> Json:
    """Give a JSON object as it is, and an empty one for anything else."""
    return cast("Json", value) if isinstance(value, dict) else {}
