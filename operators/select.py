"""What a chunk brings, by itself: text, reasoning, tool calls, usage, the end, one choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.chunks import BEGINS_ANEW, ChunkKind, StreamChunk, TokenUsage, ToolCall, altered
from rxwizard.fold import ToolCallBuilder
from rxwizard.operators.making import Operator, Steps, check_count, choose, lift
from rxwizard.operators.retracting import retracting

if TYPE_CHECKING:
    from collections.abc import Iterable


def text() -> Operator[StreamChunk, str]:
    """Give the visible text of choice 0, piece by piece; chunks without any are dropped.

    Joining the pieces gives the answer, the words of a refusal included; never reasoning, never a
    tool's arguments.

    A string that was given cannot be taken back: where the answer is begun anew (a retraction, a
    newer epoch, a second start), the pieces of the old answer stand before those of the new one.
    What can erase takes `accumulate_text`, which gives the text so far and so begins again, or the
    chunks themselves; what cannot (a voice, a pipe) wants a stream that is never begun anew, as is
    the default after the first token.

    .. marble::
        --s--a--r--b--f|
        [    text()    ]
        -----H-----i---|

    Emits non-empty strings, in the order of the wire. Nothing is held back: completion and errors
    pass through at once, and disposing lets go of the source at once.

    Example:
        >>> reactivex.of(StreamChunk(text="H"), StreamChunk(reasoning="hm")).pipe(ops.text()).run()
        'H'
    """

    def visible(chunk: StreamChunk) -> str | None:
        return None if chunk.choice else chunk.text or None

    return choose(visible)


def reasoning() -> Operator[StreamChunk, str]:
    """Give what the model thinks aloud for choice 0, piece by piece.

    Like `text`, but for the reasoning, which is no part of the answer; also where that is begun
    anew.

    .. marble::
        --s--r--a--r--f|
        [ reasoning()  ]
        -----H-----m---|

    Emits non-empty strings, in the order of the wire. Nothing is held back: completion and errors
    pass through at once, and disposing lets go of the source at once.

    Example:
        >>> reactivex.of(StreamChunk(reasoning="hm")).pipe(ops.reasoning()).run()
        'hm'
    """

    def thought(chunk: StreamChunk) -> str | None:
        return None if chunk.choice else chunk.reasoning or None

    return choose(thought)


def usage() -> Operator[StreamChunk, TokenUsage]:
    """Give what the provider has counted, each time it says something new.

    .. marble::
        --s--u--u--v--f|
        [   usage()    ]
        -----U-----V---|

    Emits each `TokenUsage` that differs from the one before: cumulative, as it stands so far, so
    the last one counts. Where the answer took several attempts, it is their sum; `latest` is the
    last one's own, and `wasted` what went to those of which nothing is left. Nothing is held back:
    completion and errors pass through at once, and disposing lets go of the source at once.

    Example:
        >>> counted = StreamChunk(usage=TokenUsage(completion_tokens=7))
        >>> reactivex.of(counted, counted).pipe(ops.usage()).run().completion_tokens
        7
    """

    def begin() -> Steps[StreamChunk, TokenUsage]:
        last: TokenUsage | None = None

        def newer(chunk: StreamChunk) -> Iterable[TokenUsage]:
            nonlocal last
            if chunk.usage is None or chunk.usage == last:
                return ()
            last = chunk.usage
            return (last,)

        return Steps(newer)

    return lift(begin)


def final() -> Operator[StreamChunk, StreamChunk]:
    """Give the last chunk of a stream that ended well, and nothing else.

    It has the finish reasons, the usage, and `complete`.

    .. marble::
        --s--a--b--f|
        [  final()  ]
        -----------f|

    Emits one chunk, or none where the source has none with `is_final`. Nothing is held back:
    completion and errors pass through at once, and disposing lets go of the source at once.

    Example:
        >>> end = StreamChunk(is_final=True, finish_reason="stop", complete=True)
        >>> reactivex.of(StreamChunk(text="H"), end).pipe(ops.final()).run().finish_reason.value
        'stop'
    """

    def last(chunk: StreamChunk) -> StreamChunk | None:
        return chunk if chunk.is_final else None

    return choose(last)


def tool_calls() -> Operator[StreamChunk, ToolCall]:
    """Give the tool calls of choice 0, each when it is complete.

    A call is complete when another one begins and its arguments are whole, else when the answer
    ends. So what comes here can be run. A call that the token limit cut has `valid` False; one that
    is lost with its connection does not come at all (it is in the error's `partial`).

    .. marble::
        --s--a--b--c--f-|
        [ tool_calls()  ]
        -----------A--C-|

    Emits `ToolCall` values, each once, in the order in which they became complete. It holds the
    calls that are not complete, each as long as its arguments. At completion they come, too; before
    an error, those come whose arguments are whole. A newer epoch, a second start or a retraction
    drops what is held; a call that was given before stays given, and the new answer's are given as
    well. What must not be run for an answer that is taken back waits for `collect`. Disposing lets
    go of the source at once.

    Example:
        >>> call = ToolCallDelta(name="now", arguments="{}")
        >>> reactivex.of(StreamChunk(tool_call=call)).pipe(ops.tool_calls()).run().name
        'now'
    """

    def begin() -> Steps[StreamChunk, ToolCall]:
        calls = _Calls()
        return Steps(calls.take, rest=calls.all, rest_of_failed=calls.whole)

    return lift(begin)


class _Calls:
    """The calls that are not complete yet."""

    def __init__(self) -> None:
        self._held: dict[int, ToolCallBuilder] = {}
        self._epoch = 0

    def take(self, chunk: StreamChunk) -> list[ToolCall]:
        if chunk.epoch > self._epoch or chunk.kind in BEGINS_ANEW:
            self._epoch = chunk.epoch
            self._held.clear()
        if chunk.choice:
            return []
        if chunk.is_final:
            return self.all()
        delta = chunk.tool_call
        if delta is None:
            return []
        # Calls may come interleaved: only those that are whole are over when another one begins.
        over = self.whole() if delta.index not in self._held else []
        self._held.setdefault(delta.index, ToolCallBuilder()).add(delta)
        return over

    def whole(self) -> list[ToolCall]:
        return self._release([index for index, call in self._held.items() if call.is_whole])

    def all(self) -> list[ToolCall]:
        return self._release(list(self._held))

    def _release(self, indexes: list[int]) -> list[ToolCall]:
        return [self._held.pop(index).build(index) for index in indexes]


#: What is said once for all choices, as part of the first.
_COMMON = {
    *(ChunkKind.START, ChunkKind.USAGE, ChunkKind.HEARTBEAT),
    *(ChunkKind.WARNING, ChunkKind.RETRACT, ChunkKind.FINAL),
}


def choice(index: int) -> Operator[StreamChunk, StreamChunk]:
    """Give one of several answers to the same prompt as if it were the only one.

    What follows sees chunks of choice 0: ``stream.pipe(ops.choice(1), ops.text())``. Start, usage,
    warnings, retractions and the final chunk belong to each of them; the final chunk has the finish
    reasons of this one, and a retraction the number of its characters.

    .. marble::
        --s--a--b--c--f|
        [  choice(1)   ]
        --s-----B-----f|

    Emits the chunks of that choice, with `seq` counted anew. Nothing is held back: completion and
    errors pass through at once, and disposing lets go of the source at once.

    Args:
        index: Which answer, from 0.

    Raises:
        ConfigError: The index is below 0.

    Example:
        >>> answers = StreamChunk(text="Hi"), StreamChunk(text="Ciao", choice=1)
        >>> reactivex.of(*answers).pipe(ops.choice(1), ops.text()).run()
        'Ciao'
    """
    check_count("choice", 0, index=index)

    def begin() -> Steps[StreamChunk, StreamChunk]:
        seq = -1
        epoch = shown = 0
        reasons: dict[str, Any] = {}

        def take(chunk: StreamChunk) -> Iterable[StreamChunk]:
            nonlocal seq, epoch, shown, reasons
            if chunk.epoch > epoch or chunk.kind in BEGINS_ANEW:
                if index:
                    chunk = retracting(chunk, shown)
                epoch, shown, reasons = chunk.epoch, 0, {}
            mine = chunk.choice == index
            if not mine and (chunk.choice or chunk.kind not in _COMMON):
                return ()
            seq += 1
            if mine and index:
                shown += len(chunk.text)
            if mine and chunk.finish_reason is not None:
                reasons = {name: getattr(chunk, name) for name in _REASONS}
            if chunk.is_final and not mine:
                return (altered(chunk, seq=seq, **(reasons or dict.fromkeys(_REASONS))),)
            if chunk.seq == seq and not chunk.choice:
                return (chunk,)
            return (altered(chunk, seq=seq, choice=0),)

        return Steps(take)

    return lift(begin)


_REASONS = ("finish_reason", "raw_finish_reason")
