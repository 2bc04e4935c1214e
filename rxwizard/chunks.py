"""The values a stream is made of: frozen, validated, the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class FinishReason(StrEnum):
    """Why an answer ended, in one vocabulary for all providers.

    What the provider itself said stands beside it as `raw_finish_reason`.
    """

    STOP = "stop"  #: the model was done, or met a stop sequence
    LENGTH = "length"  #: the token limit cut it
    TOOL_CALLS = "tool_calls"  #: the model waits for the results of its tool calls
    CONTENT_FILTER = "content_filter"  #: a filter stopped the prompt or the answer
    REFUSAL = "refusal"  #: the model declined
    PAUSE = "pause"  #: a long turn was paused by the provider, to be continued
    ERROR = "error"  #: the provider ended the answer because of a failure of its own
    INTERRUPTED = "interrupted"  #: ours: the stream was cut, and that is given as a value
    CANCELLED = "cancelled"  #: ours: an operator cancelled it
    BUDGET = "budget"  #: ours: an operator's budget was spent
    OTHER = "other"  #: a reason this list does not know


class ChunkKind(StrEnum):
    """What a chunk brings."""

    START = "start"  #: the first chunk: the provider began to answer
    TEXT = "text"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    REFUSAL = "refusal"  #: its words are in `text` as well
    CITATION = "citation"  #: `data` is the provider's citation
    USAGE = "usage"
    HEARTBEAT = "heartbeat"  #: a ping or a keep-alive comment; only when asked for
    WARNING = "warning"  #: `data` is a sentence: something was odd, nothing was lost
    RETRACT = "retract"  #: what came before no longer counts; `data` says how much of it, see below
    OTHER = "other"  #: `data` is what the provider sent: server-side tools, media, the unknown
    FINAL = "final"  #: the last chunk of a stream that ended well


#: What begins an answer anew: a retraction, and a second start, by which a retry of RxPY's is seen.
BEGINS_ANEW = frozenset({ChunkKind.START, ChunkKind.RETRACT})

#: What is a part of the answer, and generated token by token.
ANSWERING = frozenset({ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.TOOL_CALL, ChunkKind.REFUSAL})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenUsage(_Value):
    """Tokens counted by the provider, meaning the same for every provider.

    None means that it was not reported, which is not zero.
    """

    prompt_tokens: int | None = None
    """All input, cached input included."""
    completion_tokens: int | None = None
    """All output, reasoning included."""
    total_tokens: int | None = None
    """The provider's own total, else the sum of the two above where both are known."""
    reasoning_tokens: int | None = None
    """The part of the output that was reasoning."""
    cached_tokens: int | None = None
    """The part of the input that was read from a cache."""
    cache_write_tokens: int | None = None
    """The part of the input that was written to a cache."""
    source: Literal["reported", "estimated"] = "reported"
    """Whether the provider said so or somebody estimated it."""
    raw: Mapping[str, Any] | None = Field(default=None, repr=False)
    """The provider's own usage object."""
    latest: TokenUsage | None = None
    """What the last request alone reported, where the answer took several; this is their sum."""
    wasted: TokenUsage | None = None
    """The part of it that went to requests of which nothing is in the answer."""

    def merge(self, newer: TokenUsage) -> TokenUsage:
        """Bring this up to date with what the provider said later in the *same* response.

        Counts are cumulative on the wire, so a newer one replaces an older one, and what the newer
        object does not mention stays. For the usage of several responses, use ``+``.
        """
        told = {
            name: value
            for name in _COUNTS
            if (value := getattr(newer, name)) is not None and name != "total_tokens"
        }
        merged = self.model_copy(update=told)
        total = newer.total_tokens
        if total is None:
            own_sum = _sum(self.prompt_tokens, self.completion_tokens)
            total = (
                _sum(merged.prompt_tokens, merged.completion_tokens)
                if self.total_tokens in (None, own_sum)
                else self.total_tokens
            )
        raw = {**(self.raw or {}), **(newer.raw or {})} or None
        return merged.model_copy(update={"total_tokens": total, "raw": raw, "source": newer.source})

    def __add__(self, other: object) -> TokenUsage:
        """Add up the usage of two *different* responses.

        A count that only one of them reports is taken as it is; `raw` is dropped, being neither's.
        One estimate makes the sum an estimate.
        """
        if not isinstance(other, TokenUsage):
            return NotImplemented
        counts: dict[str, Any] = {}
        for name in _COUNTS:
            mine, theirs = getattr(self, name), getattr(other, name)
            counts[name] = None if mine is None and theirs is None else (mine or 0) + (theirs or 0)
        both = self.source == other.source == "reported"
        wasted = [usage.wasted for usage in (self, other) if usage.wasted is not None]
        return TokenUsage(
            **counts,
            source="reported" if both else "estimated",
            wasted=wasted[0] + wasted[1] if len(wasted) > 1 else next(iter(wasted), None),
        )

    def as_wasted(self) -> TokenUsage:
        """Say of all of it that it went to requests of which nothing is in the answer."""
        whole = self.model_copy(update={"latest": None, "wasted": None, "raw": None})
        return whole.model_copy(update={"wasted": whole})


_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
)


def _sum(prompt: int | None, completion: int | None) -> int | None:
    return None if prompt is None or completion is None else prompt + completion


class ToolCallDelta(_Value):
    """A fragment of a tool call.

    `id` and `name` stand on the call's first fragment only; joining the `arguments` of one `index`
    gives its arguments as sent.
    """

    index: int = 0
    """Which call of this choice, counted from 0 in order of appearance."""
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    """A piece of JSON text."""


class ToolCall(_Value):
    """A whole tool call."""

    index: int = 0
    """Which call of this choice, counted from 0 in order of appearance."""
    id: str | None = None
    name: str | None = None
    arguments: Any = Field(default_factory=dict)
    """The parsed arguments, ``{}`` where none were sent, or the raw text where `valid` is False."""
    arguments_raw: str = ""
    """The text exactly as sent."""
    valid: bool = True
    """False where the text is not JSON, mostly because the token limit cut it."""


class RateLimit(_Value):
    """How much of one thing the provider still allows, as it says in its response headers."""

    limit: int | None = None
    """Allowed in one period."""
    remaining: int | None = None
    """Left of it."""
    reset_after: float | None = None
    """Seconds from the response until it is full again."""


class ChunkSource(_Value):
    """Where chunks come from: one object, shared by the chunks of one response."""

    provider: str = ""
    model: str = ""
    """The model that answers, as the provider names it; until it does, the one asked for."""
    response_id: str | None = None
    """The provider's id of the response."""
    request_id: str | None = None
    """The provider's id of the HTTP request, for its support."""
    attempt: int = 0
    """How many requests for the same answer came before this one."""
    requested_at: float | None = None
    """When the request was sent, in seconds of the event loop's monotonic clock."""
    rate_limit: Mapping[str, RateLimit] | None = Field(default=None, repr=False)
    """By what is limited (``requests``, ``tokens``, ...); None where the provider says nothing."""
    from_cache: bool = False
    """Whether this was answered before, and is played again."""


class StreamChunk(_Value):
    """One step of an answer.

    Exactly one chunk has `is_final`; it is the last, and a stream that fails has none. Joining
    `text` over the chunks of choice 0 of the last epoch is the visible answer: never reasoning,
    never a tool's arguments.
    """

    text: str = ""
    """Visible answer; a piece of any length, also empty."""
    is_final: bool = False
    """True on the last chunk of a stream that ended with its provider's terminal signal."""
    usage: TokenUsage | None = None
    """What the provider has counted so far; on the final chunk, all it said."""
    kind: ChunkKind = ChunkKind.TEXT
    reasoning: str = ""
    """What the model thinks aloud; not part of the answer."""
    tool_call: ToolCallDelta | None = None
    finish_reason: FinishReason | None = None
    """Why the answer ended, in our words; on the final chunk, and where a further choice ends."""
    raw_finish_reason: str | int | float | None = None
    """Why the answer ended, as the provider sent it."""
    complete: bool | None = None
    """On the final chunk: True from a provider, False where one of our operators ended it."""
    index: int = 0
    """Which content part of the answer this belongs to; 0 where the protocol has no parts."""
    choice: int = 0
    """Which of several answers to the same prompt."""
    seq: int = 0
    """Position in the stream, from 0, rising by exactly one."""
    epoch: int = 0
    """Rises where an operator starts the answer anew; only the last epoch counts. The first chunk
    of the new one is of kind retract; its `data` says what to erase: ``{"epoch": 0, "characters":
    12}``, the epoch that ended and how many characters of visible text it had brought."""
    at: float = 0.0
    """When the bytes were read, in seconds of the event loop's monotonic clock."""
    source: ChunkSource = Field(default=ChunkSource(), repr=False)
    data: Any = None
    """What belongs to the kinds citation, warning and other; with text, ``{"logprobs": ...}``; with
    Gemini's text, reasoning and calls ``{"thoughtSignature": ...}``, which it wants sent back."""
    raw: Any = Field(default=None, repr=False)
    """The provider's whole event; only with ``StreamingConfig(raw=True)``."""


class ResponseMetadata(_Value):
    """What is known about a response beside its contents."""

    provider: str = ""
    response_id: str | None = None
    request_id: str | None = None
    attempt: int = 0
    time_to_first_token: float | None = None
    """Seconds from sending the request to the first text, reasoning or tool call."""
    duration: float | None = None
    """Seconds from sending the request to the last chunk."""
    rate_limit: Mapping[str, RateLimit] | None = None
    """By what is limited (``requests``, ``tokens``, ...); None where the provider says nothing."""
    from_cache: bool = False
    """Whether this was answered before, and came from the cache."""


class Choice(_Value):
    """A further answer to the same prompt (the first is the response itself)."""

    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | int | float | None = None


class WizardResponse(_Value):
    """A whole answer, or what had arrived of one."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | int | float | None = None
    usage: TokenUsage | None = None
    model: str = ""
    complete: bool = False
    """True only after the provider's terminal signal."""
    choices: tuple[Choice, ...] = ()
    """The further answers, where several were asked for; without the first, which is this one."""
    citations: tuple[Any, ...] = ()
    """The provider's citations, as sent."""
    truncated: bool = False
    """True where this stopped growing at its memory limit while the stream went on."""
    metadata: ResponseMetadata = ResponseMetadata()

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:
        # By its name: whatever lays out a response imports this module.
        bundle: dict[str, Any] = import_module("rxwizard.notebook.reprs").response_bundle(self)
        return bundle


_new = object.__new__
_set_dict = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
_TEXT_FIELDS_SET = {"text", "index", "seq", "at", "source"}


class _Fields:
    """What has attributes of its own keeps their names with its class, and so do copies of them.

    A dict that has its names itself takes half as much again, and most of what waits for a slow
    reader is dicts of chunks.
    """


def text_template(source: ChunkSource, *, index: int = 0) -> dict[str, Any]:
    """Make the fields that all plain text chunks of one content part have in common."""
    fields = _Fields()
    for name, value in {**StreamChunk().__dict__, "source": source, "index": index}.items():
        setattr(fields, name, value)
    return vars(fields)


def text_chunk(template: dict[str, Any], text: str, seq: int, at: float) -> StreamChunk:
    """Make a chunk of choice 0 that brings `text` and nothing else, without validating it.

    The caller vouches for the types. Nine of ten chunks are of this kind, and validating costs
    0.9 µs of the 1.3 this saves (`model_construct` costs more than validation). It sets the four
    slots that pydantic documents for `BaseModel.__setstate__`; a test compares the result with the
    validated chunk field by field.
    """
    fields = template.copy()
    fields["text"] = text
    fields["seq"] = seq
    fields["at"] = at
    return _chunk(fields, _TEXT_FIELDS_SET)


def altered(chunk: StreamChunk, **fields: Any) -> StreamChunk:
    """Make a chunk that differs from another in these fields, without validating them.

    The caller vouches for them, as for `text_chunk`. A fifth of what `model_copy` costs, for
    operators that alter every chunk.
    """
    return _chunk(chunk.__dict__ | fields, chunk.model_fields_set | fields.keys())


def _chunk(fields: dict[str, Any], fields_set: set[str]) -> StreamChunk:
    chunk = _new(StreamChunk)
    _set_dict(chunk, fields)
    _set_fields_set(chunk, fields_set)
    _set_extra(chunk, None)
    _set_private(chunk, None)
    return chunk
