"""A whole stream in one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.fold import ResponseBuilder
from rxwizard.operators.making import Operator, Steps, lift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rxwizard.chunks import StreamChunk, WizardResponse


def to_response() -> Operator[StreamChunk, WizardResponse]:
    """Give one response when the stream completes: its fold, as `generate_complete` gives it.

    A chunk of a newer epoch, or a retraction, starts the response anew.

    .. marble::
        --s--a--b--f|
        [to_response]
        ------------(R,|)

    Emits exactly one `WizardResponse` at completion. A source without a single chunk gives an empty
    one whose `complete` is False. An error passes on at once and alone: its `partial` is the
    response of what had arrived. Disposing lets go of the source, and nothing is emitted.
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
