"""Usage inside one response: merged by field, never summed, never overwritten by nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rxwizard.chunks import TokenUsage
from rxwizard.providers.shape import is_object

#: Fields of a usage object; real ones have some twenty. A hostile server would send ever new ones.
_MAX_FIELDS = 256


class UsageCounter:
    """What the provider has counted so far."""

    def __init__(self) -> None:
        self._raw: dict[str, Any] = {}
        self._usage: TokenUsage | None = None
        #: Whether there is something that `tell` has not told yet.
        self.is_news = False

    def count(
        self,
        raw: object,
        usage_of: Callable[[Mapping[str, Any]], TokenUsage],
        *,
        replaces: bool = False,
    ) -> None:
        """Take a newer usage object; one without counts, or none at all, changes nothing.

        Args:
            raw: The object as the provider sent it.
            usage_of: Puts all that was sent so far, merged, into the terms of `TokenUsage`.
            replaces: Whether this object says it all: nothing of the older ones is kept.
        """
        if not is_object(raw):
            return
        merged = dict(raw) if replaces else _merge(self._raw, raw)
        usage = usage_of(merged)
        if usage.model_fields_set:
            self._raw = merged
            self._usage = usage
            self.is_news = True

    def tell(self) -> TokenUsage | None:
        """Give the usage as it stands; None where nothing was reported."""
        self.is_news = False
        return self._usage


def counts(raw: Mapping[str, Any], **counted: object) -> TokenUsage:
    """Make a usage of those counts that are whole numbers; the total is the sum if not told."""
    known: dict[str, Any] = {
        name: value
        for name, value in counted.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    if (
        known
        and "total_tokens" not in known
        and {"prompt_tokens", "completion_tokens"} <= known.keys()
    ):
        known["total_tokens"] = known["prompt_tokens"] + known["completion_tokens"]
    return TokenUsage(**known, raw=dict(raw)) if known else TokenUsage()


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge usage by field: a null never replaces a count, objects are merged in turn."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if is_object(value) and is_object(before):
            merged[name] = _merge(before, value)
        elif name in merged:
            merged[name] = before if value is None else value
        elif len(merged) < _MAX_FIELDS:
            merged[name] = value
    return merged
