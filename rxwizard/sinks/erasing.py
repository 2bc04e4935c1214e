"""Taking back what was written: files that can be cut to where they were."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from typing import Any

from rxwizard.sinks.epochs import ANEW


def mark_after(text: str) -> str:
    """Make the line that says that the text above it no longer counts."""
    line_end = "" if text.endswith("\n") else "\n"
    return f"{line_end}({ANEW})\n"


@dataclass(frozen=True, slots=True)
class End:
    """Where an unbuffered file of ours ended at some time."""

    raw: io.FileIO
    place: int

    def cut_back(self, size: int) -> bool:
        """Have it end there again; False: there is not just what we have written, `size` bytes.

        Raises:
            OSError: The system's own.
        """
        if os.fstat(self.raw.fileno()).st_size != self.place + size:
            return False
        self.raw.truncate(self.place)
        self.raw.seek(self.place)
        return True


def end_of(raw: io.FileIO) -> End | None:
    """Give where a file ends now; None: it is no regular file, and cannot be cut back."""
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return End(raw, raw.tell())


class Erasable:
    """An answer in an open file that is the user's, which may be written to by others as well.

    Args:
        target: A file that tells where it is, and can be cut.
        begin: Where the answer begins, at the end of the file.
        encoding: How the file is written; None: it counts in characters, as a StringIO does.
    """

    def __init__(self, target: Any, begin: int, encoding: str | None) -> None:
        self._target = target
        self._begin = begin
        self._size = 0
        self._encoding = encoding

    def add(self, text: str) -> None:
        """Note that this is going to be written."""
        if self._encoding is None or text.isascii():
            self._size += len(text)
        else:
            self._size += len(text.encode(self._encoding, "backslashreplace"))

    def erase(self) -> bool:
        """Cut the file back to where the answer began; False: there is not just the answer.

        That is so where others have written, and where line ends are translated.
        """
        target, begin = self._target, self._begin
        if target.tell() != begin + self._size:
            return False
        target.seek(begin)
        target.truncate()
        self._size = 0
        return True


def erasable(target: Any, *, is_binary: bool) -> Erasable | None:
    """Give what can take back all that is written from now on; None: it cannot be."""
    try:
        if not target.seekable():
            return None
        place = target.tell()
        if target.seek(0, os.SEEK_END) != place:
            target.seek(place)  # the user writes over what is there
            return None
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    encoding = "utf-8" if is_binary else getattr(target, "encoding", None)
    return Erasable(target, place, encoding) if isinstance(place, int) else None
