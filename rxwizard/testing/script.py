"""What the simulator says: a script is a sequence of steps, and each step is a frozen value.

A script speaks of *what* happens ("some text, then the connection is reset"), never of bytes; how
each protocol writes it down is the affair of `rxwizard.testing.protocols`.

    Script(Text("Hello there."), ToolCall("now"), Finish("tool_calls"))
    Script(Text("Half an ans"), Reset())
    Script(HttpError(429, headers={"retry-after": "1"}))
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rxwizard.testing.words import Pieces, split_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UsageAt: TypeAlias = Literal["after_finish", "with_finish", "before_finish", "every_chunk", "never"]


@dataclass(frozen=True, slots=True)
class Text:
    """Visible answer, one event a piece.

    `pieces`: None splits after each word, a number into that many pieces of about equal length
    (never more than characters), a tuple of strings exactly so.
    """

    text: str
    pieces: Pieces = None

    def split(self) -> tuple[str, ...]:
        """Give the pieces in order; joined they are the text. An empty text is one empty piece."""
        return split_pieces(self.text, self.pieces)


@dataclass(frozen=True, slots=True)
class Echo:
    """Text in which `{prompt}` stands for the request's last prompt, cut to `limit` characters."""

    text: str
    limit: int = 80


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking, one event a piece; `pieces` as for `Text`.

    OpenAI's own service never shows it: there it is `reasoning_content`, as DeepSeek writes it.
    """

    text: str
    pieces: Pieces = None

    def split(self) -> tuple[str, ...]:
        """Give the pieces in order; joined they are the text."""
        return split_pieces(self.text, self.pieces)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The words of a refusal: OpenAI has a field of its own for them, elsewhere they are text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call.

    `arguments`: a mapping is sent as JSON; a string as it stands, valid or not. `id`: None makes
    one up. `fragments`: the number of events the arguments are split into; 0 sends the whole call
    in a single event where the protocol can (OpenAI dialects). Ollama always sends it whole.
    """

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict[str, object])
    id: str | None = None
    fragments: int = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """The numbers to report, in tokens; without this step words are counted.

    `prompt_tokens` is all input, cached included; `completion_tokens` all output, reasoning
    included; each protocol writes them down its own way. `usage_at` says where, for OpenAI's
    protocol, which alone leaves a choice: None does as OpenAI does (an extra chunk after the
    finish, and only when the request asks with `include_usage`), any other value overrides the
    request. "never" leaves the numbers out in every protocol. The step's place in the script does
    not matter.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_at: UsageAt | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The finish reason: a unified one becomes the protocol's own, any other is sent as it is.

    Unified: stop, length, tool_calls, content_filter, refusal, pause. What the protocol sends after
    the reason (usage, `[DONE]`, `message_stop`) follows at the end of the script, so steps between
    `Finish` and the end happen in that gap: `Finish(), Close()` closes without `[DONE]`.
    """

    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds of the loop's time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Send nothing until the test calls `exchange.release()`; each release frees one `Hold`."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A sign of life without content: an SSE comment, a `ping` event, a blank line."""

    text: str = "keep-alive"


@dataclass(frozen=True, slots=True)
class StreamError:
    """An error in mid-stream in the protocol's own shape; then the connection closes in order.

    `type` and `code` as OpenAI writes them; Anthropic's type is found from `status` or `type`.
    `status` is the HTTP status it stands for, where it is to be on the wire.
    """

    message: str
    type: str = "server_error"
    code: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """End the body too early but cleanly: the chunked encoding is complete, the answer is not."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection inside a chunk of the chunked encoding, without its terminator.

    `data`: what still arrives of that chunk; None is half an event of the protocol.
    """

    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection (TCP RST).

    A reset overtakes data: what the client has not read by then may be lost to it. A `Hold` before
    it makes sure that it has.
    """


@dataclass(frozen=True, slots=True)
class HttpError:
    """Answer with this status and no stream.

    `body`: None is the protocol's own error body for that status, a mapping is sent as JSON, text
    and bytes as they are. `content_type`: None is the one that goes with the body.
    """

    status: int
    body: bytes | str | Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly these bytes as (a part of) the body, each piece in a write of its own.

    `splits`: the offsets to cut at, ascending; or `size`: bytes a piece; neither: one write.
    `content_type`: of the response, None is the protocol's own. A script with `Raw` has no
    content steps, and nothing is added at its end.
    """

    data: bytes
    splits: tuple[int, ...] = ()
    size: int | None = None
    content_type: str | None = None

    def split(self) -> tuple[bytes, ...]:
        """Give the pieces in order, none of them empty."""
        cuts = list(self.splits)
        if self.size is not None:
            cuts = list(range(self.size, len(self.data), self.size))
        edges = [0, *cuts, len(self.data)]
        pieces = (self.data[start:end] for start, end in itertools.pairwise(edges))
        return tuple(piece for piece in pieces if piece)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Play the steps so many times; None: without end."""

    steps: Sequence[Step]
    times: int | None = None


Content: TypeAlias = Text | Echo | Reasoning | Refusal | ToolCall | KeepAlive | Finish | StreamError
Step: TypeAlias = Content | Usage | Pause | Hold | Close | Cut | Reset | HttpError | Raw | Repeat
CONTENT = (Text, Echo, Reasoning, Refusal, ToolCall, KeepAlive, Finish, StreamError)
ENDINGS = (Close, Cut, Reset, HttpError, StreamError)


@dataclass(frozen=True, slots=True, init=False)
class Script:
    """One answer: its steps, the seconds between two events, the usage to report.

    `pace`: None is the simulator's. `usage` is the same as a `Usage` step. Raises ValueError where
    the steps cannot follow each other on a wire.
    """

    steps: tuple[Step, ...]
    pace: float | None
    usage: Usage | None

    def __init__(self, *steps: Step, pace: float | None = None, usage: Usage | None = None) -> None:
        flat = list(walk(steps))
        found = [step for step in flat if isinstance(step, Usage)]
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "pace", pace)
        object.__setattr__(self, "usage", found[-1] if found else usage)
        _check(flat)

    @property
    def is_neutral(self) -> bool:
        """Whether the script can be played on any path: it leaves no byte to a protocol."""
        return all(_is_neutral(step) for step in walk(self.steps)) and self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether the script brings its own end, so that no `Finish` is added to it."""
        flat = list(walk(self.steps))
        return any(isinstance(step, (*ENDINGS, Raw)) for step in flat)

    @property
    def finish(self) -> Finish | None:
        """The `Finish` to add at the end, with the reason that fits the content; None if none."""
        flat = list(walk(self.steps))
        if self.is_closed or any(isinstance(step, Finish) for step in flat):
            return None
        if any(isinstance(step, ToolCall) for step in flat):
            return Finish("tool_calls")
        return Finish("refusal" if any(isinstance(step, Refusal) for step in flat) else "stop")


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Give the steps in order, those inside a `Repeat` once."""
    for step in steps:
        if isinstance(step, Repeat):
            yield from walk(step.steps)
        else:
            yield step


def _is_neutral(step: Step) -> bool:
    if isinstance(step, HttpError):
        return step.body is not None
    if isinstance(step, Cut):
        return step.data is not None
    return not isinstance(step, CONTENT)


def _check(flat: Sequence[Step]) -> None:
    kinds = [type(step) for step in flat]
    for position, step in enumerate(flat):
        if isinstance(step, ENDINGS) and position < len(flat) - 1:
            raise ValueError(f"nothing can follow {step!r}")
        if isinstance(step, HttpError) and not {*kinds[:position]} <= {Pause, Hold}:
            raise ValueError("only Pause and Hold can stand before HttpError")
    if Raw in kinds and any(isinstance(step, CONTENT) for step in flat):
        raise ValueError("a script with Raw has no content steps")
