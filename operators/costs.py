"""What an answer costs while it comes, and a limit to it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from rxwizard.errors import ConfigError
from rxwizard.operators.budgeting import Limits, OnExceed, within
from rxwizard.operators.making import Operator, Steps, check_count, lift
from rxwizard.operators.pricing import dollars, pricing_by
from rxwizard.operators.spending import Cost, Spending
from rxwizard.operators.tokenizers import Tokenizer, counting_with

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rxwizard.chunks import StreamChunk
    from rxwizard.operators.pricing import Dollars, Price


def cost(
    *,
    price: Price | None = None,
    model: str | None = None,
    on_unknown: Literal["error", "none"] = "error",
    prompt_tokens: int | None = None,
    tokenizer: Tokenizer | None = None,
) -> Operator[StreamChunk, Cost | None]:
    """Say what the answer has cost so far, in US dollars.

    The prices are those of genai-prices for the provider and model that the chunks name, or your
    own. Input from a cache is priced as such. While the provider has not reported its tokens, the
    output's are counted as by `count_tokens`; the input's are those you name, or not known, and
    then `input_usd` is None. Where an operator upstream sends another request (a newer epoch, a
    later attempt, a second start), what the ones before it cost is added, whatever became of them.

    .. marble::
        --s--a--b--f|
        [  cost()  ]
        -----1--2--R|

    Emits a `Cost` for each chunk with output in it, and where the provider's report changes it:
    exact decimals, "reported" where both numbers of tokens are the provider's, of each request, and
    "estimated" else. Nothing is held back but a last exact count, as by `count_tokens`, which comes
    at completion or before an error. Disposing lets go of the source at once.

    Args:
        price: A `Price` of your own, for whatever model answers.
        model: ``provider:model``, looked up in place of those that the chunks name: what an
            endpoint of your own is billed as.
        on_unknown: Where the model has no known price: "error" ends the stream with a ConfigError,
            "none" gives None, once, and nothing more. A price is never guessed.
        prompt_tokens: The input of a request, as long as its provider has not said.
        tokenizer: As for `count_tokens`; None: an estimate.

    Raises:
        ConfigError: An option cannot work, or genai-prices is needed and not installed.

    Example:
        >>> spent = StreamChunk(
        ...     is_final=True, usage=TokenUsage(prompt_tokens=1000, completion_tokens=200)
        ... )
        >>> print(reactivex.of(spent).pipe(ops.cost(price=ops.Price(input=3, output=15))).run())
        $0.006000 (reported)
    """
    if on_unknown not in ("error", "none"):
        message = f'on_unknown is "error" or "none", not {on_unknown!r}'
        raise ConfigError(message)
    _check_prompt(prompt_tokens)
    pricing = pricing_by(price, model)
    begin_count = counting_with(tokenizer)

    def begin() -> Steps[StreamChunk, Cost | None]:
        spending = Spending(begin_count, pricing, prompt_tokens)
        last: Cost | None = None
        unknown = False

        def take(chunk: StreamChunk) -> Iterable[Cost | None]:
            nonlocal last, unknown
            if unknown:
                return ()
            try:
                wrote = spending.add(chunk)
                if not wrote and chunk.usage is None:
                    return ()
                now = spending.cost()
            except ConfigError:
                if on_unknown == "error":
                    raise
                unknown = True
                return (None,)
            if now == last and not wrote:
                return ()
            last = now
            return (now,)

        def rest() -> Iterable[Cost | None]:
            return (spending.cost(),) if not unknown and spending.output.finish() else ()

        return Steps(take, rest=rest, rest_of_failed=rest)

    return lift(begin)


def budget(
    *,
    tokens: int | None = None,
    usd: Dollars | None = None,
    on_exceed: OnExceed = "cut",
    price: Price | None = None,
    model: str | None = None,
    prompt_tokens: int | None = None,
    tokenizer: Tokenizer | None = None,
) -> Operator[StreamChunk, StreamChunk]:
    """Let an answer cost so much and no more: of tokens, dollars, or both.

    A budget is spent by the chunk that reaches it, which is still delivered: it was paid for. So
    the overrun is less than one chunk, and what the provider sends before it sees that the
    connection is closed. Tokens are those of the output, dollars those of input and output as far
    as they are known, of all requests of the stream: those of a retry below this operator, too, and
    what was retracted. Both are counted as by `count_tokens` and `cost`.

    .. marble::
        --s--a--b--c--f|
        [budget(tokens=2)]
        --s--a--(b,F,|)

    Emits the chunks as they come, and when the budget is spent, with

    - "cut", a final chunk of its own, with `complete` False, the finish reason "budget", and as
      `usage` what the provider has said, with our own count in it and marked as an estimate where
      it has not said all, of all requests. The source is closed first; completion follows;
    - "error", nothing more: a BudgetExceededError with the partial answer; the source is closed;
    - "warn", one chunk of kind warning, whose `data` says so; the `seq` of what follows is one
      higher.

    A final chunk of the provider's that reports more than the budget, with reasoning that nobody
    saw, comes too late to cut: then "cut" passes it on, "error" raises in its place, and "warn"
    warns before it. Completion and errors of the source pass through at once, and disposing lets go
    of it at once.

    Args:
        tokens: Most tokens of output, 1 or more.
        usd: Most dollars, over 0.
        on_exceed: "cut", "error" or "warn".
        price: As for `cost`.
        model: As for `cost`.
        prompt_tokens: As for `cost`; unless it is given, the input costs nothing until the provider
            reports it, which most do at the end.
        tokenizer: As for `count_tokens`; None: an estimate.

    Raises:
        ConfigError: An option cannot work, or there is neither limit; while the stream runs, the
            model has no known price, and a limit in dollars was given.

    Example:
        >>> chunks = [StreamChunk(text=f"{word} ", seq=n) for n, word in enumerate("abcdef")]
        >>> cut = reactivex.from_iterable(chunks).pipe(ops.budget(tokens=3))
        >>> cut.run().finish_reason.value
        'budget'
    """
    if tokens is None and usd is None:
        message = "a budget needs a limit: tokens, usd, or both"
        raise ConfigError(message)
    if tokens is not None:
        check_count("budget", tokens=tokens)
    if on_exceed not in ("cut", "error", "warn"):
        message = f'on_exceed is "cut", "error" or "warn", not {on_exceed!r}'
        raise ConfigError(message)
    _check_prompt(prompt_tokens)
    most: Decimal | None = None
    if usd is not None:
        most = dollars("a budget", usd)
        if not most:
            message = "a budget of 0 dollars cannot work; it must be over 0"
            raise ConfigError(message)
    pricing = None if most is None else pricing_by(price, model)
    begin_count = counting_with(tokenizer)
    return within(
        Limits(tokens, most),
        on_exceed,
        lambda: Spending(begin_count, pricing, prompt_tokens),
    )


def _check_prompt(prompt_tokens: int | None) -> None:
    if prompt_tokens is not None:
        check_count("cost", 0, prompt_tokens=prompt_tokens)
