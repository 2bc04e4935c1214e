"""Which reply becomes which error.

A reply is read for three facts: the provider's own words, its codes, and a status. The first row
of the table that fits decides; what an SDK would call it does not matter.

=====================  ===========================================================  =========
error                  when                                                         retryable
=====================  ===========================================================  =========
TokenLimitError        400, 413, 422, 500, and its words or code speak of context   no
AuthenticationError    401; 400 or 403 whose words or code speak of the key         no
PermissionDeniedError  402, 403                                                     no
NotFoundError          404, 410; 400 with ``model_not_found``, ``invalid_model``    no
RateLimitError         429                                                          not if the
                                                                                    quota is spent
OverloadedError        503, 529, 498                                                yes
ProviderError          408, 424, 499, every other 5xx                               not 501
RequestError           every other 4xx, and a redirect                              only 409
=====================  ===========================================================  =========

``x-should-retry`` overrides the last column.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from rxwizard.errors import (
    AuthenticationError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RequestError,
    TokenLimitError,
    WizardError,
)
from rxwizard.providers.waits import retry_after

#: Characters of a provider's words that an error keeps: enough for any sentence, not for a page.
MAX_MESSAGE = 2000

_TOKEN_LIMIT_CODES = {
    "context_length_exceeded",
    "exceed_context_size_error",
    "too_many_prompt_tokens",
    "TOO_MANY_TOKENS",
}
_TOKEN_LIMIT_WORDS = re.compile(
    r"maximum context length|context window|exceeded max context length|prompt (?:is )?too long"
    r"|too many tokens|input tokens exceeded|input is too long|number of input tokens exceeds"
    r"|total length of all messages is too long|input token count[^.]{0,80}exceeds",
    re.IGNORECASE,
)
_KEY_CODES = re.compile(
    r"API_KEY_INVALID|invalid_api_key|UnrecognizedClient|ExpiredToken|InvalidSignatureException"
    r"|IncompleteSignature|MissingAuthenticationToken"
)
_KEY_WORDS = re.compile(r"API key not valid|(?:incorrect|invalid) API key", re.IGNORECASE)
_HTTP_STATUS = re.compile(r"[45]\d\d")
_NO_MODEL_CODES = {"model_not_found", "invalid_model"}
_SPENT_CODES = {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached"}

#: The status an error in the stream stands for, by the name the provider gives it.
_STATUS_BY_NAME = {
    "overloaded_error": 529,
    "UNAVAILABLE": 503,
    "server_is_overloaded": 503,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "validationException": 400,
    "modelStreamErrorException": 424,
    "internalServerException": 500,
    "api_error": 500,
    "server_error": 500,
    # Anthropic's, as its documentation of HTTP errors pairs them
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "timeout_error": 504,
}
_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-generation-id",
)


@dataclass(slots=True)
class Facts:
    """What a provider's error body says.

    Attributes:
        words: Its sentences, in order, without repeats.
        codes: Its codes and type names, as text.
        status: A number between 400 and 599 that it names.
        details: The ``details`` list of a Google error.
        request_id: The id inside the body.
    """

    words: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    status: int | None = None
    details: list[Any] = field(default_factory=list)
    request_id: str | None = None

    @property
    def message(self) -> str:
        """The words on one line, shortened."""
        text = " ".join(": ".join(self.words).split())
        return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"


def request_id(headers: Mapping[str, str]) -> str | None:
    """Find the provider's id of a request in its response headers (lower-case names)."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> WizardError:
    """Make the error that an HTTP reply stands for.

    Args:
        status: HTTP status, not 2xx.
        headers: Response headers with lower-case names.
        body: As much of the body as was read.
        now: Seconds since the epoch, for headers that name a moment.
    """
    facts = read_facts(parse_document(body))
    kind = headers.get("x-amzn-errortype", "").partition(":")[0]
    if kind:
        facts.codes.append(kind)
    if 300 <= status < 400:
        facts.words.append(f"it redirects to {headers.get('location', 'nowhere')}")
    return _make(facts, status, headers, time.time() if now is None else now)


def error_from_event(payload: object) -> WizardError:
    """Make the error that an event inside a stream of status 200 stands for.

    `payload` is the event, or the part of it that tells of the error: an object or a string. Its
    status is the one it names or stands for; None where it does neither.
    """
    facts = read_facts(payload)
    status = facts.status
    if status is None:
        status = next((s for code in facts.codes if (s := _status_by_name(code))), None)
    return _make(facts, status, {}, time.time())


def _status_by_name(code: str) -> int | None:
    return 429 if code.startswith("rate_limit") else _STATUS_BY_NAME.get(code)


def _make(
    facts: Facts, status: int | None, headers: Mapping[str, str], now: float
) -> WizardError:
    kind = _classify(status, facts)
    error = kind(
        facts.message,
        status=status,
        code=next((code for code in facts.codes if not _HTTP_STATUS.fullmatch(code)), None),
        retry_after=retry_after(headers, status, facts.details, now),
        request_id=request_id(headers) or facts.request_id,
    )
    if status == 501 or (status == 429 and _SPENT_CODES.intersection(facts.codes)):
        error.retryable = False
    elif status == 409:
        error.retryable = True
    wish = headers.get("x-should-retry", "").lower()
    if wish in {"true", "false"}:
        error.retryable = wish == "true"
    return error


def _classify(status: int | None, facts: Facts) -> type[WizardError]:
    codes, message = facts.codes, facts.message
    if status in {None, 400, 413, 422, 500} and (
        _TOKEN_LIMIT_CODES.intersection(codes) or _TOKEN_LIMIT_WORDS.search(message)
    ):
        return TokenLimitError
    if status == 401 or (
        status in {None, 400, 403}
        and (any(_KEY_CODES.search(code) for code in codes) or _KEY_WORDS.search(message))
    ):
        return AuthenticationError
    if status in {None, 400} and _NO_MODEL_CODES.intersection(codes):
        return NotFoundError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return RequestError if status is not None and 300 <= status < 500 else ProviderError


_BY_STATUS: dict[int | None, type[WizardError]] = {
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    410: NotFoundError,
    429: RateLimitError,
    498: OverloadedError,
    503: OverloadedError,
    529: OverloadedError,
    408: ProviderError,
    424: ProviderError,
    499: ProviderError,
}


def parse_document(body: bytes) -> object:
    """Read a whole body: the JSON in it (also inside ``data:`` lines), the words of a page, text."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        return from_json(text)
    except ValueError:
        pass
    data = "\n".join(
        line[5:].strip() for line in text.splitlines() if line.startswith("data:")
    )
    if data:
        try:
            return from_json(data)
        except ValueError:
            text = data
    return html_words(text) if looks_like_html(text) else text


def looks_like_html(text: str) -> bool:
    """Tell whether a text begins as a page does."""
    return re.match(r"\s*<(?:!doctype|html|head|body|\?xml)", text, re.IGNORECASE) is not None


def html_words(text: str) -> str:
    """Give the words of an HTML page without its tags, styles and scripts."""
    # The bound keeps a hostile page of unclosed tags from costing quadratic time.
    text = re.sub(r"<(style|script)\b[^>]*>.*?</\1>", " ", text[:8192], flags=re.I | re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def read_facts(payload: object) -> Facts:
    """Read every error shape that providers are known to send."""
    facts = Facts()
    for part in _parts(payload):
        if isinstance(part, str):
            _say(facts, part)
        else:
            _read_object(facts, part)
    return facts


def _parts(payload: object, depth: int = 0) -> Iterator[str | Mapping[str, Any]]:
    """Walk to the objects that tell of the error, the innermost first."""
    if depth > 4:
        return
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, Mapping):
        # "detail" is a string, a list of complaints (FastAPI) or an object, by vendor
        for name in ("error", "errors", "detail"):
            yield from _parts(payload.get(name), depth + 1)
        yield payload
    elif isinstance(payload, Sequence) and not isinstance(payload, bytes):
        for item in payload[:8]:
            yield from _parts(item, depth + 1)


def _say(facts: Facts, words: object) -> None:
    if isinstance(words, str) and (words := words.strip()):
        short = words[: MAX_MESSAGE * 2]
        if not any(short in said or said in short for said in facts.words):
            facts.words.append(short)


def _read_object(facts: Facts, part: Mapping[str, Any]) -> None:
    for name in ("message", "Message", "msg", "originalMessage"):
        _say(facts, part.get(name))
    details = part.get("details")
    if isinstance(details, list):
        facts.details.extend(details)
    else:
        _say(facts, details)
    metadata = part.get("metadata")
    if isinstance(metadata, Mapping):
        # OpenRouter says "Provider returned error" and hides that provider's words in here
        _say(facts, metadata.get("raw"))
    for name in ("code", "type", "status", "error_type", "reason", "status_code"):
        _read_code(facts, part.get(name), names_status=name != "type")
    _read_code(facts, part.get("raw_status_code"), names_status=True)
    for detail in facts.details:
        if isinstance(detail, Mapping) and isinstance(reason := detail.get("reason"), str):
            facts.codes.append(reason)
    if facts.request_id is None and isinstance(own_id := part.get("request_id"), str):
        facts.request_id = own_id


def _read_code(facts: Facts, code: object, *, names_status: bool) -> None:
    if isinstance(code, str | int) and not isinstance(code, bool) and code != "":
        text = str(code)[:200]
        if text != "error" and text not in facts.codes:
            facts.codes.append(text)
        if names_status and facts.status is None and _HTTP_STATUS.fullmatch(text):
            facts.status = int(text)
