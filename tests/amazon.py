"""An encoder of Amazon's event stream, written from the specification and sharing nothing."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How a header's value is written, by the type's code.
_FORMATS = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


def header(name: str, kind: int, value: Any) -> bytes:
    """Encode one header of the type with this code."""
    raw = name.encode()
    if kind in _FORMATS:
        written = struct.pack(_FORMATS[kind], value)
    elif kind in (6, 7):
        data = value.encode() if isinstance(value, str) else value
        written = struct.pack(">H", len(data)) + data
    else:
        written = b"" if kind in (0, 1) else value.bytes
    return bytes([len(raw)]) + raw + bytes([kind]) + written


def frame(headers: bytes, payload: bytes) -> bytes:
    """Put both checksums around headers that are encoded already, and a payload."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def message(payload: bytes | object, headers: Mapping[str, str]) -> bytes:
    """Encode a message whose headers are all strings, as Bedrock's are; payload: bytes or JSON."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return frame(b"".join(header(name, 7, value) for name, value in headers.items()), data)


def event(kind: str, payload: bytes | object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(payload, headers)


def exception(kind: str, payload: bytes | object) -> bytes:
    return message(payload, {":exception-type": kind, ":message-type": "exception"})


def converse(*members: Mapping[str, object]) -> bytes:
    """Encode the events of a Converse stream, written as the union members they are."""
    return b"".join(event(kind, value) for member in members for kind, value in member.items())


def chunks(*events: object) -> bytes:
    """Encode events of a model as InvokeModelWithResponseStream wraps them."""
    inner = (base64.b64encode(json.dumps(one).encode()).decode() for one in events)
    return b"".join(event("chunk", {"bytes": one, "p": "abcdef"}) for one in inner)
