from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.decoders import LineDecoder
from rxwizard.errors import DecodeError

from .slicing import cut_points, every_split, in_steps, pieces

LIMIT = 1_000

line_bytes = st.binary(max_size=8).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])


def lines_of(parts: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], bytes | None]:
    decoder = LineDecoder(limit)
    return [line for part in parts for line in decoder.feed(part)], decoder.flush()


def collect(decoder: LineDecoder, parts: list[bytes], lines: list[bytes]) -> None:
    for part in parts:
        lines += decoder.feed(part)


@given(st.lists(st.tuples(line_bytes, ends)), line_bytes, cut_points)
def test_any_lines_for_any_split(
    lines: list[tuple[bytes, bytes]], rest: bytes, points: list[float]
) -> None:
    wire = b"".join(line + end for line, end in lines) + rest
    *expected, last = re.split(rb"\r\n|\r|\n", wire)

    assert lines_of(pieces(wire, points)) == (expected, last or None)
    assert lines_of(list(in_steps(wire, 1))) == (expected, last or None)


def test_only_cr_and_lf_end_a_line() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei".encode()

    for parts in every_split(text + b"\n"):
        assert lines_of(parts) == ([text], None)


def test_a_line_ended_by_cr_is_delivered_at_once() -> None:
    decoder = LineDecoder(LIMIT)

    assert decoder.feed(b"a\r") == [b"a"]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\nb\r") == [b"b"]
    assert decoder.feed(b"\r") == [b""]
    assert decoder.feed(b"\n\n") == [b""]
    assert decoder.position == 8


def test_flushing_twice_gives_nothing_more() -> None:
    decoder = LineDecoder(LIMIT)
    decoder.feed(b"a")

    assert (decoder.flush(), decoder.flush()) == (b"a", None)


@pytest.mark.parametrize("wire", [b"123456", b"123456\n", b"ok\n123456", b"ok\r\n123456\r\nok\n"])
def test_a_line_over_the_limit_is_an_error_for_every_split(wire: bytes) -> None:
    for parts in every_split(wire):
        decoder = LineDecoder(5)
        lines: list[bytes] = []
        with pytest.raises(DecodeError, match="limit of 5 bytes") as caught:
            collect(decoder, [*parts, b""], lines)

        assert lines == ([b"ok"] if wire.startswith(b"ok") else [])
        assert caught.value.text == "123456"
        with pytest.raises(DecodeError):
            decoder.feed(b"ok\n")
        with pytest.raises(DecodeError):
            decoder.flush()


def test_the_limit_itself_is_allowed() -> None:
    for parts in every_split(b"12345\r\n12345"):
        assert lines_of(parts, limit=5) == ([b"12345"], b"12345")
