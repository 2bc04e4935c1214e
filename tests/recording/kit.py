"""A wire without a socket, and what a stream over one gave."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rxwizard import StreamChunk, StreamingConfig, WizardConfig, WizardError
from rxwizard.prompts import Prompt
from rxwizard.recording import Recorder, RecordingWire
from rxwizard.source import Source
from rxwizard.testing import Finish, Reasoning, Text, ToolCall
from rxwizard.testing.protocols import PROTOCOLS
from rxwizard.testing.protocols.base import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from pathlib import Path

    from rxwizard import Stream
    from rxwizard.providers import WireRequest
    from rxwizard.wire import Timeouts, Wire

# In two halves, so that no traceback of a failing test shows it.
KEY = "sk-" + "very/secret+0123456789"
ENDPOINT = "http://127.0.0.1:1/v1"

#: The provider by which each of the simulator's protocols is asked.
PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "responses": "openai-responses",
    "cohere": "cohere",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "bedrock-anthropic": "bedrock-anthropic",
    "vertex-anthropic": "vertex-anthropic",
    "bedrock-nova": "bedrock-nova",
    "gemini-jsonarray": "gemini",
}


@cache
def body_of(protocol: str) -> bytes:
    """A whole answer as it comes over the wire, with reasoning, text and a call of a tool."""
    call = Call({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, named="m")
    encoder = PROTOCOLS[protocol].encoder(call)
    tool = ToolCall("weather", {"city": "Zürich", "days": 2})
    steps = (Reasoning("Let me see."), Text("Grüße, 世界: it is 20 °C."), tool, Finish())
    return b"".join([*(event for step in steps for event in encoder.encode(step)), *encoder.end()])


@dataclass
class Scripted:
    """One exchange as a test wants it: slices of a body at their times, then its end or an error.

    With `refused` there is no response at all, but this error.
    """

    reads: Sequence[tuple[float, bytes]] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0
    error: Exception | None = None
    refused: Exception | None = None
    lasts: bool = False
    """Whether the body, after these slices, goes on without a word."""


class ScriptedWire:
    """Answers each request with the next script."""

    def __init__(self, *scripts: Scripted) -> None:
        self.requests: list[WireRequest] = []
        self._scripts = iter(scripts)

    @asynccontextmanager
    async def post(
        self, request: WireRequest, timeouts: Timeouts, read_bufsize: int
    ) -> AsyncIterator[Any]:
        self.requests.append(request)
        script = next(self._scripts)
        await asyncio.sleep(script.at)
        if script.refused is not None:
            raise script.refused
        yield _Reply(script)


class _Reply:
    def __init__(self, script: Scripted) -> None:
        self.status = script.status
        self.headers = script.headers
        self.is_answered = False
        self._script = script
        self._reads = iter(script.reads)
        self._at = script.at

    async def read(self) -> bytes:
        if (read := next(self._reads, None)) is None:
            if self._script.error is not None:
                raise self._script.error
            if self._script.lasts:
                await asyncio.get_running_loop().create_future()
            return b""
        await asyncio.sleep(read[0] - self._at)
        self._at = read[0]
        return read[1]

    async def error_body(self) -> bytes:
        return b"".join([data async for data in aiter_reads(self)])


async def aiter_reads(reply: _Reply) -> AsyncIterator[bytes]:
    while data := await reply.read():
        yield data


#: Of an error: where bytes were cut, what the chunks say, and how often a client has asked.
_NOT_TOLD = {"position", "partial", "attempts"}


@dataclass
class Got:
    """What a stream gave."""

    chunks: list[StreamChunk]
    error: WizardError | None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def told(self) -> tuple[Any, ...]:
        """All that a replay must give again: everything but the times, and where bytes were cut."""
        chunks = [
            chunk.model_copy(
                update={
                    "at": 0.0,
                    "source": chunk.source.model_copy(update={"requested_at": None}),
                }
            )
            for chunk in self.chunks
        ]
        if self.error is None:
            return (chunks, None)
        what = {k: v for k, v in vars(self.error).items() if k not in _NOT_TOLD}
        return (chunks, type(self.error), self.error.args, what)


def config_of(provider: str = "openai", **settings: Any) -> WizardConfig:
    return WizardConfig(
        **{"model": f"{provider}:m", "api_key": KEY, "endpoint": ENDPOINT, **settings}
    )


def source_of(wire: Wire, config: WizardConfig, streaming: StreamingConfig | None = None) -> Source:
    @asynccontextmanager
    async def endpoint() -> AsyncIterator[WizardConfig]:
        yield config

    return Source(config, streaming or StreamingConfig(), wire, endpoint)  # type: ignore[arg-type]


async def read(stream: Stream[StreamChunk]) -> Got:
    """Read a stream to its end."""
    chunks: list[StreamChunk] = []
    try:
        async with stream.open() as reader:
            async for chunk in reader:
                chunks.append(chunk)  # noqa: PERF401 - it must have those before an error
    except WizardError as error:
        return Got(chunks, error)
    return Got(chunks, None)


async def record(
    path: Path, wire: Wire, config: WizardConfig | None = None, prompt: str = "Hi"
) -> Got:
    """Read an answer over this wire, and record it."""
    config = config or config_of()
    recorded = RecordingWire(wire, Recorder(path), config)
    return await read(source_of(recorded, config).stream(Prompt(prompt)))


def slices(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut a body at these places, taken round its length; slices may be empty."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def every(seconds: float, parts: Iterable[bytes]) -> list[tuple[float, bytes]]:
    """Slices that come at this interval, but for empty ones, which would be the end."""
    return [(round(n * seconds, 6), part) for n, part in enumerate(filter(None, parts), 1)]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def event(text: str, **more: Any) -> bytes:
    """One event of chat completions."""
    choice = {"index": 0, "delta": {"content": text}, **more}
    return f"data: {json.dumps({'id': 'c1', 'model': 'm', 'choices': [choice]})}\n\n".encode()


DONE = event("", finish_reason="stop") + b"data: [DONE]\n\n"
