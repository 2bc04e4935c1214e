"""The text of a stream: in a file of ours, or in one that is yours and open."""

from __future__ import annotations

import codecs
import inspect
import io
from typing import Any, Protocol

from rxwizard.chunks import StreamChunk
from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.disk import AnyPath, cannot_write, checked_path, write_all
from rxwizard.sinks.epochs import EpochWatch
from rxwizard.sinks.erasing import End, Erasable, end_of, erasable, mark_after
from rxwizard.sinks.items import text_of


class TextFile:
    r"""Write the text of the items to a file, as it comes and as it is.

    Each piece is handed to the system in the `write` that brings it, so that `tail -f` shows it and
    a crash of this process loses none. Line ends are not translated. What the encoding cannot hold
    is written as an escape such as ``\ud83d``. After an error the file keeps what came before.

    Where the answer is begun anew (a retraction, a newer epoch, a second start), the file is cut
    back to where it began. A pipe, or a file that others have written to since, cannot be: there a
    line in brackets says that the above no longer counts.

    A write runs on the loop's thread and goes to the system's cache, which takes microseconds; with
    a pipe for a path it waits for the pipe's reader, and the loop with it.

    Args:
        path: The file to write. It is not opened before the first write, or `close(None)` where
            there was none: an empty stream gives an empty file.
        append: Whether to go on after what is in the file, instead of emptying it.
        encoding: Of the characters, in Python's names.

    Raises:
        ConfigError: The path is a directory, its directory is missing, one may not write there, or
            there is no such encoding.
    """

    def __init__(self, path: AnyPath, *, append: bool = False, encoding: str = "utf-8") -> None:
        self._path = checked_path(path)
        self._append = append
        try:
            "".encode(encoding)
            self._encoder = codecs.getincrementalencoder(encoding)("backslashreplace")
        except (LookupError, ValueError) as error:
            raise ConfigError(f"{encoding!r} is not an encoding of text") from error
        self._raw: io.FileIO | None = None
        self._watch = EpochWatch()
        self._has_answer = False
        #: Where the answer begins, if it can be taken back; and the encoder's state there.
        self._begin: End | None = None
        self._state: Any = 0
        self._size = 0  # bytes of it so far
        self._last = ""  # the last piece of it
        self._closed = False

    async def write(self, item: object, /) -> None:
        """Append the item's text, if it has any.

        Raises:
            SinkError: The disk is full or gone, or the sink is closed.
        """
        if self._closed:
            raise SinkError(f"{self._path}: the sink is closed")
        if isinstance(item, StreamChunk):
            is_anew = self._watch.begins_anew(item)
            if not self._has_answer:
                self._begin_here()
            elif is_anew:
                self._erase()
        self._put(text_of(item))

    async def close(self, error: BaseException | None = None, /) -> None:
        """Close the file. Idempotent.

        Where nothing was written and there is an error, no file is made and none emptied.

        Raises:
            SinkError: The disk is full or gone.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if error is None or self._raw is not None:
                self._put("", final=True)
        finally:
            if self._raw is not None:
                self._raw.close()

    def _put(self, text: str, *, final: bool = False) -> None:
        try:
            if self._raw is None:
                self._raw = self._open()
            data = self._encoder.encode(text, final)
            write_all(self._raw, data)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        if text:
            self._size += len(data)
            self._last = text

    def _begin_here(self) -> None:
        self._has_answer = True
        self._put("")  # which opens it
        self._begin = None if self._raw is None else end_of(self._raw)
        self._state = self._encoder.getstate()
        self._size, self._last = 0, ""

    def _erase(self) -> None:
        """Cut the file back to where the answer began, or say that it does not count."""
        if not self._last:
            return
        try:
            is_erased = self._begin is not None and self._begin.cut_back(self._size)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        if is_erased:
            self._encoder.setstate(self._state)
            self._size, self._last = 0, ""
        else:
            self._put(mark_after(self._last))
            self._begin_here()

    def _open(self) -> io.FileIO:
        raw = io.FileIO(self._path, "ab" if self._append else "wb")
        if self._append and raw.seekable() and raw.tell():
            self._encoder.setstate(0)  # no byte-order mark amid the text
        return raw


class Writable(Protocol):
    """What `TextWriter` can write to."""

    def write(self, text: Any, /) -> object:
        """Take text, or bytes where it is a binary file."""


class TextWriter:
    r"""Write the text of the items to an open file of yours: `sys.stdout`, a `StringIO`, a pipe.

    Text goes there as it is; a binary file gets it as UTF-8. The file is flushed in the end and
    stays open, being yours; a terminal is flushed at each write, so that it shows what came. What
    its encoding cannot hold is written as an escape such as ``\ud83d``.

    Where the answer is begun anew (a retraction, a newer epoch, a second start), a file or
    `StringIO` is cut back to where it began. What cannot be (a terminal, a pipe, a file that others
    have written to since) gets a line in brackets that says that the above no longer counts.

    A write runs on the loop's thread, and the loop waits where the file does: a pipe whose reader
    is slow, a terminal that is stopped. Control characters pass as they are; for a terminal that a
    model's words must not steer, use `Terminal`.

    Args:
        target: Anything with a `write` for text, or a binary file.

    Raises:
        ConfigError: Its `write` is asynchronous.
    """

    def __init__(self, target: Writable) -> None:
        if inspect.iscoroutinefunction(target.write):
            message = (
                f"the `write` of a {type(target).__name__} is asynchronous, and it is no sink: "
                "give a function that calls it"
            )
            raise ConfigError(message)
        self._target = target
        self._name = str(getattr(target, "name", type(target).__name__))
        self._is_binary = _is_binary(target)
        self._is_terminal = _is_terminal(target)
        self._watch = EpochWatch()
        self._has_answer = False
        self._answer: Erasable | None = None
        self._last = ""  # the last piece of the answer
        self._failed = False
        self._closed = False

    async def write(self, item: object, /) -> None:
        """Write the item's text, if it has any.

        Raises:
            SinkError: The file refuses: its reader is gone, the disk is full, it is closed; or the
                sink is.
        """
        if self._closed:
            raise SinkError(f"{self._name}: the sink is closed")
        text = text_of(item)
        try:
            if isinstance(item, StreamChunk):
                self._see(item)
            if not text:
                return
            self._put(text)
            if self._is_terminal:
                self._flush()
        except (OSError, ValueError, TypeError) as error:
            self._failed = True
            raise self._refused(error) from error

    async def close(self, error: BaseException | None = None, /) -> None:  # noqa: ARG002
        """Flush the file, unless it has failed before, and leave it open. Idempotent.

        Raises:
            SinkError: The file refuses.
        """
        if self._closed:
            return
        self._closed = True
        if self._failed or getattr(self._target, "closed", False) is True:
            return
        try:
            self._flush()
        except (OSError, ValueError) as failure:
            raise self._refused(failure) from failure

    def _see(self, chunk: StreamChunk) -> None:
        is_anew = self._watch.begins_anew(chunk)
        if self._has_answer:
            if not (is_anew and self._last):
                return
            if self._answer is not None and self._answer.erase():
                self._last = ""
                return
            self._answer = None
            self._put(mark_after(self._last))
        self._has_answer = True
        self._last = ""
        if not self._is_terminal:
            self._answer = erasable(self._target, is_binary=self._is_binary)

    def _put(self, text: str) -> None:
        self._last = text
        if self._answer is not None:
            self._answer.add(text)
        target = self._target
        if not self._is_binary:
            try:
                target.write(text)
            except UnicodeEncodeError as error:
                # Raised before anything is written. Escapes lose nothing; a "?" would.
                name = error.encoding
                target.write(text.encode(name, "backslashreplace").decode(name))
        elif isinstance(target, io.RawIOBase):
            write_all(target, text.encode("utf-8", "backslashreplace"))
        else:
            target.write(text.encode("utf-8", "backslashreplace"))

    def _flush(self) -> None:
        flush = getattr(self._target, "flush", None)
        if callable(flush):
            flush()

    def _refused(self, error: Exception) -> SinkError:
        if isinstance(error, OSError):
            return cannot_write(self._name, error)
        return SinkError(f"{self._name} does not take text: {error}")


def _is_binary(target: object) -> bool:
    if isinstance(target, io.RawIOBase | io.BufferedIOBase):
        return True
    mode = getattr(target, "mode", None)  # the wrappers of `tempfile` tell by nothing else
    return isinstance(mode, str) and "b" in mode


def _is_terminal(target: object) -> bool:
    isatty = getattr(target, "isatty", None)
    try:
        return callable(isatty) and isatty() is True
    except ValueError:  # it is closed, which the first write will say
        return False
