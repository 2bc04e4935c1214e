"""What type checkers make of the public names; checked by ``make types``, never run."""

from __future__ import annotations

from typing import assert_type

from reactivex import Observable
from reactivex import operators as rx

from rxwizard import (
    BoundedSubscriber,
    FanOutReport,
    Stream,
    StreamChunk,
    StreamingClient,
    TokenUsage,
    ToolCall,
    WizardResponse,
    fan_out,
    from_iterable,
    lossless,
)
from rxwizard import operators as ops
from rxwizard.sinks import JsonLines, Sink


def longest_word(source: Observable[str]) -> Observable[str]:
    """Give the longest word so far, each time there is a longer one."""

    def longer(best: str, word: str) -> str:
        return word if len(word) > len(best) else best

    return source.pipe(rx.flat_map(str.split), rx.scan(longer, ""), rx.distinct_until_changed())


async def read(client: StreamingClient) -> None:
    stream = client.generate_stream("Hello")
    assert_type(stream, Stream[StreamChunk])
    assert_type(stream.pipe(ops.text()), Stream[str])
    assert_type(stream.pipe(ops.text(), longest_word), Stream[str])
    assert_type(stream.pipe(ops.text(), ops.buffer_sentences()), Stream[str])
    assert_type(stream.pipe(ops.text(), ops.redact("a"), ops.buffer_sentences()), Stream[str])
    assert_type(stream.pipe(ops.redact("a")), Stream[StreamChunk])
    assert_type(stream.pipe(ops.text(), ops.coalesce(1)), Stream[str])
    assert_type(stream.pipe(ops.log(), ops.text(), ops.buffer(count=2)), Stream[list[str]])
    assert_type(stream.pipe(ops.accumulate()), Stream[WizardResponse])
    assert_type(stream.pipe(ops.usage()), Stream[TokenUsage])
    assert_type(stream.pipe(ops.tool_calls()), Stream[ToolCall])
    assert_type(stream.pipe(ops.text(), ops.batched(10, 1)), Stream[list[str]])
    assert_type(await stream.pipe(ops.collect()), WizardResponse)
    assert_type(stream.bounded(), BoundedSubscriber[StreamChunk])
    assert_type(stream.share(replay="all"), Stream[StreamChunk])
    async for chunk in stream:
        assert_type(chunk, StreamChunk)
    async for batch in stream.bounded().batches():
        assert_type(batch, list[StreamChunk])
    for piece in stream.pipe(ops.text()).to_iterable():
        assert_type(piece, str)


async def length(text: str) -> int:
    return len(text)


async def combine(client: StreamingClient) -> None:
    texts = from_iterable(["a", "b"])
    assert_type(texts, Stream[str])
    assert_type(texts.pipe(ops.map_async(length, concurrency=2)), Stream[int])
    merged = ops.merge_streams({"a": texts})
    async for named in merged:
        assert_type(named.item, str | None)
    async for answered in ops.map_prompts(["a", "b"], client):
        assert_type(answered.prompt, str)
        assert_type(answered.response, WizardResponse | None)
    assert_type(ops.race([texts, texts]), Stream[str])


async def send(stream: Stream[StreamChunk]) -> None:
    sink: Sink[object] = JsonLines("answer.jsonl")
    assert_type(await fan_out(stream, log=lossless(sink), show=print), FanOutReport)
