"""What text is shown by: grapheme clusters, words, tokens; never half a cluster."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from rxwizard.errors import ConfigError

Unit: TypeAlias = Literal["grapheme", "word", "token"] | Callable[[str], Sequence[str]]
"""What is shown at a time: a grapheme cluster, which is what people call a character; a word, with
the white space before it; about what a tokenizer makes of it, a word or six characters of a longer
one; or a function that divides a text, so that joining the parts gives the text. The last part may
grow when more text comes. Where a script puts no spaces between words, each cluster is one."""

#: Chinese and Japanese, and the scripts of South-East Asia.
_UNSPACED = "".join(
    rf"\p{{Script={script}}}" for script in ("Han", "Hiragana", "Thai", "Lao", "Khmer", "Myanmar")
)
_SPACE = r"(?=\s)\X"
_LETTER = rf"(?![\s{_UNSPACED}])\X"


def _spaced(letters: str) -> str:
    """Write the pattern of white space, which may be missing, and what is shown with it."""
    return rf"(?:{_SPACE})*+(?:(?=[{_UNSPACED}])\X|(?:{_LETTER}){letters})|(?:{_SPACE})++"


#: Each takes whole clusters, one after the other, so that none is split.
_PATTERNS = {"grapheme": r"\X", "word": _spaced("++"), "token": _spaced("{1,6}+")}


def divider(operator: str, unit: Unit) -> Callable[[str], list[str]]:
    """Give what divides a text into units; joining them gives the text.

    However the text goes on, it divides the same way up to its last unit.

    Args:
        operator: Who needs it, for the message.
        unit: The unit.

    Raises:
        ConfigError: There is no such unit, or `regex` is not installed; from the function it gives:
            the user's own does not give the text again.
    """
    if callable(unit):
        return _checked(operator, unit)
    if unit not in _PATTERNS:
        message = f"{operator}: there is no unit {unit!r}; there are: {', '.join(_PATTERNS)}"
        raise ConfigError(message)
    findall: Callable[[str], list[str]] = _regex(operator).compile(_PATTERNS[unit]).findall
    return findall


def last_cluster(operator: str) -> Callable[[str], int]:
    """Give what tells where the last grapheme cluster of a text begins.

    Args:
        operator: Who needs it, for the message.

    Raises:
        ConfigError: `regex` is not installed.
    """
    finditer = _regex(operator).compile(r"\X").finditer

    def begins(text: str) -> int:
        begin = 0
        for match in finditer(text):
            begin = match.start()
        return begin

    return begins


def _regex(operator: str) -> Any:
    try:
        return importlib.import_module("regex")
    except ImportError as error:
        message = f"{operator} needs regex, which knows what Unicode calls a grapheme cluster: "
        raise ConfigError(f"{message}pip install 'rxwizard[text]'") from error


def _checked(operator: str, divide: Callable[[str], Sequence[str]]) -> Callable[[str], list[str]]:
    def divided(text: str) -> list[str]:
        units = [unit for unit in divide(text) if unit]
        if "".join(units) != text:
            message = f"{operator}: the parts that unit gives are not the text: {text[:40]!r}"
            raise ConfigError(message)
        return units

    return divided
