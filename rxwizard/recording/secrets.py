"""What of an exchange must not be written down."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from rxwizard.config import WizardConfig
from rxwizard.providers import WireRequest
from rxwizard.providers.redaction import SECRET_NAMES
from rxwizard.providers.shape import is_object
from rxwizard.recording.sieve import Pattern, clean

#: `SECRET_NAMES` of response headers, where "tokens" are what is left of a rate limit.
_GIVEN = re.compile("cookie|secret|authorization|api-?key|security-token|csrf", re.IGNORECASE)

#: A secret shorter than this is none, and hiding it would hide half of every body.
_SHORTEST = 4

#: What is worth hiding of a header that has several parts: a signature, an account.
_LONG_PART = re.compile(r"[^\s,;=\"]{20,}")

_HIDDEN = "***"


class Secrets:
    """The secrets of one request: what is sent, and as which a server may send it back.

    They are found in any slice of the answer as they are, in the escapes of JSON and of URLs, and
    in base64, in which Bedrock wraps what some models say.

    Args:
        request: What is sent.
        config: Whom it is sent to.
    """

    def __init__(self, request: WireRequest, config: WizardConfig) -> None:
        found: set[Pattern] = set()
        for value in _values(request, config):
            found.update(_patterns(value))
        self.patterns = tuple(found)
        self._names = {name.lower() for name in request.secrets}

    def clean(self, text: str) -> str:
        """Take them out of a text."""
        return clean(text, self.patterns)

    def clean_url(self, url: str) -> str:
        """Take them, and who the user is, out of a URL."""
        try:
            parts = urlsplit(url)
        except ValueError:  # no URL at all, which the transport says
            return self.clean(url)
        host = parts.netloc.rpartition("@")[2]
        fields = [_hidden_field(field) for field in parts.query.split("&")]
        shown = parts._replace(
            netloc=host if host == parts.netloc else f"{_HIDDEN}@{host}", query="&".join(fields)
        )
        return self.clean(urlunsplit(shown))

    def clean_request_headers(self, request: WireRequest) -> dict[str, str]:
        """Give the headers of the request; of secret ones, the names."""
        shown = {
            self.clean(name): _HIDDEN if SECRET_NAMES.search(name) else self.clean(value)
            for name, value in request.headers.items()
            if name.lower() not in self._names
        }
        return shown | dict.fromkeys(request.secrets, _HIDDEN)

    def clean_response_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Give the headers of the response; of secret ones, the names."""
        return {
            self.clean(name): _HIDDEN if _GIVEN.search(name) else self.clean(value)
            for name, value in headers.items()
        }

    def clean_body(self, body: Any) -> Any:
        """Give the body of the request; None where it is nothing that JSON can hold."""
        try:
            cleaned = self._clean_value(body)
            json.dumps(cleaned, allow_nan=False)
        except (TypeError, AttributeError, ValueError, RecursionError):
            return None  # it will not be sent, either
        return cleaned

    def _clean_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if is_object(value):
            return {self.clean(str(name)): self._clean_value(part) for name, part in value.items()}
        if _is_array(value):
            return [self._clean_value(part) for part in value]
        return value


def _is_array(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _values(request: WireRequest, config: WizardConfig) -> Iterator[str]:
    if config.api_key is not None:
        yield config.api_key.get_secret_value()
    for secret in request.secrets.values():
        yield secret.get_secret_value()
    for name, value in request.headers.items():
        if SECRET_NAMES.search(name):
            yield value
    try:
        url = urlsplit(request.url)
    except ValueError:
        return
    if url.password:
        yield url.password
    yield from (value for name, value in parse_qsl(url.query) if SECRET_NAMES.search(name))


def _patterns(value: str) -> Iterator[Pattern]:
    value = value.strip()
    if len(value) < _SHORTEST:
        return
    scheme, _, rest = value.partition(" ")
    if not rest:
        for form in _forms(value):
            yield Pattern(form)
        return
    # Of "Bearer ..." the beginning is no secret.
    yield Pattern(value.encode("utf-8", "replace"), only_whole=True)
    parts = [rest] if "," not in rest and " " not in rest else _LONG_PART.findall(value)
    for part in parts:
        if len(part) >= _SHORTEST and part != scheme:
            for form in _forms(part):
                yield Pattern(form)


def _forms(secret: str) -> Iterator[bytes]:
    """Give a secret as it is, and as it looks inside of JSON, of a URL and of base64."""
    raw = secret.encode("utf-8", "replace")
    yield raw
    escaped = json.dumps(secret)[1:-1]
    # Some encoders escape all that is no letter or digit, and a few all there is.
    for digits in ("04x", "04X"):
        signs = (c if c.isalnum() else f"\\u{ord(c):{digits}}" for c in secret)
        yield from {
            "".join(signs).encode(),
            "".join(f"\\u{ord(c):{digits}}" for c in secret).encode(),
        }
    yield from {escaped.encode(), escaped.replace("/", "\\/").encode(), quote(raw, "").encode()}
    for before in range(3):
        # What stands before it in the text shifts it, and shares its first and last character.
        whole = b64encode(bytes(before) + raw)
        part = whole[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        if len(part) >= 2 * _SHORTEST:
            yield part


def _hidden_field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={_HIDDEN}" if equals and SECRET_NAMES.search(name) else field
