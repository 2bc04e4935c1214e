"""A log of a stream: one line of JSON an item."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rxwizard.errors import SinkError
from rxwizard.sinks.disk import AnyPath, cannot_write, checked_path, encodable_json
from rxwizard.sinks.partfile import PartFile


class JsonLines:
    r"""Write each item as one line of JSON, to a file that appears only when it is whole.

    While it grows it is `<path>.part`. Each line is handed to the system in the `write` that brings
    it, so `tail -f` and `jq` can follow, and a crash of this process loses none. `close(None)`
    waits until the disk has it all and renames it to `path`, where it replaces an older file. After
    an error, `path` is not touched and the lines stay in the `.part`: half an answer is never taken
    for a whole one. One without a line is removed.

    A `.part` that an earlier run left is neither lost nor mixed with this one: it becomes
    `<path>.part.1`, or the next free number. Nobody takes those away but you.

    `StreamChunk.model_validate_json` reads a line back. Every chunk has its line, also those that
    were retracted later, and so has the retraction: `rxwizard.fold.ResponseBuilder` makes the
    answer of them, as of the stream itself. Lines end in ``\n`` and are UTF-8. Half a
    surrogate pair stays, as an escape.

    A write runs on the loop's thread and goes to the system's cache, which takes microseconds;
    waiting for the disk is left to `close`, and done in another thread.

    Args:
        path: The file to make. Of a link, what it points to is replaced. The file is not opened
            before the first write, or `close(None)` where there was none: an empty stream gives an
            empty file.

    Raises:
        ConfigError: Its directory is missing or may not be written to, or it is no regular file.
    """

    def __init__(self, path: AnyPath) -> None:
        full = checked_path(path, needs_parent=True)
        self._path = Path(os.path.realpath(full)) if full.is_symlink() else full
        self._file: PartFile | None = None
        self._is_whole = True
        self._closed = False

    async def write(self, item: object, /) -> None:
        """Append one line.

        Raises:
            SinkError: The disk is full or gone, another sink writes this file, the item cannot be
                JSON, or the sink is closed. The file then ends after the line before, as far as the
                system lets it, and `close` will not rename it.
        """
        if self._closed:
            raise SinkError(f"{self._path}: the sink is closed")
        # False until the line is there: whatever keeps it away, the file is not whole any more.
        is_whole, self._is_whole = self._is_whole, False
        line = f"{encodable_json(item)}\n".encode()
        try:
            if self._file is None:
                self._file = PartFile(self._path)
            self._file.write(line)
        except OSError as error:
            raise cannot_write(f"{self._path}.part", error) from error
        self._is_whole = is_whole

    async def close(self, error: BaseException | None = None, /) -> None:
        """Put the file in place, or leave the `.part` where there is an error or a write failed.

        Idempotent. Cancelled while the disk works, it leaves the `.part`.

        Raises:
            SinkError: The disk is full or gone; the `.part` stays.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if error is None and self._is_whole:
                if self._file is None:
                    self._file = PartFile(self._path)
                await asyncio.to_thread(self._file.sync)
                self._file.put_in_place()
        except OSError as failure:
            raise cannot_write(f"{self._path}.part", failure) from failure
        finally:
            if self._file is not None:
                self._file.close()
