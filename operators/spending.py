"""What a stream has cost so far, in tokens and in dollars: every request of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from rxwizard.chunks import ChunkKind, ChunkSource, StreamChunk, TokenUsage
from rxwizard.operators.output_count import OutputCount
from rxwizard.operators.pricing import no_price

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.operators.output_count import CountSource
    from rxwizard.operators.pricing import Pricing, Rates
    from rxwizard.operators.tokenizers import RunningCount

_NOTHING = Decimal(0)
_NO_SOURCE = ChunkSource()


class Cost(NamedTuple):
    """So many dollars, and how well that is known."""

    usd: Decimal
    """All of it as far as it is known: without the input where `input_usd` is None."""
    source: Literal["estimated", "reported"]
    """Whether it follows from what the provider reported, input and output, or is an estimate."""
    input_usd: Decimal | None
    """The input's part, and what a request costs by itself; None: nobody said what it is."""
    output_usd: Decimal
    """The output's part."""

    def __str__(self) -> str:
        about = "about " if self.source == "estimated" else ""
        return f"{about}${self.usd:,.6f} ({self.source})"


class Spending:
    """What the requests of one stream have cost.

    A chunk of a newer epoch or of a later attempt, and a second start, are another request: what
    the ones before it cost is added. What is retracted was written, and is paid for; what is said
    once more of a request before (`concat_streams` does) is not paid for again.

    Args:
        begin: Begins the count of a text.
        pricing: Gives the prices; None: only tokens are asked for.
        prompt_tokens: The input of a request, until its provider says.
    """

    def __init__(
        self,
        begin: Callable[[], RunningCount],
        pricing: Pricing | None = None,
        prompt_tokens: int | None = None,
    ) -> None:
        self._begin = begin
        self._pricing = pricing
        self._expected = TokenUsage(prompt_tokens=prompt_tokens, source="estimated")
        self._epoch = 0
        self._attempt = 0
        self._source = _NO_SOURCE
        self._sources: list[ChunkSource] = []
        self._is_repeated = False
        self._past_usage: TokenUsage | None = None
        self._past_tokens = 0
        self._past_is: CountSource | None = None
        self._past_cost = Cost(_NOTHING, "reported", _NOTHING, _NOTHING)
        self._begin_request()

    def _begin_request(self) -> None:
        self.output = OutputCount(self._begin)
        self._has_written = False
        self._heard: TokenUsage | None = None
        # What the provider has said of this request, if anything.
        self._usage: TokenUsage | None = None
        self._rates: Rates | None = None

    @property
    def tokens(self) -> int:
        """Tokens of output so far."""
        return self._past_tokens + self.output.tokens

    @property
    def source(self) -> CountSource:
        """Who says so; the least certain, where there were several requests."""
        now = self.output.source
        return now if self._past_is in (None, now) else "estimated"

    @property
    def usage(self) -> TokenUsage:
        """What the providers have said, with our own count of what they have not."""
        own, past = self._own_usage(), self._past_usage
        return own if past is None else (past + own).model_copy(update={"latest": own})

    def add(self, chunk: StreamChunk) -> bool:
        """Take the next chunk; tell whether the model wrote anything in it."""
        if chunk.epoch > self._epoch or chunk.kind is ChunkKind.START:
            self._begin_anew(chunk)
        source = chunk.source
        if source is not self._source:
            self._see(source)
        if self._is_repeated:
            return False
        wrote = self.output.add(chunk)
        if wrote:
            self._has_written = True
        usage = chunk.usage
        if usage is not None and usage is not self._heard:
            self._hear(usage)
        return wrote

    def cost(self) -> Cost:
        """Give what it has cost so far.

        Raises:
            ConfigError: The model has no known price.
        """
        past, rates = self._past_cost, self._known_rates()
        output = past.output_usd + self.output.tokens * rates.token_usd
        own = rates.input_usd
        known = past.input_usd if own is None else (past.input_usd or _NOTHING) + own
        given = None if own is None or past.input_usd is None else known
        usage = self._input()
        sources = (past.source, usage.source, self.output.source)
        reported = given is not None and all(source == "reported" for source in sources)
        return Cost(
            output + (known or _NOTHING), "reported" if reported else "estimated", given, output
        )

    def _known_rates(self) -> Rates:
        if self._rates is None and self._pricing is not None:
            self._rates = self._pricing(self._source.provider, self._source.model, self._input())
        if self._rates is None:
            raise no_price(self._source.provider, self._source.model)
        return self._rates

    def _begin_anew(self, chunk: StreamChunk) -> None:
        self._epoch = chunk.epoch
        starts = chunk.kind is ChunkKind.START
        if starts:
            self._attempt = chunk.source.attempt
        # A later attempt may have said what it uses before its first word retracts the others.
        if starts or self._has_written or not self._attempt:
            self._end_request()
        if self._past_usage is not None:
            past = self._past_usage.model_copy(update={"wasted": None})
            self._past_usage = past.model_copy(update={"wasted": past})

    def _end_request(self) -> None:
        if not self._has_written and self._usage is None:
            return
        self.output.finish()
        if self._pricing is not None:
            self._past_cost = self.cost()
        self._past_is = self.source
        self._past_tokens = self.tokens
        own, past = self._own_usage().model_copy(update={"raw": None}), self._past_usage
        if not self._has_written:
            own = own.model_copy(update={"wasted": own})
        self._past_usage = own if past is None else past + own
        self._begin_request()

    def _see(self, source: ChunkSource) -> None:
        if source.attempt > self._attempt:
            self._attempt = source.attempt
            self._end_request()
        before, self._source = self._source, source
        self._is_repeated = source.attempt < self._attempt and source in self._sources
        if not self._is_repeated:
            self._sources.append(source)
        if (source.provider, source.model) != (before.provider, before.model):
            self._rates = None

    def _hear(self, usage: TokenUsage) -> None:
        before = self._input()
        self._heard = usage
        own = usage.latest or usage
        self._usage = own if self._usage is None else self._usage.merge(own)
        if _counts(before) != _counts(self._input()):
            self._rates = None

    def _input(self) -> TokenUsage:
        """Give what is known of the input: by the provider, else by who made this."""
        usage = self._usage
        return self._expected if usage is None or usage.prompt_tokens is None else usage

    def _own_usage(self) -> TokenUsage:
        said, output = self._usage or TokenUsage(), self.output.now
        if output.source == "reported":
            return said
        prompt = said.prompt_tokens
        return said.model_copy(
            update={
                "completion_tokens": output.tokens,
                "total_tokens": None if prompt is None else prompt + output.tokens,
                "source": "estimated",
            }
        )


def _counts(usage: TokenUsage) -> tuple[int | None, ...]:
    return usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens
