"""JSON that a strict parser refuses and a real provider sends."""

from __future__ import annotations

import json
import re
from typing import Any

from rxwizard.providers.shape import is_list, is_object

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_leniently(text: str) -> Any:
    """Parse JSON that may hold half a surrogate pair or raw control characters.

    Half a pair (an emoji that a provider cut in two) becomes U+FFFD, as in WHATWG's decoders:
    Python could neither print nor encode it.

    Raises:
        ValueError: It is no JSON at all, or nested too deeply.
    """
    try:
        return _without_surrogates(json.loads(text, strict=False))
    except RecursionError:
        message = "nested too deeply"
        raise ValueError(message) from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if is_list(value):
        return [_without_surrogates(item) for item in value]
    if is_object(value):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value
