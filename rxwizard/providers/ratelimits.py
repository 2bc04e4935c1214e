"""What a provider says of its limits with every answer, in each vendor's spelling."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from rxwizard.chunks import RateLimit
from rxwizard.providers.waits import reset_after

# x-ratelimit-remaining-requests (OpenAI, Groq, Azure), x-ratelimit-remaining (OpenRouter),
# anthropic-ratelimit-input-tokens-remaining
_HEADER = re.compile(
    r"(?:x-)?ratelimit-(?P<a>limit|remaining|reset)(?:-(?P<of>[a-z0-9_-]+))?"
    r"|anthropic-ratelimit-(?P<what>[a-z-]+)-(?P<b>limit|remaining|reset)"
)


def rate_limits(
    headers: Mapping[str, str], now: float | None = None
) -> dict[str, RateLimit] | None:
    """Read the limits from response headers, by what is limited; None where there are none.

    Args:
        headers: Response headers with lower-case names.
        now: Seconds since the epoch, for resets that name a moment.
    """
    now = time.time() if now is None else now
    found: dict[str, dict[str, Any]] = {}
    for name, text in headers.items():
        match = _HEADER.fullmatch(name)
        if match is None:
            continue
        what = (match["of"] or match["what"] or "requests").replace("-", "_")
        field = match["a"] or match["b"]
        if field == "reset":
            value: float | None = reset_after(text, now)
            field = "reset_after"
        else:
            value = int(text) if re.fullmatch(r"[0-9]{1,18}", text.strip()) else None
        if value is not None:
            found.setdefault(what, {})[field] = value
    return {what: RateLimit(**fields) for what, fields in found.items()} or None
