"""Writing down what the wire gives, as it happens."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count

from rxwizard.config import WizardConfig
from rxwizard.errors import SinkError
from rxwizard.providers import WireRequest
from rxwizard.recording.lines import (
    FORMAT,
    VERSION,
    End,
    EndLine,
    Failure,
    Header,
    Line,
    ReadLine,
    RequestLine,
    ResponseLine,
)
from rxwizard.recording.secrets import Secrets
from rxwizard.recording.sieve import Sieve
from rxwizard.sinks.disk import AnyPath, cannot_write, checked_path, write_all
from rxwizard.wire import Reply

try:
    import fcntl
except ImportError:  # Windows has none; two recorders of one file then mix their lines
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("rxwizard.recording")

#: A pipe that nobody reads is an error, and nothing to wait for.
_MODE = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class Recorder:
    """The file of a recording, for any number of exchanges, also at the same time.

    The first exchange replaces what the path held before; until then nothing is touched. The file
    is for its owner alone (mode 0600): prompts and answers are in it, whole. Secrets are not. Each
    line is handed to the system at once, which takes microseconds, so that `tail -f` shows it and a
    crash of this process loses none. Nothing is kept in memory. On disk it grows as long as answers
    come: there is no bound.

    A disk that refuses ends the recording and not the answer: a warning is logged to
    ``rxwizard.recording``, `failure` says why, and the file ends after its last whole line. So does
    a file that another recorder is writing: several clients share one.

    Args:
        path: The file to make. It is open only while an exchange runs.

    Raises:
        ConfigError: The path is a directory, its directory is missing, or one may not write there.
    """

    def __init__(self, path: AnyPath) -> None:
        #: The file, as an absolute path.
        self.path = checked_path(path)
        #: Why the recording stopped; None while it works.
        self.failure: SinkError | None = None
        self._numbers = count()
        self._running = 0
        self._begun: float | None = None
        self._raw: io.FileIO | None = None

    def begin(self, request: WireRequest, config: WizardConfig) -> ExchangeLog:
        """Write that a request is sent; give what takes the rest. It has to be closed."""
        now = asyncio.get_running_loop().time()
        begun, self._begun = self._begun, now if self._begun is None else self._begun
        self._running += 1
        if self._raw is None and self.failure is None:
            self._open(is_first=begun is None)
        log = ExchangeLog(self, next(self._numbers), now, Secrets(request, config))
        log.request(request, config, max(now - self._begun, 0.0))
        return log

    def write(self, line: Line) -> None:
        """Write a line; nothing where the recording has stopped."""
        if self._raw is None:
            return
        size = None
        try:
            size = os.fstat(self._raw.fileno()).st_size
            write_all(self._raw, line.encoded())
        except OSError as error:
            if size is not None:
                with suppress(OSError):  # a pipe has no size, a broken disk no mercy
                    self._raw.truncate(size)
            self._stop(error)

    def end(self) -> None:
        """Close the file where no other exchange runs."""
        self._running -= 1
        if not self._running:
            self._close()

    def _open(self, *, is_first: bool) -> None:
        # Lines are written whole and at the end, whoever else writes.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            self._raw = io.FileIO(os.open(self.path, flags | _MODE, 0o600), "ab")
            if fcntl is not None:
                fcntl.flock(self._raw.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_first:
                self._raw.truncate(0)
            found = os.fstat(self._raw.fileno())
            if stat.S_ISREG(found.st_mode) and hasattr(os, "fchmod"):
                os.fchmod(self._raw.fileno(), 0o600)  # the file before this one may have had more
        except OSError as error:
            self._stop(error)
            return
        if is_first or not found.st_size:
            begun = datetime.now(UTC).isoformat(timespec="seconds")
            self.write(Header(format=FORMAT, version=VERSION, begun=begun))

    def _close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(OSError):
                raw.close()

    def _stop(self, error: OSError) -> None:
        self.failure = cannot_write(self.path, error)
        self._close()
        _log.warning("the recording stopped, the answer goes on: %s", self.failure)


class ExchangeLog:
    """The lines of one exchange.

    Args:
        recorder: Where they go.
        number: Which exchange it is.
        begun: When its request was sent, by the loop's clock.
        secrets: What must not be in them.
    """

    def __init__(self, recorder: Recorder, number: int, begun: float, secrets: Secrets) -> None:
        self._recorder = recorder
        self._number = number
        self._begun = begun
        self._secrets = secrets
        self._sieve = Sieve(secrets.patterns)
        self._has_response = False
        self._end: End = "closed by us"
        self._error: Failure | None = None
        self._ended: float | None = None

    def request(self, request: WireRequest, config: WizardConfig, at: float) -> None:
        """Write what is sent."""
        secrets = self._secrets
        self._recorder.write(
            RequestLine(
                exchange=self._number,
                at=round(at, 6),
                provider=config.provider,
                model=config.model_name,
                protocol=config.vendor.protocol,
                method="POST",
                url=secrets.clean_url(request.url),
                headers=secrets.clean_request_headers(request),
                body=secrets.clean_body(request.body),
            )
        )

    def response(self, reply: Reply) -> None:
        """Write that the response began."""
        self._has_response = True
        headers = self._secrets.clean_response_headers(reply.headers)
        self._recorder.write(
            ResponseLine(
                exchange=self._number, at=self._now(), status=reply.status, headers=headers
            )
        )

    def read(self, data: bytes) -> None:
        """Write a slice of the body; an empty one is its end."""
        if data:
            self._write(self._sieve.feed(data))
        else:
            self._over("eof")

    def answered(self) -> None:
        """Note that the answer is whole."""
        self._over("answered")

    def failed(self, error: Exception) -> None:
        """Note that the wire failed."""
        self._error = Failure.of(error, self._secrets.clean)
        self._over("error")

    def failed_to_begin(self, error: Exception) -> None:
        """Note that there was no response; nothing where there was one."""
        if not self._has_response:
            self.failed(error)

    def close(self) -> None:
        """Write how it ended."""
        self._write(self._sieve.finish())
        fields = {} if self._error is None else {"error": self._error}
        at = self._now() if self._ended is None else self._ended
        self._recorder.write(EndLine(exchange=self._number, at=at, end=self._end, **fields))
        self._recorder.end()

    def _over(self, end: End) -> None:
        self._end = end
        self._ended = self._now()

    def _write(self, data: bytes) -> None:
        if data:
            self._recorder.write(ReadLine.of(self._number, self._now(), data))

    def _now(self) -> float:
        return round(asyncio.get_running_loop().time() - self._begun, 6)
