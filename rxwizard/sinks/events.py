"""What a browser is sent: items as lines of JSON, and those as server-sent events.

The format is that of the WHATWG HTML standard, section 9.2 (https://html.spec.whatwg.org/multipage/
server-sent-events.html). A line of JSON has no line end in it, so each event is one line of data.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps

from rxwizard.errors import SinkError
from rxwizard.sinks.items import json_of

#: A comment: it keeps proxies from closing a connection on which nothing happens.
KEEP_ALIVE = b": \n\n"


def line_of(item: object) -> bytes:
    """Write an item as one line of JSON in UTF-8, without its line end.

    Raises:
        SinkError: It cannot be written.
    """
    try:
        try:
            return json_of(item).encode()
        except UnicodeEncodeError:
            # Half a surrogate pair, which no UTF-8 can hold; JSON can, as an escape.
            return json_of(item, ascii_only=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"a {type(item).__name__} cannot be written as JSON: {error}"
        raise SinkError(message) from error


def failure(error: BaseException) -> dict[str, str]:
    """Say why a stream failed: the error's own words and its type, nothing of what it holds."""
    return {"error": str(error) or type(error).__name__, "type": type(error).__name__}


def event(number: int, data: bytes, name: str | None = None) -> bytes:
    """Write one event.

    Args:
        number: How many events there have been with this one; its id.
        data: One line.
        name: Its type; without one, `EventSource.onmessage` gets it.
    """
    kind = b"" if name is None else b"event: %b\n" % name.encode()
    return b"id: %d\n%bdata: %b\n\n" % (number, kind, data)


def gap(number: int, missed: int) -> bytes:
    """Write the event that tells of events that are not there any more, `number` being the last."""
    return event(number, compact({"missed": missed}), "gap")


def opening(retry: float, number: int | None = None) -> bytes:
    """Write what comes before the first event, and is none itself.

    Args:
        retry: Seconds after which a browser comes back when the connection breaks.
        number: The id it then names if no event came before that.
    """
    known = b"" if number is None else b"id: %d\n" % number
    return b"retry: %d\n%b\n" % (round(retry * 1000), known)


def compact(value: Mapping[str, object]) -> bytes:
    """Write plain values as one line of JSON, half a surrogate pair included."""
    return dumps(value, separators=(",", ":")).encode()
