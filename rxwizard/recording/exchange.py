"""One request and what came of it, as a recording has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rxwizard.recording.lines import End, Failure


@dataclass(frozen=True, slots=True)
class Read:
    """A slice of a body.

    Attributes:
        at: When it came, in seconds since the request.
        data: The slice.
    """

    at: float
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came of it.

    Attributes:
        number: Which one, from 0, as in the file.
        at: When it was sent, in seconds since the recording began.
        provider: Whom it was for.
        model: The model's name, without the provider.
        protocol: The wire protocol.
        url: Where it went.
        body: What was sent; None where it could not be.
        status: The HTTP status; None where there was no response.
        headers: The response's, by lower-case name.
        answered_at: When the response began, in seconds since the request.
        reads: The body, in the slices in which it was read.
        end: How it ended; "interrupted" where the recording breaks off before that.
        ended_at: When, in seconds since the request.
        error: What the wire failed with, where it did.
    """

    number: int
    at: float
    provider: str
    model: str
    protocol: str
    url: str
    body: Any = field(repr=False)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    answered_at: float = 0.0
    reads: tuple[Read, ...] = field(default=(), repr=False)
    end: End | Literal["interrupted"] = "interrupted"
    ended_at: float = 0.0
    error: Failure | None = None
