"""Asking somebody else, or saying an error with a chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import reactivex
from reactivex import Observable

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, TokenUsage, altered
from rxwizard.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConfigError,
    DeadlineError,
    DecodeError,
    FallbackError,
    NetworkError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ReaderDeadlineError,
    RequestError,
    SinkDeadlineError,
    StreamInterruptedError,
    TotalDeadlineError,
    WizardError,
)
from rxwizard.operators.making import Operator, check_stream
from rxwizard.operators.recovering import Decide, Next, Trouble, recovering

if TYPE_CHECKING:
    from reactivex import abc

Errors: TypeAlias = type[WizardError] | tuple[type[WizardError], ...]

#: Errors for which another provider may be better: theirs, the network's, and what one model or key
#: cannot do and another can.
_ELSEWHERE: tuple[type[WizardError], ...] = (
    *(AuthenticationError, PermissionDeniedError, NotFoundError, RequestError, RateLimitError),
    *(ProviderError, NetworkError, StreamInterruptedError, DecodeError, DeadlineError),
    FallbackError,
)

#: Of those, what no provider can help with.
_OURS = (TotalDeadlineError, ReaderDeadlineError, SinkDeadlineError)


@dataclass(frozen=True, slots=True)
class Alternative:
    """A stream to fall back to, and the errors for which it is asked."""

    stream: Observable[StreamChunk]
    on: Errors = ()
    """Classes of errors; none: all for which another provider may be better."""
    name: str = "another stream"
    """What it is called in the warning."""

    def serves(self, error: WizardError) -> bool:
        """Tell whether it is asked after this error."""
        if self.on:
            return isinstance(error, self.on)
        if isinstance(error, StreamInterruptedError) and not error.retryable:
            return False  # the client was closed: nobody is to be asked any more
        return isinstance(error, _ELSEWHERE) and not isinstance(error, _OURS)


def fallback_to(
    *alternatives: Observable[StreamChunk] | Alternative,
    after_first_token: Literal["raise", "restart"] = "restart",
) -> Operator[StreamChunk, StreamChunk]:
    """Ask the next stream where one fails: another model, another provider.

    .. marble::
        -a-#  -b-c-|
        [ fallback_to(other) ]
        -a-w---(r,b)-c-|

    Emits the chunks of the source and, where it fails, a chunk of kind warning (``w``) and those of
    the next alternative that serves the error, with `seq` going on and `usage` the sum of all.
    Where something of an answer had come, the new one begins with a chunk of kind retract (``r``)
    and has a new epoch. Its completion is that of the first that completes. When none is left, a
    FallbackError ends it, with the error of each; an error that no alternative serves ends it as it
    is. Disposing closes the request at hand, and no other is made.

    Args:
        alternatives: Streams, in the order in which they are asked; an `Alternative` says for which
            errors. By default that is all but your own (a bad prompt or setting, a spent budget,
            the deadline for the whole).
        after_first_token: What is done where an answer breaks off in the middle: "raise" or
            "restart".

    Raises:
        ConfigError: There is no alternative, or an option cannot work.

    Example:
        >>> down = reactivex.throw(OverloadedError("no capacity"))
        >>> other = reactivex.of(StreamChunk(text="Hi"))
        >>> down.pipe(ops.fallback_to(other), ops.text()).run()
        'Hi'
    """
    if not alternatives:
        message = "fallback_to needs a stream to fall back to"
        raise ConfigError(message)
    if after_first_token not in ("raise", "restart"):
        message = f"after_first_token cannot be {after_first_token!r}; it is raise or restart"
        raise ConfigError(message)
    known = [each if isinstance(each, Alternative) else Alternative(each) for each in alternatives]
    for each in known:
        check_stream("fallback_to", each.stream)
        _check_errors("fallback_to", each.on)

    def begin(_source: Observable[StreamChunk]) -> Decide:
        left = list(known)
        errors: list[WizardError] = []

        def decide(trouble: Trouble) -> Next | WizardError:
            error = trouble.error
            errors.append(error)
            if not (trouble.has_token and after_first_token == "raise"):
                following = next((each for each in left if each.serves(error)), None)
                if following is not None:
                    left.remove(following)
                    return Next(following.stream, f"Falling back to {following.name}.")
            if len(errors) == 1:
                return error
            causes = "; ".join(f"{type(each).__name__}: {each}" for each in errors)
            return FallbackError(f"Every provider that was tried failed. {causes}", errors)

        return decide

    return recovering(begin, ends_at_token=after_first_token == "raise")


Substitute: TypeAlias = "str | StreamChunk | Observable[StreamChunk]"


def recover(
    with_: Substitute | Callable[[WizardError], Substitute], *, on: Errors = WizardError
) -> Operator[StreamChunk, StreamChunk]:
    """Put something in the place of an error: a sentence, a chunk, a stream.

    .. marble::
        -a-#
        [ recover(with_="Sorry.") ]
        -a-(w,r,S,f|)

    Emits the chunks of the source and, where it fails, a chunk of kind warning (``w``) with the
    error's words and then the substitute; where something of an answer had come, a chunk of kind
    retract (``r``) before it says what to erase, and the epoch rises. A text is followed by a final
    chunk that is not `complete`. Its completion is that of the substitute; an error of that ends
    it, as do errors that are not among `on`. Disposing closes what is being read.

    Args:
        with_: What takes the error's place, or a function of the error that gives it. A text that
            keeps the half answer is ``lambda error: error.partial.text + " ..."``, where there is a
            partial: it is None before the first chunk.
        on: The classes of errors it is for.

    Raises:
        ConfigError: An option cannot work; as an error of the stream, what a function gave.

    Example:
        >>> down = reactivex.throw(OverloadedError("no capacity"))
        >>> down.pipe(ops.recover(with_="Try again later."), ops.text()).run()
        'Try again later.'
    """
    _check_errors("recover", on)
    if on == ():
        message = "recover: on needs a class of errors"
        raise ConfigError(message)
    if not callable(with_):
        _stream_of(with_, WizardError())

    def begin(_source: Observable[StreamChunk]) -> Decide:
        is_done = False

        def decide(trouble: Trouble) -> Next | WizardError:
            nonlocal is_done
            error = trouble.error
            if is_done or not isinstance(error, on):
                return error
            is_done = True
            substitute = with_(error) if callable(with_) else with_
            return Next(_stream_of(substitute, error), "Something else takes its place.")

        return decide

    return recovering(begin)


def _stream_of(substitute: Substitute, error: WizardError) -> Observable[StreamChunk]:
    if isinstance(substitute, str):
        return reactivex.of(StreamChunk(text=substitute), _final(error))
    if isinstance(substitute, StreamChunk):
        return reactivex.of(substitute)
    return check_stream("recover", substitute)


def _check_errors(operator: str, on: object) -> None:
    for kind in on if isinstance(on, tuple) else (on,):
        if not (isinstance(kind, type) and issubclass(kind, WizardError)):
            message = f"{operator}: on={kind!r} is no class of errors of rxwizard, or tuple of some"
            raise ConfigError(message)


def errors_as_chunks() -> Operator[StreamChunk, StreamChunk]:
    """Say an error with the final chunk, for consumers that know no errors.

    .. marble::
        -a-b-#
        [ errors_as_chunks() ]
        -a-b-(f|)

    Emits the chunks of the source. An error becomes a final chunk with `complete` False, the
    `finish_reason` interrupted (the stream broke off), budget, or error (all else), the usage that
    was known, and as `data` what the error says: ``{"error": "RateLimitError", "message": ...,
    "status": 429, "retryable": True, "retry_after": 2.0}``. Then comes completion. What is no
    WizardError passes through as an error. Disposing closes the source.

    Example:
        >>> down = reactivex.throw(OverloadedError("no capacity"))
        >>> final = down.pipe(ops.errors_as_chunks()).run()
        >>> final.finish_reason, final.complete, final.data["error"]
        (<FinishReason.ERROR: 'error'>, False, 'OverloadedError')
    """

    def operator(source: Observable[StreamChunk]) -> Observable[StreamChunk]:
        def subscribe(
            observer: abc.ObserverBase[StreamChunk], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            last: StreamChunk | None = None
            usage: TokenUsage | None = None
            emit = observer.on_next

            def on_next(chunk: StreamChunk) -> None:
                nonlocal last, usage
                last = chunk
                if chunk.usage is not None:
                    usage = chunk.usage
                emit(chunk)

            def on_error(error: Exception) -> None:
                if not isinstance(error, WizardError):
                    observer.on_error(error)
                    return
                emit(_final(error, last, usage))
                observer.on_completed()

            return source.subscribe(on_next, on_error, observer.on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator


_INTERRUPTIONS = (StreamInterruptedError, NetworkError, DeadlineError)


def _final(
    error: WizardError, last: StreamChunk | None = None, usage: TokenUsage | None = None
) -> StreamChunk:
    """Make the final chunk that says an error, after the last one of the stream."""
    reason = FinishReason.ERROR
    if isinstance(error, _INTERRUPTIONS):
        reason = FinishReason.INTERRUPTED
    elif isinstance(error, BudgetExceededError):
        reason = FinishReason.BUDGET
    data = {
        "error": type(error).__name__,
        "message": str(error),
        "status": error.status,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
    }
    final = StreamChunk(
        kind=ChunkKind.FINAL,
        is_final=True,
        complete=False,
        finish_reason=reason,
        usage=usage,
        data=data,
    )
    if last is None:
        return final
    return altered(final, seq=last.seq + 1, epoch=last.epoch, at=last.at, source=last.source)
