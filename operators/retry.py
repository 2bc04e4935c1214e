"""Asking again: where a request fails, and where an answer breaks off."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reactivex import Observable

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.errors import CircuitOpenError, ConfigError, RequestError, WizardError
from rxwizard.operators.making import Operator, check_count, check_settings, check_stream
from rxwizard.operators.recovering import Decide, Next, Trouble, recovering
from rxwizard.operators.seam import Seam
from rxwizard.operators.taps import check_callable
from rxwizard.policies import RetryConfig

if TYPE_CHECKING:
    from rxwizard.policies import AfterFirstToken


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stream in which the model goes on from what it had said."""

    stream: Observable[StreamChunk]
    is_exact: bool = False
    """Whether it goes on by itself, from an answer put into its mouth (prefill), and so hardly
    repeats anything."""
    is_echoed: bool = False
    """Whether the provider gives back the answer so far before the rest of it."""


Resume: TypeAlias = Callable[[WizardResponse], "Resumed | Observable[StreamChunk] | None"]
"""Asks the model to go on from a partial answer; None where that cannot be asked for."""


def retry_stream(
    config: RetryConfig | None = None,
    *,
    retries: int | None = None,
    after_first_token: AfterFirstToken | None = None,
    base: float | None = None,
    max_delay: float | None = None,
    max_retry_after: float | None = None,
    max_elapsed: float | None = None,
    overlap: int | None = None,
    resume: Resume | None = None,
    retry_now: Observable[object] | None = None,
    jitter: Callable[[], float] = random.random,
) -> Operator[StreamChunk, StreamChunk]:
    """Ask again where a request fails, and by choice where an answer breaks off.

    Only errors that are `retryable` are retried. The wait before retry n is random, between 0 and
    ``min(max_delay, base * 2**n)`` seconds ("full jitter"), or what the provider asks for,
    whichever is longer. A `generate_stream` has this already, by `WizardConfig.retry`.

    .. marble::
        -#  -a-b-|
        [ retry_stream() ]
        -w---a-b-|

    Emits the chunks of the first attempt as they are; before each further one a chunk of kind
    warning (``w``) that says why and when, and then its chunks, with `seq` going on,
    `source.attempt` rising, and `usage` the sum of all. With "restart" the new answer begins with a
    chunk of kind retract and has a new epoch; with "continue" the text just goes on, without what
    the model says again of it. Its completion is that of the attempt that completes. The last error
    ends it, with `attempts` and, in `partial`, what there is. Disposing closes the attempt at hand,
    or ends the wait for the next.

    Args:
        config: All of the settings below; those given beside it go before it.
        retries: Requests after the first one.
        after_first_token: What is done where an answer breaks off: "raise", "restart", "continue".
        base: Most seconds before the first retry.
        max_delay: Most seconds before any retry, where the provider does not ask for more.
        max_retry_after: Most seconds to wait because the provider asks for it; where it asks for
            more, its error ends the stream at once.
        max_elapsed: Seconds of waiting for an answer, over all requests, after which no other one
            begins. Time in which one comes is no waiting.
        overlap: For "continue": most characters at a seam that are dropped as said already.
        resume: For "continue": asks the model to go on from a partial answer, whose text is given
            without the white space at its end: the model says that again. Where it gives None,
            inside tool calls and inside reasoning, the answer begins anew.
        retry_now: Ends the wait for the next request when it says something: a button, or a network
            that is back.
        jitter: Gives a random number from 0 to 1.

    Raises:
        ConfigError: An option cannot work, or "continue" has no `resume`.

    Example:
        >>> answers = iter([reactivex.throw(NetworkError("no route")), reactivex.of("Hi")])
        >>> stream = reactivex.defer(lambda _: next(answers)).pipe(
        ...     rx.map(lambda text: StreamChunk(text=text)))
        >>> stream.pipe(ops.retry_stream(jitter=lambda: 0), ops.text()).run()
        'Hi'
    """
    # Neither tenacity nor stamina fits: both call a function until it returns, and sleep by
    # themselves, on asyncio's or a thread's clock. Here what is repeated is a subscription, whose
    # chunks have been passed on already when it fails, and time is the scheduler's. The formula for
    # the wait is one line.
    check_settings("retry_stream", config, RetryConfig)
    settings = (config or RetryConfig()).changed(
        retries=retries,
        after_first_token=after_first_token,
        base=base,
        max_delay=max_delay,
        max_retry_after=max_retry_after,
        max_elapsed=max_elapsed,
        overlap=overlap,
    )
    check_callable("retry_stream", "resume", resume)
    check_callable("retry_stream", "jitter", jitter)
    if retry_now is not None:
        check_stream("retry_stream: retry_now", retry_now)
    goes_on = settings.after_first_token == "continue"
    if goes_on and resume is None:
        message = 'retry_stream: "continue" needs resume=, which asks the model to go on'
        raise ConfigError(message)

    def begin(source: Observable[StreamChunk]) -> Decide:
        return _Retrying(source, settings, resume, jitter).decide

    ends_at_token = settings.after_first_token == "raise"
    return recovering(begin, goes_on=goes_on, ends_at_token=ends_at_token, hurry=retry_now)


def continue_on_cut(
    resume: Resume, *, times: int = 2, overlap: int = 256
) -> Operator[StreamChunk, StreamChunk]:
    """Have the model go on where its answer broke off in the middle.

    Errors before the first token pass through; for those there is `retry_stream`, which has this
    built in as well (``after_first_token="continue"``).

    .. marble::
        -a-b-#  -b-c-|
        [ continue_on_cut(resume) ]
        -a-b-w---c-|

    Emits the chunks of the answer, a chunk of kind warning (``w``) where it broke off, and those of
    the continuation: what that says again of the end of the text is dropped, up to `overlap`
    characters. Inside a tool call, inside reasoning, or where `resume` gives None, the answer is
    asked for from the start instead, in a new epoch that begins with a chunk of kind retract. Its
    completion is that of the last of them. After so many `times` the error ends it, with the whole
    text in its `partial`. Disposing closes the request at hand.

    Args:
        resume: Gives the stream that goes on from a partial answer, whose text it gets without the
            white space at its end: the model says that again.
        times: How often, 1 or more.
        overlap: Most characters that are dropped at a seam, 0 or more.

    Raises:
        ConfigError: A number cannot work.

    Example:
        >>> def broken(chunk):
        ...     return reactivex.of(chunk).pipe(
        ...         rx.concat(reactivex.throw(StreamInterruptedError("cut"))))
        >>> def resume(partial):
        ...     return reactivex.of(StreamChunk(text="the rain in Spain"))
        >>> stream = broken(StreamChunk(text="It is the rain"))
        >>> stream.pipe(ops.continue_on_cut(resume), ops.collect()).run().text
        'It is the rain in Spain'
    """
    check_count("continue_on_cut", times=times)
    check_callable("continue_on_cut", "resume", resume)
    settings = RetryConfig(
        retries=times, after_first_token="continue", overlap=overlap, max_elapsed=None
    )

    def begin(source: Observable[StreamChunk]) -> Decide:
        retrying = _Retrying(source, settings, resume, random.random)

        def decide(trouble: Trouble) -> Next | WizardError:
            return retrying.decide(trouble) if trouble.has_token else trouble.error

        return decide

    return recovering(begin, goes_on=True)


#: Seconds that are said as none at all.
_SOON = 0.05


class _Retrying:
    """Decides for one subscription."""

    def __init__(
        self,
        source: Observable[StreamChunk],
        settings: RetryConfig,
        resume: Resume | None,
        jitter: Callable[[], float],
    ) -> None:
        self._source = source
        self._settings = settings
        self._resume = resume
        self._jitter = jitter
        self._retries = 0

    def decide(self, trouble: Trouble) -> Next | WizardError:
        settings, error = self._settings, trouble.error
        is_left = self._retries < settings.retries
        if trouble.has_token and settings.after_first_token == "raise":
            return error
        if (
            trouble.is_continued
            and isinstance(error, RequestError)
            and not error.retryable
            and is_left
        ):
            # Some models do not go on from an answer that is put into their mouth.
            self._resume = None
            return self._next(trouble, 0.0)
        if not is_left or not error.retryable or isinstance(error, CircuitOpenError):
            # An open circuit is there so that nobody waits for this endpoint.
            return error
        asked_for = error.retry_after or 0.0
        if asked_for > settings.max_retry_after:
            return error
        bound = min(settings.max_delay, settings.base * 2.0 ** min(self._retries, 64))
        # Whatever a jitter gives, no number included, the wait stays within its bounds.
        delay = max(bound * min(1.0, max(0.0, self._jitter())), asked_for)
        if settings.max_elapsed is not None and trouble.seconds + delay > settings.max_elapsed:
            return error
        return self._next(trouble, delay)

    def _next(self, trouble: Trouble, delay: float) -> Next:
        self._retries += 1
        when = f"in {delay:.1f} s" if delay >= _SOON else "now"
        of = f"(retry {self._retries} of {self._settings.retries})"
        if trouble.has_token and trouble.can_go_on and self._resume is not None:
            partial = trouble.partial()
            resumed = None if partial is None else self._resumed(self._resume, partial)
            if resumed is not None and partial is not None:
                seam = Seam(
                    partial.text,
                    self._settings.overlap,
                    is_exact=resumed.is_exact,
                    is_echoed=resumed.is_echoed,
                )
                return Next(resumed.stream, f"Going on from there {when} {of}.", delay, seam)
        what = "Starting anew" if trouble.has_token else "Asking again"
        return Next(self._source, f"{what} {when} {of}.", delay)

    def _resumed(self, resume: Resume, partial: WizardResponse) -> Resumed | None:
        resumed = resume(partial.model_copy(update={"text": partial.text.rstrip()}))
        if resumed is None or isinstance(resumed, Resumed):
            return resumed
        return Resumed(check_stream("what resume gives", resumed))
