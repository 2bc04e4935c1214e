"""A real browser watches a stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from browser import INSTALLING, Page

from rxwizard import ProviderError, StreamChunk
from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.sinks.sse import ServerSentEvents

from .browsing import until

if TYPE_CHECKING:
    from aiohttp import web

# Also for the first start of the browser, and in CI for installing it.
pytestmark = pytest.mark.timeout(2 * INSTALLING)

WORDS = ["Nothing ", "is ", "lost, ", "nothing ", "is ", "doubled."]


def texts(*words: str) -> list[StreamChunk]:
    return [StreamChunk(text=word, seq=seq) for seq, word in enumerate(words)]


async def write(sink: ServerSentEvents, *chunks: StreamChunk) -> None:
    for chunk in chunks:
        await sink.write(chunk)


async def test_the_page_shows_the_answer_growing_and_then_the_end(page: Page) -> None:
    sink = ServerSentEvents()
    async with sink.serve(port=0) as url:
        await page.open(url)
        shown = ""
        for chunk in texts(*WORDS):
            await sink.write(chunk)
            shown += chunk.text
            # The next one is written when this one is seen.
            await page.until("#answer", lambda text: text == shown)  # noqa: B023
            assert await page.state() == "streaming"
        await sink.write(
            StreamChunk(
                kind=ChunkKind.FINAL,
                is_final=True,
                complete=True,
                finish_reason=FinishReason.STOP,
                usage=TokenUsage(completion_tokens=1234),
                seq=len(WORDS),
            )
        )
        await sink.close()

        assert await page.until("#status", lambda text: text == "complete")
        assert await page.text("#closing") == "Finish reason: stop \u00b7 1,234 tokens"
        assert await page.text("#answer") == "".join(WORDS)
        assert await page.state() == "ended"
        assert sink.statistics().browsers == 0


async def test_markup_in_an_answer_is_text_and_does_not_run(page: Page) -> None:
    hostile = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 2'><b>&amp;"
    sink = ServerSentEvents()
    async with sink.serve(port=0) as url:
        await page.open(url)
        await write(sink, StreamChunk(kind=ChunkKind.REASONING, reasoning=hostile), *texts(hostile))
        await sink.close(ProviderError(hostile))
        await page.until("#status", lambda text: text == "failed: ProviderError")

        for place in ("#answer", "#reasoning", "#closing"):
            assert await page.text(place) == hostile
        assert await page.run("return [typeof window.ran, document.images.length]") == [
            "undefined",
            0,
        ]
        # Not even what gets into the page by another way would run.
        await page.run(
            "const script = document.createElement('script');"
            "script.textContent = 'window.ran = 3'; document.body.append(script)"
        )
        assert await page.run("return typeof window.ran") == "undefined"


async def test_a_broken_connection_is_resumed_without_a_gap_or_doubling(page: Page) -> None:
    came: list[str | None] = []

    class Asked(ServerSentEvents):
        async def handler(self, request: web.Request) -> web.StreamResponse:
            came.append(request.headers.get("Last-Event-ID"))
            return await super().handler(request)

    sink = Asked(retry=0.05)
    chunks = texts(*(f"{number} " for number in range(40)))
    async with sink.serve(port=0) as url:
        await page.open(url)
        for begin in range(0, 40, 10):
            await write(sink, *chunks[begin : begin + 5])
            shown = "".join(chunk.text for chunk in chunks[: begin + 5])
            await page.until("#answer", lambda text: text == shown)  # noqa: B023
            sink._broadcast.cut_off()
            await write(sink, *chunks[begin + 5 : begin + 10])
        await until(lambda: sink.statistics().browsers == 1)
        await sink.close()
        await page.until("#status", lambda text: text == "complete")

        assert came == [None, "5", "15", "25", "35"]
        assert await page.text("#answer") == "".join(chunk.text for chunk in chunks)
        assert await page.text("#count") == "40 events"
        assert await page.run("return document.getElementById('note').hidden")


async def test_a_page_opened_late_shows_what_there_is_and_what_is_missing(page: Page) -> None:
    sink = ServerSentEvents(history=3)
    await write(sink, *texts(*WORDS))
    async with sink.serve(port=0) as url:
        await page.open(url)
        assert await page.until("#answer", bool) == "".join(WORDS[3:])
        assert (await page.text("#note")).startswith("3 events are missing")
        await sink.close()
        await page.until("#status", lambda text: text == "complete")


async def test_what_no_longer_counts_is_taken_back(page: Page) -> None:
    sink = ServerSentEvents()
    async with sink.serve(port=0) as url:
        await page.open(url)
        await write(sink, StreamChunk(kind=ChunkKind.START), *texts("wrong", " and worse"))
        await write(sink, StreamChunk(text="another choice", choice=1))
        await page.until("#answer", lambda text: text == "wrong and worse")
        await write(sink, StreamChunk(kind=ChunkKind.RETRACT), StreamChunk(text="better"))
        await page.until("#answer", lambda text: text == "better")
        await write(sink, StreamChunk(text="a new ", epoch=1), StreamChunk(text="epoch", epoch=1))
        await page.until("#answer", lambda text: text == "a new epoch")
        await write(sink, StreamChunk(kind=ChunkKind.START, epoch=1), *texts("again"))
        await page.until("#answer", lambda text: text == "again")


async def test_a_server_that_comes_back_with_another_stream_is_shown_anew(page: Page) -> None:
    first, second = ServerSentEvents(retry=0.05), ServerSentEvents(retry=0.05)
    async with first.serve(port=0) as url:
        await page.open(url)
        await write(first, *texts("old ", "answer"))
        await page.until("#answer", lambda text: text == "old answer")
    assert "trying again" in await page.until("#status", lambda text: text != "live")

    await write(second, *texts("new"))
    async with second.serve(port=int(url.split(":")[2].strip("/"))):
        await page.until("#answer", lambda text: text == "new")
        await second.close()
        await page.until("#status", lambda text: text == "complete")


async def test_a_browser_that_has_the_end_does_not_come_back(page: Page) -> None:
    """An EventSource by itself, without the page's script, which would close it."""
    sink = ServerSentEvents(retry=0.01)
    async with sink.serve(port=0) as url:
        await page.open(url)
        await page.run(
            "window.seen = []; window.other = new EventSource('events');"
            "other.onmessage = (event) => seen.push(JSON.parse(event.data));"
            "other.addEventListener('end', () => seen.push('end'))"
        )
        await until(lambda: sink.statistics().browsers == 2)
        await write(sink, *texts("a"))
        await sink.close()
        async with asyncio.timeout(20):
            while await page.run("return other.readyState") != 2:
                pass

        assert await page.run("return seen.map((item) => item.text || item)") == ["a", "end"]
