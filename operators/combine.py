"""Several streams as one: side by side, one after the other, and one for each prompt."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx

from rxwizard.chunks import StreamChunk
from rxwizard.demand.sources import from_async_iterable, from_iterable
from rxwizard.errors import ConfigError
from rxwizard.operators.flow import map_async
from rxwizard.operators.joining import JoinedAnswers
from rxwizard.operators.making import Steps, check_count, lift
from rxwizard.operators.taps import check_callable, told
from rxwizard.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from rxwizard.chunks import WizardResponse

T = TypeVar("T")
P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)

OnError = Literal["isolate", "stop"]


class Named(NamedTuple, Generic[T]):
    """An item of one of several streams, or how that stream failed."""

    name: str
    """The stream's name."""
    item: T | None
    """Its item; None where it failed."""
    error: Exception | None = None
    """How it failed. Nothing more comes of that name."""


def merge_streams(
    streams: Mapping[str, Observable[T]], *, on_error: OnError = "isolate"
) -> Stream[Named[T]]:
    """Read several streams at the same time, each item with its stream's name.

    ``async for name, chunk, error in merge_streams({"a": one, "b": other})``

    .. marble::
        -a--b---|  --c-#
        [ merge_streams({"x": ..., "y": ...}) ]
        -A-CBE--|

    Emits `Named` values in the order in which they came; of one stream, in its own order. With
    "isolate" a stream that fails says so in an item of its own, and the others go on; completion is
    that of the last one. With "stop" the first error ends all of them. A full reader holds all of
    them, and disposing closes them all at once.

    Args:
        streams: The streams by their names.
        on_error: What an error of one does to the others: "isolate" or "stop".

    Raises:
        ConfigError: There is no stream, or no such choice.

    Example:
        >>> words = {"a": reactivex.of("Hi"), "b": reactivex.of("Ciao")}
        >>> sorted(tuple(named) for named in ops.merge_streams(words).pipe(rx.to_list()).run())
        [('a', 'Hi', None), ('b', 'Ciao', None)]
    """
    if not streams:
        message = "merge_streams needs a stream"
        raise ConfigError(message)
    _check_choice("on_error", on_error, ("isolate", "stop"))

    def named(name: str, stream: Observable[T]) -> Observable[Named[T]]:
        def tag(item: T) -> Named[T]:
            return Named(name, item)

        def failed(error: Exception, _source: Observable[Named[T]]) -> Observable[Named[T]]:
            return reactivex.just(Named[T](name, None, error))

        tagged = stream.pipe(rx.map(tag))
        if on_error == "stop":
            return tagged
        return tagged.pipe(rx.catch(failed))

    return Stream.of(reactivex.merge(*(named(*pair) for pair in streams.items())))


def concat_streams(*streams: Observable[StreamChunk]) -> Stream[StreamChunk]:
    """Read several answers one after the other, as if they were one.

    The next one is asked for when the one before has completed. What they brought counts as one
    answer: one start, one final chunk, which has the last one's finish reason and the usage of all,
    added up (`latest` is the last one's); what the others said of usage comes as kind usage. `seq`
    rises by one throughout, and so does the source's `attempt` with each request.

    .. marble::
        -s-a-f|-s-b-f|
        [concat_streams(x, y)]
        -s-a-u---b-F|

    Emits chunks. Nothing is held back: completion is that of the last one; an error of one ends the
    whole at once, and its `partial` is all that had arrived. Where one begins anew (a retry, a
    retraction), the whole does, by a retraction of all of it, with what the ones before it have
    said: that is kept for it. Disposing closes the one that runs.

    Args:
        streams: The streams, one or more.

    Raises:
        ConfigError: There is none.

    Example:
        >>> first, second = (reactivex.of(StreamChunk(text=word)) for word in ("Hel", "lo"))
        >>> ops.concat_streams(first, second).pipe(ops.collect()).run().text
        'Hello'
    """
    if not streams:
        message = "concat_streams needs a stream"
        raise ConfigError(message)
    placed = [_placed(stream, place) for place, stream in enumerate(streams)]

    def begin() -> Steps[tuple[StreamChunk, int], StreamChunk]:
        joined = JoinedAnswers(len(streams))
        return Steps(joined.take, tell_of=joined.tell_of)

    return Stream.of(reactivex.concat(*placed).pipe(lift(begin)))


def _placed(stream: Observable[StreamChunk], place: int) -> Observable[tuple[StreamChunk, int]]:
    def at_place(chunk: StreamChunk) -> tuple[StreamChunk, int]:
        return chunk, place

    return stream.pipe(rx.map(at_place))


class Asked(Protocol[P_contra]):
    """Who answers prompts: a `StreamingClient`, or whatever does the same."""

    def generate_complete(self, prompt: P_contra, /) -> Awaitable[WizardResponse]:
        """Answer one prompt."""
        ...


@dataclass(frozen=True, slots=True)
class Answered(Generic[P]):
    """One prompt of many, and what came of it."""

    index: int
    """The prompt's place, from 0."""
    prompt: P
    response: WizardResponse | None
    """The answer; None where there is none."""
    error: Exception | None = None
    """How it failed. What had arrived is in its `partial`."""


def map_prompts(
    prompts: Iterable[P] | AsyncIterable[P],
    client: Asked[P],
    *,
    concurrency: int = 8,
    ordered: bool = True,
    on_error: OnError = "isolate",
    progress: Callable[[int, int], object] | None = None,
) -> Stream[Answered[P]]:
    """Ask many prompts, so many at a time, and give the answers as they come.

    Prompts are taken when there is room for one more, so a million of them, from a file or a
    generator, need no more memory than a dozen. A slow reader slows the asking.

    .. marble::
        -p-q-r---------|
        [ map_prompts(client, concurrency=2) ]
        ------P--Q---R-|

    Emits an `Answered` for each prompt, in their order, or with ``ordered=False`` as they are
    answered. At most `concurrency` prompts are asked, or answered and not taken yet, and as many
    wait. With "isolate" an error is that prompt's own, and the others go on; with "stop" it ends
    all, after the answers before it. It ends, by completion or an error of `prompts`, after what
    has been asked is answered. Disposing closes all connections at once.

    Args:
        prompts: The prompts.
        client: Who is asked: `client.generate_complete(prompt)`.
        concurrency: Prompts asked at a time, 1 or more. 8 stays below the limits of most accounts.
        ordered: Whether the answers keep the order of the prompts.
        on_error: What an error of one does to the others: "isolate" or "stop".
        progress: Called after each answer with how many there are, and how many of them failed:
            for a bar, ``lambda done, failed: bar.update()``. If it raises, that is logged.

    Raises:
        ConfigError: A number or a choice cannot work.

    Example:
        >>> class Echo:
        ...     async def generate_complete(self, prompt):
        ...         return WizardResponse(text=prompt.upper())
        >>> async def ask():
        ...     answers = ops.map_prompts(["a", "b"], Echo(), concurrency=2)
        ...     return [answered.response.text async for answered in answers]
        >>> asyncio.run(ask())
        ['A', 'B']
    """
    _check_choice("on_error", on_error, ("isolate", "stop"))
    check_count("map_prompts", concurrency=concurrency)
    check_callable("map_prompts", "progress", progress)

    async def ask(numbered: tuple[int, P]) -> Answered[P]:
        index, prompt = numbered
        try:
            return Answered(index, prompt, await client.generate_complete(prompt))
        except Exception as error:
            if on_error == "stop":
                raise
            return Answered(index, prompt, None, error)

    def count() -> Steps[Answered[P], Answered[P]]:
        done = failed = 0

        def counted(answered: Answered[P]) -> tuple[Answered[P]]:
            nonlocal done, failed
            done += 1
            failed += answered.error is not None
            if progress is not None:
                told("map_prompts", lambda counts: progress(*counts), (done, failed))
            return (answered,)

        return Steps(counted)

    def number(prompt: P, index: int) -> tuple[int, P]:
        return index, prompt

    asking = map_async(ask, concurrency=concurrency, ordered=ordered)

    def subscribe(
        observer: abc.ObserverBase[Answered[P]], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        asked = _pausable(prompts).pipe(rx.map_indexed(number), asking, lift(count))
        return asked.subscribe(observer, scheduler=scheduler)

    return Stream(subscribe)


def _pausable(prompts: Iterable[P] | AsyncIterable[P]) -> Observable[P]:
    if isinstance(prompts, AsyncIterable):
        return from_async_iterable(prompts)
    return from_iterable(prompts)


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        message = f"{option} cannot be {value!r}; it is one of: {', '.join(choices)}"
        raise ConfigError(message)
