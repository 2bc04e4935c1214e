"""Tokens of an answer while it comes: how many, and how fast.

All that the model writes is counted, since all of it is paid for: text, reasoning and tool calls,
of every choice. What a provider keeps to itself, as OpenAI does with reasoning, nobody can count
until it is reported. Strings, such as those of `text`, are counted as one text.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from reactivex import Observable

from rxwizard.chunks import BEGINS_ANEW, ChunkKind, ChunkSource, StreamChunk
from rxwizard.errors import ConfigError
from rxwizard.operators.making import Operator, Steps, clock, lift
from rxwizard.operators.output_count import OutputCount, TokenCount
from rxwizard.operators.sliding_rate import SlidingRate
from rxwizard.operators.tokenizers import Tokenizer, counting_with

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reactivex import abc


def count_tokens(tokenizer: Tokenizer | None = None) -> Operator[StreamChunk | str, TokenCount]:
    """Count the tokens of the answer as it grows; the provider's own number replaces ours.

    Takes chunks, or strings. With a tokenizer the number is that of the whole text so far, however
    it was cut into pieces. Without one it is an estimate, within some 10 % for English and code and
    20 % for Chinese and Japanese; `rxwizard.operators.token_estimate` has the figures. An estimate
    is the default since a table that fits the model is not always there, and loading one takes
    seconds or the internet. Each count says which it is.

    .. marble::
        --s--a--b--f|
        [count_tokens()]
        -----1--2--R|

    Emits a `TokenCount` for each item with anything to count in it, and where the provider reports
    another number. Its `source` is "reported" where it is the provider's, "counted" where it is the
    tokenizer's, else "estimated"; so is what comes after a report, until the next one. The count
    starts anew with a newer epoch, a second start, and a retraction, which gives 0: it is that of
    the answer, and `usage` tells what all attempts have used. Where another attempt goes on with
    the answer, what it reports is added to what the ones before it have brought.

    Counting is linear in the text. Only its last words are kept, some 100 characters; of a stretch
    without words up to a million. In one of over 1,024, counts are "estimated" but where it doubles
    and at the end. An exact one that is still due comes at completion, or before an error.
    Disposing lets go of the source at once.

    Args:
        tokenizer: A tokenizer of ``tiktoken``, ``tokenizers`` or ``transformers``, or anything that
            has ``encode(text)``; a function that counts a text's tokens; or the name of one of
            tiktoken's encodings or models, which tiktoken downloads when it is first used. None: an
            estimate.

    Raises:
        ConfigError: It is no tokenizer, or the one that is named cannot be loaded.

    Example:
        >>> print(reactivex.of("Hello", " world", "!").pipe(ops.count_tokens()).run())
        about 4 tokens (estimated)
        >>> reactivex.of("Hello", " world").pipe(ops.count_tokens(lambda s: len(s.split()))).run()
        TokenCount(tokens=2, source='counted')
    """
    begin_count = counting_with(tokenizer)

    def begin() -> Steps[StreamChunk | str, TokenCount]:
        count = OutputCount(begin_count)
        epoch = attempt = 0
        source: ChunkSource | None = None
        last: TokenCount | None = None

        def take(item: StreamChunk | str) -> Iterable[TokenCount]:
            nonlocal count, epoch, attempt, source, last
            if isinstance(item, str):
                if not item:
                    return ()
                count.add_text(item)
            else:
                if item.epoch > epoch or (item.kind in BEGINS_ANEW and count.began):
                    epoch = item.epoch
                    count = OutputCount(begin_count)
                    if item.kind is ChunkKind.RETRACT:
                        last = count.now
                        return (last,)
                if item.source is not source:
                    source = item.source
                    if source.attempt > attempt:
                        count.next_request()
                    attempt = source.attempt
                wrote = count.add(item)
                if not wrote and (item.usage is None or not count.began or count.now == last):
                    return ()
            last = count.now
            return (last,)

        def rest() -> Iterable[TokenCount]:
            return (count.now,) if count.finish() else ()

        return Steps(take, rest=rest, rest_of_failed=rest)

    return lift(begin)


class TokenRate(NamedTuple):
    """So many tokens a second, over so many seconds."""

    per_second: float
    seconds: float
    source: Literal["estimated", "counted"]
    """Whether the tokens were counted with the tokenizer that was named, or estimated."""


def tokens_per_second(
    window: float = 5.0, tokenizer: Tokenizer | None = None
) -> Operator[StreamChunk | str, TokenRate]:
    """Measure how fast the tokens come, over the last seconds, and in the end over the whole.

    Takes chunks, or strings. The clock is that of the scheduler that is handed over at
    subscription. Time counts from the first item with anything to count in it, which itself does
    not: it took as long as the model thought. Nothing is said while too little time has passed to
    say anything, a tenth of the window.

    .. marble::
        --a--b--c-----|
        [tokens_per_second()]
        -----1--1-----(1,|)

    Emits a `TokenRate` for each further item with anything to count in it: tokens a second, over
    the `seconds` that it covers, those of the window or, before they have passed, since the first
    item. It says nothing while nothing comes. The last one, at completion or before an error, is
    the mean from the first item to the last. An answer that comes within a tenth of the window has
    none at all. The tokens are our own count, also where the provider reports one: its number has
    what nobody saw come. What was retracted has come, too, and counts. Disposing lets go of the
    source at once.

    The window is kept in 256 parts, so it is exact to 0.4 %, and memory is bounded.

    Args:
        window: Seconds, over 0.
        tokenizer: As for `count_tokens`; None: an estimate.

    Raises:
        ConfigError: The window cannot work, or the tokenizer.

    Example:
        >>> rates = reactivex.interval(0.01).pipe(
        ...     reactivex.operators.take(3),
        ...     reactivex.operators.map(lambda _: "word "),
        ...     ops.tokens_per_second(window=0.01),
        ... )
        >>> rates.run().source
        'estimated'
    """
    if isinstance(window, bool) or not 0 < window < math.inf:
        message = f"a window of {window} seconds cannot work; it must be over 0, and finite"
        raise ConfigError(message)
    begin_count = counting_with(tokenizer)

    def measure(keeper: abc.SchedulerBase) -> Steps[StreamChunk | str, TokenRate]:
        count = OutputCount(begin_count)
        rate: SlidingRate | None = None
        began = keeper.now

        def say(now: tuple[float, float] | None) -> Iterable[TokenRate]:
            if now is None:
                return ()
            return (TokenRate(*now, "estimated" if count.is_estimate else "counted"),)

        def take(item: StreamChunk | str) -> Iterable[TokenRate]:
            nonlocal rate, began
            if isinstance(item, str):
                count.add_text(item)
                wrote = item != ""
            else:
                wrote = count.add(item)
            if not wrote:
                return ()
            if rate is None:
                began = keeper.now
                rate = SlidingRate(window, count.own)
                return ()
            return say(rate.add(count.own, (keeper.now - began).total_seconds()))

        def rest() -> Iterable[TokenRate]:
            if rate is None:
                return ()
            count.finish()
            return say(rate.mean(count.own))

        return Steps(take, rest=rest, rest_of_failed=rest)

    def operator(source: Observable[StreamChunk | str]) -> Observable[TokenRate]:
        def subscribe(
            observer: abc.ObserverBase[TokenRate], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            measured = lift(lambda: measure(clock(scheduler)))(source)
            return measured.subscribe(observer, scheduler=scheduler)

        return Observable(subscribe)

    return operator
