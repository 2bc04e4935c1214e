"""A slow decoder that is obviously right: whole body in, the standard's rules line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rxwizard.decoders import Comment, Frame, ServerSentEvent, UnknownLines

BOM = b"\xef\xbb\xbf"


@dataclass
class Decoded:
    frames: list[Frame] = field(default_factory=list[Frame])
    last_event_id: str = ""
    retry: int | None = None


def reference(wire: bytes) -> Decoded:
    result = Decoded()
    wire = wire[3:] if wire[:3] == BOM else wire
    *ended, last = re.split(rb"\r\n|\r|\n", wire)
    block: list[bytes] = []
    for line in ended:
        if line:
            block.append(line)
        else:
            read_block(block, result, complete=True)
            block = []
    # Of the line the end cut off, only what is not a number or a name is kept.
    if last and last.split(b":")[0] not in {b"event", b"id", b"retry"}:
        block.append(last)
    read_block(block, result, complete=False)
    return result


def read_block(block: list[bytes], result: Decoded, *, complete: bool) -> None:
    data: list[bytes] = []
    unknown: list[bytes] = []
    event, event_id, retry = "", result.last_event_id, None
    for line in block:
        match = re.fullmatch(rb"([^:]*)(?:: ?(.*))?", line, re.DOTALL)
        assert match is not None
        name, value = match[1], match[2] or b""
        if line[:1] == b":":
            result.frames.append(Comment(value))
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode(errors="replace")
        elif name == b"id":
            event_id = event_id if b"\0" in value else value.decode(errors="replace")
        elif name == b"retry":
            if re.fullmatch(rb"[0-9]+", value):
                retry = result.retry = int(value)
        else:
            unknown.append(line)
    if complete:
        result.last_event_id = event_id
    if unknown:
        result.frames.append(UnknownLines(b"\n".join(unknown), complete))
    if data:
        joined = b"\n".join(data)
        result.frames.append(ServerSentEvent(joined, event or "message", event_id, retry, complete))
