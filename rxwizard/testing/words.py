"""Text into pieces the size of tokens, and their number: the simulator's idea of a tokenizer."""

from __future__ import annotations

import itertools
import re
from typing import TypeAlias

Pieces: TypeAlias = int | tuple[str, ...] | None

_WORD = re.compile(r"\s*\S+(?:\s+$)?|\s+")


def split_pieces(text: str, pieces: Pieces) -> tuple[str, ...]:
    """Split after each word (None), into a number of parts, or into exactly these parts.

    Raises ValueError if given parts do not add up to the text.
    """
    if pieces is None:
        return split_words(text)
    if isinstance(pieces, int):
        return split_evenly(text, pieces)
    if "".join(pieces) != text:
        raise ValueError(f"the pieces {pieces!r} do not add up to the text {text!r}")
    return pieces


def split_words(text: str) -> tuple[str, ...]:
    """Split before the space in front of each word; joined, the pieces are the text again."""
    return tuple(_WORD.findall(text)) or ("",)


def split_evenly(text: str, pieces: int) -> tuple[str, ...]:
    """Split into `pieces` parts whose lengths differ by one at most; none of them is empty."""
    count = max(1, min(pieces, len(text)))
    edges = [len(text) * n // count for n in range(count + 1)]
    return tuple(text[start:end] for start, end in itertools.pairwise(edges))


def count_words(text: str) -> int:
    """Count the words, which the simulator reports as tokens."""
    return len(text.split())


def shorten(text: str, limit: int) -> str:
    """Bring the text onto one line of at most `limit` characters, with an ellipsis if it is cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
