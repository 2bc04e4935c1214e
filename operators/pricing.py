"""What tokens cost, in US dollars: by a price that is given, or by the table of genai-prices.

A model that is in neither has no price, and is never given that of another.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from rxwizard.chunks import TokenUsage

Dollars: TypeAlias = Decimal | int | float | str
"""An amount of money; a float is taken as it is written, 0.1 as 0.1."""

_MILLION = 1_000_000


class Rates(NamedTuple):
    """What one request costs as far as it is known."""

    input_usd: Decimal | None
    """Its input, and what it costs by itself; None while the input is not known."""
    token_usd: Decimal
    """Each token of output."""


Pricing: TypeAlias = "Callable[[str, str, TokenUsage], Rates | None]"
"""Gives the rates of a provider's model for this input; None: the model has no known price."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price of your own, in US dollars for a million tokens.

    Attributes:
        input: Input that no cache had.
        output: Output, reasoning included.
        cached_input: Input read from a cache; None: as `input`.
        cache_write: Input written to a cache; None: as `input`.

    Raises:
        ConfigError: An amount is no number, or below 0.
    """

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            amount = getattr(self, field.name)
            if amount is not None:
                object.__setattr__(self, field.name, dollars(f"a price for {field.name}", amount))

    def rates(self, usage: TokenUsage) -> Rates:
        """Give the rates for this input."""
        plain, output = Decimal(self.input), Decimal(self.output)
        if usage.prompt_tokens is None:
            return Rates(None, output / _MILLION)
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        whole = (
            (usage.prompt_tokens - cached - written) * plain
            + cached * (plain if self.cached_input is None else Decimal(self.cached_input))
            + written * (plain if self.cache_write is None else Decimal(self.cache_write))
        )
        return Rates(whole / _MILLION, output / _MILLION)


def dollars(what: str, amount: Dollars) -> Decimal:
    """Make an exact amount of what may be any number.

    Raises:
        ConfigError: It is no number, or below 0.
    """
    try:
        exact = Decimal(str(amount)) if not isinstance(amount, bool) else Decimal("nan")
    except InvalidOperation:
        exact = Decimal("nan")
    if not exact.is_finite() or exact < 0:
        message = f"{what} of {amount!r} dollars cannot work; it must be a number, 0 or more"
        raise ConfigError(message)
    return exact


def pricing_by(price: Price | None, model: str | None) -> Pricing:
    """Give what knows the prices.

    Args:
        price: A price for whatever model answers.
        model: ``provider:model``, in place of those that the chunks name.

    Raises:
        ConfigError: Both were given, the model is not of that form, or without a price,
            genai-prices is not installed.
    """
    if price is not None:
        if model is not None:
            message = f"a price and a model, {model}, whose price is looked up: one of them"
            raise ConfigError(message)
        given = price
        return lambda _provider, _model, usage: given.rates(usage)
    look_up = _table()
    if model is None:
        return look_up
    provider, _, name = model.partition(":")
    if not provider or not name:
        message = f"{model!r} is not of the form provider:model, such as openai:gpt-5.4-mini"
        raise ConfigError(message)
    return lambda _provider, _model, usage: look_up(provider, name, usage)


def no_price(provider: str, model: str) -> ConfigError:
    """Make the error for a model without a price."""
    name = f"{provider}:{model}" if provider or model else "a model that the chunks do not name"
    return ConfigError(
        f"no price is known of {name}: give one with price=Price(input=..., output=...), or name "
        'the model it is billed as with model="provider:model"'
    )


# -- the table of genai-prices -----------------------------------------------------------------

# How genai-prices calls the providers that we call otherwise. It would find some by likeness, and
# take any endpoint that speaks OpenAI's protocol for OpenAI.
_PROVIDERS = {
    "azure-responses": "azure",
    "bedrock": "aws",
    "bedrock-anthropic": "aws",
    "bedrock-nova": "aws",
    "deepseek-responses": "deepseek",
    "gemini": "google",
    "moonshot": "moonshotai",
    "openai-responses": "openai",
    "openrouter-responses": "openrouter",
    "vertex": "google",
    "vertex-anthropic": "google",
    "xai": "x-ai",
    "xai-responses": "x-ai",
}


def _table() -> Pricing:
    try:
        # Imported here, for it takes 0.4 seconds.
        prices: Any = importlib.import_module("genai_prices")
    except ImportError as error:
        message = (
            "prices are looked up in genai-prices: pip install 'rxwizard[prices]', or give your "
            "own with price=Price(input=..., output=...)"
        )
        raise ConfigError(message) from error

    def look_up(provider: str, model: str, usage: TokenUsage) -> Rates | None:
        known = _PROVIDERS.get(provider, provider)
        counts = _input_counts(usage)
        try:
            # Output is priced by itself: what is read for a million tokens holds for each.
            found = prices.calc_price(
                prices.Usage(**counts, output_tokens=_MILLION), model, provider_id=known
            )
        except (LookupError, ValueError):  # not in the table; or cached is more than all input
            return None
        if found.provider.id != known or not _has_price(found.model_price):
            return None
        if "input_tokens" not in counts:
            return Rates(None, found.output_price / _MILLION)
        return Rates(found.total_price - found.output_price, found.output_price / _MILLION)

    return look_up


def _input_counts(usage: TokenUsage) -> dict[str, int]:
    if usage.prompt_tokens is None:
        return {}
    return {
        "input_tokens": usage.prompt_tokens,
        "cache_read_tokens": usage.cached_tokens or 0,
        "cache_write_tokens": usage.cache_write_tokens or 0,
    }


def _has_price(price: Any) -> bool:
    # A model that is free has none at all; one that writes no text (embeddings) lacks this one.
    return price.output_mtok is not None or not str(price)
