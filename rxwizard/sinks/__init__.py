"""Where a stream goes: one file a sink. They know no reactivex and nothing of streams.

    from rxwizard.sinks import JsonLines

    await rxwizard.fan_out(stream, log=JsonLines("answer.jsonl"), ui=print)

A sink has `async write(item)` and `async close(error)`; see `Sink`. Each is imported when it is
first asked for: a program that writes a file needs no web server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rxwizard.sinks.protocol import Sink as Sink
from rxwizard.sinks.protocol import as_sink as as_sink

if TYPE_CHECKING:
    from rxwizard.sinks.browsers import BrowserStatistics as BrowserStatistics
    from rxwizard.sinks.browsers import Slow as Slow
    from rxwizard.sinks.callback import Callback as Callback
    from rxwizard.sinks.jsonlines import JsonLines as JsonLines
    from rxwizard.sinks.memory import Memory as Memory
    from rxwizard.sinks.records import Log as Log
    from rxwizard.sinks.sqlite import SQLite as SQLite
    from rxwizard.sinks.sse import ServerSentEvents as ServerSentEvents
    from rxwizard.sinks.terminal import Terminal as Terminal
    from rxwizard.sinks.textfile import TextFile as TextFile
    from rxwizard.sinks.textfile import TextWriter as TextWriter
    from rxwizard.sinks.websocket import WebSocket as WebSocket

__all__ = [
    "BrowserStatistics",
    "Callback",
    "JsonLines",
    "Log",
    "Memory",
    "SQLite",
    "ServerSentEvents",
    "Sink",
    "Slow",
    "Terminal",
    "TextFile",
    "TextWriter",
    "WebSocket",
    "as_sink",
]

_LAZY = {
    "BrowserStatistics": "browsers",
    "Callback": "callback",
    "JsonLines": "jsonlines",
    "Log": "records",
    "Memory": "memory",
    "SQLite": "sqlite",
    "ServerSentEvents": "sse",
    "Slow": "browsers",
    "Terminal": "terminal",
    "TextFile": "textfile",
    "TextWriter": "textfile",
    "WebSocket": "websocket",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
