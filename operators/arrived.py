"""What has arrived of an answer, for the error that may end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.fold import ResponseBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.chunks import StreamChunk, WizardResponse
    from rxwizard.demand.gate import Gate


class Arrived:
    """Knows what has passed of an answer: by the reader of the wire, or by keeping it itself.

    The reader keeps it anyway. What it knows is what has passed only where nothing stands between:
    an operator may drop, change or mask chunks, or have come to this request by a retry.

    Args:
        knows_partial: Whether the source is a request's own stream.
    """

    def __init__(self, *, knows_partial: bool) -> None:
        self._knows_partial = knows_partial
        self._evidence: Callable[[], WizardResponse | None] | None = None
        self._fold: ResponseBuilder | None = None

    def add(self, chunk: StreamChunk, gate: Gate | None) -> None:
        """Take a chunk, in the push of the source whose gate this is."""
        if self._knows_partial and gate is not None:
            # Told once: later the gate may have forgotten it.
            self._knows_partial = False
            self._evidence = gate.evidence
        if self._evidence is None:
            if self._fold is None:
                self._fold = ResponseBuilder()
            self._fold.add(chunk)

    def writer(self, at_most: int) -> Callable[[str], int] | None:
        """Give what takes the text of a chunk that has nothing else, in place of `add`.

        It holds until `add` is called. None: nobody has to take it.

        Args:
            at_most: Characters that may have been given to it and to `add`; beyond the limit of a
                response nothing more is kept.
        """
        if self._fold is None:
            return None
        return _drop if self._fold.is_full(at_most) else self._fold.write_text

    def partial(self, last: StreamChunk | None) -> WizardResponse | None:
        """Give what has arrived; `last` is the chunk that came last, None: there is none."""
        if last is None:
            return None
        if self._evidence is not None:
            return self._evidence()
        if self._fold is None:
            return None
        self._fold.seen(last.source, last.at)
        return self._fold.build()


def _drop(_text: str) -> int:
    return 0
