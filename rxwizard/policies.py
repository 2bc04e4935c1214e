"""What is done about failures: settings that the client and the operators have in common."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from rxwizard.settings import Settings

AfterFirstToken = Literal["raise", "restart", "continue"]
"""What is done where an answer breaks off after its first token.

- "raise": it ends with the error, which carries the partial answer.
- "restart": it is asked for again. A chunk of kind retract says what to erase, and the epoch rises.
- "continue": the model is asked to go on from where it broke off; "restart" where that cannot be.
"""


class RetryConfig(Settings):
    """When to ask again, how often, and after what wait.

    Only errors that are `retryable` are retried: 408, 409, 429, 5xx, a connection that failed, a
    deadline. A spent quota, a wrong key, a request that cannot be accepted never are.

    The wait before retry n (from 0) is random, between 0 and ``min(max_delay, base * 2**n)``
    seconds: exponential backoff with full jitter [#]_. Where the provider says how long to wait, it
    is that long at least.

    .. [#] M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    retries: int = Field(default=2, ge=0)
    """Requests after the first one. The vendors' SDKs make two as well; 0: none."""
    after_first_token: AfterFirstToken = "raise"
    """What is done where an answer breaks off after its first token."""
    base: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    """Most seconds before the first retry."""
    max_delay: float = Field(default=8.0, gt=0, allow_inf_nan=False)
    """Most seconds before any retry that the provider does not ask to wait longer for."""
    max_retry_after: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    """Most seconds to wait because the provider says so. Where it says longer, the error is raised
    at once, and its `retry_after` says how long."""
    max_elapsed: float | None = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds of waiting for an answer, over all requests, after which no other one begins: each
    request, and the wait before it, up to its first token or its end. None: no such limit."""
    overlap: int = Field(default=256, ge=0)
    """With "continue": most characters of the end of the partial answer that are dropped where the
    model says them again."""


class DeadlineConfig(Settings):
    """How long each stage of an answer may take, in seconds. None: for ever.

    Time in which the reader holds the stream back does not count.
    """

    connect: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Until there is a connection: far more than any handshake takes."""
    headers: float | None = Field(default=600.0, gt=0, allow_inf_nan=False)
    """From the request to the headers of the response, connecting included. Some providers hold
    them back until the first token."""
    first_token: float | None = Field(default=600.0, gt=0, allow_inf_nan=False)
    """From the request to the first text, reasoning or tool call. Reasoning models are silent for
    minutes; the vendors' SDKs wait as long."""
    idle: float | None = Field(default=120.0, gt=0, allow_inf_nan=False)
    """After the first token, without content: pings, comments and empty pieces are none."""
    heartbeats: bool = False
    """Whether pings and keep-alive comments count as content for `idle`."""
    min_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Tokens a second, estimated, that must come over `window`, counted from the first token."""
    window: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Seconds over which `min_rate` is taken."""
    total: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """From the first request to the end of the answer, retries and waits included."""


@dataclass(frozen=True, slots=True)
class RequestDeadlines:
    """What the request itself has to know of the deadlines, in seconds. None: for ever.

    Attributes:
        connect: Until there is a connection.
        headers: Until there are the headers of the response.
        silence: Without content: the shortest time after which somebody makes an error of it.
    """

    connect: float | None = None
    headers: float | None = None
    silence: float | None = None

    def stricter(self, other: RequestDeadlines) -> RequestDeadlines:
        """Give the shorter one of each."""
        return RequestDeadlines(
            shortest(self.connect, other.connect),
            shortest(self.headers, other.headers),
            shortest(self.silence, other.silence),
        )


def shortest(*seconds: float | None) -> float | None:
    """Give the shortest time; None where there is none."""
    return min((each for each in seconds if each is not None), default=None)


_NONE = RequestDeadlines()

#: What those below want of the requests that are made for them; set while subscribing, as
#: `downstream` is.
deadlines_below: ContextVar[RequestDeadlines] = ContextVar(
    "rxwizard_deadlines_below", default=_NONE
)


class RateLimitConfig(Settings):
    """How many requests and tokens a minute, over all streams of this process to one endpoint.

    Streams wait for their turn, first come, first served.
    """

    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """None: no limit of ours."""
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Input and output together; None: no limit of ours."""
    burst: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Seconds of the rate that may be used at once. Providers count over short spans, too."""
    follow_provider: bool = True
    """Whether to wait as well where the provider's own headers say that nothing is left."""


class CircuitConfig(Settings):
    """When to stop asking an endpoint that does not work, for all clients of this process.

    Closed: requests pass. After `failures` of them in a row have failed, open: each fails at once
    with a CircuitOpenError. After `cool_down` seconds, half-open: one may try; if it works the
    circuit is closed, if not it opens again.
    """

    failures: int = Field(default=5, ge=1)
    """Failures in a row that open it. Only those of the provider or the network count; a request
    has worked once its first token is there."""
    cool_down: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Seconds until one request may try again."""


class HedgeConfig(Settings):
    """When to ask a second time because the first token takes long; the first one to answer wins.

    It costs what the loser generates until it is closed.
    """

    after: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds without a first token after which the second request is sent; None: by `percentile`
    of what was seen."""
    percentile: float = Field(default=95.0, gt=0, lt=100)
    """Of the times to first token seen so far. Nothing is hedged before 20 have been seen."""
