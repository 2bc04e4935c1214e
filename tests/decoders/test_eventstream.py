from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from amazon import event, frame, header, message
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.decoders import EventStreamDecoder, EventStreamMessage
from rxwizard.errors import DecodeError

from .slicing import cut_points, decode, decode_until_error, every_split, in_steps, pieces

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder

SOME_ID = UUID("5e1f4ad0-9f5d-4b0c-8a5d-0123456789ab")
#: One of each type: the code, what is encoded, what comes out.
VALUES: dict[str, tuple[int, Any, Any]] = {
    "true": (0, None, True),
    "false": (1, None, False),
    "byte": (2, -7, -7),
    "short": (3, -30_000, -30_000),
    "integer": (4, -(2**31), -(2**31)),
    "long": (5, 2**62, 2**62),
    "bytes": (6, b"\x00\xff", b"\x00\xff"),
    "string": (7, "héllo", "héllo"),
    "timestamp": (8, 1_700_000_000_123, 1_700_000_000_123),
    "uuid": (9, SOME_ID, SOME_ID),
}
TEXTS = ["Hello", " there", ""]
WIRE = b"".join(event("contentBlockDelta", {"delta": {"text": text}}) for text in TEXTS)
HEADERS = {
    ":event-type": "contentBlockDelta",
    ":content-type": "application/json",
    ":message-type": "event",
}
MESSAGES = [
    EventStreamMessage(HEADERS, b'{"delta": {"text": "%b"}}' % text.encode()) for text in TEXTS
]


# -- whole -----------------------------------------------------------------------------------


def test_messages_do_not_depend_on_the_split() -> None:
    for parts in every_split(WIRE):
        assert decode(EventStreamDecoder(), parts) == MESSAGES


def test_every_type_of_header_is_read() -> None:
    raw = b"".join(header(name, kind, value) for name, (kind, value, _) in VALUES.items())

    for parts in every_split(frame(raw, b"payload")):
        (one,) = decode(EventStreamDecoder(), parts)

        assert one.headers == {name: value for name, (_, _, value) in VALUES.items()}
        assert [type(value) for value in one.headers.values()] == [
            type(value) for _, _, value in VALUES.values()
        ]
        assert one.payload == b"payload"


def test_a_message_may_have_no_headers_and_no_payload() -> None:
    assert decode(EventStreamDecoder(), [frame(b"", b"")]) == [EventStreamMessage({}, b"")]


names = st.text(min_size=1, max_size=20)
values = st.one_of(
    st.tuples(st.just(2), st.integers(-(2**7), 2**7 - 1)),
    st.tuples(st.just(3), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(4), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from([5, 8]), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(6), st.binary(max_size=30)),
    st.tuples(st.just(7), st.text(max_size=30)),
    st.tuples(st.just(9), st.uuids()),
)
messages = st.tuples(st.dictionaries(names, values, max_size=4), st.binary(max_size=60))


@given(st.lists(messages, max_size=5), cut_points)
def test_what_was_encoded_comes_out(
    written: list[tuple[dict[str, tuple[int, Any]], bytes]], points: list[float]
) -> None:
    wire = b"".join(
        frame(b"".join(header(n, kind, value) for n, (kind, value) in headers.items()), payload)
        for headers, payload in written
    )

    assert decode(EventStreamDecoder(), pieces(wire, points)) == [
        EventStreamMessage({name: value for name, (_, value) in headers.items()}, payload)
        for headers, payload in written
    ]


# -- damaged ---------------------------------------------------------------------------------


def test_every_flipped_bit_is_noticed() -> None:
    wire = event("messageStop", {"stopReason": "end_turn"})
    for at in range(len(wire)):
        for bit in range(8):
            bad = bytearray(wire)
            bad[at] ^= 1 << bit
            found, failed = decode_until_error(EventStreamDecoder(), [bytes(bad), wire])

            assert failed, (at, bit)
            assert found == [], (at, bit)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_messages_before_the_damage_are_not_lost_and_the_decoder_stays_dead(step: int) -> None:
    bad = bytearray(event("contentBlockDelta", {"delta": {"text": "bad"}}))
    bad[-1] ^= 1
    body = WIRE + bytes(bad) + WIRE
    assert decode_until_error(EventStreamDecoder(), in_steps(body, step)) == (MESSAGES, True)

    decoder: Decoder[EventStreamMessage] = EventStreamDecoder()
    assert decoder.feed(body) == MESSAGES
    for _ in range(2):
        with pytest.raises(DecodeError, match="checksum is wrong") as caught:
            decoder.feed(WIRE)

        assert caught.value.text == '{"delta": {"text": "bad"}}'
        assert caught.value.position == len(body)
    with pytest.raises(DecodeError):
        decoder.finish()


def prelude(total: int, in_headers: int) -> bytes:
    lengths = struct.pack(">II", total, in_headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


@pytest.mark.parametrize(
    ("total", "in_headers"), [(0, 0), (15, 0), (16, 1), (100, 85), (100, 2**32 - 1)]
)
def test_lengths_that_contradict_each_other_are_refused_at_once(
    total: int, in_headers: int
) -> None:
    with pytest.raises(DecodeError, match="contradict"):
        EventStreamDecoder().feed(prelude(total, in_headers))


BAD_HEADERS = {
    "cut in a name": b"\x09abc",
    "no type": b"\x01a",
    "no value": b"\x01a\x04\x00",
    "no length": b"\x01a\x07\x00",
    "cut in a value": b"\x01a\x07\x00\x09abc",
    "cut in an id": b"\x01a\x09abc",
    "an unknown type": b"\x01a\x0a",
    "a name that is no UTF-8": b"\x01\xff\x00",
    "a string that is no UTF-8": b"\x01a\x07\x00\x01\xff",
    "twice the same": header("a", 0, None) * 2,
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_headers_that_cannot_be_read_are_an_error(name: str) -> None:
    with pytest.raises(DecodeError, match="damaged"):
        EventStreamDecoder().feed(frame(BAD_HEADERS[name], b"{}"))


@given(st.binary(max_size=80), cut_points)
def test_any_bytes_give_no_message_and_no_other_error(noise: bytes, points: list[float]) -> None:
    found, failed = decode_until_error(EventStreamDecoder(), pieces(noise, points))
    whole = decode_until_error(EventStreamDecoder(), [noise])

    assert (found, failed) == whole
    assert failed or [one.complete for one in found] == [False] * bool(noise)


# -- bounds ----------------------------------------------------------------------------------


def test_a_message_as_large_as_the_limit_is_read_and_one_byte_more_is_not() -> None:
    wire = event("x", b"{}")

    for parts in every_split(wire):
        assert len(decode(EventStreamDecoder(len(wire)), parts)) == 1
        with pytest.raises(DecodeError, match=f"limit of {len(wire) - 1} bytes"):
            decode(EventStreamDecoder(len(wire) - 1), parts)


def test_a_huge_length_is_refused_before_any_of_it_is_kept() -> None:
    decoder = EventStreamDecoder()
    with pytest.raises(DecodeError, match="limit of 16,777,216 bytes") as caught:
        decoder.feed(prelude(2**32 - 1, 0))

    assert caught.value.position == 12


def test_made_up_headers_do_not_grow_the_memory() -> None:
    decoder = EventStreamDecoder()
    for number in range(500):
        decoder.feed(message(b"", {f"name{number}": "x"}))
    decoder.feed(message(b"", {"name": "x" * 9_999}))

    assert len(decoder._known) <= 64


# -- the end ---------------------------------------------------------------------------------


def test_what_the_end_cuts_off_is_not_complete_wherever_it_is_cut() -> None:
    for end in range(1, len(WIRE)):
        found = decode(EventStreamDecoder(), [WIRE[:end]])
        whole = [one for one in found if one.complete]

        assert whole == MESSAGES[: len(whole)]
        rest = found[len(whole) :]
        assert [(one.complete, one.headers) for one in rest] in ([], [(False, {})])
        assert all(WIRE[:end].endswith(one.payload) for one in rest)


def test_finishing_twice_gives_nothing_more() -> None:
    decoder = EventStreamDecoder()
    decoder.feed(WIRE[:-1])

    assert len(decoder.finish()) == 1
    assert decoder.finish() == []
    assert decoder.position == len(WIRE) - 1
