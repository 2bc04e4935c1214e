"""What stands instead of a match, and masks in what an error carries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rxwizard.errors import ConfigError, FallbackError, WizardError
from rxwizard.operators.expressions import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.chunks import WizardResponse
    from rxwizard.operators.rewriting import Of


def replaced_by(
    pattern: str | re.Pattern[str],
    replacement: str | Callable[[re.Match[str]], str],
    *,
    literal: bool,
) -> Callable[[str, int, int], str]:
    """Make what gives the replacement of a match that begins and ends here in a text."""
    given: object = replacement
    if not (isinstance(given, str) or callable(given)):
        message = f"replace: {replacement!r} is neither a string nor a function of the match"
        raise ConfigError(message)
    if isinstance(replacement, str) and (literal or "\\" not in replacement):
        return lambda _text, _begin, _end: replacement
    compiled = compile_pattern(pattern, literal=literal)
    if isinstance(replacement, str):
        try:
            compiled.sub(replacement, "")
        except (re.error, IndexError) as error:
            message = f"replace: the replacement {replacement!r} cannot work: {error}"
            raise ConfigError(message) from error

    def replaced(text: str, begin: int, end: int) -> str:
        # `re` agrees on what matches, but for one that was cut at the bound: that has to be shown
        # less of the text.
        for seen in (len(text), end + 1, end):
            match = compiled.match(text, begin, seen)
            if match is not None and match.end() == end:
                if isinstance(replacement, str):
                    return match.expand(replacement)
                words: Any = replacement(match)
                if not isinstance(words, str):
                    message = f"replace: the function gave {words!r}, which is no string"
                    raise TypeError(message)
                return words
        return text[begin:end]

    return replaced


def mask_partials(error: BaseException, masked: Callable[[str], str], of: Of) -> None:
    """Mask the words of an answer that an error carries, and those of the errors it groups."""
    if isinstance(error, FallbackError):
        for one in error.exceptions:
            mask_partials(one, masked, of)
    if isinstance(error, WizardError) and error.partial is not None:
        error.partial = _masked_response(error.partial, masked, of)


def _masked_response(
    response: WizardResponse, masked: Callable[[str], str], of: Of
) -> WizardResponse:
    fields = ("text", "reasoning") if of == "both" else (of,)
    choices = tuple(
        choice.model_copy(update={field: masked(getattr(choice, field)) for field in fields})
        for choice in response.choices
    )
    words = {field: masked(getattr(response, field)) for field in fields}
    return response.model_copy(update={**words, "choices": choices})
