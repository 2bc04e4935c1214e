"""The words of an answer: its text, its reasoning, the answer as it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.chunks import ChunkKind, StreamChunk
from rxwizard.operators.making import Operator, Steps, choose, lift

if TYPE_CHECKING:
    from collections.abc import Generator


def text() -> Operator[StreamChunk, str]:
    """Give the visible text of choice 0, piece by piece; chunks without any are dropped.

    Joining the pieces gives the answer, the words of a refusal included; never reasoning, never a
    tool's arguments. Where an operator upstream starts the answer anew (a newer epoch), the pieces
    of both epochs come; `accumulate` tells them apart.

    .. marble::
        --s--a--r--b--f|
        [    text()    ]
        -----H-----i---|

    Emits non-empty strings, in the order of the wire. Nothing is held back: completion and errors
    pass through at once, and disposing lets go of the source at once.
    """

    def visible(chunk: StreamChunk) -> str | None:
        return None if chunk.choice else chunk.text or None

    return choose(visible)


def reasoning() -> Operator[StreamChunk, str]:
    """Give what the model thinks aloud for choice 0, piece by piece.

    Like `text`, but for the reasoning, which is no part of the answer.

    .. marble::
        --s--r--a--r--f|
        [ reasoning()  ]
        -----H-----m---|

    Emits non-empty strings, in the order of the wire. Nothing is held back: completion and errors
    pass through at once, and disposing lets go of the source at once.
    """

    def thought(chunk: StreamChunk) -> str | None:
        return None if chunk.choice else chunk.reasoning or None

    return choose(thought)


#: What makes an answer start anew: a retry of RxPY's is seen by its second start.
_ANEW = {ChunkKind.START, ChunkKind.RETRACT}


def accumulate() -> Operator[StreamChunk | str, str]:
    """Give the whole answer so far, each time it grows: what a display shows.

    Takes chunks, or strings such as those of `text`. With chunks it is the visible text of choice
    0, which starts anew at a chunk of a newer epoch and at a second start. A retraction gives the
    empty string, since what was shown no longer counts.

    .. marble::
        --a----b----c--|
        [ accumulate() ]
        --a----ab---abc|

    Emits strings, each longer than the one before except where the answer starts anew. Nothing is
    held back: completion and errors pass through at once, and disposing lets go of the source at
    once. Growing costs the length of the piece, not of the answer, while no subscriber keeps the
    strings; one that keeps them all keeps them all.
    """

    def begin() -> Steps[StreamChunk | str, str]:
        epoch = 0
        answer = _growing()
        next(answer)

        def grow(item: StreamChunk | str) -> tuple[str, ...]:
            nonlocal answer, epoch
            if isinstance(item, str):
                return (answer.send(item),) if item else ()
            if item.kind in _ANEW or item.epoch > epoch:
                epoch = item.epoch
                answer = _growing()
                empty = next(answer)
                if item.kind is ChunkKind.RETRACT:
                    return (empty,)
            if item.choice or not item.text:
                return ()
            return (answer.send(item.text),)

        return Steps(grow)

    return lift(begin)


def _growing() -> Generator[str, str]:
    # A generator, because CPython appends in place to a local variable that nobody else refers to,
    # and to nothing else: 64,000 pieces take milliseconds instead of a copy of the answer for each.
    answer = ""
    while True:
        piece = yield answer
        answer += piece
