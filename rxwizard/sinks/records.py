"""A sink that writes to the standard library's logging."""

from __future__ import annotations

import asyncio
import logging

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.errors import SinkError
from rxwizard.sinks.epochs import EpochWatch
from rxwizard.sinks.items import json_of, text_of


class Log:
    """Log each item, and in the end how it ended.

    An item is one record at `level`: its message is the item as one line of JSON, so that no text
    of a model can begin a line of the log. `record.item` is the item and `record.position` its
    place, from 0, for handlers that want more than the message. The JSON is written by the handler
    that formats the record: where nobody listens at `level`, an item costs a question.

    The end is one record: at INFO where nothing was left or it was cancelled, else at ERROR, with
    the error's class and words but no traceback. It has `record.items`, `record.characters`, those
    of the visible text, without what was retracted, and `record.error`, the class's name or None.

    There is nothing in a record but what is in the item, so no key; but prompts and answers are
    your users' words, and where they must not be kept, `level` decides.

    Args:
        logger: A logger, or the name of one.
        level: A level of `logging`, as a number.

    Raises:
        SinkError: From `write`, once it is closed.
    """

    def __init__(
        self, logger: logging.Logger | str = "rxwizard.stream", level: int = logging.DEBUG
    ) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level = level
        self._items = 0
        self._characters = 0
        self._watch = EpochWatch()
        self._closed = False

    async def write(self, item: object, /) -> None:
        """Log an item."""
        if self._closed:
            message = "this Log is closed and takes no more items"
            raise SinkError(message)
        if self._logger.isEnabledFor(self._level):
            about = {"item": item, "position": self._items}
            self._logger.log(self._level, "%s", _Json(item), extra=about)
        self._items += 1
        if isinstance(item, StreamChunk) and self._watch.begins_anew(item):
            self._characters = 0
        if isinstance(item, str | StreamChunk | WizardResponse):
            self._characters += len(text_of(item))

    async def close(self, error: BaseException | None = None, /) -> None:
        """Log how it ended; the second time, nothing."""
        if self._closed:
            return
        self._closed = True
        level, how, words = logging.INFO, "ended well", ""
        if isinstance(error, asyncio.CancelledError):
            how = "cancelled"
        elif error is not None:
            level, how, words = logging.ERROR, "failed", f"; {type(error).__name__}: {error}"
        about = {
            "items": self._items,
            "characters": self._characters,
            "error": None if error is None else type(error).__name__,
        }
        line = "%s; items: %d, characters: %d%s"
        self._logger.log(level, line, how, self._items, self._characters, words, extra=about)


class _Json:
    """An item that becomes JSON where a handler wants to read it."""

    __slots__ = ("_item",)

    def __init__(self, item: object) -> None:
        self._item = item

    def __str__(self) -> str:
        return json_of(self._item)
