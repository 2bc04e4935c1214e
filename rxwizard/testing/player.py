"""Play one script onto one connection: the only place where steps meet a socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from multidict import CIMultiDict

from rxwizard.testing.protocols.base import compact
from rxwizard.testing.script import (
    ENDINGS,
    Close,
    Cut,
    Hold,
    HttpError,
    Pause,
    Raw,
    Repeat,
    Reset,
    Script,
    Step,
    StreamError,
    Usage,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.testing.exchange import Progress
    from rxwizard.testing.protocols.base import Call, Encoder, WireProtocol

_DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Part:
    """A script with all that is needed to play it to one request.

    `protocol` None is for scripts that leave no byte to a protocol. `pace` is in seconds.
    """

    script: Script
    protocol: WireProtocol | None
    call: Call
    pace: float = 0.0


class Player:
    """Plays one part. `response` is what was begun, for aiohttp to wind up."""

    def __init__(self, request: web.BaseRequest, part: Part, progress: Progress) -> None:
        self.response = web.StreamResponse()
        self._request = request
        self._part = part
        self._progress = progress
        protocol = part.protocol
        self._encoder = protocol.encoder(part.call, part.script.usage) if protocol else None

    async def play(self) -> None:
        """Play all steps and the protocol's ending; ConnectionError if the client went away."""
        script = self._part.script
        # A write is to be complete when the kernel has the bytes: no buffer in between.
        if self._request.transport is not None:
            self._request.transport.set_write_buffer_limits(high=0)
        if not any(isinstance(step, HttpError) for step in walk(script.steps)):
            await self._begin(script)
        if await self._play(script.steps):
            if not script.is_closed and self._encoder is not None:
                for event in self._ending(script, self._encoder):
                    await self._send(event)
            await self.response.write_eof()
        self._progress.finished = True

    @staticmethod
    def _ending(script: Script, encoder: Encoder) -> list[bytes]:
        finish = script.finish
        return [*(encoder.encode(finish) if finish else ()), *encoder.end()]

    async def _begin(self, script: Script) -> None:
        protocol = self._part.protocol
        types = (step.content_type for step in walk(script.steps) if isinstance(step, Raw))
        default = protocol.content_type if protocol else _DEFAULT_TYPE
        headers = protocol.headers(self._part.call) if protocol else {}
        self.response.headers.update(headers)
        self.response.headers[hdrs.CONTENT_TYPE] = next(filter(None, types), default)
        self.response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        self.response.enable_chunked_encoding()
        if any(isinstance(step, ENDINGS) for step in walk(script.steps)):
            # Said in the headers, or a client would take the connection back into its pool and
            # find it closing under its next request.
            self.response.force_close()
        await self.response.prepare(self._request)

    async def _play(self, steps: Sequence[Step]) -> bool:
        """Play steps; whether the stream is still open afterwards."""
        for step in steps:
            if isinstance(step, Repeat):
                if not await self._repeat(step):
                    return False
            elif not await self._step(step):
                return False
        return True

    async def _repeat(self, step: Repeat) -> bool:
        played = 0
        while step.times is None or played < step.times:
            played += 1
            if not await self._play(step.steps):
                return False
            await asyncio.sleep(0)  # nothing in it may have waited, and it may have no end
        return True

    async def _step(self, step: Step) -> bool:
        match step:
            case Pause():
                await asyncio.sleep(step.seconds)
            case Hold():
                await self._progress.hold()
            case Raw():
                for piece in step.split():
                    await self._send(piece)
            case Usage() | Repeat():
                pass
            case Close():
                await self.response.write_eof()
                return False
            case Cut():
                self._cut(step)
                return False
            case Reset():
                self._reset()
                return False
            case HttpError():
                await self._refuse(step)
                return False
            case _:
                if self._encoder is None:
                    raise RuntimeError(f"{step!r} needs a protocol to be written in")
                for event in self._encoder.encode(step):
                    await self._send(event)
                if isinstance(step, StreamError):
                    await self.response.write_eof()
                    return False
        return True

    async def _send(self, data: bytes) -> None:
        # Also without a pace there is a turn of the loop between two events, so that a client on
        # the same loop can read the one before the other comes.
        if self._progress.sent_events:
            await asyncio.sleep(self._part.pace)
        self._progress.begin_write()
        await self.response.write(data)
        await self._request.writer.drain()
        self._progress.end_write(len(data))

    async def _refuse(self, step: HttpError) -> None:
        protocol, call = self._part.protocol, self._part.call
        body = step.body
        if body is None and protocol is not None:
            body = protocol.error_body(step.status, None, call)
        headers = CIMultiDict(protocol.headers(call) if protocol else {})
        if body is not None and not isinstance(body, (bytes, str)):
            headers[hdrs.CONTENT_TYPE] = "application/json"
            body = compact(dict(body))
        elif body is not None:
            headers[hdrs.CONTENT_TYPE] = "text/plain; charset=utf-8"
        headers.update(step.headers)
        if step.content_type is not None:
            headers[hdrs.CONTENT_TYPE] = step.content_type
        data = body.encode() if isinstance(body, str) else body or b""
        response = web.Response(status=step.status, body=data, headers=headers)
        self.response = response
        await response.prepare(self._request)
        self._progress.begin_write()
        await response.write_eof()
        self._progress.end_write(len(data))

    def _cut(self, step: Cut) -> None:
        data = step.data
        if data is None:
            data = self._encoder.partial() if self._encoder else b""
        transport = self._request.transport
        if transport is not None:
            transport.write(b"%x\r\n%b" % (len(data) + 64, data))
            transport.close()

    def _reset(self) -> None:
        transport = self._request.transport
        if transport is not None:
            # Lingering for zero seconds is how a socket is told to send RST instead of FIN.
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
