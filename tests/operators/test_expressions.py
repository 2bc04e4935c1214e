from __future__ import annotations

import re

import pytest

from rxwizard import ConfigError
from rxwizard.operators.ambiguity import check_unambiguous
from rxwizard.operators.expressions import read_expression
from rxwizard.operators.match_automaton import MatchAutomaton


def make(pattern: object) -> None:
    expression = read_expression([pattern])  # type: ignore[list-item]
    check_unambiguous(expression)
    MatchAutomaton(expression)


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a+)+b", r"(a*)*b", r"(a|a)*b", r"(a|aa)+b", r"(.*,)*b", r"([a-z]+)*x"),
        *(r"(\w+\s?)+x", r"(a?b?)+x", r"(?:x{1,3})+y", r"(a|b|ab)*c", r"^(\d+|\w+)*z"),
        *(r"(.*)+x", r"(\w+-?){2,4}", r"(?:a+){30}b", r"(?:(?i:A)|a)*b", r"(é|\w)+x"),
    ],
)
def test_what_takes_exponential_time_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"exponential time|may be nothing"):
        make(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"\d+", r"(?:\d+,)+", r"(?:\w+\s)+", r"(?:\d[ -]?){13,16}", r"(?:\d{1,3}[- ]?){2,4}"),
        *(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", r"(?:\d{1,3}\.){3}\d{1,3}", r"sk-[\w-]{20,}"),
        *(r"(foo|bar)*z", r"-----BEGIN[\s\S]*?-----END", r"(?:[A-Z][a-z]+ ?)+", r".*.*x"),
        *(r"[]x]+", r"[^]x]+", r"[\]x]+", "a{,3}b", "a{", "a{}", "{a}", "x{2,}", r"\N{BULLET}"),
        *(r"(?P<n>a)b", "(?i)a", "(?m)^a$", "(?x) a # b\n c", r"\x41\u0042\U00000043\0", "(?#c)a"),
        *(r"(?i:a)(?-i:b)", r"(?s-i:.)", r"(?:){999999999}a", r"a{0}b", r"\$\.\(", "(?a:b)(?u:c)"),
    ],
)
def test_what_does_not_is_read(pattern: str) -> None:
    make(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("a*", "nothing at all"),
        ("a|", "nothing at all"),
        (r"\b", "nothing at all"),
        ("(?=a)", "nothing at all"),
        ("a{0}", "nothing at all"),
        (r"(a)\1", "refers back"),
        (r"(?P<n>a)(?P=n)", "reference to a group"),
        ("(a)?(?(1)b|c)", "a condition"),
        ("(?>a)b", "atomic group"),
        ("a++b", "possessive"),
        ("(?=ab)a", "further than one character"),
        ("(?<=ab)a", "further than one character"),
        ("(?!a+)a", "further than one character"),
        (r"(?=(?!a))b", "further than one character"),
        ("a$", "re.MULTILINE"),
        ("a{3000}", "over 2,000 steps"),
        ("(?:(?:a{50}){50}){50}", "over 2,000 steps"),
        ("(", "unterminated"),
        ("a**", "multiple repeat"),
        (r"\p{L}", "bad escape"),
        (re.compile(b"a"), "for strings"),
        (7, "must be a string"),
        (None, "must be a string"),
    ],
)
def test_what_cannot_be_looked_for_in_a_stream_says_why(pattern: object, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        make(pattern)


def test_no_pattern_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is none"):
        read_expression([])


def test_a_long_pattern_is_shortened_in_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        make("x" * 500 + "$")

    assert len(str(caught.value)) < 300
