"""How long a provider asks to wait, in every form one of them says it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from rxwizard.providers.shape import as_object, as_text

# Above these, a number of seconds is a moment: 1e9 s is 2001, and in milliseconds 1e11 is 1973.
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e11

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def retry_after(
    headers: Mapping[str, str], status: int | None, details: Iterable[Any], now: float
) -> float | None:
    """Find the seconds to wait before another try; None where nobody says.

    The first of these that can be read counts: ``retry-after-ms``, ``retry-after``, Google's
    RetryInfo in the body, and on status 429 the reset header of a limit that has nothing left.

    Args:
        headers: Response headers with lower-case names.
        status: HTTP status. On 200 these headers mean nothing: providers send them with answers.
        details: The ``details`` of a Google error body.
        now: Seconds since the epoch.
    """
    if status is None or status < 300:
        headers = {}
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    wait = _number(headers.get("retry-after"))
    if wait is None:
        wait = _http_date(headers.get("retry-after"), now)
    if wait is None:
        wait = _retry_info(details)
    if wait is None and status == 429:
        wait = _longest_reset(headers, now)
    return wait


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _http_date(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return _until(moment, now)


def _until(moment: datetime, now: float) -> float:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _retry_info(details: Iterable[Any]) -> float | None:
    """Read google.rpc.RetryInfo: ``{"retryDelay": "48.939935699s"}``."""
    for detail in details:
        wait = _duration(as_text(as_object(detail).get("retryDelay")))
        if wait is not None:
            return wait
    return None


def _longest_reset(headers: Mapping[str, str], now: float) -> float | None:
    waits: list[float] = []
    for name, text in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        left = headers.get(name.replace("reset", "remaining"))
        if left is not None and _number(left) != 0:
            continue
        wait = reset_after(text, now)
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def reset_after(text: str, now: float) -> float | None:
    """Read when a limit is full again, in any vendor's form: the seconds until then, or None.

    ``120ms``, ``6s``, ``1m2s`` (OpenAI, Groq), RFC 3339 (Anthropic), whole seconds (Azure), epoch
    milliseconds (OpenRouter).
    """
    text = text.strip()
    value = _number(text)
    if value is not None:
        if value >= _EPOCH_MILLISECONDS:
            return max(0.0, value / 1000 - now)
        return max(0.0, value - now) if value >= _EPOCH_SECONDS else value
    if _RFC_3339.match(text):
        try:
            return _until(datetime.fromisoformat(text), now)
        except ValueError:
            return None
    return _duration(text)


def _duration(text: str) -> float | None:
    """Read ``120ms``, ``6s``, ``1m2s``, ``1h0m0.5s``."""
    if len(text) > 64 or not _DURATION.fullmatch(text):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _DURATION_PART.findall(text))
