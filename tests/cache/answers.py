"""Answers to be cached: sources of them, and how hypothesis draws them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hypothesis import strategies as st
from reactivex import abc

from rxwizard import (
    ChunkKind,
    ChunkSource,
    FinishReason,
    Stream,
    StreamChunk,
    StreamingConfig,
    TokenUsage,
    ToolCallDelta,
)
from rxwizard.chunks import RateLimit
from rxwizard.demand import push_batches

SOURCE = ChunkSource(
    provider="openai",
    model="gpt-5",
    response_id="r1",
    request_id="q1",
    requested_at=90.0,
    rate_limit={"requests": RateLimit(limit=9)},
)

USAGE = TokenUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)

FINAL = StreamChunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="stop",
    usage=USAGE,
    source=SOURCE,
    at=103.0,
)

START = StreamChunk(kind=ChunkKind.START, source=SOURCE, at=100.0)


def text(words: str, at: float = 101.0, **fields: Any) -> StreamChunk:
    return StreamChunk(**{"text": words, "source": SOURCE, "at": at, **fields})


def numbered(chunks: Iterable[StreamChunk]) -> list[StreamChunk]:
    """Give each chunk its place."""
    return [chunk.model_copy(update={"seq": seq}) for seq, chunk in enumerate(chunks)]


def whole(*words: str, final: StreamChunk = FINAL) -> list[StreamChunk]:
    """A whole answer of these words, one every half of a second."""
    texts = [text(word, 100.5 + number / 2) for number, word in enumerate(words)]
    return numbered([START, *texts, final])


HELLO = whole("Hel", "lo")


class Asked(Stream[StreamChunk]):
    """A source that gives these chunks each time it is asked, and can be paused.

    Args:
        chunks: What it gives, in batches of `batch`, a turn of the loop each.
        fails: What it ends with instead of completion.
    """

    def __init__(
        self,
        chunks: Sequence[StreamChunk] = HELLO,
        *,
        batch: int = 4,
        fails: Exception | None = None,
        config: StreamingConfig | None = None,
    ) -> None:
        super().__init__(self._push, config)
        self._chunks = chunks
        self._batch = batch
        self._fails = fails
        #: Requests, those of them that are closed again, and chunks given out.
        self.asked = 0
        self.closed = 0
        self.given = 0

    def _push(
        self, observer: abc.ObserverBase[Any], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return push_batches(self._open, observer)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[AsyncGenerator[Iterator[StreamChunk]]]:
        self.asked += 1
        try:
            yield self._batches()
        finally:
            self.closed += 1

    async def _batches(self) -> AsyncGenerator[Iterator[StreamChunk]]:
        for at in range(0, len(self._chunks), self._batch):
            await asyncio.sleep(0)
            yield self._read(self._chunks[at : at + self._batch])
        if self._fails is not None:
            raise self._fails

    def _read(self, chunks: Sequence[StreamChunk]) -> Iterator[StreamChunk]:
        for chunk in chunks:
            self.given += 1
            yield chunk


async def read(stream: Stream[StreamChunk]) -> list[StreamChunk]:
    """Read to the end, and until the connection is closed."""
    async with asyncio.timeout(10_000), stream.open() as reader:
        return [chunk async for chunk in reader]


def contents(chunks: Iterable[StreamChunk]) -> list[StreamChunk]:
    """Give the chunks without their place, their time and what belongs to a request of its own."""
    return [
        chunk.model_copy(
            update={
                "seq": 0,
                "at": 0.0,
                "epoch": 0,
                "source": chunk.source.model_copy(
                    update={"requested_at": None, "rate_limit": None, "from_cache": False}
                ),
            }
        )
        for chunk in chunks
    ]


# -- drawn by hypothesis ---------------------------------------------------------------------------

#: Halves of surrogate pairs and line ends of all sorts included.
_TEXTS = st.text(st.characters(exclude_categories=()), max_size=6)
_NUMBERS = st.none() | st.integers(0, 10**12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.none() | st.dictionaries(_TEXTS, _JSON, max_size=3)


def _usages(depth: int = 1) -> st.SearchStrategy[TokenUsage]:
    inner = st.none() | _usages(depth - 1) if depth else st.none()
    counts = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
    return st.builds(
        TokenUsage,
        **dict.fromkeys(counts, _NUMBERS),
        source=st.sampled_from(["reported", "estimated"]),
        raw=_OBJECTS,
        latest=inner,
        wasted=inner,
    )


_SOURCES = st.builds(
    ChunkSource,
    provider=st.sampled_from(["openai", "anthropic"]),
    model=_TEXTS,
    response_id=st.none() | _TEXTS,
    request_id=st.none() | _TEXTS,
    attempt=st.integers(0, 3),
    requested_at=st.none() | st.floats(0, 100),
)
_SOME_SOURCES = st.sampled_from([SOURCE, SOURCE.model_copy(update={"attempt": 1})])

_TIMES = st.floats(100, 200)
_CALLS = st.builds(
    ToolCallDelta,
    index=st.integers(0, 1),
    id=st.none() | st.just("c1"),
    name=st.none() | st.just("f"),
    arguments=_TEXTS,
)


def _plain(**fields: Any) -> st.SearchStrategy[StreamChunk]:
    return st.builds(StreamChunk, at=_TIMES, source=_SOME_SOURCES, **fields)


#: Chunks as most are, and so that neighbours are alike.
_COMMON = st.one_of(
    _plain(text=_TEXTS, index=st.integers(0, 1)),
    _plain(kind=st.just(ChunkKind.REASONING), reasoning=_TEXTS),
    _plain(kind=st.just(ChunkKind.REFUSAL), text=_TEXTS),
    _plain(kind=st.just(ChunkKind.TOOL_CALL), tool_call=_CALLS),
    _plain(text=_TEXTS, choice=st.just(1)),
)

_KEPT = [
    kind
    for kind in ChunkKind
    if kind
    not in (
        *(ChunkKind.START, ChunkKind.FINAL),
        *(ChunkKind.WARNING, ChunkKind.HEARTBEAT, ChunkKind.RETRACT),
    )
]

_GOOD_ENDS = [FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS, FinishReason.OTHER]

#: Chunks of any fields, also such as no provider would send.
_ANY = st.builds(
    StreamChunk,
    kind=st.sampled_from(_KEPT),
    text=_TEXTS,
    reasoning=_TEXTS,
    tool_call=st.none() | _CALLS,
    usage=st.none() | _usages(),
    finish_reason=st.none() | st.sampled_from(_GOOD_ENDS),
    raw_finish_reason=st.none() | _TEXTS | st.integers() | st.floats(allow_nan=False),
    complete=st.none() | st.booleans(),
    index=st.integers(0, 2),
    choice=st.integers(0, 2),
    at=_TIMES,
    source=_SOME_SOURCES | _SOURCES,
    data=_JSON,
    raw=_JSON,
)

_FINALS = st.builds(
    StreamChunk,
    kind=st.just(ChunkKind.FINAL),
    is_final=st.just(True),
    complete=st.just(True),
    text=_TEXTS,
    finish_reason=st.none() | st.sampled_from(_GOOD_ENDS),
    raw_finish_reason=st.none() | _TEXTS | st.integers() | st.floats(allow_nan=False),
    usage=st.none() | _usages(),
    at=_TIMES,
    source=_SOME_SOURCES,
)

_ODD = st.builds(
    StreamChunk,
    kind=st.sampled_from([ChunkKind.WARNING, ChunkKind.HEARTBEAT]),
    data=_TEXTS,
    at=_TIMES,
    source=_SOME_SOURCES,
)

PIECES = st.lists(_COMMON | _ANY, max_size=12)


@st.composite
def answers(draw: st.DrawFn) -> list[StreamChunk]:
    """A whole answer in one epoch, of any chunks that are kept."""
    return numbered([START, *draw(PIECES), draw(_FINALS)])


@st.composite
def journeys(draw: st.DrawFn) -> tuple[list[StreamChunk], list[StreamChunk]]:
    """An answer of several attempts, and what it is without its way.

    Each new epoch is told by a retraction, or by a second start, as a retry of RxPY's has it; the
    start of one that was told by a retraction is not given.
    """
    chunks = [START]
    kept = [START]
    epoch = 0
    for attempt in range(draw(st.integers(1, 4))):
        if attempt and draw(st.booleans()):
            chunks.append(START)
            kept = [START]
        elif attempt:
            epoch += 1
            data = {"epoch": epoch - 1, "characters": 1}
            chunks.append(StreamChunk(kind=ChunkKind.RETRACT, data=data, at=150.0, source=SOURCE))
            kept = [START]
        for chunk in draw(st.lists(_COMMON | _ODD, max_size=6)):
            chunks.append(chunk.model_copy(update={"epoch": epoch}))
            if chunk.kind not in (ChunkKind.WARNING, ChunkKind.HEARTBEAT):
                kept.append(chunk)
    final = draw(_FINALS)
    chunks.append(final.model_copy(update={"epoch": epoch}))
    return numbered(chunks), [*kept, final]
