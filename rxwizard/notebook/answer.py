"""What is known of a stream that is shown: what it has brought, and how it stands."""

from __future__ import annotations

import asyncio
import importlib.util
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, WizardResponse
from rxwizard.errors import ConfigError, WizardError
from rxwizard.fold import ResponseBuilder
from rxwizard.notebook.escaping import shortened
from rxwizard.notebook.growing import GrowingMarkdown
from rxwizard.operators.pricing import pricing_by
from rxwizard.operators.spending import Spending
from rxwizard.operators.tokenizers import counting_with

if TYPE_CHECKING:
    from rxwizard.operators.output_count import TokenCount
    from rxwizard.operators.pricing import Price, Pricing
    from rxwizard.operators.spending import Cost

# Items that are neither chunks nor text: the last ones are shown, each so far.
_ITEMS = 50
_ITEM = 500
# Warnings that are shown; there is seldom a second one.
_WARNINGS = 5


class State(StrEnum):
    """How a stream stands, in words for a person."""

    WAITING = "waiting for the first chunk"
    STREAMING = "streaming"
    ENDED = "ended"
    STOPPED = "stopped, the connection is closed"
    INTERRUPTED = "interrupted, the connection is closed"
    FAILED = "failed"


#: States in which more can come.
GOING_ON = frozenset({State.WAITING, State.STREAMING})

_REASONS = {
    State.STOPPED: FinishReason.CANCELLED,
    State.INTERRUPTED: FinishReason.CANCELLED,
    State.FAILED: FinishReason.INTERRUPTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A moment of a stream, ready to be laid out; `text` and `reasoning` are HTML."""

    state: State
    response: WizardResponse
    text: str = ""
    reasoning: str = ""
    thoughts: int = 0
    """Characters of reasoning."""
    tokens: TokenCount | None = None
    cost: Cost | None = None
    seconds: float | None = None
    """From the request to the last chunk."""
    warnings: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    """The last of the items that are neither chunks nor text."""
    count: int = 0
    """How many of those there were."""
    error: BaseException | None = None


class Answer:
    """Takes the items of one stream.

    Args:
        price: What tokens cost; None: as genai-prices has it, where that is installed.
        renders: Whether HTML is wanted.
    """

    def __init__(self, price: Price | None = None, *, renders: bool = True) -> None:
        self._renders = renders
        self.state = State.WAITING
        self.error: BaseException | None = None
        self._pricing = _pricing(price)
        self._spending = Spending(counting_with(None), self._pricing)
        self._epoch = 0
        self._has_started = False
        self._begin_anew(0)

    def _begin_anew(self, epoch: int) -> None:
        self._epoch = epoch
        self._response = ResponseBuilder()
        self._text = GrowingMarkdown()
        self._reasoning = GrowingMarkdown()
        self._warnings: list[str] = []
        self._items: deque[str] = deque(maxlen=_ITEMS)
        self._count = 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended, one way or another."""
        return self.state not in GOING_ON

    def take(self, item: object) -> None:
        """Take the next item."""
        self.state = State.STREAMING
        if isinstance(item, StreamChunk):
            self._take_chunk(item)
        elif isinstance(item, str):
            self._text.add(item)
            self._response.write_text(item)
            self._spending.output.add_text(item)
        else:
            self._count += 1
            self._items.append(_described(item))

    def _take_chunk(self, chunk: StreamChunk) -> None:
        began_again = chunk.kind is ChunkKind.START and self._has_started
        if chunk.epoch > self._epoch or chunk.kind is ChunkKind.RETRACT or began_again:
            self._begin_anew(chunk.epoch)
        self._has_started = self._has_started or chunk.kind is ChunkKind.START
        self._response.add(chunk)
        self._note_cost(chunk)
        if chunk.epoch < self._epoch:
            return
        if not chunk.choice:
            self._text.add(chunk.text)
            self._reasoning.add(chunk.reasoning)
        if chunk.kind is ChunkKind.WARNING and len(self._warnings) < _WARNINGS:
            self._warnings.append(str(chunk.data))

    def _note_cost(self, chunk: StreamChunk) -> None:
        try:
            self._spending.add(chunk)
        except ConfigError:  # another request of a model without a price
            self._pricing = None
            self._spending = Spending(counting_with(None))

    def end(self, state: State, error: BaseException | None = None) -> None:
        """Say how it ended; the first one to say so is right."""
        if not self.is_over:
            self.state = state
            self.error = error

    def response(self) -> WizardResponse:
        """Give what has arrived; where it did not end by itself, the finish reason says so."""
        response = self._response.build()
        reason = _REASONS.get(self.state)
        if reason is None or response.complete:
            return response
        return response.model_copy(update={"finish_reason": reason, "raw_finish_reason": None})

    def view(self) -> View:
        """Give this moment of it."""
        response = self.response()
        output = self._spending.output
        return View(
            state=self.state,
            response=response,
            text=self._text.html() if self._renders else "",
            reasoning=self._reasoning.html() if self._renders else "",
            thoughts=self._reasoning.size,
            tokens=output.now if output.began else None,
            cost=self._cost(),
            seconds=response.metadata.duration,
            warnings=tuple(self._warnings),
            items=tuple(self._items),
            count=self._count,
            error=self.error,
        )

    def _cost(self) -> Cost | None:
        if self._pricing is None or not self._spending.output.began:
            return None
        try:
            return self._spending.cost()
        except ConfigError:  # no price is known of this model, and none is guessed
            return None


def view_of(response: WizardResponse) -> View:
    """Give the view of a response that has come from anywhere."""
    text, reasoning = GrowingMarkdown(), GrowingMarkdown()
    text.add(response.text)
    reasoning.add(response.reasoning)
    return View(
        state=State.ENDED,
        response=response,
        text=text.html(),
        reasoning=reasoning.html(),
        thoughts=reasoning.size,
        seconds=response.metadata.duration,
    )


def words(error: BaseException) -> str:
    """Say in a line what went wrong."""
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "interrupted"
    first = str(error).strip().partition("\n")[0]
    name = type(error).__name__
    said = shortened(first, _ITEM) if first else ""
    hint = " (retryable)" if isinstance(error, WizardError) and error.retryable else ""
    return f"{name}: {said}{hint}" if said else f"{name}{hint}"


def _pricing(price: Price | None) -> Pricing | None:
    if price is None and importlib.util.find_spec("genai_prices") is None:
        return None
    return pricing_by(price, None)


def _described(item: object) -> str:
    try:
        return shortened(repr(item), _ITEM)
    except Exception as error:  # of the item's own class
        return f"<{type(item).__name__}, whose repr() raises {type(error).__name__}>"
