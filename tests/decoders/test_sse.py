"""Server-sent events by hand: what each frame looks like, and the bounds."""

from __future__ import annotations

import tracemalloc

import pytest

from rxwizard.decoders import (
    MAX_EVENT_BYTES,
    Comment,
    Frame,
    ServerSentEvent,
    SSEDecoder,
    UnknownLines,
)
from rxwizard.errors import DecodeError

from .slicing import decode, every_split, feed_all

CASES: dict[str, tuple[bytes, list[Frame]]] = {
    "one line": (b"data: a\n\ndata: b\n\n", [ServerSentEvent(b"a"), ServerSentEvent(b"b")]),
    "two lines": (
        b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
        [ServerSentEvent(b"1", "a"), ServerSentEvent(b"2", "b")],
    ),
    "two lines, the shape broken by one block of one line and one of three": (
        b"event: a\ndata: 1\n\nevent: b\n\nevent: c\ndata: 2\ndata: 3\n\n",
        [ServerSentEvent(b"1", "a"), ServerSentEvent(b"2\n3", "c")],
    ),
    "CRLF": (
        b"data: a\r\n\r\nevent: e\r\ndata: b\r\n\r\n",
        [ServerSentEvent(b"a"), ServerSentEvent(b"b", "e")],
    ),
    "CR": (b"data: a\r\rdata: b\r\r", [ServerSentEvent(b"a"), ServerSentEvent(b"b")]),
    "all line ends": (
        b"data: a\r\ndata: b\rdata: c\n\rdata: d\n\r\n",
        [ServerSentEvent(b"a\nb\nc"), ServerSentEvent(b"d")],
    ),
    "byte-order mark": (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent(b"a")]),
    "no space, two spaces": (
        b"data:a\n\ndata:  b\n\n",
        [ServerSentEvent(b"a"), ServerSentEvent(b" b")],
    ),
    "empty data is dispatched": (
        b"data\n\ndata:\n\ndata: \n\n",
        [ServerSentEvent(b""), ServerSentEvent(b""), ServerSentEvent(b"")],
    ),
    "no data, no event": (b"event: a\n\nid: 1\n\nretry: 5\n\n", []),
    "empty event name": (b"event: \ndata: a\n\n", [ServerSentEvent(b"a", "message")]),
    "id persists": (
        b"id: 1\ndata: a\n\ndata: b\n\nevent: e\ndata: c\n\nid\ndata: d\n\n",
        [
            ServerSentEvent(b"a", id="1"),
            ServerSentEvent(b"b", id="1"),
            ServerSentEvent(b"c", "e", id="1"),
            ServerSentEvent(b"d"),
        ],
    ),
    "id with NUL": (b"id: 1\0\ndata: a\n\n", [ServerSentEvent(b"a")]),
    "retry": (
        b"retry: 30\ndata: a\n\nretry: 3s\ndata: b\n\n",
        [ServerSentEvent(b"a", retry=30), ServerSentEvent(b"b")],
    ),
    "retry beyond what int() reads": (
        b"retry: " + b"9" * 5_000 + b"\ndata: a\n\n",
        [ServerSentEvent(b"a")],
    ),
    "U+2028 splits nothing": (
        "data: a\u2028b\u0085c\n\n".encode(),
        [ServerSentEvent("a\u2028b\u0085c".encode())],
    ),
    "comments": (
        b": OPENROUTER PROCESSING\n\n:\n:  x\n\ndata: a\n\n",
        [Comment(b"OPENROUTER PROCESSING"), Comment(b""), Comment(b" x"), ServerSentEvent(b"a")],
    ),
    "a comment inside a block": (
        b"data: a\n: c\ndata: b\n\n",
        [Comment(b"c"), ServerSentEvent(b"a\nb")],
    ),
    "a comment cut off": (b": keep-al", [Comment(b"keep-al")]),
    "a bare JSON error": (
        b'data: {}\r\n\r\n{\r\n  "error": 503\r\n}\r\n\r\n',
        [ServerSentEvent(b"{}"), UnknownLines(b'{\n  "error": 503\n}')],
    ),
    "a bare JSON error, not closed": (
        b'{"error": "x"}',
        [UnknownLines(b'{"error": "x"}', complete=False)],
    ),
    "a field named error": (
        b'error: {"detail": 1}\n\ndata: [DONE]\n\n',
        [UnknownLines(b'error: {"detail": 1}'), ServerSentEvent(b"[DONE]")],
    ),
    "an HTML page": (
        b"<html>\n\n<p>502</p>\n",
        [UnknownLines(b"<html>"), UnknownLines(b"<p>502</p>", complete=False)],
    ),
    "unknown lines come before the event of their block": (
        b"data: a\nfoo: 1\nid: 2\nbar\n\n",
        [UnknownLines(b"foo: 1\nbar"), ServerSentEvent(b"a", id="2")],
    ),
    "an open block": (
        b"event: e\nid: 7\ndata: a",
        [ServerSentEvent(b"a", "e", "7", complete=False)],
    ),
    "half a name or number is none": (
        b"data: a\nid: 1",
        [ServerSentEvent(b"a", complete=False)],
    ),
    "half a field name": (b"data: a\n\nda", [ServerSentEvent(b"a"), UnknownLines(b"da", False)]),
    "half a byte-order mark": (b"\xef\xbb", [UnknownLines(b"\xef\xbb", complete=False)]),
    "nothing": (b"", []),
    "blank lines": (b"\n\r\n\r\r\n\n\n", []),
}


@pytest.mark.parametrize("name", CASES)
def test_frames_do_not_depend_on_the_split(name: str) -> None:
    wire, expected = CASES[name]

    for parts in every_split(wire):
        assert decode(SSEDecoder(), parts) == expected
        assert [type(f) for f in decode(SSEDecoder(), parts)] == [type(f) for f in expected]


def test_text_has_one_replacement_for_each_maximal_subpart() -> None:
    assert ServerSentEvent(b"a\xf0\x9f\x98b\xed\xa0\x80").text == "a\ufffdb\ufffd\ufffd\ufffd"


def test_a_line_ended_by_cr_waits_for_nothing() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\r\n\r") == [ServerSentEvent(b"a")]
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b": c\r") == [Comment(b"c")]


def test_a_comment_between_events_is_delivered_when_its_line_ends() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\n\n: c") == [ServerSentEvent(b"a")]
    assert decoder.feed(b"\n") == [Comment(b"c")]


def test_state_follows_the_stream() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"id: 1\r\nretry: 7\r\ndata: a\r\n\r\nid: 2\r\nretry: 8\r\ndata: b\r\n")

    assert (decoder.last_event_id, decoder.retry, decoder.position) == ("1", 7, 54)

    decoder.finish()

    assert (decoder.last_event_id, decoder.retry) == ("1", 8)


def test_finishing_twice_gives_nothing_more() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: a")

    assert len(decoder.finish()) == 1
    assert decoder.finish() == []


def test_names_are_kept_once_and_not_without_end() -> None:
    decoder = SSEDecoder()
    events = decoder.feed(b"event: same\ndata: x\n\n" * 2)
    names = [frame.event for frame in events if isinstance(frame, ServerSentEvent)]

    assert names[0] is names[1]

    decoder.feed(b"".join(b"event: %d\ndata: x\n\n" % number for number in range(1_000)))

    assert len(decoder._names) <= 64


@pytest.mark.parametrize(
    "wire",
    [
        b"data: 123456",
        b"data: 123456\n\n",
        b"data: 1\n\ndata: 123456\n\n"[9:],
        b"event: e\ndata: 1\n\n",
        b"data:1\ndata:2",
        b"data:1\n:234567",
        b": 1234567890",
        b": 1234567890\n",
        b"<html></html>",
        b"\n\n\r\n: ok\ndata: 123456\r\n",
    ],
)
def test_more_than_the_limit_is_an_error_for_every_split(wire: bytes) -> None:
    for parts in every_split(wire):
        with pytest.raises(DecodeError, match="limit of 11 bytes"):
            decode(SSEDecoder(max_event_bytes=11), parts)


@pytest.mark.parametrize(
    "wire",
    [
        b"data: 12345",
        b"data: 12345\r\n\r\n",
        b"data: 12345\n\n\n",
        b"data:1\n:234\n\n",
        b": 123456789\n" * 3,
        b"<html></htm",
    ],
)
def test_the_limit_itself_is_allowed_for_every_split(wire: bytes) -> None:
    for parts in every_split(wire):
        assert decode(SSEDecoder(max_event_bytes=11), parts)


def test_frames_before_the_error_are_not_lost_and_the_decoder_stays_dead() -> None:
    decoder = SSEDecoder(max_event_bytes=8)

    assert decoder.feed(b"data: a\n\ndata: too long\n\n") == [ServerSentEvent(b"a")]
    with pytest.raises(DecodeError, match="longer than") as caught:
        decoder.feed(b"data: b\n\n")
    assert caught.value.text == "data: too long"
    assert caught.value.position == 25
    with pytest.raises(DecodeError):
        decoder.finish()


def test_the_error_quotes_the_start_only() -> None:
    with pytest.raises(DecodeError) as caught:
        SSEDecoder(max_event_bytes=1_000).feed(b"data: " + b"z" * 2_000)

    assert caught.value.text == "data: " + "z" * 194


def test_a_line_without_end_is_stopped_in_bounded_memory() -> None:
    decoder = SSEDecoder()
    piece = b"z" * 65_536
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            feed_all(decoder, [piece] * 1_024)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert decoder.position <= MAX_EVENT_BYTES + len(piece)
    assert peak < 2.5 * MAX_EVENT_BYTES
    assert kept < 100_000


@pytest.mark.parametrize(
    "line", [b": keep-alive\n", b": keep-alive\r\n\r\n", b"\n", b"\r\n", b"\r"]
)
def test_endless_comments_and_blank_lines_are_not_kept(line: bytes) -> None:
    decoder = SSEDecoder(max_event_bytes=64)
    for _ in range(1_000):
        decoder.feed(line)
        assert not decoder._rest
