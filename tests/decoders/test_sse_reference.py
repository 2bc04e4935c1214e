"""The fast decoder against the slow one, and against an encoder, on generated wires."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxwizard.decoders import Comment, ServerSentEvent, SSEDecoder

from .reference import reference
from .slicing import cut_points, decode, decode_until_error, in_steps, pieces

ALPHABET = [bytes([byte]) for byte in b"\r\n :dataeventidretry\x00\xef\xbb\xbf x1"]
WORDS = [
    b"\xef\xbb\xbf",
    b"data",
    b"data: ",
    b"event: ",
    b"id: ",
    b"retry: ",
    b"\n\n",
    b"\r\n\r\n",
    b"data: x\n\n",
    b"event: x\ndata: x\n\n",
    b"data: x\r\n\r\n",
    b": x\n",
]
wires = st.lists(st.sampled_from(ALPHABET + WORDS * 3), max_size=60).map(b"".join)
shapes = st.lists(
    st.sampled_from(
        [
            b"data: {}\n\n",
            b"event: a\ndata: {}\n\n",
            b"event: b\ndata: \n\n",
            b"id: 1\n\n",
            b"\n",
            b": c\n\n",
            b"event: a\n\n",
            b"data: a\ndata: b\n\n",
            b"event: a\nid: x\n\n",
            b"data",
        ]
    ),
    max_size=12,
).map(b"".join)


@given(wires | shapes, cut_points)
def test_any_bytes_decode_as_the_reference_says(wire: bytes, points: list[float]) -> None:
    expected = reference(wire)
    for parts in ([wire], pieces(wire, points), in_steps(wire, 1)):
        decoder = SSEDecoder()

        assert decode(decoder, parts) == expected.frames
        assert decoder.last_event_id == expected.last_event_id
        assert decoder.retry == expected.retry
        assert decoder.position == len(wire)


@given(wires | shapes, cut_points, st.integers(4, 30))
def test_the_limit_does_not_depend_on_the_split(
    wire: bytes, points: list[float], limit: int
) -> None:
    whole = decode_until_error(SSEDecoder(limit), [wire])

    assert decode_until_error(SSEDecoder(limit), pieces(wire, points)) == whole
    assert decode_until_error(SSEDecoder(limit), in_steps(wire, 1)) == whole


line_text = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12
) | st.sampled_from(["{}", " x", ":", "\u2028", "[DONE]"])
events = st.builds(
    ServerSentEvent,
    data=st.lists(line_text, min_size=1, max_size=3).map("\n".join).map(str.encode),
    event=line_text.map(lambda name: name or "message"),
    id=line_text.map(lambda text: text.replace("\0", "")),
    retry=st.none() | st.integers(0, 10**6),
    complete=st.just(True),
)
frame_lists = st.lists(events | st.builds(Comment, line_text.map(str.encode)), max_size=8)


@st.composite
def encoded(draw: st.DrawFn) -> tuple[list[ServerSentEvent | Comment], bytes]:
    """Frames, and one of the many ways to write them."""
    frames = draw(frame_lists)
    lines: list[bytes] = []
    last_id = ""
    for frame in frames:
        if isinstance(frame, Comment):
            lines.append(field(draw, b"", frame.text))
        else:
            lines += event_lines(draw, frame, last_id)
            last_id = frame.id
        if isinstance(frame, ServerSentEvent) or draw(st.booleans()):
            lines += [b""] * draw(st.integers(1, 2))
    wire = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for line in lines:
        # An LF right after a CR would be the second half of a line end, not a blank line.
        ends = [b"\r", b"\r\n"] if not line and wire.endswith(b"\r") else [b"\r", b"\r\n", b"\n"]
        wire += line + draw(st.sampled_from(ends))
    return frames, wire


def event_lines(draw: st.DrawFn, frame: ServerSentEvent, last_id: str) -> list[bytes]:
    """The fields in any order, but the data lines among themselves in theirs."""
    fields: list[bytes] = []
    if frame.event != "message" or draw(st.booleans()):
        fields.append(field(draw, b"event", frame.event.encode()))
    if frame.id != last_id or draw(st.booleans()):
        fields.append(field(draw, b"id", frame.id.encode()))
    if frame.retry is not None:
        fields.append(field(draw, b"retry", b"%d" % frame.retry))
    lines = [field(draw, b"data", line) for line in frame.data.split(b"\n")]
    for line in fields:
        lines.insert(draw(st.integers(0, len(lines))), line)
    return lines


def field(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    if name and not value and draw(st.booleans()):
        return name
    space = b" " if value.startswith(b" ") or draw(st.booleans()) else b""
    return name + b":" + space + value


@given(encoded(), cut_points)
def test_what_was_encoded_comes_out(
    case: tuple[list[ServerSentEvent | Comment], bytes], points: list[float]
) -> None:
    frames, wire = case

    assert decode(SSEDecoder(), pieces(wire, points)) == frames
    assert decode(SSEDecoder(), [wire]) == frames
