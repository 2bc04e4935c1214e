from __future__ import annotations

import sys
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import ConfigError
from rxwizard.operators.graphemes import divider, last_cluster

FAMILY = "👩\u200d👩\u200d👧"
NAMED: list[Any] = ["grapheme", "word", "token"]
texts = st.text(
    st.sampled_from(
        [*"aé b\n\r\t你かカ한ไทยກក。,🇩🇪👩👧🏽क्ष", "\u0301", "\u200d", "\u0600", "\u3000"]
    )
)


@pytest.mark.parametrize(
    ("unit", "text", "units"),
    [
        ("grapheme", f"e\u0301🇩🇪{FAMILY}\r\n", ["e\u0301", "🇩🇪", FAMILY, "\r\n"]),
        ("word", " one two,\n\nthree  ", [" one", " two,", "\n\nthree", "  "]),
        ("word", "ありがとう a 中文", [*"ありがとう", " a", " 中", "文"]),
        ("word", "한국어 텍스트 カタカナ", ["한국어", " 텍스트", " カタカナ"]),
        ("word", "สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("token", "short internationalise", ["short", " intern", "ationa", "lise"]),
        ("token", "été" * 3, ["étéété", "été"]),
    ],
)
def test_units(unit: Any, text: str, units: list[str]) -> None:
    assert divider("pace", unit)(text) == units


@pytest.mark.parametrize("unit", NAMED)
@given(texts)
def test_units_are_the_text_and_whole_clusters(unit: Any, text: str) -> None:
    units = divider("pace", unit)(text)
    ends = {match.end() for match in regex.finditer(r"\X", text)}
    edge = 0
    for part in units:
        edge += len(part)
        assert part
        assert edge in ends
    assert "".join(units) == text


@pytest.mark.parametrize("unit", NAMED)
@given(texts, texts)
def test_all_but_the_last_unit_stay_as_they_are(unit: Any, text: str, more: str) -> None:
    divide = divider("pace", unit)
    decided = divide(text)[:-1]

    assert divide(text + more)[: len(decided)] == decided


@given(texts)
def test_the_last_cluster_is_the_last_one(text: str) -> None:
    begin = last_cluster("pace")(text)

    assert regex.findall(r"\X", text)[-1:] == [text[begin:]][: len(text)]


def test_a_function_divides_as_well_and_empty_parts_do_not_count() -> None:
    assert divider("pace", lambda text: ["", *text.partition(" ")])("a b") == ["a", " ", "b"]


def test_a_function_that_does_not_give_the_text_again_is_an_error() -> None:
    with pytest.raises(ConfigError, match="pace: the parts that unit gives are not the text"):
        divider("pace", str.split)("a b")


def test_a_unit_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are: grapheme, word, token"):
        divider("pace", "letter")  # type: ignore[arg-type]


def test_without_regex_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)

    with pytest.raises(ConfigError, match=r"smooth needs regex.*pip install 'rxwizard\[text\]'"):
        divider("smooth", "grapheme")
    with pytest.raises(ConfigError, match="smooth needs regex"):
        last_cluster("smooth")
