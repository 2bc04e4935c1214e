"""What the sinks that write to disk share: paths, whole writes, text that UTF-8 can hold."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.items import json_of

AnyPath = str | os.PathLike[str]


def checked_path(path: AnyPath, *, needs_parent: bool = False) -> Path:
    """Make a path absolute, so that a later `chdir` does not move it, and see whether it can work.

    It looks and touches nothing, so what it cannot foresee (a full disk, a lock) is an error later.

    Args:
        path: Where the file is or will be.
        needs_parent: Whether files are made beside it. It must then be a regular file, if it is
            there, and its directory writable even so.

    Raises:
        ConfigError: It is a directory, its directory is missing, or one may not write there.
    """
    text = os.fspath(path)
    if not text or "\0" in text:
        raise ConfigError(f"{text!r} is not the path of a file")
    full = Path(os.path.abspath(text))
    try:
        return _checked(full, needs_parent)
    except OSError as error:  # a name that is too long, a device that does not answer
        raise ConfigError(f"{full} cannot be used: {error.strerror or error}") from error


def _checked(full: Path, needs_parent: bool) -> Path:
    parent = full.parent
    if full.is_dir():
        raise ConfigError(f"{full} is a directory: name a file in it")
    if not parent.is_dir():
        what = "is not a directory" if parent.exists() else "does not exist"
        raise ConfigError(f"{full} cannot be made: {parent} {what}")
    if full.exists():
        if needs_parent and not full.is_file():
            raise ConfigError(f"{full} is no regular file")
        if not os.access(full, os.W_OK):
            raise ConfigError(f"{full} may not be written to")
    if (needs_parent or not full.exists()) and not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{full} cannot be made: {parent} may not be written to")
    return full


def cannot_write(path: object, error: OSError) -> SinkError:
    """Say which file the system refused, in its words."""
    return SinkError(f"{path}: {error.strerror or error}")


def write_all(raw: io.RawIOBase, data: bytes) -> None:
    """Write to an unbuffered file, also where the system takes it in several pieces.

    Raises:
        OSError: The system's own; a part may have been written.
    """
    left = memoryview(data)
    while left:
        written = raw.write(left)
        if not written:
            raise BlockingIOError(errno.EAGAIN, "it is full and set not to wait")
        left = left[written:]


def encodable(text: str) -> str:
    r"""Give the text with each half of a surrogate pair, which no UTF-8 can hold, as `\ud83d`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def encodable_json(item: object) -> str:
    """Write an item as one line of JSON that UTF-8 can hold; halves of pairs stay, as escapes.

    Raises:
        SinkError: It cannot be written as JSON.
    """
    try:
        line = json_of(item)
        try:
            line.encode()
        except UnicodeEncodeError:
            return json_of(item, ascii_only=True)
    except (ValueError, TypeError, RecursionError) as error:
        message = f"a {type(item).__name__} cannot be written as JSON: {error}"
        raise SinkError(message) from error
    return line
