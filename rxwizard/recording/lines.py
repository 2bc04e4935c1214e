r"""The format of a recording: JSON Lines, UTF-8, one kind of line for each thing that happens.

::

    {"format":"rxwizard-recording","version":1,"begun":"2026-01-31T12:00:00+00:00"}
    {"exchange":0,"at":0.0,"provider":"openai","model":"gpt-5.4-mini","protocol":"chat",
     "method":"POST","url":"https://...","headers":{"Authorization":"***"},"body":{...}}
    {"exchange":0,"at":0.31,"status":200,"headers":{"content-type":"text/event-stream"}}
    {"exchange":0,"at":0.32,"text":"data: {...}\n\n"}
    {"exchange":0,"at":0.35,"base64":"AAAA..."}
    {"exchange":0,"at":0.35,"end":"answered"}

A line's kind is told by the field that only it has: `method`, `status`, `text` or `base64`, `end`.
The first line alone has no `exchange`. `at` of a request is in seconds since the recording began,
of all else in seconds since its request. Exchanges that run at the same time interleave.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from rxwizard import errors
from rxwizard.errors import DeadlineError, FallbackError, WizardError

FORMAT: Final = "rxwizard-recording"
VERSION: Final = 1

End = Literal["eof", "answered", "closed by us", "error"]
"""How an exchange ended.

- "eof": the body ended.
- "answered": the answer was whole, and what may have come behind it was not read.
- "closed by us": whoever read it left before its end, or could not read it.
- "error": there was no response, or the connection broke; `error` says how.
"""


class Line(BaseModel):
    """One line. What it does not know is ignored: a newer version may add to it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    def encoded(self) -> bytes:
        """Write it, line end included; what is not set is left out."""
        names = self.model_fields_set
        fields = {name: value for name, value in self if name in names}
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=dict)
        return f"{text}\n".encode()


class Header(Line):
    """The first line of a file."""

    format: Literal["rxwizard-recording"]
    version: int
    begun: str = ""
    """Date and time, ISO 8601, UTC."""


class _Of(Line):
    exchange: int = Field(ge=0)
    """Which exchange, from 0, in the order in which they were begun."""
    at: float = Field(ge=0)


class RequestLine(_Of):
    """A request was sent."""

    provider: str
    model: str
    """The model's name, without the provider."""
    protocol: str
    method: str = "POST"
    url: str
    headers: Mapping[str, str] = {}
    body: Any = None


class ResponseLine(_Of):
    """The headers of its response came."""

    status: int
    headers: Mapping[str, str] = {}
    """Values by lower-case name."""


class ReadLine(_Of):
    """A slice of the body came: as text where it is whole UTF-8."""

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, exchange: int, at: float, data: bytes) -> Self:
        """Make the line of a slice."""
        try:
            return cls(exchange=exchange, at=at, text=data.decode())
        except UnicodeDecodeError:
            return cls(exchange=exchange, at=at, base64=b64encode(data).decode())

    @property
    def data(self) -> bytes:
        """The slice.

        Raises:
            ValueError: It is not written as it must be.
        """
        if self.text is not None:
            return self.text.encode()
        try:
            return b64decode(self.base64 or "", validate=True)
        except binascii.Error as error:
            message = f"base64 that cannot be read: {error}"
            raise ValueError(message) from None


class Failure(Line):
    """An error of the wire, so that the same can be raised again."""

    type: str
    message: str
    retryable: bool = False
    seconds: float | None = None
    """What the clock was set to, where one ran out."""

    @classmethod
    def of(cls, error: Exception, clean: Callable[[str], str]) -> Self:
        """Describe an error; `clean` takes the secrets out of its words."""
        words = str(error.args[0]) if error.args else str(error)
        fields: dict[str, Any] = {"type": type(error).__name__, "message": clean(words)}
        if isinstance(error, WizardError):
            fields["retryable"] = error.retryable
        if isinstance(error, DeadlineError):
            fields["seconds"] = error.seconds
        return cls(**fields)


def error_of(failure: Failure, otherwise: type[WizardError]) -> WizardError:
    """Make the error anew; `otherwise` is its type where it was none of ours."""
    kind = getattr(errors, failure.type, None)
    if not isinstance(kind, type) or not issubclass(kind, WizardError) or kind is FallbackError:
        kind = otherwise
    made = kind(failure.message)
    if made.retryable is not failure.retryable:
        made.retryable = failure.retryable
    if isinstance(made, DeadlineError):
        made.seconds = failure.seconds
    return made


class EndLine(_Of):
    """The exchange is over."""

    end: End
    error: Failure | None = None


def kind_of(fields: Mapping[str, Any]) -> type[RequestLine | ResponseLine | ReadLine | EndLine]:
    """Tell which kind of line this is.

    Raises:
        ValueError: It is none.
    """
    for name, kind in _KINDS.items():
        if name in fields:
            return kind
    message = f"a line has one of {', '.join(_KINDS)}"
    raise ValueError(message)


_KINDS: dict[str, type[RequestLine | ResponseLine | ReadLine | EndLine]] = {
    "method": RequestLine,
    "status": ResponseLine,
    "text": ReadLine,
    "base64": ReadLine,
    "end": EndLine,
}
