"""The last words of an error: where it happened, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from rxwizard.errors import (
    AuthenticationError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    StreamInterruptedError,
    TokenLimitError,
    WizardError,
)
from rxwizard.providers.failures import conceal
from rxwizard.providers.vendors import Vendor


def explain(
    error: WizardError, vendor: Vendor, model: str, url: str, redact: Callable[[str], str]
) -> None:
    """Complete an error's message: who said it, with which status, and the remedy.

    The provider's own words stay in it. The key is taken out, wherever it stood.
    """
    if error.provider is None:
        error.provider = vendor.name
    words = str(error.args[0]).strip()
    if error.status is not None:
        said = f"{vendor.name}: {words}" if words else f"{vendor.name} says nothing but its status"
        words = f"{said} (HTTP {error.status}{f', at {url}' if not words else ''})."
    elif words and not words.endswith((".", "!", "?")):
        words += "."
    remedy = _remedy(error, vendor, model, url)
    error.args = (f"{words} {remedy}" if remedy else words, *error.args[1:])
    conceal(error, redact)


def _remedy(error: WizardError, vendor: Vendor, model: str, url: str) -> str:
    match error:
        case AuthenticationError():
            return f"Check the key in {' or '.join(vendor.key_variables)}."
        case PermissionDeniedError():
            return "Check what this key may do, and the account's billing."
        case NotFoundError():
            return f'Check the model "{model}" and the endpoint: the request went to {url}.'
        case TokenLimitError():
            return "Shorten the prompt or its history, or lower max_tokens."
        case RateLimitError() if not error.retryable:
            return "The quota is spent: check the account's plan and billing."
        case RateLimitError() | OverloadedError() if error.retry_after is not None:
            return f"Try again in {error.retry_after:.6g} seconds."
        case RateLimitError() | OverloadedError():
            return "Try again a little later."
        case StreamInterruptedError() if error.retryable:
            return "Ask again."
        case _ if error.retryable and "heck " not in str(error):
            return "Try again a little later."
        case _:
            return ""
