"""Counting the tokens of a text that grows, with any tokenizer, in linear time.

A tokenizer counts whole texts, and tokens reach across the borders of chunks. So each time the text
grows, its undecided end is counted again, and what can change no more is settled: all that comes
before a word which has more words after it. That is where every common vocabulary divides a text.
Whether this tokenizer does is tried out each time: what settling takes off the count must be the
same wherever the text ends, else nothing is settled there.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sized
from typing import Any, Protocol, TypeAlias, cast

from rxwizard.errors import ConfigError
from rxwizard.operators.token_estimate import EstimatedCount


class Encodes(Protocol):
    """A tokenizer of tiktoken, tokenizers or transformers, or any other with this method."""

    def encode(self, text: str, /) -> Sized:
        """Give the tokens of a text."""
        ...


Tokenizer: TypeAlias = str | Encodes | Callable[[str], int]
"""A name of tiktoken's, of an encoding or a model; a tokenizer; or a function that counts."""


class RunningCount(Protocol):
    """How many tokens a text has so far, piece by piece."""

    tokens: int
    #: Whether that is the tokenizer's own number for the text so far.
    exact: bool

    def add(self, piece: str) -> int:
        """Take the next piece; give how many tokens that makes more. It may make fewer."""
        ...

    def finish(self) -> int:
        """Make the count exact, if it can be; give how many tokens that makes more."""
        ...


def counting_with(tokenizer: Tokenizer | None) -> Callable[[], RunningCount]:
    """Give what begins a running count with this tokenizer, or with None, an estimate.

    Raises:
        ConfigError: It is no tokenizer, or the one that is named cannot be loaded.
    """
    if tokenizer is None:
        return EstimatedCount
    count = _counter(tokenizer)
    return lambda: ExactCount(count)


# -- a text that grows -------------------------------------------------------------------------

# Characters of the undecided end from which on it is worth settling what can be settled.
_SETTLE = 128
# Characters of it up to which it is counted with each piece. Only what has no words gets there;
# beyond, it is counted when it has doubled, so that the whole stays linear.
_RECOUNT = 1024
# Characters of it that are kept at most, for a "word" of a megabyte. Then the count goes on as if a
# new text began, and is an estimate from there on.
_UNDECIDED = 1 << 20

# A word begins at a space after no space, in a new line, and in scripts without spaces, at a comma
# or a full stop.
_BEGINNING = re.compile(r"(?<=\S) (?=\w)|(?<=\n)(?=\w)|(?<=\w)(?=[，。、！？；：])")  # noqa: RUF001
# Characters of the undecided end that are searched for the beginnings of words.
_NEAR = 1024
# Ends of the text at which settling must make the same difference: one after the other, so that
# also a function that counts characters by the four is found out.
_ENDS = 8
# Beginnings at which it is tried, from the last one on.
_TRIALS = 4


class ExactCount:
    """A running count that is the tokenizer's own number for the text so far.

    In a stretch of more than 1,024 characters without a word it is so where it doubled and at the
    end, and an estimate in between: `exact` tells.
    """

    __slots__ = (
        "_count",
        "_estimate",
        "_forced",
        "_new",
        "_new_size",
        "_settle_at",
        "_settled",
        "_undecided",
        "exact",
        "tokens",
    )

    def __init__(self, count: Callable[[str], int]) -> None:
        self.tokens = 0
        self.exact = True
        self._count = count
        self._settled = 0  # tokens of the text before the undecided end
        self._undecided = ""
        self._new: list[str] = []  # what came after it was counted
        self._new_size = 0
        self._settle_at = _SETTLE
        self._estimate = EstimatedCount()
        self._forced = False

    def add(self, piece: str) -> int:
        """Take the next piece; give how many tokens that makes more. It may make fewer."""
        if not piece:
            return 0
        before = self.tokens
        self._new.append(piece)
        self._new_size += len(piece)
        old_size = len(self._undecided)
        size = old_size + self._new_size
        if size <= _RECOUNT or self._new_size >= old_size or size > _UNDECIDED:
            self._recount()
        else:
            self.tokens += self._estimate.add(piece)
            self.exact = False
        return self.tokens - before

    def finish(self) -> int:
        """Make the count exact, if it can be; give how many tokens that makes more."""
        before = self.tokens
        if self._new:
            self._recount()
        return self.tokens - before

    def _recount(self) -> None:
        self._undecided = text = "".join((self._undecided, *self._new))
        self._new.clear()
        self._new_size = 0
        count = self._count(text)
        self.tokens = self._settled + count
        self.exact = not self._forced
        if len(text) >= self._settle_at:
            self._settle(text, count)
        if len(self._undecided) > _UNDECIDED:
            self._settled, self._undecided = self.tokens, ""
            self._forced = True

    def _settle(self, text: str, count: int) -> None:
        begin, difference = self._division(text, count)
        self._settled += difference
        self._undecided = text[begin:]
        self._settle_at = max(_SETTLE, 2 * len(self._undecided))

    def _division(self, text: str, count: int) -> tuple[int, int]:
        """Give where the undecided end may begin, and how many tokens come before; else zeros."""
        size = len(text)
        found = _BEGINNING.finditer(text, max(0, size - _NEAR), size)
        beginnings = [match.start() for match in found]
        while beginnings and beginnings[-1] > size - _ENDS:
            beginnings.pop()
        # A word that is whole stands between the division and the first of the ends.
        candidates = beginnings[-2 : -2 - _TRIALS : -1]
        for begin in candidates:
            # In a very long text, a good stretch before it has to do.
            start = 0 if begin <= 2 * _NEAR else begin - _NEAR
            if self._divides(text, start, begin):
                return begin, count - self._count(text[begin:])
        return 0, 0

    def _divides(self, text: str, start: int, begin: int) -> bool:
        count = self._count
        difference: int | None = None
        for end in range(len(text) - _ENDS, len(text) + 1):
            now = count(text[start:end]) - count(text[begin:end])
            if difference is not None and now != difference:
                return False
            difference = now
        return True


# -- tokenizers --------------------------------------------------------------------------------


def _counter(tokenizer: Any) -> Callable[[str], int]:
    count = _counter_of(_encoding(tokenizer) if isinstance(tokenizer, str) else tokenizer)
    try:
        probe = count("a")
    except Exception as error:
        message = f"{tokenizer!r} cannot count the tokens of a text: {error}"
        raise ConfigError(message) from error
    if not isinstance(cast("Any", probe), int):
        message = (
            f"{tokenizer!r} counts the tokens of a text as {probe!r}, which is no whole number"
        )
        raise ConfigError(message)
    return count


def _counter_of(tokenizer: Any) -> Callable[[str], int]:
    # tiktoken's `encode` refuses a text that happens to contain the name of a special token.
    encode: Any = getattr(tokenizer, "encode_ordinary", None)
    if encode is not None:
        return lambda text: len(encode(text))
    encode = getattr(tokenizer, "encode", None)
    if encode is None:
        if callable(tokenizer):
            return cast("Callable[[str], int]", tokenizer)
        message = (
            f"{tokenizer!r} is no tokenizer: it must have a method encode(text), be the name of "
            "one of tiktoken's encodings or models, or a function that counts a text's tokens"
        )
        raise ConfigError(message)
    if getattr(tokenizer, "truncation", None) or getattr(tokenizer, "padding", None):
        message = "the tokenizer truncates or pads: call its no_truncation() and no_padding() first"
        raise ConfigError(message)
    try:
        encode("a", add_special_tokens=False)
    except TypeError:
        return lambda text: len(encode(text))
    return lambda text: len(_encoded(encode, text))


def _encoded(encode: Callable[..., Sized], text: str) -> Sized:
    # Hugging Face's: special tokens are the prompt's, and half a surrogate pair, which a chunk may
    # end in, is a TypeError.
    try:
        return encode(text, add_special_tokens=False)
    except (TypeError, UnicodeError):
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return encode(whole, add_special_tokens=False)


def _encoding(name: str) -> Any:
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
    except ImportError as error:
        message = (
            f"the tokenizer \"{name}\" is one of tiktoken's: pip install 'rxwizard[tokens]', or "
            "name none, for an estimate"
        )
        raise ConfigError(message) from error
    try:
        known = name in tiktoken.list_encoding_names()
        encoding = name if known else tiktoken.encoding_name_for_model(name)
    except KeyError as error:
        message = f'tiktoken knows no encoding and no model of the name "{name}"'
        raise ConfigError(message) from error
    try:
        return tiktoken.get_encoding(encoding)
    except Exception as error:
        message = (
            f"tiktoken cannot load {encoding}, which it downloads when it is first used: {error}. "
            "On a machine without internet, set TIKTOKEN_CACHE_DIR to where it was loaded before"
        )
        raise ConfigError(message) from error
