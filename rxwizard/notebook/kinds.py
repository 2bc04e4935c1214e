"""A colour for each kind of chunk, the same in every picture."""

from __future__ import annotations

from rxwizard.chunks import ChunkKind
from rxwizard.notebook.svg import BLUE, GREEN, INK, OLIVE, ORANGE, PINK, PURPLE, RED, TEAL

_COLOURS: dict[str, str] = {
    ChunkKind.START: GREEN,
    ChunkKind.TEXT: BLUE,
    ChunkKind.REASONING: PURPLE,
    ChunkKind.TOOL_CALL: TEAL,
    ChunkKind.REFUSAL: PINK,
    ChunkKind.CITATION: OLIVE,
    ChunkKind.USAGE: OLIVE,
    ChunkKind.WARNING: ORANGE,
    ChunkKind.RETRACT: RED,
    ChunkKind.FINAL: GREEN,
    "item": TEAL,
}


def colour_of(kind: str) -> str:
    """Give the colour of a kind; those that bring nothing of the answer are grey."""
    return _COLOURS.get(kind, INK)
