"""The key of a request: a hash of all that decides its answer."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from rxwizard.cache.entries import VERSION
from rxwizard.providers.redaction import SECRET_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.providers import Vendor, WireRequest

#: Headers that say who asks, and nothing of what.
_KEYS = {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}

#: Headers that tell requests apart, or signed ones, and not their answers.
_INCIDENTAL = re.compile(
    "x-amz-.*|user-agent|traceparent|tracestate|baggage|(x-)?(client-)?request-id", re.IGNORECASE
)


def request_key(
    request: WireRequest, vendor: Vendor, *, think_tags: bool = False, raw: bool = False
) -> str:
    """Give the key of a request's answer: a SHA-256 of what decides it, in hexadecimal digits.

    That is the provider and its protocol, where it is asked, the body, the headers that are no
    secrets, and what is made of the answer. The order of the body's fields is no part of it, nor
    are keys and other secrets: two keys to one model share its answers.

    Args:
        request: The request, before it is signed.
        vendor: Who is asked.
        think_tags: `StreamingConfig.think_tags`.
        raw: `StreamingConfig.raw`.

    Raises:
        TypeError: The body cannot be JSON, so it cannot be sent either.
        ValueError: The same, or the URL is none.
        RecursionError: The body is nested too deeply.
    """
    told = {
        "version": VERSION,
        "provider": vendor.name,
        "protocol": vendor.protocol,
        "address": _address(request.url),
        "headers": _headers(request.headers, vendor),
        "body": request.body,
        "think_tags": think_tags,
        "raw": raw,
    }
    text = json.dumps(told, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _address(url: str) -> list[object]:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    told = sorted(field for field in query if not SECRET_NAMES.search(field[0]))
    return [parts.scheme, parts.hostname, parts.port, parts.path, told]


def _headers(headers: Mapping[str, str], vendor: Vendor) -> dict[str, str]:
    keys = {*_KEYS, vendor.key_header.lower()}
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() not in keys and not _INCIDENTAL.fullmatch(name)
    }
