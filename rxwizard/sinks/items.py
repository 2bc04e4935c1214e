"""What sinks make of an item: a chunk, a string, a response or anything else."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter

from rxwizard.chunks import StreamChunk, WizardResponse

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any, config={"ser_json_bytes": "base64"})

#: What is the whole response's and would stand on each line.
_PER_RESPONSE = {"source": {"rate_limit"}}


def text_of(item: object) -> str:
    """Give the visible text of an item: of a chunk, that of choice 0; of others, what they print.

    Joining it over the chunks of a stream gives the answer.
    """
    match item:
        case str():
            return item
        case StreamChunk():
            return "" if item.choice else item.text
        case WizardResponse():
            return item.text
        case _:
            return str(item)


def json_of(item: object, *, ascii_only: bool = False) -> str:
    """Write an item as one line of JSON, without its line end.

    A chunk always has its seq, kind and text, and else what differs from none:
    `StreamChunk.model_validate_json` reads it back. Models and what else pydantic can write come as
    pydantic writes them, bytes in base64, anything else as its string; what is no number is null.
    """
    value: Any
    if isinstance(item, StreamChunk):
        fields = item.model_dump(mode="json", exclude_defaults=True, exclude=_PER_RESPONSE)
        value = {"seq": item.seq, "kind": item.kind.value, "text": item.text} | fields
    elif isinstance(item, BaseModel):
        value = item.model_dump(mode="json", exclude_defaults=True)
    else:
        value = _ANYTHING.dump_python(item, mode="json", fallback=str)
    try:
        return _dumps(value, ascii_only)
    except ValueError:  # NaN or an infinity, which JSON does not have
        return _dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), ascii_only)


def _dumps(value: Any, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
