from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.decoders import JSONArrayDecoder, JSONLine, ServerSentEvent, SniffingDecoder
from rxwizard.errors import DecodeError

from .slicing import cut_points, decode, decode_until_error, every_split, in_steps, pieces

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder

A, B = JSONLine(b'{"a": 1}'), JSONLine(b'{"b": 2}')

CASES: dict[str, tuple[bytes, list[JSONLine]]] = {
    "as Gemini writes it": (b'[{"a": 1}\n,\r\n{"b": 2}\n]', [A, B]),
    "over several lines": (
        b'[{\n  "a": [\n    1\n  ]\n}\n,\r\n{"b": 2}\n]\n',
        [JSONLine(b'{\n  "a": [\n    1\n  ]\n}'), B],
    ),
    "without white space": (b'[{"a": 1},{"b": 2}]', [A, B]),
    "byte-order mark": (b'\xef\xbb\xbf\r\n [{"a": 1}]', [A]),
    "only a byte-order mark": (b"\xef\xbb\xbf", []),
    "half a byte-order mark": (b"\xef\xbb", [JSONLine(b"\xef\xbb", complete=False)]),
    "brackets and quotes in strings": (
        b'[{"a": "]}\\"[{,\\\\"},{"b": 2}]',
        [JSONLine(b'{"a": "]}\\"[{,\\\\"}'), B],
    ),
    "an escape of a wide character": (
        '["\\"é\\\\",1]'.encode(),
        [
            JSONLine('"\\"é\\\\"'.encode()),
            JSONLine(b"1"),
        ],
    ),
    "U+2028 in a string": ('[{"a":"\u2028"}]'.encode(), [JSONLine('{"a":"\u2028"}'.encode())]),
    "arrays in the array": (
        b'[[1, [2]], [], {"b": 2}]',
        [JSONLine(b"[1, [2]]"), JSONLine(b"[]"), B],
    ),
    "scalars": (
        b'[1, "x,]", null ,true\n]',
        [
            JSONLine(b"1"),
            JSONLine(b'"x,]"'),
            JSONLine(b"null"),
            JSONLine(b"true"),
        ],
    ),
    "no array around it": (b'{"a": 1}\n', [A]),
    "nothing in it": (b"[]", []),
    "an object after the array": (b'[{"a": 1}]\n{"b": 2}', [A, B]),
    "commas missing and too many": (b'[,{"a": 1}{"b": 2},,]', [A, B]),
    "words": (b"[upstream failed\n, {}]", [JSONLine(b"upstream failed"), JSONLine(b"{}")]),
    "a bracket too many": (b'[{"a": 1}}\n,{"b": 2}]]', [A, JSONLine(b"}"), B]),
    "the array's end missing": (b'[{"a": 1}\n,', [A]),
    "half an element": (b'[{"a": 1},{"b": "', [A, JSONLine(b'{"b": "', complete=False)]),
    "half an escape": (b'["\\', [JSONLine(b'"\\', complete=False)]),
    "half a scalar": (b"[1, tr ", [JSONLine(b"1"), JSONLine(b"tr", complete=False)]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", CASES)
def test_elements_do_not_depend_on_the_split(name: str) -> None:
    wire, expected = CASES[name]

    for parts in every_split(wire):
        assert decode(JSONArrayDecoder(), parts) == expected


def test_an_element_does_not_wait_for_what_follows() -> None:
    decoder = JSONArrayDecoder()

    assert decoder.feed(b'[{"a": 1}') == [A]
    assert decoder.feed(b'\n,\r\n{"b": 2') == []
    assert decoder.feed(b"}") == [B]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(json_values, st.sampled_from([",", "\n,\r\n", " , "])), max_size=8),
    st.sampled_from([None, 2]),
    st.booleans(),
    cut_points,
)
def test_what_was_encoded_comes_out(
    elements: list[tuple[Any, str]], indent: int | None, ascii_only: bool, points: list[float]
) -> None:
    body = "".join(
        json.dumps(value, ensure_ascii=ascii_only, indent=indent) + separator
        for value, separator in elements
    )
    wire = f"[{body}]".encode()

    frames = decode(JSONArrayDecoder(), pieces(wire, points))

    assert [json.loads(frame.data) for frame in frames] == [value for value, _ in elements]
    assert all(frame.complete for frame in frames)


@given(st.binary(max_size=40), cut_points, st.integers(1, 9))
def test_nothing_depends_on_the_split(noise: bytes, points: list[float], limit: int) -> None:
    wire = noise.translate(bytes(b'[]{},"\\ \nx'[byte % 10] for byte in range(256)))
    whole = decode_until_error(JSONArrayDecoder(limit), [wire])

    assert decode_until_error(JSONArrayDecoder(limit), pieces(wire, points)) == whole
    assert decode_until_error(JSONArrayDecoder(limit), in_steps(wire, 1)) == whole


def test_elements_before_the_error_are_not_lost_and_the_decoder_stays_dead() -> None:
    decoder: Decoder[JSONLine] = JSONArrayDecoder(max_event_bytes=4)

    assert decoder.feed(b"[{},[1,2],{}]") == [JSONLine(b"{}")]
    with pytest.raises(DecodeError, match="limit of 4 bytes") as caught:
        decoder.feed(b"{}")
    assert (caught.value.text, caught.value.position) == ("[1,2]", 13)
    with pytest.raises(DecodeError):
        decoder.finish()


def test_white_space_and_separators_are_not_kept() -> None:
    decoder = JSONArrayDecoder(max_event_bytes=4)
    for _ in range(100):
        assert decoder.feed(b" ,\r\n" * 9) == []
    assert decoder.finish() == []


def test_finishing_twice_gives_nothing_more() -> None:
    decoder = JSONArrayDecoder()
    decoder.feed(b"[{")

    assert len(decoder.finish()) == 1
    assert decoder.finish() == []
    assert decoder.position == 2


# -- an event stream or an array -------------------------------------------------------------

SNIFFED: dict[str, tuple[bytes, list[Any]]] = {
    "an event stream": (b"data: {}\r\n\r\n", [ServerSentEvent(b"{}")]),
    "an event stream, later": (b"\xef\xbb\xbf\r\n\ndata: [\n\n", [ServerSentEvent(b"[")]),
    "an array": (b'[{"a": 1}\n,\r\n{"b": 2}\n]', [A, B]),
    "an array, later": (b'\xef\xbb\xbf\r\n [{"a": 1}]', [A]),
    "only white space": (b" \r\n\n", []),
    "only a byte-order mark": (b"\xef\xbb\xbf", []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", SNIFFED)
def test_the_first_character_tells_which_it_is_at_any_split(name: str) -> None:
    wire, expected = SNIFFED[name]

    for parts in every_split(wire):
        decoder = SniffingDecoder()

        assert decode(decoder, parts) == expected
        assert decoder.finish() == []
        assert decoder.position == len(wire)


def test_half_a_byte_order_mark_is_not_lost() -> None:
    for parts in every_split(b"\xef\xbb"):
        (lines,) = decode(SniffingDecoder(), parts)

        assert (lines.lines, lines.complete) == (b"\xef\xbb", False)


@pytest.mark.parametrize(("start", "position"), [(b" \n[", 8), (b" \ndata:", 12)])
def test_the_limit_holds_in_both_and_positions_count_all(start: bytes, position: int) -> None:
    decoder = SniffingDecoder(max_event_bytes=4)
    decoder.feed(start[:3])
    with pytest.raises(DecodeError, match="limit of 4 bytes") as caught:
        decoder.feed(start[3:] + b"12345")

    assert caught.value.position == position
    assert decoder.position == position
