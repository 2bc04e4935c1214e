"""Every way a stream can fail, and what to do about each.

The tree answers three questions: whose fault is it, does trying again help, how long to wait::

    WizardError
    +-- ConfigError                 yours: a key, a model, a number; raised before anything is sent
    +-- InvalidPromptError          yours: there is nothing to ask
    +-- AuthenticationError         yours: the provider does not know this key
    +-- PermissionDeniedError       yours: it knows the key, and says no (or: not paid)
    +-- NotFoundError               yours: no such model or path
    +-- RequestError                yours: the provider cannot accept this request
    |   +-- TokenLimitError         yours: more tokens than the model takes
    +-- RateLimitError              yours, for now: too many requests; wait `retry_after`
    +-- ProviderError               theirs: the provider failed, in its own words
    |   +-- OverloadedError         theirs, for now: no capacity
    |   +-- CircuitOpenError        not asked: it has failed too often of late; wait `retry_after`
    +-- NetworkError                nobody's: no answer arrived at all
    +-- StreamInterruptedError      nobody's: the answer began, and ended before its terminal signal
    +-- DecodeError                 theirs: bytes that are not the promised format
    |   +-- StructureError          theirs: an answer that is not the JSON you asked for
    +-- DeadlineError               a clock ran out; one subclass a clock
    |   +-- ConnectDeadlineError    no connection in time
    |   +-- HeadersDeadlineError    no response in time
    |   +-- FirstTokenDeadlineError nothing of the answer in time
    |   +-- IdleDeadlineError       it began, and then nothing came for too long
    |   +-- RateDeadlineError       it comes too slowly
    |   +-- TotalDeadlineError      the whole takes too long
    |   +-- ReaderDeadlineError     ours: a reader of a shared stream stood still, and was put out
    |   +-- SinkDeadlineError       yours: a sink did not take an item, or did not close, in time
    +-- SinkError                   yours: a sink cannot take an item: no file, no disk, no socket
    +-- BufferOverflowError         ours: a reader is slower than its overflow policy allows
    +-- MissingBackpressureError    ours: a source that cannot pause outruns a lossless reader
    +-- BudgetExceededError         yours: the budget you set is spent
    +-- FallbackError               a group: every provider that was tried, and why it failed

The mapping from a provider's reply to one of these stands in `providers/failures.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from rxwizard.chunks import WizardResponse
    from rxwizard.fan_out import FanOutReport


class WizardError(Exception):
    """Something went wrong, and this object says what is left and what to do.

    Args:
        message: One sentence for a person, in the provider's own words where it gave any.
        status: HTTP status this error stands for, also where it arrived inside a stream of
            status 200. None where nobody named one.
        code: The provider's own code for it, such as ``"insufficient_quota"``.
        retryable: Whether the same request may succeed later. Each class has its default.
        retry_after: Seconds the provider asks to wait, or None.
        request_id: The provider's id of the request, for its support.
        provider: Name of the provider, such as ``"openai"``.
        partial: What had arrived of the answer; None only before the first chunk.
    """

    #: Whether the same request may succeed later.
    retryable: bool = False
    #: Requests that were made for this answer, where a retry asked more than once.
    attempts: int = 1
    #: What each sink had got, where the stream went through `fan_out`.
    report: FanOutReport | None = None

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        provider: str | None = None,
        partial: WizardResponse | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        if retryable is not None:
            self.retryable = retryable
        self.retry_after = retry_after
        self.request_id = request_id
        self.provider = provider
        self.partial = partial


class ConfigError(WizardError):
    """The settings cannot work: a missing key, an unknown provider, a number out of range.

    Raised before anything is sent, never from a reply. The message names the variable to set.
    """


class InvalidPromptError(WizardError):
    """The prompt has nothing in it to send."""


class AuthenticationError(WizardError):
    """The provider does not accept this key (401)."""


class PermissionDeniedError(WizardError):
    """The key is known but may not do this, or the account is not paid (402, 403)."""


class NotFoundError(WizardError):
    """There is no such model or path at this endpoint (404, 410)."""


class RequestError(WizardError):
    """The provider cannot accept this request as it is (any other 4xx)."""


class TokenLimitError(RequestError):
    """Prompt and answer are together longer than the model's context."""


class RateLimitError(WizardError):
    """Too many requests or tokens (429). `retry_after` says how long to wait, where known.

    Not retryable where the quota is spent rather than the rate exceeded.
    """

    retryable = True


class ProviderError(WizardError):
    """The provider failed (5xx, or an error inside the stream)."""

    retryable = True


class OverloadedError(ProviderError):
    """The provider has no capacity at the moment (503, 529, 498)."""


class CircuitOpenError(ProviderError):
    """The endpoint has failed so often of late that it is not asked for a while.

    `retry_after` says for how long. Other clients of this process had the failures, too.
    """


class NetworkError(WizardError):
    """No answer arrived: connection refused, name not found, TLS, or reset before the headers."""

    retryable = True


class StreamInterruptedError(WizardError):
    """The answer began and then ended before its provider's terminal signal.

    `partial` is what had arrived. It is never reported as a complete answer.
    """

    retryable = True


class DecodeError(WizardError):
    """The bytes are not the format the provider promises.

    Args:
        message: What was expected.
        text: The offending text, shortened.
        position: How many bytes of the body had been taken in when it was found out.
    """

    def __init__(
        self, message: str = "", *, text: str | None = None, position: int | None = None
    ) -> None:
        super().__init__(message)
        self.text = text
        self.position = position

    def __str__(self) -> str:
        where = "" if self.position is None else f" (within the first {self.position:,} bytes)"
        what = "" if not self.text else f": {self.text!r}"
        return f"{super().__str__()}{where}{what}"


class StructureError(DecodeError):
    """The answer is not the JSON that was asked for: broken, cut, none at all, or of another shape.

    `__cause__` is pydantic's ValidationError where it is of another shape.

    Args:
        message: What was expected.
        value: What was valid of it, in plain dicts and lists; None where nothing was.
        text: The offending text, shortened.
        position: Where it stands: characters from the start of the answer.
    """

    def __init__(
        self,
        message: str = "",
        *,
        value: Any = None,
        text: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message, text=text, position=position)
        self.value = value

    def __str__(self) -> str:
        where = "" if self.position is None else f" (at character {self.position:,})"
        what = "" if not self.text else f": {self.text!r}"
        return f"{WizardError.__str__(self)}{where}{what}"


class DeadlineError(WizardError):
    """A clock ran out. `seconds` is what it had been set to."""

    retryable = True

    def __init__(self, message: str = "", *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class ConnectDeadlineError(DeadlineError):
    """There was no connection within `DeadlineConfig.connect` seconds."""


class HeadersDeadlineError(DeadlineError):
    """The headers of the response did not come within `DeadlineConfig.headers` seconds."""


class FirstTokenDeadlineError(DeadlineError):
    """No text, reasoning or tool call came within `DeadlineConfig.first_token` seconds."""


class IdleDeadlineError(DeadlineError):
    """After the first token, no content came for `DeadlineConfig.idle` seconds.

    Time in which the reader held the stream back does not count.
    """


class RateDeadlineError(DeadlineError):
    """Less than `DeadlineConfig.min_rate` tokens a second came, over `window` seconds."""


class TotalDeadlineError(DeadlineError):
    """The answer was not at its end within `DeadlineConfig.total` seconds, retries included."""

    retryable = False


class ReaderDeadlineError(DeadlineError):
    """A reader of a shared stream took nothing for so long that it was put out.

    The others go on. `share` names it in a warning first.
    """

    retryable = False


class SinkDeadlineError(DeadlineError):
    """A sink did not take an item, or did not close, within its deadline."""

    retryable = False


class SinkError(WizardError):
    """A sink cannot take what it is given; `__cause__` is its own error, such as an OSError."""


class BufferOverflowError(WizardError):
    """More is waiting than the reader's bound allows, and its policy is not to wait or drop."""


class MissingBackpressureError(WizardError):
    """A source that cannot be paused outran a reader that neither drops nor grows.

    The remedy is in the message: another overflow policy, or a source that can be paused.
    """


class BudgetExceededError(WizardError):
    """The budget of tokens, money or time that you set is spent."""


class FallbackError(ExceptionGroup[WizardError], WizardError):
    """Every provider that was tried failed; `exceptions` has each one's own error.

    Retryable where any of them is, after the shortest wait any of them names.
    """

    _summary: ClassVar[str] = "every provider that was tried failed"

    def __new__(cls, message: str, exceptions: Sequence[WizardError]) -> Self:
        """Make the group; an empty message is replaced by one that says what it is."""
        return super().__new__(cls, message or cls._summary, exceptions)

    def __init__(self, message: str, exceptions: Sequence[WizardError]) -> None:
        waits = [e.retry_after for e in exceptions if e.retry_after is not None]
        WizardError.__init__(
            self,
            message or self._summary,
            retryable=any(e.retryable for e in exceptions),
            retry_after=min(waits, default=None),
            partial=next((e.partial for e in reversed(exceptions) if e.partial), None),
        )
        # A group is copied and pickled by both of its arguments.
        self.args = (message or self._summary, list(exceptions))

    def derive(self, excs: Sequence[WizardError]) -> FallbackError:  # type: ignore[override]
        """Make a group of the same kind for `except*` and `split`."""
        return FallbackError(self.message, excs)
