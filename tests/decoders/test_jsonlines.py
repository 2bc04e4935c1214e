from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.decoders import JSONLine, JSONLinesDecoder
from rxwizard.errors import DecodeError

from .slicing import cut_points, decode, decode_until_error, every_split, in_steps, pieces

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder

CASES: dict[str, tuple[bytes, list[JSONLine]]] = {
    "LF": (b'{"a":1}\n{"b":2}\n', [JSONLine(b'{"a":1}'), JSONLine(b'{"b":2}')]),
    "CRLF": (b'{"a":1}\r\n{"b":2}\r\n', [JSONLine(b'{"a":1}'), JSONLine(b'{"b":2}')]),
    "a CR alone ends nothing": (b"[1,\r2]\n", [JSONLine(b"[1,\r2]")]),
    "byte-order mark": (b"\xef\xbb\xbf{}\n{}\n", [JSONLine(b"{}"), JSONLine(b"{}")]),
    "byte-order mark, no line end": (b"\xef\xbb\xbf{}", [JSONLine(b"{}", complete=False)]),
    "only a byte-order mark": (b"\xef\xbb\xbf", []),
    "blank lines": (b"\n\r\n  \n{}\n\n\t\r\n", [JSONLine(b"{}")]),
    "no last line end": (b'{}\n{"a":', [JSONLine(b"{}"), JSONLine(b'{"a":', complete=False)]),
    "no last line end but CR": (b"{}\r", [JSONLine(b"{}", complete=False)]),
    "U+2028 splits nothing": (
        '{"a":"\u2028\u0085"}\n'.encode(),
        [JSONLine('{"a":"\u2028\u0085"}'.encode())],
    ),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", CASES)
def test_frames_do_not_depend_on_the_split(name: str) -> None:
    wire, expected = CASES[name]

    for parts in every_split(wire):
        assert decode(JSONLinesDecoder(), parts) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
blanks = st.lists(st.sampled_from([b"\n", b"\r\n", b" \n"]), max_size=2).map(b"".join)


@given(
    st.lists(st.tuples(json_values, st.sampled_from([b"\n", b"\r\n"]), blanks), max_size=8),
    st.booleans(),
    st.booleans(),
    cut_points,
)
def test_what_was_encoded_comes_out(
    lines: list[tuple[object, bytes, bytes]], mark: bool, ascii_only: bool, points: list[float]
) -> None:
    wire = b"\xef\xbb\xbf" * mark
    for value, end, blank in lines:
        wire += json.dumps(value, ensure_ascii=ascii_only).encode() + end + blank

    frames = decode(JSONLinesDecoder(), pieces(wire, points))

    assert [json.loads(frame.data) for frame in frames] == [value for value, _, _ in lines]
    assert all(frame.complete for frame in frames)


@given(st.binary(max_size=40), cut_points, st.integers(1, 9))
def test_the_limit_does_not_depend_on_the_split(
    noise: bytes, points: list[float], limit: int
) -> None:
    wire = noise.translate(bytes(b"\r\n x"[byte % 4] for byte in range(256)))
    whole = decode_until_error(JSONLinesDecoder(limit), [wire])

    assert decode_until_error(JSONLinesDecoder(limit), pieces(wire, points)) == whole
    assert decode_until_error(JSONLinesDecoder(limit), in_steps(wire, 1)) == whole


def test_lines_before_the_error_are_not_lost_and_the_decoder_stays_dead() -> None:
    decoder: Decoder[JSONLine] = JSONLinesDecoder(max_event_bytes=4)

    assert decoder.feed(b"{}\n[1,2]\n{}\n") == [JSONLine(b"{}")]
    with pytest.raises(DecodeError, match="limit of 4 bytes") as caught:
        decoder.feed(b"{}\n")
    assert (caught.value.text, caught.value.position) == ("[1,2]", 12)
    with pytest.raises(DecodeError):
        decoder.finish()


def test_finishing_twice_gives_nothing_more() -> None:
    decoder = JSONLinesDecoder()
    decoder.feed(b"{}")

    assert len(decoder.finish()) == 1
    assert decoder.finish() == []
    assert decoder.position == 2
