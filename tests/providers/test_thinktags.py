from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import ChunkSource, StreamInterruptedError, WizardResponse
from rxwizard.fold import ResponseBuilder
from rxwizard.providers import PROTOCOLS, VENDORS, ReaderOptions
from rxwizard.thinktags import Part, ThinkTags

from .reader_kit import sse


def joined(pieces: list[str]) -> tuple[str, str]:
    """Give the text and the reasoning that come out of these pieces."""
    tags = ThinkTags()
    parts = [part for piece in pieces for part in tags.split(piece)] + tags.flush()
    text = "".join(part.text for part in parts if not part.is_reasoning)
    return text, "".join(part.text for part in parts if part.is_reasoning)


WHOLE = "<think>Is 1 < 2? </thin</think>\nYes: 1 <thin 2.<think>!</think>"
EXPECTED = ("\nYes: 1 <thin 2.", "Is 1 < 2? </thin!")


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in pairwise(edges)]

    assert joined(pieces) == EXPECTED


@pytest.mark.parametrize("half", ["<", "<th", "<think"])
def test_what_never_becomes_a_tag_is_text(half: str) -> None:
    assert joined(["a ", half]) == (f"a {half}", "")


def test_no_part_of_a_tag_is_let_out_early() -> None:
    tags = ThinkTags()

    assert tags.split("Hello <thi") == [Part(False, "Hello ", 6)]
    assert tags.split("nk>Hm") == [Part(False, "", 7), Part(True, "Hm", 2)]


def test_many_tags_in_one_piece_take_linear_time() -> None:
    # Copying what is left at each tag would move 13 GB.
    assert len(ThinkTags().split("<think>a</think>" * 30_000)) == 90_000


def wire(*texts: str, end: bool = True) -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}] if end else []
    return sse(*events).encode()


def read(body: bytes, *, think_tags: bool = True) -> WizardResponse:
    options = ReaderOptions(VENDORS["openai"], ChunkSource(), think_tags=think_tags)
    reader = PROTOCOLS["chat"].reader(options)
    decoder = PROTOCOLS["chat"].decoder(1 << 20)
    chunks = [*reader.read(decoder.feed(body), 1.0), *reader.end(decoder.finish(), 1.0)]

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text or chunk.reasoning for chunk in chunks[1:-1])
    return ResponseBuilder().add_all(chunks).build()


def test_the_option_makes_reasoning_of_what_is_between_the_tags() -> None:
    response = read(wire("<th", "ink>Hm", "m</think", ">Yes", ".", " <"))

    assert (response.text, response.reasoning) == ("Yes. <", "Hmm")


def test_without_the_option_the_tags_are_text() -> None:
    response = read(wire("<think>Hm</think>Yes"), think_tags=False)

    assert (response.text, response.reasoning) == ("<think>Hm</think>Yes", "")


def test_what_was_held_back_is_in_the_partial_of_a_cut_stream() -> None:
    with pytest.raises(StreamInterruptedError) as caught:
        read(wire("Yes <thi", end=False))

    assert caught.value.partial is not None
    assert caught.value.partial.text == "Yes <thi"
