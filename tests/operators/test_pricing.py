from __future__ import annotations

import sys
from decimal import Decimal

import genai_prices
import pytest

from rxwizard import ConfigError, TokenUsage
from rxwizard.operators.pricing import Price, Rates, pricing_by

NOTHING = TokenUsage()
INPUT = TokenUsage(prompt_tokens=1000, cached_tokens=400, cache_write_tokens=100)
by_table = pricing_by(None, None)


# -- a price of one's own ----------------------------------------------------------------------


def test_a_price_is_for_a_million_tokens() -> None:
    own = pricing_by(Price(input=3, output="15"), None)

    assert own("any", "model", TokenUsage(prompt_tokens=1000)) == Rates(
        Decimal("0.003"), Decimal("0.000015")
    )


def test_cached_input_has_its_price() -> None:
    price = Price(input=3, output=15, cached_input=0.3, cache_write=3.75)

    # 500 at 3, 400 at 0.30, 100 at 3.75
    assert price.rates(INPUT).input_usd == Decimal("0.001995")


def test_cached_input_costs_as_much_as_any_where_nothing_else_is_said() -> None:
    assert Price(input=3, output=15).rates(INPUT).input_usd == Decimal("0.003")


def test_input_that_nobody_counted_has_no_cost() -> None:
    assert Price(input=3, output=15).rates(NOTHING) == Rates(None, Decimal("0.000015"))


def test_a_float_is_taken_as_it_is_written() -> None:
    assert Price(input=0.1, output=0.2).input == Decimal("0.1")


@pytest.mark.parametrize("amount", [-1, "a lot", float("nan"), float("inf"), True, ""])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    with pytest.raises(ConfigError, match="output"):
        Price(input=1, output=amount)  # type: ignore[arg-type]


def test_a_price_and_a_model_are_refused() -> None:
    with pytest.raises(ConfigError):
        pricing_by(Price(input=1, output=1), "openai:gpt-4o")


# -- the table of genai-prices -----------------------------------------------------------------


def expected(model: str, provider: str, **counts: int) -> Decimal:
    usage = genai_prices.Usage(**counts)
    return genai_prices.calc_price(usage, model, provider_id=provider).total_price


# Models that have been sold for long: their prices may change, not that there are any.
@pytest.mark.parametrize(
    ("ours", "theirs", "model"),
    [
        ("openai", "openai", "gpt-4o"),
        ("openai-responses", "openai", "gpt-4o"),
        ("anthropic", "anthropic", "claude-sonnet-4-5"),
        ("gemini", "google", "gemini-2.5-pro"),
        ("vertex", "google", "gemini-2.5-flash"),
        ("azure", "azure", "gpt-4o"),
        ("xai", "x-ai", "grok-3"),
        ("deepseek", "deepseek", "deepseek-chat"),
        ("bedrock", "aws", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ],
)
def test_the_table_prices_what_our_providers_sell(ours: str, theirs: str, model: str) -> None:
    rates = by_table(ours, model, TokenUsage(prompt_tokens=1000))

    assert rates is not None
    assert rates.input_usd is not None
    assert rates.input_usd + 200 * rates.token_usd == expected(
        model, theirs, input_tokens=1000, output_tokens=200
    )


def test_the_table_prices_cached_input() -> None:
    rates = by_table("anthropic", "claude-sonnet-4-5", INPUT)

    assert rates is not None
    assert rates.input_usd == expected(
        "claude-sonnet-4-5",
        "anthropic",
        input_tokens=1000,
        cache_read_tokens=400,
        cache_write_tokens=100,
    )
    assert (
        rates.input_usd
        < by_table("anthropic", "claude-sonnet-4-5", TokenUsage(prompt_tokens=1000)).input_usd
    )


def test_the_price_of_long_input_holds_for_its_output() -> None:
    usage = TokenUsage(prompt_tokens=500_000)
    rates = by_table("gemini", "gemini-2.5-pro", usage)

    assert rates is not None
    assert rates.input_usd is not None
    assert rates.input_usd + 7 * rates.token_usd == expected(
        "gemini-2.5-pro", "google", input_tokens=500_000, output_tokens=7
    )


def test_what_a_request_costs_by_itself_is_counted() -> None:
    rates = by_table("perplexity", "sonar", TokenUsage(prompt_tokens=1000))

    assert rates is not None
    assert rates.input_usd is not None
    assert rates.input_usd + 9 * rates.token_usd == expected(
        "sonar", "perplexity", input_tokens=1000, output_tokens=9
    )


def test_input_that_nobody_counted_has_no_cost_in_the_table_either() -> None:
    rates = by_table("openai", "gpt-4o", NOTHING)

    assert rates is not None
    assert rates.input_usd is None
    assert rates.token_usd > 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-1000"),
        ("openai-compatible", "gpt-4o"),  # somebody else's endpoint that speaks the same protocol
        ("", "gpt-4o"),
        ("openai", ""),
        ("ollama", "llama3"),
        ("simulator", "default"),
        ("openai", "text-embedding-3-small"),  # it writes nothing
        ("azure-of-my-own", "gpt-4o"),
    ],
)
def test_a_price_is_never_guessed(provider: str, model: str) -> None:
    assert by_table(provider, model, INPUT) is None


def test_usage_that_does_not_add_up_has_no_price() -> None:
    assert by_table("openai", "gpt-4o", TokenUsage(prompt_tokens=1, cached_tokens=2)) is None


def test_a_model_can_be_billed_as_another() -> None:
    as_openai = pricing_by(None, "openai:gpt-4o")

    assert as_openai("vllm", "mine", INPUT) == by_table("openai", "gpt-4o", INPUT)


@pytest.mark.parametrize("model", ["gpt-4o", ":gpt-4o", "openai:", ""])
def test_a_model_is_named_with_its_provider(model: str) -> None:
    with pytest.raises(ConfigError, match="provider:model"):
        pricing_by(None, model)


def test_without_the_table_the_remedies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(ConfigError, match=r"pip install 'rxwizard\[prices\]'"):
        pricing_by(None, None)
    assert pricing_by(Price(input=1, output=1), None)
