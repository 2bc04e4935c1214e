"""Feed a wire to a decoder in pieces of every kind."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from rxwizard.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rxwizard.decoders import Decoder

F = TypeVar("F")

# Fractions of the wire's length, so that one strategy serves a wire not known yet.
cut_points = st.lists(st.floats(0, 1), max_size=12)

LONG = 2_000
SEEDED_CUTS = 200


def pieces(wire: bytes, points: Iterable[float]) -> list[bytes]:
    """Cut the wire at these fractions of its length; pieces may be empty."""
    cuts = [0, *sorted(int(point * len(wire)) for point in points), len(wire)]
    return [wire[start:end] for start, end in pairwise(cuts)]


def in_steps(wire: bytes, step: int) -> Iterator[bytes]:
    return (wire[start : start + step] for start in range(0, len(wire), step))


def every_split(wire: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and at every single cut (a seeded sample where the wire is long)."""
    yield [wire]
    yield list(in_steps(wire, 1))
    cuts: Sequence[int] = range(1, len(wire))
    if len(wire) > LONG:
        cuts = random.Random(20).sample(cuts, SEEDED_CUTS)
    for cut in cuts:
        yield [wire[:cut], wire[cut:]]


def decode(decoder: Decoder[F], parts: Iterable[bytes]) -> list[F]:
    """All frames of a whole body."""
    frames = [frame for part in parts for frame in decoder.feed(part)]
    return frames + decoder.finish()


def feed_all(decoder: Decoder[F], parts: Iterable[bytes]) -> None:
    for part in parts:
        decoder.feed(part)


def decode_until_error(decoder: Decoder[F], parts: Iterable[bytes]) -> tuple[list[F], bool]:
    """All frames that came before the error, and whether there was one."""
    frames: list[F] = []
    try:
        for part in parts:
            frames += decoder.feed(part)
        frames += decoder.finish()
    except DecodeError:
        return frames, True
    return frames, False
