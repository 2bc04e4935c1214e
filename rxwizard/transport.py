"""HTTP, by aiohttp's client. The only module that imports it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError

from rxwizard.errors import (
    ConfigError,
    ConnectDeadlineError,
    HeadersDeadlineError,
    NetworkError,
    StreamInterruptedError,
    WizardError,
)
from rxwizard.providers import WireRequest
from rxwizard.wire import Timeouts, encoded

#: Bytes of an error reply that are read: enough for any error, little enough for a hostile one.
_MAX_ERROR_BODY = 64 * 1024

#: Bytes of a request body from which it is sent as a file. Far below aiohttp's 1 MiB, because its
#: encoder escapes what is not ASCII.
_LARGE_BODY = 128 * 1024

#: Bytes taken from the kernel at a time: some hundred events. Half of it costs a tenth in speed,
#: twice of it lets a paused stream hold over 100 KB when its server is far ahead.
_RECEIVE_BYTES = 32 * 1024

#: Bytes the kernel keeps of a stream; it doubles them. At a round trip of 200 ms they let 1 MB a
#: second through, several times what the fastest models write.
_RECEIVE_BUFFER = 128 * 1024

#: Seconds for the body of an error reply: it is short, and what is known without it is enough.
_ERROR_BODY_SECONDS = 5.0

#: Seconds for the last bytes of a body after its answer: a packet that is on its way.
_LAST_BYTES_SECONDS = 0.05

#: Bytes of a response header: gateways send long ones, and aiohttp's limit of 8 KiB calls them no
#: HTTP.
_MAX_HEADER = 64 * 1024

#: What aiohttp raises for a connection that does not work. The third is no ClientError, and comes
#: from its parser in Python.
_BROKEN = (aiohttp.ClientError, OSError, HttpProcessingError, TimeoutError)


class Reply:
    """The answer to one request, whose body may still be on its way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        #: Header values by lower-case name.
        self.headers: Mapping[str, str] = {k.lower(): v for k, v in response.headers.items()}
        #: Whether the answer is whole, so that only the end of the body can follow.
        self.is_answered = False
        self._closed = self._watched()

    def _watched(self) -> asyncio.Future[None] | None:
        """Have the body end when its connection does.

        aiohttp closes a connection whose chunks it cannot parse and tells nobody: the reader of the
        body would wait for ever.
        """
        connection = self._response.connection
        protocol = connection.protocol if connection is not None else None
        closed = protocol.closed if protocol is not None else None
        if closed is not None:
            # A kept connection has had this before; once is enough.
            closed.remove_done_callback(_ask_for_exception)
            closed.add_done_callback(_ask_for_exception)
            closed.add_done_callback(self._connection_closed)
        return closed

    def _connection_closed(self, _closed: asyncio.Future[None]) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    async def wait_for_end(self) -> None:
        """Wait a moment for the end of the body, which mostly comes right behind the answer.

        Then the connection can be kept, and the next request need not connect again.
        """
        content = self._response.content
        if self.is_answered and not content.at_eof():
            with suppress(*_BROKEN):
                async with asyncio.timeout(_LAST_BYTES_SECONDS):
                    await content.readany()

    def leave(self) -> None:
        """Give the connection back where the whole body has come, else close it."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._connection_closed)
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def read(self) -> bytes:
        """Give the next slice of the body as it arrives, of any size; empty at its end.

        The socket is not read while nobody asks for the next slice and the small buffer is full.

        Raises:
            StreamInterruptedError: The connection broke.
        """
        # readany() is the one way of aiohttp that neither limits lines nor moves its marks.
        content = self._response.content
        try:
            return await content.readany()
        except _BROKEN:
            # aiohttp raises before it gives out what had arrived: with a slow reader, that is up to
            # a buffer full of an answer. The error is there again at the next call.
            buffered: deque[bytes] = getattr(content, "_buffer", deque())
            if buffered:
                rest = b"".join(buffered)
                buffered.clear()
                return rest
            message = "The connection broke in the middle of the answer."
            raise StreamInterruptedError(message) from None

    async def error_body(self) -> bytes:
        """Give the first part of the body of an error reply, as far as it can be had."""
        data = bytearray()
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                while len(data) < _MAX_ERROR_BODY and (piece := await self.read()):
                    data += piece
        except (WizardError, TimeoutError):
            pass  # half an error message is better than an error about it
        return bytes(data[:_MAX_ERROR_BODY])


class Transport:
    """Sends requests, over connections that are kept as long as it is open.

    Outside ``open()`` and ``close()`` each request has a connection of its own, so that a client
    that nobody closes leaves nothing open.

    Args:
        session: A session of the user's, for proxies, certificates and the like. It is used and
            never closed.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._given = session
        self._own: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Keep connections from now on, on the running loop."""
        if self._given is None and self._own is None:
            self._own = _new_session()

    async def close(self) -> None:
        """Close all connections that were kept."""
        session, self._own = self._own, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AsyncGenerator[Reply]:
        """Send a request; on leaving, the connection is closed or, if the body was read, kept.

        Args:
            request: What to send.
            timeouts: When to give up.
            read_bufsize: Bytes aiohttp keeps before it stops reading the socket.

        Raises:
            NetworkError: There was no answer.
            ConnectDeadlineError: There was no connection in time.
            HeadersDeadlineError: There were no headers of a response in time.
            ConfigError: The URL cannot be one.
        """
        async with self._session() as session:
            in_time = asyncio.timeout(timeouts.headers)
            try:
                # Cancelled, aiohttp closes the connection.
                async with in_time:
                    response = await _send(session, request, timeouts, read_bufsize)
            except (*_BROKEN, ValueError) as error:
                if in_time.expired():
                    raise _no_headers(request.url, timeouts) from None
                raise _before_answer(error, request.url, timeouts) from None
            reply = Reply(response)
            try:
                yield reply
                if session in (self._given, self._own):
                    await reply.wait_for_end()
            finally:
                reply.leave()

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[aiohttp.ClientSession]:
        kept = self._given or self._own
        if kept is not None:
            yield kept
        else:
            async with _new_session() as session:
                yield session


async def _send(
    session: aiohttp.ClientSession, request: WireRequest, timeouts: Timeouts, read_bufsize: int
) -> aiohttp.ClientResponse:
    """Send a request and wait for the headers of the response."""
    return await session.post(
        request.url,
        **_body(request),
        # Given here and nowhere kept, so that no traceback can show a key.
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            **request.headers,
            **{name: key.get_secret_value() for name, key in request.secrets.items()},
        },
        timeout=aiohttp.ClientTimeout(
            # A stream may last for hours; aiohttp's default ends it after 5 minutes. How long its
            # body may be silent is for those to say who know what content is.
            total=None,
            connect=timeouts.connect,
            sock_connect=timeouts.connect,
        ),
        read_bufsize=read_bufsize,
        # A redirected POST becomes a GET; and a key is for one host only.
        allow_redirects=False,
    )


def _body(request: WireRequest) -> dict[str, Any]:
    """Give the body as aiohttp wants it: an object, so that those who watch requests can read it.

    A large one goes as a file: aiohttp warns of objects whose JSON is over 1 MiB.
    """
    if request.content is not None:
        return {"data": BytesIO(request.content)}
    content = encoded(request.body)
    return {"data": BytesIO(content)} if len(content) > _LARGE_BODY else {"json": request.body}


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # No limit on connections: each stream holds one, and how many streams there are is the
        # user's choice. A limit would let the hundred-and-first wait for ever without a word.
        connector=_Connector(limit=0, socket_factory=_socket),
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Make a socket whose share of the kernel's memory does not grow with a fast reader.

    Linux would let it grow to megabytes, more than a whole answer, and a reader that then stops
    would be felt by the server only after those.
    """
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return made


def _ask_for_exception(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # the body tells it, or nobody is there; unasked for, it would be logged


class _Connector(aiohttp.TCPConnector):
    """Connections that take little from the kernel at a time.

    asyncio's transports ask for 256 KiB. aiohttp's parser then stops in the middle of them when the
    stream is paused, and keeps the rest: most of what a paused stream would hold.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - it is aiohttp's signature
    ) -> Connection:
        """Give a connection whose transport takes little at a time, where it can be told so."""
        connection = await super().connect(req, traces, timeout)
        transport: Any = connection.transport
        # uvloop's and TLS transports have buffers of their own, and no such setting.
        if hasattr(transport, "max_size"):
            transport.max_size = _RECEIVE_BYTES
        return connection


def _before_answer(error: Exception, url: str, timeouts: Timeouts) -> WizardError:
    """Make the error for a request that got no answer."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return ConfigError(f"{url} is no URL of an HTTP server: check the endpoint.")
        case aiohttp.ClientConnectorDNSError():
            return NetworkError(
                f"The host of {url} cannot be found: check the endpoint and the network."
            )
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return NetworkError(
                f"The certificate of {url} cannot be trusted: {_words(error)}", retryable=False
            )
        case ssl.SSLError():
            return NetworkError(
                f"There is no TLS at {url}: {_words(error)} Check whether the endpoint is http or "
                "https.",
                retryable=False,
            )
        case aiohttp.ConnectionTimeoutError():
            return ConnectDeadlineError(
                f"There was no connection to {url} within {timeouts.connect:g} seconds.",
                seconds=timeouts.connect,
            )
        case aiohttp.ClientConnectorError():
            return NetworkError(
                f"Nobody answers at {url} ({error.os_error.strerror or error.os_error}): check the "
                "endpoint, and whether the server is running."
            )
        case aiohttp.ClientResponseError():
            return NetworkError(
                f"What answers at {url} does not speak HTTP: check the endpoint.", retryable=False
            )
        case aiohttp.ServerDisconnectedError():
            # Its own words are the headers that had come by then.
            return NetworkError(f"{url} closed the connection before it had answered.")
        case ValueError() if not isinstance(error, aiohttp.ClientError):
            return ConfigError(f"The request to {url} cannot be sent: check endpoint and headers.")
        case _:
            return NetworkError(
                f"The connection to {url} was lost before the answer: {_words(error)}"
            )


def _no_headers(url: str, timeouts: Timeouts) -> WizardError:
    seconds = timeouts.headers or 0.0
    return HeadersDeadlineError(
        f"{url} did not answer within {seconds:g} seconds. Ask again; or give it more time with "
        "headers: some providers answer only when the first token is there.",
        seconds=seconds,
    )


def _words(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if words.endswith(".") else f"{words}."
