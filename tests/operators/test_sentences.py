# ruff: noqa: RUF001 -- the full stops and quotes of other scripts are meant as they stand

from __future__ import annotations

from itertools import pairwise

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from kit import check_linear

from rxwizard import ChunkKind, ConfigError, StreamChunk
from rxwizard import operators as ops
from rxwizard.testing import assert_marbles, play


def sentences(*pieces: str | StreamChunk, **options: int) -> list[str]:
    given_out: list[str] = []
    rx.from_iterable(pieces).pipe(ops.buffer_sentences(**options)).subscribe(given_out.append)
    return given_out


# -- when they come --------------------------------------------------------------------------


def test_buffer_sentences_gives_a_sentence_when_the_next_one_begins() -> None:
    assert_marbles(
        ops.buffer_sentences(),
        "-a-b-c-d-|",
        "-----x---(y,|)",
        a="Hi",
        b=". ",
        c="You",
        d="?",
        x="Hi. ",
        y="You?",
    )


def test_buffer_sentences_gives_several_at_once_where_a_piece_ends_several() -> None:
    played = play(ops.buffer_sentences(), "-a-|", a="Yes. No. So")

    assert [(message.tick, message.value) for message in played.messages] == [
        (1, "Yes. "),
        (1, "No. "),
        (3, "So"),
        (3, None),
    ]


def test_buffer_sentences_flushes_before_an_error() -> None:
    assert_marbles(ops.buffer_sentences(), "-a-#", "---(a,#)", a="Half a", error=OSError("reset"))


def test_buffer_sentences_of_an_empty_source_is_empty() -> None:
    assert_marbles(ops.buffer_sentences(), "--|", "--|")


def test_buffer_sentences_of_an_empty_source_that_fails_is_the_error() -> None:
    assert_marbles(ops.buffer_sentences(), "--#", "--#", error=OSError("reset"))


def test_buffer_sentences_gives_nothing_to_who_has_gone() -> None:
    played = play(ops.buffer_sentences(), "-a-b-|", until=2, a="Half", b=" a. And")

    assert (played.messages, played.held) == ([], [(0, 2)])


def test_buffer_sentences_lets_go_in_the_middle_of_a_batch() -> None:
    seen = play(
        lambda source: source.pipe(ops.buffer_sentences(), rx.operators.take(1)),
        "-a-b-|",
        a="One. Two. Three",
    )

    assert (seen.values, seen.held) == (["One. "], [(0, 1)])


def test_buffer_sentences_shares_no_state_between_subscribers() -> None:
    stream = rx.of("One. T", "wo.").pipe(ops.buffer_sentences())
    seen: list[str] = []
    stream.subscribe(seen.append)
    stream.subscribe(seen.append)

    assert seen == ["One. ", "Two."] * 2


# -- what it takes ---------------------------------------------------------------------------


def test_buffer_sentences_reads_the_visible_text_of_chunks() -> None:
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text="Yes. ", seq=1),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm. Well", seq=2),
        StreamChunk(text="Otra. Cosa", choice=1, seq=3),
        StreamChunk(text="No.", seq=4),
    ]

    assert sentences(*chunks) == ["Yes. ", "No."]


@pytest.mark.parametrize(
    "anew",
    [StreamChunk(epoch=1, kind=ChunkKind.START), StreamChunk(kind=ChunkKind.RETRACT)],
    ids=["newer epoch", "retraction"],
)
def test_buffer_sentences_drops_a_rest_that_no_longer_counts(anew: StreamChunk) -> None:
    after = StreamChunk(text="Anew.", epoch=anew.epoch)

    assert sentences(StreamChunk(text="One. Half a"), anew, after) == ["One. ", "Anew."]


# -- where a sentence ends -------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        ["One. ", "Two."],
        ["One.  \n", "Two."],
        ["Is it? ", "It is! ", "Well…"],
        ["What? ", "no"],
        ["Really?! ", "Yes."],
        ["He said “no.” ", "She left."],
        ["(It rained.) ", "We stayed."],
        ["**Bold.** ", "*Next.*"],
        ["It was 2024. ", "Then it was not."],
        ["你好。", "世界！」", "再见？", "好"],
        ["كيف؟ ", "حالك۔ ", "नमस्ते। ", "आप"],
        ["全角。 ", "Half. ", "Width."],
        ["# Heading\n\n", "Text.\n\n", "- a\n- b\n\n", "End"],
        ["A line \r\n\r\n", "another"],
        ["What is 5. ", "Six"],
        ["Er sagte: „Ja.“ ", "Sie ging. ", "»Nein!« ", "Er blieb."],
        ["他说。", "“你好！”", "她走了。"],
        ["Wait... ", "What? ", "No!"],
    ],
    ids="|".join,
)
def test_a_sentence_ends_here(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Pi is 3.14 or so.",
        "It is approx. half of it.",
        "Dr. No met Mr. Bond.",
        "It is from J. S. Bach.",
        "Tools, e.g. Hammers, help.",
        "So... we left.",
        "Well… maybe",
        '"Stop!" he said.',
        "1. Open it",
        "example.com is no sentence",
        "\n\nText after blank lines",
        "A line\nand another",
    ],
)
def test_a_sentence_does_not_end_there(text: str) -> None:
    assert sentences(text) == [text]


def test_numbers_of_a_list_stay_with_their_lines() -> None:
    assert sentences("Steps:\n1. Open it.\n2. Close it.") == [
        "Steps:\n1. Open it.\n",
        "2. Close it.",
    ]


# -- the bound -------------------------------------------------------------------------------


def test_a_long_sentence_is_cut_after_white_space() -> None:
    assert sentences("one two three", max_characters=9) == ["one two ", "three"]


def test_a_long_word_is_cut_anywhere() -> None:
    assert sentences("abcdefgh", max_characters=3) == ["abc", "def", "gh"]


def test_the_bound_is_a_length_not_one_less() -> None:
    assert sentences("abc", max_characters=3) == ["abc"]
    assert sentences("abcd", max_characters=3) == ["abc", "d"]
    assert sentences("A b. C", max_characters=5) == ["A b. ", "C"]


@pytest.mark.parametrize("bound", [0, -1, True, 1.5, None])
def test_a_bound_below_one_is_refused(bound: int) -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        ops.buffer_sentences(max_characters=bound)


# -- for any text and any cuts ---------------------------------------------------------------

prose = st.text(alphabet="aB1 .!?…。！」\"')\n\r\t-", max_size=120) | st.text(max_size=60)
bounds = st.sampled_from([1, 2, 5, 20, 1000])


@given(prose, st.lists(st.integers(0, 120)), bounds)
def test_joining_gives_the_text_and_cuts_change_nothing(
    text: str, cuts: list[int], bound: int
) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    given_out = sentences(*pieces, max_characters=bound)

    assert "".join(given_out) == text
    assert given_out == sentences(text, max_characters=bound)
    assert given_out == sentences(*text, max_characters=bound)
    assert all(0 < len(sentence) <= bound for sentence in given_out)


@pytest.mark.parametrize("unit", ["word ", "A b. ", ".", " ", "\n", "x", "。", '"'])
def test_work_is_linear_whatever_the_text(unit: str) -> None:
    # Far beyond the bound, so that the buffer is full.
    check_linear(lambda: ops.buffer_sentences(max_characters=200), lambda n: [unit] * n, few=1_000)
