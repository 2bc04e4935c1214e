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
from collections.abc import Callable, Mapping

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
from rxwizard.providers.facts import HTTP_STATUS, Facts, parse_document, read_facts
from rxwizard.providers.waits import retry_after

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
    # Bedrock's others, with the status that each has over HTTP
    "accessDeniedException": 403,
    "modelErrorException": 424,
    "modelNotReadyException": 429,
    "modelTimeoutException": 408,
    "resourceNotFoundException": 404,
    "serviceQuotaExceededException": 400,
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


def conceal(error: WizardError, redact: Callable[[str], str]) -> None:
    """Take every secret out of what an error shows, since servers echo what they were sent.

    Its traceback so far and its causes go, too: frames hold what the server sent, and the HTTP
    client's own errors show the headers of the request.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    error.args = tuple(redact(part) if isinstance(part, str) else part for part in error.args)
    for name in ("code", "request_id", "text"):
        if isinstance(value := getattr(error, name, None), str):
            setattr(error, name, redact(value))


def _status_by_name(code: str) -> int | None:
    if code.startswith("rate_limit"):
        return 429
    # Amazon writes one and the same name with a small letter and with a capital.
    return _STATUS_BY_NAME.get(code) or _STATUS_BY_NAME.get(f"{code[:1].lower()}{code[1:]}")


def _make(facts: Facts, status: int | None, headers: Mapping[str, str], now: float) -> WizardError:
    kind = _classify(status, facts)
    error = kind(
        facts.message,
        status=status,
        code=next((code for code in facts.codes if not HTTP_STATUS.fullmatch(code)), None),
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
