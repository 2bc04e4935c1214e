"""What lies between a source and whatever carries its requests: HTTP, a recording, a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from rxwizard.errors import ConfigError, InvalidPromptError
from rxwizard.providers import WireRequest


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to give up, in seconds.

    Attributes:
        connect: Until there is a connection.
        headers: Until there are the headers of the response, connecting included. None: for ever.
    """

    connect: float
    headers: float | None


class Reply(Protocol):
    """The answer to one request, whose body may still be on its way."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name."""
        ...

    is_answered: bool
    """Whether the answer is whole, so that only the end of the body can follow."""

    async def read(self) -> bytes:
        """Give the next slice of the body as it arrives, of any size; empty at its end.

        Raises:
            StreamInterruptedError: The connection broke.
        """
        ...

    async def error_body(self) -> bytes:
        """Give the first part of the body of an error reply, as far as it can be had."""
        ...


class Wire(Protocol):
    """Carries requests to a provider."""

    def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AbstractAsyncContextManager[Reply]:
        """Send a request; on leaving, the connection is closed or, if the body was read, kept.

        Raises:
            NetworkError: There was no answer.
            ConnectDeadlineError: There was no connection in time.
            HeadersDeadlineError: There was no response in time.
            ConfigError: The URL cannot be one.
        """
        ...


def encoded(body: Mapping[str, Any]) -> bytes:
    """Write a body as JSON.

    Raises:
        ConfigError: It holds what JSON does not have.
        InvalidPromptError: It holds what no text does.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        message = "The prompt has half a surrogate pair, which is no character and cannot be sent."
        raise InvalidPromptError(message) from None
    except (TypeError, ValueError, RecursionError) as error:
        message = f"The request cannot be written as JSON: {error}. Check extra= and the tools."
        raise ConfigError(message) from None
