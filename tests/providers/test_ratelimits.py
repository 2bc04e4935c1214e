from __future__ import annotations

import pytest

from rxwizard import RateLimit
from rxwizard.providers.ratelimits import rate_limits

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {
                "x-ratelimit-limit-requests": "10000",
                "x-ratelimit-remaining-requests": "9999",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-limit-tokens": "200000",
                "x-ratelimit-remaining-tokens": "199990",
                "x-ratelimit-reset-tokens": "1m2s",
            },
            {
                "requests": RateLimit(limit=10_000, remaining=9_999, reset_after=0.12),
                "tokens": RateLimit(limit=200_000, remaining=199_990, reset_after=62.0),
            },
            id="OpenAI and Groq: durations",
        ),
        pytest.param(
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:50Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
            },
            {
                "requests": RateLimit(limit=50, remaining=49, reset_after=30.0),
                "input_tokens": RateLimit(remaining=0),
            },
            id="Anthropic: RFC 3339",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "12"},
            {"requests": RateLimit(remaining=7, reset_after=12.0)},
            id="Azure: whole seconds",
        ),
        pytest.param(
            {
                "x-ratelimit-limit": "20",
                "x-ratelimit-remaining": "3",
                "x-ratelimit-reset": "1700000005000",
            },
            {"requests": RateLimit(limit=20, remaining=3, reset_after=5.0)},
            id="OpenRouter: epoch milliseconds",
        ),
        pytest.param({"retry-after": "3", "date": "now"}, None, id="nothing said"),
        pytest.param(
            {"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "soon"},
            None,
            id="nonsense",
        ),
    ],
)
def test_each_spelling_is_read(
    headers: dict[str, str], expected: dict[str, RateLimit] | None
) -> None:
    assert rate_limits(headers, NOW) == expected
