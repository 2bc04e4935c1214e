"""What is written on an item: a few letters, and the whole for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rxwizard.chunks import ChunkKind, StreamChunk
from rxwizard.notebook.words import one_line

#: Letters kept of an item: as many as anybody reads in a tooltip. The item itself is not kept, for
#: it may be large, and may be altered by whoever has it next.
_MOST = 400


@dataclass(frozen=True, slots=True)
class Label:
    """What an item looks like.

    Attributes:
        short: One line, never empty.
        full: The beginning of its text or repr, up to 400 letters.
        kind: A chunk's kind; "text" for a string, "item" for anything else.
    """

    short: str
    full: str
    kind: str


def label_of(item: Any) -> Label:
    """Say what an item looks like. Does not raise, whatever the item's own methods do."""
    if isinstance(item, str):
        return Label(_short(item), repr(item[:_MOST]), str(ChunkKind.TEXT))
    if isinstance(item, StreamChunk):
        words = _words(item)
        kind = str(item.kind)
        return Label(_short(words or kind), f"{kind}: {words[:_MOST]!r}", kind)
    try:
        full = repr(item)[:_MOST]
    except Exception:
        full = f"<{type(item).__name__}>"
    return Label(_short(full), full, "item")


def _words(chunk: StreamChunk) -> str:
    if chunk.text or chunk.reasoning:
        return chunk.text or chunk.reasoning
    if chunk.tool_call is not None:
        return (chunk.tool_call.name or "") + chunk.tool_call.arguments
    return "" if chunk.finish_reason is None else str(chunk.finish_reason)


def _short(words: str) -> str:
    """Make one line of the first letters; of nothing but blanks, signs that can be seen."""
    line = one_line(words[:_MOST])
    return line.strip() or line.replace(" ", "␣") or "∅"
