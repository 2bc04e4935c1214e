"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

from rxwizard.errors import SinkError
from rxwizard.sinks.disk import write_all

if sys.platform != "win32":
    import fcntl


class PartFile:
    """`<path>.part`, in which each record is whole or absent, until `put_in_place` renames it.

    It is locked while it is open. A `.part` that is there and not locked was left by a run that
    crashed or failed: it is kept, under the first free name of `<path>.part.1`, `.2` and so on.

    Args:
        path: The name it gets in the end; a file of that name is replaced then.

    Raises:
        OSError: The system's own.
        SinkError: Another sink is writing it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = part_of(path)
        self._raw = _open_new(self._part)
        self._size = 0

    def write(self, record: bytes) -> None:
        """Append a record. Where that fails, what was written of it is taken away again.

        Raises:
            OSError: The system's own; the file ends after the record before.
        """
        try:
            write_all(self._raw, record)
        except BaseException:
            with suppress(OSError):
                self._raw.truncate(self._size)
                self._raw.seek(self._size)
            raise
        self._size += len(record)

    def sync(self) -> None:
        """Wait until the disk has it. May be called from any thread."""
        os.fsync(self._raw.fileno())

    def put_in_place(self) -> None:
        """Close it and give it its name."""
        if sys.platform == "win32":
            self._raw.close()  # an open file cannot be renamed there
        # Elsewhere the lock is held until it is renamed: nobody may take it for a stale one.
        os.replace(self._part, self._path)
        self._raw.close()

    def close(self) -> None:
        """Close it; what was written stays in the `.part`. Idempotent."""
        if self._raw.closed:
            return
        is_empty = self._size == 0
        if is_empty and sys.platform != "win32":
            with suppress(OSError):
                self._part.unlink()
        self._raw.close()
        if is_empty and sys.platform == "win32":
            with suppress(OSError):
                self._part.unlink()


def part_of(path: Path) -> Path:
    """Give the name a file has while it grows."""
    return path.with_name(path.name + ".part")


def _open_new(part: Path) -> io.FileIO:
    while True:
        try:
            raw = io.FileIO(part, "xb")
        except FileExistsError:
            _set_aside(part)
            continue
        # Another one may have come between making and locking, and have taken it for stale.
        if _lock(raw) and _is_still(raw, part):
            return raw
        raw.close()


def _set_aside(part: Path) -> None:
    if sys.platform == "win32":
        _rename(part)  # refused by the system while another one has it open
        return
    try:
        stale = io.FileIO(part, "r+b")
    except FileNotFoundError:  # put in place or set aside at this moment
        return
    with stale:
        if not _lock(stale):
            message = f"{part} is being written by another sink: two cannot write the same file"
            raise SinkError(message)
        if _is_still(stale, part):
            _rename(part)


def _rename(part: Path) -> None:
    if part.stat().st_size == 0:
        part.unlink()  # there is nothing in it to keep
        return
    for number in count(1):
        kept = part.with_name(f"{part.name}.{number}")
        try:
            io.FileIO(kept, "xb").close()  # takes the name: a rename would not see who has it
        except FileExistsError:
            continue
        os.replace(part, kept)
        return


def _lock(raw: io.FileIO) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks
    return True


def _is_still(raw: io.FileIO, part: Path) -> bool:
    """Tell whether the open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(raw.fileno()), part.stat())
    except FileNotFoundError:
        return False
