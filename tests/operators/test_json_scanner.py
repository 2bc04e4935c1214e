from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import documents, without_last_scalar
from kit import pieces
from pydantic_core import from_json

from rxwizard.operators.growing import plain
from rxwizard.operators.json_scanner import JsonScanner, NotJsonError

# Each document is read at each of its beginnings.
few = settings(deadline=None, max_examples=60)


def scanned(*texts: str, **options: Any) -> JsonScanner:
    scanner = JsonScanner(**options)
    for text in texts:
        scanner.push(text)
    return scanner


def same(value: Any, other: Any) -> bool:
    """Compare also types and the order of members: 1 is not True here."""
    return repr(plain(value)) == repr(plain(other))


# -- against pydantic's parser ---------------------------------------------------------------


@few
@given(documents, st.lists(st.integers(0, 80)))
def test_a_document_is_what_json_reads_however_it_is_cut(document: str, cuts: list[int]) -> None:
    expected = json.loads(document)

    for texts in ([document], [*document], pieces(document, cuts)):
        scanner = scanned(*texts)
        assert scanner.whole
        assert same(scanner.value, expected)
        assert same(scanner.moment(), expected)


@few
@given(documents)
def test_each_beginning_of_a_document_is_what_pydantic_reads(document: str) -> None:
    scanners = {
        "trailing-strings": JsonScanner(growing_strings=True),
        True: JsonScanner(growing_strings=False),
    }
    for length in range(1, len(document)):
        # pydantic takes 12 for a number even where it may become 123; we wait.
        beginning = without_last_scalar(document, length)
        for allowed, scanner in scanners.items():
            scanner.push(document[length - 1])
            assert same(scanner.moment(), from_json(beginning, allow_partial=allowed))


@few
@given(documents, st.data())
def test_a_damaged_document_is_refused_where_pydantic_refuses_it(
    document: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(document) - 1))
    inserted = data.draw(st.sampled_from(['"', "\\", ",", ":", "]", "}", "0", "x", "\n", "-", ""]))
    removed = data.draw(st.integers(0, 2))
    damaged = document[:at] + inserted + document[at + removed :]
    scanner = JsonScanner()
    end = 0
    try:
        for character in damaged:
            if scanner.whole:
                break
            scanner.push(character)
            end += 1
        valid = scanner.whole
    except NotJsonError:
        valid = False
    try:
        expected = from_json(damaged[:end] if valid else damaged, allow_inf_nan=False)
    except ValueError:
        assert not valid
    else:
        assert valid or "inf" in repr(expected)
        assert not valid or same(scanner.value, expected)


@few
@given(documents)
def test_all_moments_stay_what_they_were(document: str) -> None:
    unseen, seen = JsonScanner(), JsonScanner()
    kept, copies = [], []
    for character in document:
        unseen.push(character)
        kept.append(unseen.moment())
        seen.push(character)
        copies.append(plain(seen.moment()))

    for value, expected in zip(kept, copies, strict=True):
        assert same(value, expected)
        assert value == expected
        assert expected == value


@few
@given(documents)
def test_it_says_when_the_value_has_changed(document: str) -> None:
    scanner = JsonScanner()
    last = None
    for character in document:
        scanner.changed = False
        scanner.push(character)
        value = plain(scanner.moment())
        if not scanner.changed:
            assert same(value, last)
        last = value


# -- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("[1,]", 3),
        ('{"a":1,}', 7),
        ("[,1]", 1),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ('{"a" 1}', 5),
        ('{"a":1 "b":2}', 7),
        ("[1 2]", 3),
        ("[1}", 2),
        ('{"a":1]', 6),
        ("[NaN]", 1),
        ("[Infinity]", 1),
        ("[-Infinity]", 1),
        ("[01]", 1),
        ("[1.]", 1),
        ("[+1]", 1),
        ("[.5]", 1),
        ("[1e]", 1),
        ("[--1]", 1),
        ("[1e999]", 1),
        ("[tru]", 1),
        ("[nulll]", 1),
        ("[True]", 1),
        ('["\n"]', 2),
        ('["a\x00"]', 3),
        ('["\\x"]', 2),
        ('["\\u12g4"]', 2),
        ('["\\ud83d"]', 2),
        ('["\\ud83d\\n"]', 2),
        ('["\\ud83dx"]', 2),
        ('["\\ude00"]', 2),
        ('["\ud83d"]', 2),
        ("[// no\n1]", 1),
    ],
)
def test_what_is_no_json_is_refused_at_its_place_however_it_is_cut(
    text: str, position: int
) -> None:
    for texts in ([text], [*text]):
        with pytest.raises(NotJsonError) as caught:
            scanned(*texts)
        assert caught.value.position == position
        assert caught.value.text in ("", text[position : position + len(caught.value.text)])


def test_what_came_before_a_mistake_stays_readable() -> None:
    scanner = JsonScanner()
    with pytest.raises(NotJsonError):
        scanner.push('{"a": [1, {"b": "c"}, x')

    assert scanner.moment() == {"a": [1, {"b": "c"}]}


def test_what_comes_after_the_document_is_ignored() -> None:
    scanner = scanned("[1] and ]", "{more")

    assert (scanner.value, scanner.taken) == ([1], 3)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded(opening: str) -> None:
    assert plain(scanned(opening * 100).moment()) is not None

    with pytest.raises(NotJsonError, match="deeper than 100 levels"):
        scanned(opening * 101)


def test_a_number_is_as_long_as_python_takes_it() -> None:
    longest = "9" * 4300

    assert scanned(f"[{longest}]").value == [int(longest)]
    with pytest.raises(NotJsonError, match="too long"):
        scanned(f"[{longest}9")


# -- cost ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    ["[" * 40 + "]" * 40 + ",", '{"a":1},', '"ab",', "1,", '"\\u00e9",', '{"a":{},"a":2},'],
)
@pytest.mark.parametrize("ahead", ["[", '["'], ids=["elements", "one string"])
def test_work_is_linear_in_pieces_of_one_character(unit: str, ahead: str) -> None:
    def cpu_seconds(count: int) -> float:
        body = unit * count if ahead == "[" else "x" * len(unit) * count
        scanner = JsonScanner()
        began = time.process_time()
        for character in ahead + body:
            scanner.push(character)
            scanner.moment()
        return time.process_time() - began

    few = 4000 // len(unit)
    small = min(cpu_seconds(few) for _ in range(3))

    assert min(cpu_seconds(8 * few) for _ in range(2)) < 20 * small + 0.02


@pytest.mark.parametrize("behind", [1, 64])
@pytest.mark.parametrize("unit", ['"a{0}": 1,', '"a": {0},', '"a{0}": {{"b": [', '"a{0}": "x",'])
def test_looking_at_the_last_member_of_each_moment_is_linear(unit: str, behind: int) -> None:
    def cpu_seconds(count: int) -> float:
        scanner = JsonScanner(max_depth=10_000)
        moments = deque(maxlen=behind)  # a reader may be some moments behind
        began = time.process_time()
        for number in range(count):
            for character in ("{" if not number else "") + unit.format(number):
                scanner.push(character)
                moments.append(scanner.moment())
                first = moments[0]
                assert first.get(f"a{number}") != 2
                assert len(first) <= number + 1
            if "[" in unit:
                scanner.push("]},")
        return time.process_time() - began

    small = min(cpu_seconds(100) for _ in range(3))

    assert min(cpu_seconds(800) for _ in range(2)) < 20 * small + 0.02


def test_looking_at_the_last_element_of_each_moment_is_linear() -> None:
    def cpu_seconds(count: int) -> float:
        scanner = JsonScanner()
        began = time.process_time()
        for character in '{"items": [' + '{"a": 1},' * count:
            scanner.push(character)
            items = scanner.moment().get("items", [])
            assert not items or items[-1] is not None
        return time.process_time() - began

    small = min(cpu_seconds(200) for _ in range(3))

    assert min(cpu_seconds(1600) for _ in range(2)) < 20 * small + 0.02
