# ruff: noqa: RUF001 -- the punctuation of other scripts is meant as it stands

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import pieces

from rxwizard.operators.token_estimate import EstimatedCount

text = st.text(alphabet="aZ é1 .\n\t你のЖ한א😀’\x00", max_size=80) | st.text(max_size=40)


def estimate(*parts: str) -> int:
    count = EstimatedCount()
    grown = sum(count.add(part) for part in parts)
    assert grown == count.tokens
    return count.tokens


# What o200k, Qwen, Tekken and DeepSeek make of them, by their own tokenizers.
@pytest.mark.parametrize(
    ("written", "fewest", "most"),
    [
        ("", 0, 0),
        ("Hello, how are you?", 6, 6),
        ("def f(x):\n    return x + 1\n", 11, 11),
        ("1. First item\n2. Second item\n", 10, 10),
        ("In 2024, GDP grew by 3.5%.", 13, 15),
        ("你好，世界。今天天气很好。", 8, 9),
    ],
)
def test_the_estimate_is_near_what_tokenizers_say(written: str, fewest: int, most: int) -> None:
    assert 0.7 * fewest <= estimate(written) <= 1.5 * most


def test_prose_has_a_token_for_every_four_characters_or_so() -> None:
    prose = (
        "The operator takes a stream of chunks and gives another one. Whoever subscribes to it "
        "gets what has come so far, and nothing is lost when the reader is slow.\n"
    )

    assert abs(estimate(prose) - len(prose) / 4.5) < 4


@given(text, st.lists(st.integers(0, 80)))
def test_cuts_change_nothing(written: str, cuts: list[int]) -> None:
    assert estimate(*pieces(written, cuts)) == estimate(written) == estimate(*written)


@given(text, text)
def test_it_never_shrinks(first: str, second: str) -> None:
    assert estimate(first) <= estimate(first + second)
    assert (estimate(first) == 0) is (first == "")


def test_every_character_costs_something() -> None:
    assert all(estimate(chr(code)) >= 1 for code in range(0, sys.maxunicode, 97))


def test_a_run_is_one_wherever_it_begins() -> None:
    neighbours = "".join(chr(code) for code in range(0x3100))

    assert estimate(neighbours) == estimate(*neighbours)


@pytest.mark.parametrize("unit", ["word ", "a", " ", "1", "é", "你", "x1 "])
def test_work_is_linear_whatever_the_text(unit: str) -> None:
    def cpu_seconds(count: int) -> float:
        whole = unit * count
        began = time.process_time()
        estimate(whole)
        estimate(*[unit] * count)
        return time.process_time() - began

    assert min(cpu_seconds(16_000) for _ in range(2)) < 9 * cpu_seconds(4_000) + 0.02
