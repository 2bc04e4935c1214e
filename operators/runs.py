"""Text that comes in neighbouring items and leaves as one."""

from __future__ import annotations

from typing import Any

from rxwizard.chunks import ChunkKind, StreamChunk, altered
from rxwizard.stream import weight_in_characters

# An enumeration's member takes long to look up, and in a set, too.
_TEXT, _REASONING, _REFUSAL = ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.REFUSAL


class Run:
    """Neighbours that are to become one item: strings, or chunks of text that are alike.

    The item is what `rxwizard.stream.join_text` makes of two at a time; but that would copy the
    text once for each piece.
    """

    __slots__ = ("_items", "weight")

    def __init__(self) -> None:
        self._items: list[Any] = []
        #: Characters that wait.
        self.weight = 0

    def add(self, item: Any) -> bool:
        """Take an item that `joins`; False: it does not go with those that wait."""
        items = self._items
        if items and not _alike(items[-1], item):
            return False
        items.append(item)
        self.weight += weight_in_characters(item) or 1  # those without text are not free, either
        return True

    def take(self) -> Any:
        """Give what waits, as one item, and forget it; None where nothing does."""
        items = self._items
        if not items:
            return None
        self._items, self.weight = [], 0
        last = items[-1]
        if len(items) == 1:
            return last
        if isinstance(last, str):
            return "".join(items)
        usages = [chunk.usage for chunk in items if chunk.usage is not None]
        return altered(
            last,
            text="".join([chunk.text for chunk in items]),
            reasoning="".join([chunk.reasoning for chunk in items]),
            usage=usages[-1] if usages else None,
        )


def joins(item: object) -> bool:
    """Tell whether an item is text and nothing else, so that another may become part of it."""
    if isinstance(item, str):
        return True
    if not isinstance(item, StreamChunk):
        return False
    kind = item.kind
    return (
        (kind is _TEXT or kind is _REASONING or kind is _REFUSAL)
        and item.data is None
        and item.raw is None
        and item.tool_call is None
        and item.finish_reason is None
        and not item.is_final
    )


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return type(first) is type(second)
    return (
        first.kind is second.kind
        and first.choice == second.choice
        and first.index == second.index
        and first.epoch == second.epoch
        and (first.source is second.source or first.source == second.source)
    )
