"""Text that waits until it has so many tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.operators.cuts import anywhere
from rxwizard.operators.held import HeldText
from rxwizard.operators.units import token_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rxwizard.operators.tokenizers import RunningCount

#: Characters that are counted in one go. Few words have more, and no usual one.
_LONGEST = 32


class HeldTokens:
    """Text that is given out at most `most` tokens at a time, in whole words where they fit.

    Args:
        most: Most tokens that are given out at a time.
        counting: Begins to count a text.
        limit: Most characters that are given out at a time.
    """

    def __init__(self, most: int, counting: Callable[[], RunningCount], limit: int) -> None:
        self._most = most
        self._counting = counting
        self._limit = limit
        self._words = HeldText(min(_LONGEST, limit), token_ends, cut=anywhere)
        self._begin()

    def _begin(self) -> None:
        self._count = self._counting()
        self._is_exact = self._count.exact
        self._parts: list[str] = []
        self._size = 0

    def take(self, piece: str) -> list[str]:
        """Add a piece of text, not an empty one; give what is now known to be whole."""
        return [given for word in self._words.take(piece) for given in self._add(word)]

    def rest(self) -> list[str]:
        """Give what is left, and forget it."""
        rest = [given for word in self._words.rest() for given in self._add(word)]
        if self._parts:
            rest.append("".join(self._parts))
        self._begin()
        return rest

    def _add(self, word: str) -> Iterator[str]:
        """Add a word; give what it does not fit into any more, and what it makes whole."""
        size = self._size + len(word)
        if size <= self._limit and self._fits(word):
            self._parts.append(word)
            self._size = size
            return
        if self._parts:
            yield "".join(self._parts)
            self._begin()
            yield from self._add(word)
            return
        self._begin()
        half = anywhere(word, len(word) // 2) if len(word) > 1 else 1
        if half < len(word):
            yield from self._add(word[:half])
            yield from self._add(word[half:])
        else:
            yield word

    def _fits(self, word: str) -> bool:
        count = self._count
        count.add(word)
        # A tokenizer's count may be an estimate for a while, where there is no space for long.
        return count.tokens <= self._most and count.exact == self._is_exact
