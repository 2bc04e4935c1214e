from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import pieces

from rxwizard.operators.seam import Seam


def joined(said: str, continuation: str, **options: int | bool) -> str:
    """Give the answer and what is new of its continuation."""
    seam = Seam(said, **options)
    return said + seam.take(continuation) + seam.rest()


# -- white space -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "continuation", "answer"),
    [
        ("one ", "two", "one two"),
        ("one", " two", "one two"),
        ("one ", " two", "one two"),
        ("one\n", "\n\ntwo", "one\n\ntwo"),
        ("one\n\n", "\ntwo", "one\n\ntwo"),
        ("one \n", "\n  two", "one \n  two"),
        ("one \n", " two", "one \ntwo"),
        ("if x:\n    ", "\n        y", "if x:\n        y"),
        ("one\n", "  two", "one\n  two"),
        ("one", "two", "onetwo"),
        ("one ", "", "one "),
        ("one ", " ", "one "),
        ("one", " ", "one "),
        ("  ", "  two", "  two"),
        ("", " two", " two"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"is_exact": True}, {"overlap": 0}])
def test_white_space_at_the_seam_is_there_once(
    said: str, continuation: str, answer: str, options: dict[str, int | bool]
) -> None:
    assert joined(said, continuation, **options) == answer


@pytest.mark.parametrize(
    ("said", "continuation", "answer"),
    [
        ("It is very", " very good", "It is very very good"),
        ("| 100 |", " 100 | 200 |", "| 100 | 100 | 200 |"),
        ("| one |", " one | two |", "| one | one | two |"),
        ("1 000", " 000 dollars", "1 000 000 dollars"),
        ("255.", "255.255.0", "255.255.255.0"),
        ("Costs 1", "1 euros", "Costs 11 euros"),
        ("f()\nfoo()\n", "\nfoo()\n", "f()\nfoo()\nfoo()\n"),
        ("hel", "lo", "hello"),
    ],
)
def test_what_may_be_meant_twice_stays(said: str, continuation: str, answer: str) -> None:
    assert joined(said, continuation) == answer


# -- repetitions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "continuation", "answer"),
    [
        ("The quick brown", "brown fox", "The quick brown fox"),
        ("The quick brown", "The quick brown fox", "The quick brown fox"),
        ("The quick brown ", "brown fox", "The quick brown fox"),
        ("The quick brown ", " quick brown fox", "The quick brown fox"),
        ("The quick brown", "\n\nquick brown\nfox", "The quick brown\nfox"),
        ("The quick bro", "quick brown fox", "The quick brown fox"),
        ("The quick bro", " quick brown fox", "The quick brown fox"),
        ("The quick bro", "brown fox", "The quick brown fox"),
        ("aba aba abc", "aba abc abd", "aba aba abc abd"),
        ("The quick brown", "brown", "The quick brown"),
        ('He said: "Good', '"Good morning', 'He said: "Good morning'),
        ("wait... what now", "...what now?", "wait... what now?"),
        ("and so it", "… and so it went", "and so it went"),
        ("na\u0308chste", "na\u0308chste Woche", "na\u0308chste Woche"),
        ("今天天气很好我们", "天气很好我们去公园", "今天天气很好我们去公园"),
        ("東京タワーに行き", "に行きました", "東京タワーに行きました"),
        (
            "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
            "\u0e2a\u0e14\u0e35",
            "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
        ),
        ("नमस्ते", "नमस्ते दुनिया", "नमस्ते दुनिया"),
    ],
)
def test_what_is_said_again_is_dropped(said: str, continuation: str, answer: str) -> None:
    assert joined(said, continuation) == answer


@pytest.mark.parametrize(
    ("said", "continuation"),
    [
        ("hel", "lo"),
        ("The cat", "at the door"),  # not from the beginning of a word
        ("a to b", " b to c"),  # no word of three letters
        ("No, no", " no"),
        ("x_of", "of"),
        ("The quick brown fox", "The quick brown bear"),  # not to the very end
        ("今天", "天很"),  # one sign may be chance
        ("The Quick", "quick"),
        ("one two, one six", "one"),  # from there on there is more
        ("Light of the", " theory"),  # another word
        ("Light of the", "\n\nthe1"),
        ("one two one two six", "one two one six"),
        ("na\u0308chste", "chste Woche"),  # an accent ends no word
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0e31\u0e2a\u0e14\u0e35"),  # nor begins one
    ],
)
def test_what_may_be_chance_stays(said: str, continuation: str) -> None:
    assert joined(said, continuation) == said + continuation


def test_the_longest_repetition_is_dropped() -> None:
    assert joined("ever and ever", "ever and ever after") == "ever and ever after"
    assert joined("ever and ever", "ever after") == "ever and ever after"


def test_a_repetition_may_begin_within_what_looked_like_one() -> None:
    said = "one one two one one one two one one one"
    again = "one one two one one one"

    assert joined(said, f"{again} six") == f"{said} six"


def test_no_more_than_the_overlap_is_looked_for() -> None:
    said = "The quick brown fox"

    assert joined(said, "brown fox jumps", overlap=9) == "The quick brown fox jumps"
    assert joined(said, " brown fox jumps", overlap=9) == said + " brown fox jumps"
    assert joined(said, "brown fox jumps", overlap=8) == said + "brown fox jumps"
    assert joined(said, "fox fox", overlap=0) == said + "fox fox"
    assert joined(said, said, overlap=len(said)) == said


def test_a_word_that_is_cut_in_two_and_meant_twice_is_left_once() -> None:
    assert joined("It is very, very", " very, very good") == "It is very, very good"  # as it admits


# -- a model that goes on by itself ----------------------------------------------------------


def test_a_model_that_goes_on_by_itself_repeats_on_purpose() -> None:
    said = "return list(found)\nreturn list(found)"

    assert joined("It is very", " very good", is_exact=True) == "It is very very good"
    assert joined(said, "\nreturn list(found)", is_exact=True) == said + "\nreturn list(found)"
    assert (
        joined("the quick brown", "quick brown fox", is_exact=True)
        == "the quick brownquick brown fox"
    )


def test_sixteen_characters_right_at_the_seam_are_a_repetition_even_so() -> None:
    assert joined("The quick brown fox", "quick brown fox jumps", is_exact=True) == (
        "The quick brown foxquick brown fox jumps"
    )
    assert joined("Quick brown foxes", "Quick brown foxes jump", is_exact=True) == (
        "Quick brown foxes jump"
    )


# -- a provider that gives the answer back ---------------------------------------------------


def test_an_answer_that_is_given_back_is_dropped_however_long() -> None:
    said = "word " * 1000

    assert joined(said, said + "end", overlap=16, is_exact=True, is_echoed=True) == said + "end"
    assert joined("I", "I am", is_exact=True, is_echoed=True) == "I am"
    assert joined("{", "{", is_exact=True, is_echoed=True) == "{"


def test_what_only_begins_like_the_answer_is_new() -> None:
    assert joined("one two", " three", is_exact=True, is_echoed=True) == "one two three"
    assert joined("one two", "one three", is_exact=True, is_echoed=True) == "one twoone three"


def test_an_answer_that_breaks_off_while_it_is_given_back_has_nothing_new() -> None:
    assert joined("one two", "one t", is_exact=True, is_echoed=True) == "one two"


# -- what holds for all of them --------------------------------------------------------------

#: Few characters, so that much is repeated: letters, a sign, white space, dots, an accent.
texts = st.text("ab\u0301天_ \n.…", max_size=24)
cuts = st.lists(st.integers(0, 40), max_size=6)
words = st.lists(st.integers(), min_size=1, max_size=30, unique=True).map(
    lambda numbers: [f"word{number}.".replace("-", "x") for number in numbers]
)


@given(texts, texts, texts, cuts, st.integers(0, 12), st.booleans(), st.booleans())
def test_how_the_continuation_is_cut_makes_no_difference(
    said: str,
    again: str,
    new: str,
    places: list[int],
    overlap: int,
    is_exact: bool,
    is_echoed: bool,
) -> None:
    said, continuation = said + again, again + new
    options = {"is_exact": is_exact, "is_echoed": is_echoed}
    whole, cut = Seam(said, overlap, **options), Seam(said, overlap, **options)

    expected = whole.take(continuation) + whole.rest()
    assert "".join(map(cut.take, pieces(continuation, places))) + cut.rest() == expected
    assert continuation.endswith(expected)
    assert whole.is_open
    assert cut.is_open
    assert cut.take("later") + cut.rest() == "later"


@given(texts, texts, st.integers(0, 12), st.booleans())
def test_no_more_than_the_overlap_is_held_back(
    said: str, continuation: str, overlap: int, is_exact: bool
) -> None:
    seam = Seam(said, overlap, is_exact=is_exact)
    taken = 0
    while not seam.is_open and taken < len(continuation):
        seam.take(continuation[taken])
        taken += 1

    # What was dropped is counted, too, and the white space after it.
    assert seam.is_open or taken == len(continuation)
    assert taken <= overlap + len(said) - len(said.rstrip()) + 1


@pytest.mark.parametrize(
    ("said", "overlap", "continuation", "held"),
    [
        ("one two", 5, "." * 9, 4),
        ("one \n", 5, " " * 9, 4),
        ("one \n", 0, " " * 9, 1),
        ("one two", 5, "two", 2),
        ("onetwo", 5, " ", 0),  # no word begins in the last five characters
    ],
)
def test_nothing_is_held_back_longer_than_there_is_doubt(
    said: str, overlap: int, continuation: str, held: int
) -> None:
    seam = Seam(said, overlap)

    assert seam.take(continuation[:held]) == ""
    assert seam.is_open == (held == 0)
    seam.take(continuation[held])
    assert seam.is_open


def new_of(said: str, continuation: str, overlap: int) -> str:
    """Say what is new by the rules as they are written, for letters, dots and white space."""
    ended = said.rstrip()
    lead = re.match(r"[\s.]*", continuation)[0]
    rest, new = continuation[len(lead) :], continuation
    for begin in range(max(len(ended) - overlap + len(lead), 0), len(ended)):
        repeated = ended[begin:]
        if (
            rest.startswith(repeated)
            and re.compile(r"\b\w").match(ended, begin)
            and re.search(r"\b\w{3}", repeated)
            and (
                lead.strip(" \n") == lead
                or len(lead + repeated) == overlap
                or not re.match(r"\w\w", repeated[-1] + rest[len(repeated) :])
                or re.search(r"(?s)\b\w{3,}\b.", repeated)
            )
            and (not re.search(r"\s", lead) or len(re.findall(r"\w+", repeated)) > 1)
        ):
            new = rest[len(repeated) :]
            break
    space, again = said[len(ended) :], re.match(r"\s*", new)[0]
    if space.startswith(again):
        return new[len(again) :]
    most = max(length for length in range(len(again) + 1) if space.endswith(again[:length]))
    return new[most:]


# Words that begin alike, in any order, so that much looks like a repetition and is none.
phrases = st.lists(st.sampled_from(["aba ", "abb ", "aba", "ab", "\n", ". "]), max_size=14).map(
    "".join
)


@given(phrases, phrases, st.integers(0, 50), st.integers(0, 60))
def test_the_rules_are_as_they_are_written(said: str, new: str, begin: int, overlap: int) -> None:
    continuation = said[-begin:] + new

    assert joined(said, continuation, overlap=overlap) == (
        said + new_of(said, continuation, overlap)
    )


@given(words, st.sampled_from([" ", "\n", ", "]), st.data())
def test_the_rest_of_an_answer_stays_as_it_is(
    said: list[str], between: str, data: st.DataObject
) -> None:
    answer = between.join(said)
    cut = data.draw(st.integers(0, len(answer)))
    begun = answer[:cut].rstrip()

    # After a prefill, which was sent without the white space at its end.
    assert joined(answer[:cut], answer[len(begun) :], is_exact=True) == answer
    assert joined(answer[:cut], answer[cut:], is_exact=True) == answer
    assert joined(answer[:cut], answer[cut:]) == answer


@given(words, st.data())
def test_any_end_from_the_beginning_of_a_word_is_dropped(
    said: list[str], data: st.DataObject
) -> None:
    answer = " ".join(said)
    cut = data.draw(st.integers(3, len(answer)))
    begins = [0, *(at + 1 for at, char in enumerate(answer[: cut - 3]) if char == " ")]
    begin = data.draw(st.sampled_from(begins))
    # With white space before it, a single word may be meant twice.
    is_word = len(re.findall(r"\w+", answer[begin:cut])) < 2
    lead = data.draw(st.sampled_from(["", "..."] if is_word else ["", " ", "\n\n", "...", "… "]))
    overlap = cut - begin + len(lead)

    assert joined(answer[:cut], lead + answer[begin:], overlap=overlap) == answer


def test_the_time_grows_with_the_overlap_and_no_faster() -> None:
    def cpu_seconds(length: int) -> float:
        seam = Seam("b " + "a" * length, length)
        began = time.process_time()
        seam.take("a" * (length - 1) + "b")
        return time.process_time() - began

    small = min(cpu_seconds(5_000) for _ in range(3))

    assert min(cpu_seconds(20_000) for _ in range(2)) < 9 * small + 0.02
