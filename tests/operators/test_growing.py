from __future__ import annotations

import copy
import json
import pickle

import pytest

from rxwizard.operators.growing import GrowingArray, GrowingObject, plain
from rxwizard.operators.json_scanner import JsonScanner


def scanned(text: str) -> JsonScanner:
    scanner = JsonScanner()
    scanner.push(text)
    return scanner


def test_a_view_is_a_read_only_mapping() -> None:
    view = scanned('{"a": 1, "b": [2, "x').moment()

    assert isinstance(view, GrowingObject)
    assert (len(view), list(view), view["a"], "c" in view) == (2, ["a", "b"], 1, False)
    assert isinstance(view["b"], GrowingArray)
    assert repr(view) == "{'a': 1, 'b': [2, 'x']}"
    assert (view.get("c"), {**view}) == (None, {"a": 1, "b": [2, "x"]})
    assert view != {"a": 1}
    with pytest.raises(KeyError):
        view["c"]
    with pytest.raises(TypeError):
        view["a"] = 2
    match view:
        case {"b": [int(number), str(text)]}:
            assert (number, text) == (2, "x")
        case _:
            raise AssertionError


def test_a_view_is_a_read_only_sequence() -> None:
    view = scanned('[1, 2, "x').moment()

    assert isinstance(view, GrowingArray)
    assert (len(view), view[0], view[-1], view[1:], list(reversed(view))) == (
        *(3, 1, "x"),
        *([2, "x"], ["x", 2, 1]),
    )
    assert view == [1, 2, "x"]
    assert view != [1, 2]
    assert view != (1, 2, "x")
    assert (2 in view, view.index("x"), repr(view)) == (True, 2, "[1, 2, 'x']")
    for index in (3, -4):
        with pytest.raises(IndexError, match="there are 3"):
            view[index]
    with pytest.raises(TypeError, match="unhashable"):
        hash(view)


def test_a_copy_of_a_view_is_plain() -> None:
    view = scanned('{"a": [1, {"b": "c').moment()
    expected = {"a": [1, {"b": "c"}]}

    for copied in (copy.deepcopy(view), copy.copy(view), pickle.loads(pickle.dumps(view))):
        assert type(copied) is dict
        assert type(copied["a"]) is list
        assert copied == expected
    assert json.loads(json.dumps(view, default=plain)) == expected


def test_a_view_may_be_iterated_while_the_document_grows() -> None:
    scanner = scanned('{"a": 1, "b": 2, "c": "x')
    seen = []
    for name in scanner.moment():
        seen.append(name)
        scanner.push(f'", "{name * 2}": "')

    assert seen == ["a", "b", "c"]


def test_names_that_come_twice_keep_every_moment() -> None:
    scanner = JsonScanner()
    kept = []
    for text in ('{"a":1,"b":2', ',"a":3', ',"c":4,"a":"x', 'y","a":', "[5"):
        scanner.push(text)
        kept.append(scanner.moment())
    scanner.push("]}")

    assert kept == [
        {"a": 1},
        {"a": 1, "b": 2},
        {"a": "x", "b": 2, "c": 4},
        {"a": "xy", "b": 2, "c": 4},
        {"a": [], "b": 2, "c": 4},
    ]
    assert [*kept[2]] == ["a", "b", "c"]
    assert (len(kept[2]), scanner.value) == (3, {"a": [5], "b": 2, "c": 4})


def test_a_string_is_read_as_it_was_at_each_moment() -> None:
    scanner = scanned('["')
    kept = []
    for piece in ("ab", "c", "\\n", "d"):
        scanner.push(piece)
        kept.append(scanner.moment())

    assert kept[1][0] == "abc"
    scanner.push("e")
    assert [view[0] for view in kept] == ["ab", "abc", "abc\n", "abc\nd"]
    assert scanner.moment() == ["abc\nde"]
