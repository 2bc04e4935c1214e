"""What is found in pieces is what `re` finds in the whole, for any pattern and any cut."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from kit import pieces

from rxwizard import ConfigError
from rxwizard.operators.expressions import read_expression
from rxwizard.operators.match_automaton import MatchAutomaton
from rxwizard.operators.matching import Matcher

ATOMS = ["a", "b", "1", " ", r"\n", ".", "[ab]", "[^a]", r"\w", r"\d", r"\s", "A", "é", r"\x61"]
LOOKS = ["^", r"\b", r"\B", r"\A", r"\Z", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", r"(?=\s|\Z)"]
LINES = ["(?m:^)", "(?m:$)", "(?s:.)", "(?i:A)", "(?a:é)", "(?-i:a)", "(?x: a b )", "(?#no)a"]
TIMES = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "{,2}", "*?", "+?", "??", "{1,3}?"]

patterns = st.recursive(
    st.sampled_from([*ATOMS, *ATOMS, *LOOKS, *LINES]),
    lambda parts: st.one_of(
        st.lists(parts, min_size=2, max_size=3).map("".join),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: f"(?:{'|'.join(some)})"),
        parts.map("({})".format),
        st.builds("(?:{}){}".format, parts, st.sampled_from(TIMES)),
    ),
    max_leaves=8,
)
texts = st.text(alphabet="aaabbbA1 \né", max_size=24)
cuts = st.lists(st.integers(0, 24), max_size=24)


def automaton(pattern: str | re.Pattern[str]) -> MatchAutomaton:
    return MatchAutomaton(read_expression([pattern]))


def replaced(
    found: MatchAutomaton,
    parts: list[str],
    limit: int = 1000,
    mask: str | None = None,
    *,
    whole: bool = True,
) -> str:
    matcher = Matcher(found, lambda _text, _begin, _end: "#", limit, mask)
    runs = [run for part in parts for run in matcher.feed(part)]
    runs += matcher.finish(whole=whole)

    assert sum(run.length for run in runs) == len("".join(parts))
    assert all(run.length == len(run.text) for run in runs if run.kept)
    return "".join(run.text for run in runs)


@given(patterns, texts, cuts, st.sampled_from([0, re.IGNORECASE, re.MULTILINE, re.ASCII]))
@example("a|ab", "abab", [1, 2, 3], 0)
@example(r"a(?:.*b)?", "aaab aab\na", [2, 5], 0)
@example(r"\bab\b", "ab ab1 ab", [1, 2, 7, 8], 0)
def test_what_is_replaced_is_what_re_replaces(
    pattern: str, text: str, where: list[int], flags: int
) -> None:
    try:
        compiled = re.compile(pattern, flags)
        found = automaton(compiled)
    except (re.error, ConfigError):
        assume(False)

    assert replaced(found, pieces(text, where)) == compiled.sub("#", text)


@given(patterns, texts, cuts, st.integers(1, 6), st.sampled_from([None, "#"]), st.booleans())
def test_a_bound_makes_nothing_depend_on_the_cuts(
    pattern: str, text: str, where: list[int], limit: int, mask: str | None, whole: bool
) -> None:
    try:
        found = automaton(pattern)
    except (re.error, ConfigError):
        assume(False)
    at_once = replaced(found, [text], limit, mask, whole=whole)

    assert replaced(found, pieces(text, where), limit, mask, whole=whole) == at_once
    assert replaced(found, list(text), limit, mask, whole=whole) == at_once


@given(texts, st.text(alphabet="aab1 ", max_size=6))
def test_a_word_is_found_as_str_finds_it(text: str, word: str) -> None:
    assume(word)
    found = MatchAutomaton(read_expression([word], literal=True))

    assert replaced(found, list(text)) == text.replace(word, "#")


# -- what is held ----------------------------------------------------------------------------


def given_out(pattern: str, text: str) -> str:
    matcher = Matcher(automaton(pattern), lambda _text, _begin, _end: "#", 1000)
    return "".join(run.text for part in text for run in matcher.feed(part))


@pytest.mark.parametrize(
    ("pattern", "text", "out"),
    [
        ("abc", "xab", "x"),
        ("abc", "xabc", "x#"),  # nothing can change it any more
        ("abab", "ababa", "#"),
        ("aab", "aaa", "a"),  # the first of them begins no match
        ("a+", "xaa", "x"),  # it may grow
        ("a+?", "xaa", "x##"),
        ("ab|abcd", "xab", "x#"),  # the first that matches counts, not the longest
        ("abcd|ab", "xabc", "x"),
        (r"ab\b", "xab", "x"),  # it takes the next character to know
        (r"ab\b", "xab ", "x# "),
        (r"ab\b", "xabc", "xabc"),
        (r"(?<!x)ab", "xa", "xa"),  # what stands before is known
        (r"(?<!x)ab", "ya", "y"),
        (r"a(?!b)", "a", ""),
        (r"\Aab", "xa", "xa"),
        (r"ab\Z", "ab", ""),
        (r"ab\Z", "abc", "abc"),
        (r"a{2,3}", "aa", ""),
        (r"a{2,3}", "aaa", "#"),
    ],
)
def test_only_what_may_still_become_a_match_is_held(pattern: str, text: str, out: str) -> None:
    assert given_out(pattern, text) == out


def test_what_is_held_is_bounded() -> None:
    matcher = Matcher(automaton("a+b"), lambda _text, _begin, _end: "#", 10)
    out = ""
    for count in range(1, 100):
        out += "".join(run.text for run in matcher.feed("a"))

        assert count - len(out) <= 10


# -- a match that is too long ----------------------------------------------------------------


def test_a_stretch_beyond_the_bound_passes_as_it_is() -> None:
    found = automaton("a+b")

    assert replaced(found, ["aaab aaaaaac ab"], 4) == "# aaaaaac #"
    assert replaced(found, ["aaaaaaaa"], 4) == "aaaaaaaa"


def test_what_has_matched_at_the_bound_is_replaced_and_the_rest_is_looked_at_again() -> None:
    assert replaced(automaton("a+"), ["aaaaaaaa b"], 3) == "## b"
    assert replaced(automaton("a(?:.*b)?"), ["axxaxx"], 3) == "#xx#xx"


def test_a_mask_hides_a_match_of_any_length() -> None:
    found = automaton("<[^>]*>")

    assert replaced(found, list("a <" + "x" * 50 + "> b"), 5, "#") == "a # b"


def test_a_mask_hides_a_stretch_beyond_the_bound_though_it_comes_to_be_no_match() -> None:
    found = automaton("a+b")

    assert replaced(found, list("xaaaaaaaac aab aac"), 4, "#") == "x#c # aac"


def test_a_mask_hides_what_may_have_become_a_match_where_the_text_is_cut() -> None:
    found = automaton("sk-[a-z]{4}")

    assert replaced(found, list("a sk-ab"), mask="#", whole=False) == "a #"
    assert replaced(found, list("a sk-ab"), mask="#") == "a sk-ab"
    assert replaced(found, list("a sk- ab"), mask="#", whole=False) == "a sk- ab"


# -- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        ("a+b", "a"),
        (r"\w+@\w+", "word"),
        ("(?:ab|a)*c", "ab"),
        (r"a.*?b.*?c.*?d", "abc"),
        (r"(?:[ab]?){12}[ab]{12}c", "ab"),
        ("x", "no "),
    ],
)
def test_time_is_linear_whatever_the_text(pattern: str, unit: str) -> None:
    found = automaton(pattern)

    def cpu_seconds(times: int) -> float:
        matcher = Matcher(found, lambda _text, _begin, _end: "#", 1000)
        began = time.process_time()
        for _ in range(times):
            matcher.feed(unit)
        return time.process_time() - began

    few, many = min(cpu_seconds(2_000) for _ in range(3)), min(cpu_seconds(8_000) for _ in range(2))

    assert many < 9 * few + 0.02


def test_hostile_text_grows_no_table_beyond_its_bound() -> None:
    found = automaton("[ab]*a[ab]{11}c")  # 4,096 states for `[ab]` in any order
    matcher = Matcher(found, lambda _text, _begin, _end: "#", 1000)
    state = 1
    for _ in range(10_000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        matcher.feed("ab"[state >> 16 & 1])
    for point in range(0x2000, 0x5000):
        matcher.feed(chr(point))

    assert found._size < 100_000
    assert len(found._classes) <= 10_000
