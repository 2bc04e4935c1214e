"""Server-sent events over real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from pydantic import SecretStr

from rxwizard import ConfigError, ProviderError, SinkError, StreamChunk
from rxwizard.chunks import WizardResponse
from rxwizard.sinks.protocol import is_sink
from rxwizard.sinks.sse import ServerSentEvents

from .browsing import browsing, mounted, not_reading, read_all, settle, until, until_still

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Bytes of an item, of which a few fill the kernel's buffers.
BIG = 16_000

#: What no JSON can hold: a list in itself.
RING: list[object] = []
RING.append(RING)


@pytest.fixture
async def sink() -> ServerSentEvents:
    return ServerSentEvents(history=8)


@pytest.fixture
async def url(sink: ServerSentEvents) -> AsyncIterator[str]:
    """Where the sink's events are, while the test runs."""
    async with sink.serve(port=0) as page:
        yield page + "events"


async def write(sink: ServerSentEvents, *items: object) -> None:
    for item in items:
        await sink.write(item)


def big(number: int) -> str:
    return f"{number:06d}".ljust(BIG, ".")


def places(items: list[Any]) -> list[int]:
    return [int(item[:6]) for item in items if isinstance(item, str)]


def test_it_is_a_sink() -> None:
    assert is_sink(ServerSentEvents())


async def test_two_browsers_read_the_same_from_the_beginning_to_the_end(
    sink: ServerSentEvents, url: str
) -> None:
    async with browsing(url) as first, browsing(url) as second:
        await write(sink, "a", "b")
        assert await first.some(2) == await second.some(2) == ["a", "b"]
        assert sink.statistics().browsers == 2
        await sink.write("c")
        await sink.close()

        assert await first.all() == await second.all() == ["a", "b", "c", {"events": 3}]
        assert first.ids == second.ids == [1, 2, 3, 4]
        assert first.names == ["message", "message", "message", "end"]
    assert sink.statistics().browsers == 0


async def test_an_item_is_encoded_once_whatever_the_number_of_browsers(
    sink: ServerSentEvents, url: str
) -> None:
    class Item:
        written = 0

        def __str__(self) -> str:
            self.written += 1
            return "item"

    item = Item()
    async with browsing(url) as first, browsing(url) as second:
        await sink.write(item)
        assert await first.some(1) == await second.some(1) == ["item"]

    assert item.written == 1


@pytest.mark.parametrize(
    "text",
    [
        "a\u2028b\u2029c",
        "a\rb\nc\r\nd\n\ne",
        "data: x\n\nevent: end\n\n",
        "\x00\ufeff",
        "\U0001f600",
    ],
    ids=ascii,
)
async def test_a_chunk_survives_whatever_its_text(
    sink: ServerSentEvents, url: str, text: str
) -> None:
    chunk = StreamChunk(text=text, seq=3)
    await sink.write(chunk)
    await sink.close()
    reading = await read_all(url)

    assert reading.names == ["message", "end"]
    assert StreamChunk.model_validate_json(reading.events[0].data) == chunk


async def test_half_a_surrogate_pair_survives(sink: ServerSentEvents, url: str) -> None:
    await sink.write("half \ud83d")
    await sink.close(ProviderError("half \ud83d"))
    reading = await read_all(url)

    assert reading.data[0] == reading.data[1]["error"] == "half \ud83d"


async def test_an_item_that_is_no_json_is_an_error(sink: ServerSentEvents) -> None:
    with pytest.raises(SinkError, match="a list cannot be written as JSON") as caught:
        await sink.write(RING)

    assert caught.value.__cause__ is not None
    assert sink.statistics().events == 0


async def test_who_comes_late_gets_what_the_log_holds(sink: ServerSentEvents, url: str) -> None:
    await write(sink, *range(10))
    async with browsing(url) as reading:
        await sink.write(10)
        await sink.close()

        assert await reading.all() == [{"missed": 2}, *range(2, 11), {"events": 11}]
        assert reading.names[0] == "gap"
        assert reading.ids == list(range(2, 13))
    assert sink.statistics().missed == 2


async def test_from_now_on_there_is_only_what_comes(sink: ServerSentEvents, url: str) -> None:
    await write(sink, 1, 2)
    async with browsing(url + "?from=now") as reading:
        await sink.write(3)
        assert await reading.some(1) == [3]


async def test_one_from_now_that_got_nothing_comes_back_to_where_it_began(
    sink: ServerSentEvents, url: str
) -> None:
    await write(sink, 1, 2)
    async with aiohttp.ClientSession() as session, session.get(url + "?from=now") as response:
        first = await response.content.readuntil(b"\n\n")
    await write(sink, 3, 4)
    await sink.close()

    assert first == b"retry: 1000\nid: 2\n\n"
    assert (await read_all(url + "?from=now", "2")).data == [3, 4, {"events": 4}]


@pytest.mark.parametrize("had", range(6))
async def test_one_that_comes_back_goes_on_behind_what_it_had(
    sink: ServerSentEvents, url: str, had: int
) -> None:
    await write(sink, *range(1, 6))
    async with browsing(url, str(had)) as by_header, browsing(f"{url}?lastEventId={had}") as by_url:
        await sink.write(6)
        await sink.close()

        expected = [*range(had + 1, 7), {"events": 6}]
        assert await by_header.all() == await by_url.all() == expected


async def test_the_header_counts_more_than_the_url(sink: ServerSentEvents, url: str) -> None:
    await write(sink, 1, 2, 3)
    await sink.close()

    assert (await read_all(url + "?lastEventId=1&from=now", "2")).data == [3, {"events": 3}]


async def test_a_broken_connection_is_resumed_without_a_gap(
    sink: ServerSentEvents, url: str
) -> None:
    got: list[Any] = []
    last = None
    for number in range(0, 8, 2):
        async with browsing(url, last) as reading:
            await write(sink, number, number + 1)
            got += await reading.some(2)
            last = reading.decoder.last_event_id

    assert got == list(range(8))


async def test_one_that_comes_back_too_late_is_told_what_it_missed(
    sink: ServerSentEvents, url: str
) -> None:
    await write(sink, *range(1, 21))
    await sink.close()
    reading = await read_all(url, "5")

    assert reading.data == [{"missed": 7}, *range(13, 21), {"events": 20}]


@pytest.mark.parametrize(
    "last", ["x", "-1", "1.5", "1_0", "4", "9" * 30, "9" * 5000, "²"], ids=ascii
)
async def test_an_id_that_cannot_be_of_this_stream_counts_as_none(
    sink: ServerSentEvents, url: str, last: str
) -> None:
    await write(sink, 1, 2)
    await sink.close()
    reading = await read_all(f"{url}?lastEventId={last}")

    assert reading.data == [1, 2, {"events": 2}]


async def test_the_next_id_is_none_before_the_end(sink: ServerSentEvents, url: str) -> None:
    await write(sink, 1, 2)
    async with browsing(url, "3") as reading:
        assert await reading.some(2) == [1, 2]


async def test_after_the_end_there_are_still_the_log_and_the_end(
    sink: ServerSentEvents, url: str
) -> None:
    await write(sink, 1, 2)
    await sink.close()

    assert (await read_all(url)).data == [1, 2, {"events": 2}]
    assert (await read_all(url, "2")).data == [{"events": 2}]
    assert (await read_all(url + "?from=now")).data == [{"events": 2}]


async def test_one_that_has_the_end_is_told_to_stay_away(sink: ServerSentEvents, url: str) -> None:
    await write(sink, 1, 2)
    await sink.close()
    last = (await read_all(url)).decoder.last_event_id

    headers = {"Last-Event-ID": last}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 204
        assert await response.read() == b""


async def test_a_failure_is_told_in_the_errors_words_and_no_others(
    sink: ServerSentEvents, url: str
) -> None:
    error = ProviderError(
        "the model\nis tired",
        request_id="secret-1",
        partial=WizardResponse(text="secret-2"),
    )
    error.__cause__ = ValueError("secret-3")
    error.add_note("secret-4")
    error.key = SecretStr("secret-5")  # type: ignore[attr-defined]
    await sink.close(error)
    reading = await read_all(url)

    assert reading.names == ["failed"]
    assert reading.data == [{"error": "the model\nis tired", "type": "ProviderError"}]


async def test_an_error_without_words_gives_its_name(sink: ServerSentEvents, url: str) -> None:
    await sink.close(asyncio.CancelledError())

    assert (await read_all(url)).data == [{"error": "CancelledError", "type": "CancelledError"}]


async def test_it_can_be_closed_where_nobody_ever_served_it() -> None:
    sink = ServerSentEvents()
    await sink.write("a")
    await sink.close()
    await sink.close(OSError("changes nothing"))
    with pytest.raises(SinkError, match="closed"):
        await sink.write("b")

    assert sink.statistics().events == 1


async def test_a_slow_browser_is_waited_for_and_misses_nothing() -> None:
    sink = ServerSentEvents(history=4, deadline=3600)
    async with mounted(sink.handler) as url, not_reading(url) as slow, browsing(url) as fast:
        writing = asyncio.ensure_future(write(sink, *map(big, range(200))))
        reading = asyncio.ensure_future(fast.all())
        await until_still(lambda: sink.statistics().events)
        statistics = sink.statistics()
        assert not writing.done()
        assert statistics.held == 4
        # What is not in the log is in the kernel's buffers and in one batch.
        assert statistics.events < 40

        catching_up = asyncio.ensure_future(slow.all())
        await writing
        await sink.close()
        assert places(await catching_up) == places(await reading) == list(range(200))
        assert slow.names[-1] == fast.names[-1] == "end"
        assert sink.statistics().closed == sink.statistics().missed == 0


async def test_a_slow_browser_is_moved_on_and_told_so() -> None:
    sink = ServerSentEvents(history=4, slow="skip")
    async with mounted(sink.handler) as url, not_reading(url) as slow, browsing(url) as fast:
        for number in range(120):
            await sink.write(big(number))
            await fast.some(number + 1)
        closing = asyncio.ensure_future(sink.close())
        await slow.all()
        await closing

        missed = sum(item["missed"] for item in slow.data if "missed" in item)
        got = places(slow.data)
        assert missed > 50
        assert missed + len(got) == 120
        assert got == sorted(set(got))
        assert got[-1] == 119
        assert sink.statistics().missed == missed
        assert places(fast.data) == list(range(120))


async def test_a_slow_browser_is_closed_and_can_come_back() -> None:
    sink = ServerSentEvents(history=4, slow="close")
    async with mounted(sink.handler) as url, not_reading(url) as slow, browsing(url) as fast:
        for number in range(100):
            await sink.write(big(number))
            await fast.some(number + 1)
        await until(lambda: sink.statistics().browsers == 1)
        await sink.close()
        await slow.all()

        got = places(slow.data)
        assert got == list(range(len(got)))
        assert len(got) < 50
        assert sink.statistics().closed == 1
        assert places(fast.data) == list(range(100))
        again = await read_all(url, slow.decoder.last_event_id)
        assert again.data[0] == {"missed": 96 - len(got)}
        assert places(again.data) == [96, 97, 98, 99]


async def test_a_browser_that_goes_away_is_forgotten_at_once(
    sink: ServerSentEvents, url: str
) -> None:
    async with browsing(url) as reading:
        await sink.write(1)
        await reading.some(1)
        assert sink.statistics().browsers == 1
    await until(lambda: not sink.statistics().browsers)
    await settle(3)

    assert not sink._broadcast._browsers
    await write(sink, *range(100))


async def test_one_that_goes_away_behind_is_not_waited_for() -> None:
    sink = ServerSentEvents(history=1, deadline=3600)
    async with mounted(sink.handler) as url:
        async with not_reading(url):
            writing = asyncio.ensure_future(write(sink, *map(big, range(100))))
            await until_still(lambda: sink.statistics().events)
            assert not writing.done()
        async with asyncio.timeout(10):
            await writing

        await until(lambda: not sink._broadcast._browsers)


async def test_without_handler_cancellation_one_that_is_gone_does_not_count() -> None:
    sink = ServerSentEvents(history=1, deadline=3600)
    async with mounted(sink.handler) as url:
        async with browsing(url):
            await until(lambda: sink.statistics().browsers == 1)
        await until(lambda: not sink.statistics().browsers)
        async with asyncio.timeout(10):
            await write(sink, 1, 2, 3)
            await sink.close()

        await until(lambda: not sink._broadcast._browsers)


async def test_leaving_before_the_end_cuts_browsers_off() -> None:
    sink = ServerSentEvents()
    serving = sink.serve(port=0)
    page = await serving.__aenter__()
    async with browsing(page + "events") as reading:
        await sink.write(1)
        await reading.some(1)
        await serving.__aexit__(None, None, None)

        # An orderly end would pass for the stream's.
        with pytest.raises(aiohttp.ClientError):
            await reading.all()
    assert sink.statistics().browsers == 0


async def test_leaving_does_not_wait_for_a_browser_that_does_not_read() -> None:
    sink = ServerSentEvents(history=4, slow="skip", deadline=3600)
    serving = sink.serve(port=0)
    page = await serving.__aenter__()
    async with not_reading(page + "events"):
        # Beyond what the kernel holds for it, which is megabytes here.
        for number in range(1000):
            await sink.write(big(number))
            await settle(1)
        async with asyncio.timeout(10):
            await serving.__aexit__(None, None, None)

    assert not sink._broadcast._browsers


async def test_leaving_after_the_end_lets_a_late_browser_read_the_rest() -> None:
    sink = ServerSentEvents(history=1000)
    await write(sink, *map(big, range(500)))
    await sink.close()
    serving = sink.serve(port=0)
    page = await serving.__aenter__()
    async with not_reading(page + "events") as late:
        leaving = asyncio.ensure_future(serving.__aexit__(None, None, None))
        await settle()
        assert not leaving.done()
        await late.all()
        await leaving

    assert places(late.data) == list(range(500))
    assert late.names[-1] == "end"


async def test_the_headers_suit_an_event_stream_and_open_no_door(
    sink: ServerSentEvents, url: str
) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Origin": "http://elsewhere.example"}) as response:
            headers = response.headers
        async with session.head(url) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"

    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert not [name for name in headers if name.startswith("Access-Control")]


async def test_the_browser_is_told_when_to_come_back() -> None:
    sink = ServerSentEvents(retry=0.25)
    async with sink.serve(port=0) as page:
        await sink.close()

        assert (await read_all(page + "events")).decoder.retry == 250


async def test_the_page_needs_nothing_else_and_allows_no_other_script(
    sink: ServerSentEvents, url: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url.removesuffix("events")) as response,
    ):
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]

    assert response.content_type == "text/html"
    assert not re.findall(r"https?:|//[a-z]|src=|@import|innerHTML", page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy


async def test_it_serves_at_home_only(sink: ServerSentEvents, url: str) -> None:
    assert url.startswith("http://127.0.0.1:")


async def test_an_address_that_is_taken_is_an_error(sink: ServerSentEvents, url: str) -> None:
    port = int(url.split(":")[2].split("/")[0])
    with pytest.raises(SinkError, match=f"cannot serve at 127.0.0.1:{port}") as caught:
        async with ServerSentEvents().serve(port=port):
            pass

    assert isinstance(caught.value.__cause__, OSError)


async def test_after_it_has_been_served_the_address_is_free_again() -> None:
    sink = ServerSentEvents()
    async with sink.serve(port=0) as first:
        port = int(first.split(":")[2].strip("/"))
    async with sink.serve(port=port) as second:
        assert second == first


@pytest.mark.parametrize("options", [{"retry": -1}, {"history": 0}, {"slow": "drop"}], ids=str)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ServerSentEvents(**options)
