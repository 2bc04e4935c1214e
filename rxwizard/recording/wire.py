"""A wire that is recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from rxwizard.config import WizardConfig
from rxwizard.providers import WireRequest
from rxwizard.recording.recorder import ExchangeLog, Recorder
from rxwizard.wire import Reply, Timeouts, Wire


class RecordingWire:
    """Carry requests by another wire, and write down each exchange.

    What is recorded is what was read, when it was read: where the reader is paused, nothing comes.
    It is exact to the byte, but for secrets, which become ``***``: the key and all that the request
    carries beside it, also where the server sends it back, split over two reads, escaped, or cut
    off. The few bytes at the end of a read that may be the beginning of one are written with the
    next. A binary event in which one stood no longer matches its checksum.

    Args:
        wire: What carries them.
        recorder: The file.
        config: Whom the requests are for.
    """

    def __init__(self, wire: Wire, recorder: Recorder, config: WizardConfig) -> None:
        self._wire = wire
        self._recorder = recorder
        self._config = config

    @asynccontextmanager
    async def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AsyncGenerator[Reply]:
        """Send a request, as the other wire does.

        Raises:
            WizardError: As the other wire does; what is wrong with the recording is no error here.
        """
        log = self._recorder.begin(request, self._config)
        try:
            async with self._wire.post(request, timeouts, read_bufsize) as reply:
                log.response(reply)
                recorded = _RecordedReply(reply, log)
                try:
                    yield recorded
                finally:
                    if recorded.is_answered:
                        reply.is_answered = True
                        log.answered()
        except Exception as error:
            log.failed_to_begin(error)
            raise
        finally:
            log.close()


class _RecordedReply:
    def __init__(self, reply: Reply, log: ExchangeLog) -> None:
        self._reply = reply
        self._log = log
        self.is_answered = False

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    async def read(self) -> bytes:
        try:
            data = await self._reply.read()
        except Exception as error:
            self._log.failed(error)
            raise
        self._log.read(data)
        return data

    async def error_body(self) -> bytes:
        data = await self._reply.error_body()
        if data:
            self._log.read(data)
        self._log.answered()
        return data
