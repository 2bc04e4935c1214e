"""The kit for readers: a wire goes in, its chunks come out, and the laws are checked on the way.

`check_reader(vendor, wire)` serves every protocol; a new one needs a line in `WIRES` of
`test_laws.py` and its own tests of what its events mean.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rxwizard import ChunkKind, ChunkSource, StreamChunk, WizardError, WizardResponse
from rxwizard.fold import ResponseBuilder
from rxwizard.providers import PROTOCOLS, VENDORS, ReaderOptions, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_EVENT_BYTES = 1 << 24
AT = 1.5
LONG = 400
SEEDED_CUTS = 100


@dataclass(frozen=True)
class Reading:
    """What one reader made of one wire."""

    chunks: list[StreamChunk]
    error: WizardError | None

    @property
    def response(self) -> WizardResponse:
        return ResponseBuilder().add_all(self.chunks).build()

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if not chunk.choice)

    @property
    def final(self) -> StreamChunk:
        assert self.error is None, repr(self.error)
        return self.chunks[-1]

    @property
    def kinds(self) -> list[str]:
        return [chunk.kind.value for chunk in self.chunks]

    def of_kind(self, kind: str) -> list[Any]:
        """The data of all chunks of a kind."""
        return [chunk.data for chunk in self.chunks if chunk.kind.value == kind]

    @property
    def calls(self) -> list[tuple[str | None, str | None, Any]]:
        return [(call.id, call.name, call.arguments) for call in self.response.tool_calls]

    @property
    def failure(self) -> WizardError:
        assert self.error is not None, self.kinds
        return self.error

    @property
    def told(self) -> tuple[Any, ...]:
        """All that must not depend on how the bytes were cut; positions do."""
        error = self.error
        if error is None:
            return (self.chunks, None)
        what = {name: value for name, value in vars(error).items() if name != "position"}
        return (self.chunks, type(error), error.args, what)


def vendor_of(vendor: str | Vendor) -> Vendor:
    return VENDORS[vendor] if isinstance(vendor, str) else vendor


def read(
    vendor: str | Vendor,
    *parts: bytes,
    cut: WizardError | None = None,
    redact: Callable[[str], str] = str,
    **options: bool,
) -> Reading:
    """Read a body that arrives in these parts and then ends, or breaks off with `cut`."""
    vendor = vendor_of(vendor)
    protocol = PROTOCOLS[vendor.protocol]
    source = ChunkSource(provider=vendor.name, model="asked", request_id="req-1")
    reader = protocol.reader(ReaderOptions(vendor, source, redact=redact, **options))
    decoder = protocol.decoder(MAX_EVENT_BYTES)
    chunks: list[StreamChunk] = []

    def take(batch: Iterable[StreamChunk]) -> None:
        for chunk in batch:
            chunks.append(chunk)  # noqa: PERF402 - it must have those before an error

    try:
        try:
            for part in parts:
                take(reader.read(decoder.feed(part), AT, decoder.position))
                if reader.done:
                    break
            else:
                if cut is not None:
                    raise cut
                take(reader.end(decoder.finish(), AT, decoder.position))
        except WizardError as error:
            # Of the decoder, or `cut`: as `source.py` does it.
            if reader.done:
                raise
            # Else the error's traceback would hold the frame that holds the error.
            cut = None
            del decoder
            take(reader.cut(error, AT))
    except WizardError as error:
        assert reader.done
        return Reading(chunks, error)
    assert reader.done
    return Reading(chunks, None)


def check_laws(reading: Reading, vendor: str | Vendor) -> None:
    """Check what holds for every reading of every wire, whole or broken."""
    chunks, error = reading.chunks, reading.error

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.kind for chunk in chunks[:1]] in ([], [ChunkKind.START], [ChunkKind.HEARTBEAT])
    assert [chunk.kind for chunk in chunks].count(ChunkKind.START) <= 1
    assert all(chunk.at == AT and chunk.epoch == 0 for chunk in chunks)
    finals = [chunk for chunk in chunks if chunk.is_final]
    if error is None:
        assert finals == chunks[-1:]
        assert chunks[-1].complete is True
        assert chunks[-1].kind is ChunkKind.FINAL
        assert reading.response.complete
    else:
        assert finals == []
        assert error.provider == vendor_of(vendor).name
        assert error.request_id is not None
        assert (error.partial is None) == (not chunks)
        if error.partial is not None:
            assert error.partial == reading.response
            assert not error.partial.complete
    response = reading.response if error is None else error.partial
    if response is not None:
        assert response.text == reading.text
    for chunk in chunks:
        # What a reader vouches for without validation must pass it.
        assert StreamChunk.model_validate(chunk.__dict__) == chunk


def splits(wire: bytes, *, seed: int = 1) -> Iterator[list[bytes]]:
    """Byte by byte, at every single cut (a seeded sample where it is long), and at many."""
    yield [wire[at : at + 1] for at in range(len(wire))]
    rng = random.Random(seed)
    cuts: Iterable[int] = range(1, len(wire))
    if len(wire) > LONG:
        cuts = rng.sample(range(1, len(wire)), SEEDED_CUTS)
    for cut in cuts:
        yield [wire[:cut], wire[cut:]]
    for count in (2, 7, 50):
        yield cut_at(wire, [rng.randrange(len(wire) + 1) for _ in range(count)])


def cut_at(wire: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]


def check_reader(
    vendor: str | Vendor,
    wire: bytes | str,
    parts: Iterable[list[bytes]] | None = None,
    **options: bool,
) -> Reading:
    """Read a wire whole and at many splits, check the laws, and give the reading."""
    wire = wire.encode() if isinstance(wire, str) else wire
    whole = read(vendor, wire, **options)
    check_laws(whole, vendor)
    for split in splits(wire) if parts is None else parts:
        again = read(vendor, *split, **options)

        assert again.told == whole.told, split
    return whole


# -- wires -----------------------------------------------------------------------------------


def sse(*events: object, named: bool = False) -> str:
    """Write events as a server does; strings are taken as the data they are."""
    blocks = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
        blocks.append(f"{name}data: {data}\n\n")
    return "".join(blocks)


def lines(*documents: object) -> str:
    """Write documents one a line."""
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
