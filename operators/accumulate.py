"""The answer so far, and the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.chunks import BEGINS_ANEW, ChunkKind, StreamChunk, WizardResponse
from rxwizard.fold import ResponseBuilder
from rxwizard.operators.making import Operator, Steps, lift
from rxwizard.operators.snapshots import snapshot

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


def accumulate_text() -> Operator[StreamChunk | str, str]:
    """Give the whole answer so far, each time it grows: what a display shows.

    Takes chunks, or strings such as those of `text`. With chunks it is the visible text of choice
    0, which starts anew at a chunk of a newer epoch and at a second start. A retraction gives the
    empty string, since what was shown no longer counts.

    .. marble::
        --a----b----c--|
        [accumulate_text()]
        --a----ab---abc|

    Emits strings, each longer than the one before except where the answer starts anew. Nothing is
    held back: completion and errors pass through at once, and disposing lets go of the source at
    once. Growing costs the length of the piece, not of the answer, while no subscriber keeps the
    strings; one that keeps them all keeps them all.

    Example:
        >>> reactivex.of("a", "b", "c").pipe(ops.accumulate_text(), rx.to_list()).run()
        ['a', 'ab', 'abc']
    """

    def begin() -> Steps[StreamChunk | str, str]:
        epoch = 0
        answer = _growing()
        next(answer)

        def grow(item: StreamChunk | str) -> tuple[str, ...]:
            nonlocal answer, epoch
            if isinstance(item, str):
                return (answer.send(item),) if item else ()
            if item.kind in BEGINS_ANEW or item.epoch > epoch:
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


def accumulate() -> Operator[StreamChunk, WizardResponse]:
    """Give the response as it stands after each chunk: text, reasoning, calls, usage, all of it.

    Like `accumulate_text`, but everything. A chunk of a newer epoch, a retraction or a second start
    begins it anew.

    .. marble::
        --s--a--b--f|
        [accumulate()]
        --Q--R--S--T|

    Emits one `WizardResponse` a chunk, which stays as it is; the last one is what `collect` gives.
    One costs the same whatever the answer's length, until it is looked at, which costs its length.
    Nothing is held back: completion and errors pass through at once, and disposing lets go of the
    source at once. Up to 64 MiB of characters are kept, then `truncated` is set.

    Example:
        >>> pieces = [StreamChunk(text="Hel"), StreamChunk(text="lo", seq=1)]
        >>> responses = reactivex.from_iterable(pieces).pipe(ops.accumulate(), rx.to_list()).run()
        >>> [response.text for response in responses]
        ['Hel', 'Hello']
    """

    def begin() -> Steps[StreamChunk, WizardResponse]:
        builder = ResponseBuilder(keeps_moments=True)
        add, moment = builder.add, builder.moment

        def grow(chunk: StreamChunk) -> tuple[WizardResponse]:
            add(chunk)
            return (snapshot(moment()),)

        return Steps(grow)

    return lift(begin)


def collect() -> Operator[StreamChunk, WizardResponse]:
    """Give one response when the stream completes: its fold, as `generate_complete` gives it.

    A chunk of a newer epoch, a retraction or a second start begins the response anew.

    .. marble::
        --s--a--b--f|
        [ collect() ]
        ------------(R,|)

    Emits exactly one `WizardResponse` at completion. A source without a single chunk gives an empty
    one whose `complete` is False. An error passes on at once and alone: its `partial` is the
    response of what had arrived. Disposing lets go of the source, and nothing is emitted.

    Example:
        >>> pieces = [StreamChunk(text="Hel"), StreamChunk(text="lo", seq=1)]
        >>> reactivex.from_iterable(pieces).pipe(ops.collect()).run().text
        'Hello'
    """

    def begin() -> Steps[StreamChunk, WizardResponse]:
        builder = ResponseBuilder()

        def add(chunk: StreamChunk) -> Iterable[WizardResponse]:
            builder.add(chunk)
            return ()

        def built() -> Iterable[WizardResponse]:
            return (builder.build(),)

        return Steps(add, rest=built)

    return lift(begin)
