from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import documents
from kit import pieces

from rxwizard import StructureError
from rxwizard.operators.json_document import JsonDocument
from rxwizard.operators.json_scanner import JsonScanner, Place

if TYPE_CHECKING:
    from collections.abc import Iterable


def make(place: Place) -> JsonScanner:
    return JsonScanner(place=place)


def read(document: JsonDocument[JsonScanner], parts: Iterable[str]) -> None:
    for part in parts:
        document.push(part)
    document.end()


def found(*texts: str) -> Any:
    """Give the document that is found in a text, read whole and character by character."""
    values = []
    for parts in (texts, "".join(texts)):
        document = JsonDocument(make)
        read(document, parts)
        scanner = document.scanner
        values.append(None if scanner is None else scanner.value)
    assert values[0] == values[1]
    return values[0]


def failure(text: str) -> StructureError:
    failures = []
    for parts in ([text], [*text]):
        document = JsonDocument(make)
        with pytest.raises(StructureError) as caught:
            read(document, parts)
        failures.append(caught.value)
    assert failures[0].position == failures[1].position
    assert failures[0].value == failures[1].value
    return failures[0]


# -- where it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2]}',
        ' \n\t{"a": [1, 2]}',
        '\ufeff{"a": [1, 2]}',
        'Here you are: {"a": [1, 2]}. Enjoy {it}!',
        'Here you are:\n\n```json\n{"a": [1, 2]}\n```\nEnjoy!',
        '```\n{"a": [1, 2]}\n```',
        '~~~JSON\n\n  {"a": [1, 2]}\n~~~',
        '```json {"a": [1, 2]}```',
        '<answer>{"a": [1, 2]}</answer>',
        'A set {x}, a note [1], a task [ ], a link [true](x): {"a": [1, 2]}',
        'Fill in {"name"} or {title: 1} or {\'a\': 1}: {"a": [1, 2]}',
        'The format is ["see {"a": [1, 2]}',
        '[[Page]] and [[1]] and [{x}] {"a": [1, 2]}',
        '{"a": [1, 2]} {"b": 3}',
        'Well {{{{"a": [1, 2]}}}}',
        'f({}) is {"a": [1, 2]}',
    ],
)
def test_the_document_is_found_in_what_stands_around_it(text: str) -> None:
    assert found(text) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        ("  [1] is the note", [1]),
        ("[]", []),
        ("{}", {}),
        ("Nothing was found:\n{}", {}),
        ("They are:\n```json\n[1, 2]\n```", [1, 2]),
        ("They are:\n```json\n\n  [ ]\n```", []),
        ('They are: ["a", "b"]', ["a", "b"]),
        ('They are: [{"a": 1}]', [{"a": 1}]),
        ('They are:\n- [ ] none\n\n[["a"]]', [["a"]]),
    ],
)
def test_an_array_and_an_empty_one_are_found_where_they_are_no_prose(
    text: str, value: object
) -> None:
    assert found(text) == value


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["", "Sure! ", "See [1], {x}:\n\n", "```json\n", "a [ ] {"]),
    documents.filter(lambda text: isinstance(json.loads(text), dict) and json.loads(text)),
    st.text(max_size=20),
    st.lists(st.integers(0, 60)),
)
def test_prose_and_cuts_change_nothing(
    before: str, document: str, after: str, cuts: list[int]
) -> None:
    assert found(*pieces(before + document + after, cuts)) == json.loads(document)


# -- where it is not -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n", "\ufeff"])
def test_no_text_is_no_failure(text: str) -> None:
    assert found(text) is None


@pytest.mark.parametrize("text", ["I cannot do that.", "42", "null", "A note [1] {x}."])
def test_a_text_without_a_document_is_a_failure(text: str) -> None:
    error = failure(text)

    assert "there is no JSON" in str(error)
    assert error.value is None


def test_what_begins_like_a_document_is_named_where_there_is_none() -> None:
    error = failure("Well: {name: 1} or [x]")

    assert "at character 6 is none: expected a name in double quotes" in str(error)
    assert error.position == 7


def test_a_mistake_after_the_first_name_is_a_mistake() -> None:
    error = failure('Sure: {"a": [1, {"b": "c"}, x], "d": 2}')

    assert str(error).startswith("the JSON is broken: expected a value (at character 28): 'x")
    assert (error.position, error.value) == (28, {"a": [1, {"b": "c"}]})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, {"b": "c', {"a": [1, {"b": "c"}]}),
        ('{"a": 12', {}),
        ('{"a', {}),
        ("[1, tru", [1]),
        ("[", []),
    ],
)
def test_a_document_that_is_cut_is_a_failure_with_what_was_valid(text: str, value: object) -> None:
    error = failure(text)

    assert "is cut" in str(error)
    assert error.value == value
    assert type(error.value) in (dict, list)


def test_a_document_that_is_too_deep_is_no_prose() -> None:
    assert "deeper than 100 levels" in str(failure("see " + "[" * 101))


@pytest.mark.parametrize("text", ['{"a": "123"}', "[123, 45678]", '["12", "56"]'])
def test_the_document_is_bounded(text: str) -> None:
    for parts in ([text], [*text]):
        document = JsonDocument(make, max_characters=12)
        read(document, ["prose is not counted ", "\n```json\n", *parts, " and more, and more"])

        with pytest.raises(StructureError, match="longer than 11 characters"):
            read(JsonDocument(make, max_characters=11), parts)


# -- cost ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    ["{", "[", '{"', '["', '{"a" ', "[[[[[[[[[[x", "word ", "\n", '[["a" x', "{ ", "```\n[1 "],
)
@pytest.mark.parametrize("size", [1, 100_000], ids=["characters", "one piece"])
def test_the_search_is_linear_whatever_the_text(unit: str, size: int) -> None:
    def cpu_seconds(count: int) -> float:
        text = unit * (count // len(unit))
        document = JsonDocument(make)
        began = time.process_time()
        try:
            for at in range(0, len(text), size):
                document.push(text[at : at + size])
        except StructureError as error:
            assert "deeper" in str(error)  # noqa: PT017 -- or it goes on to the end
        return time.process_time() - began

    small = min(cpu_seconds(2_000) for _ in range(3))

    assert min(cpu_seconds(16_000) for _ in range(2)) < 20 * small + 0.02


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Here: [1, {"a": 2}, 3]', [1, {"a": 2}, 3]),
        ("Here are the primes:\n[2, 3, 5]", [2, 3, 5]),
        ("Scores: [[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("Answer:\n\n[\n 1,\n 2\n]", [1, 2]),
        ('Rows: [null, {"id":1}]', [None, {"id": 1}]),
        ('in the range [0, 1], so {"a": 1}', {"a": 1}),
        ('see\n[1] Smith\n{"a": 1}', {"a": 1}),
        ('note [1]: {"c": 3}', {"c": 3}),
        ('none: [] but {"b": 2}', {"b": 2}),
    ],
)
def test_an_array_of_numbers_counts_where_a_list_is_announced(text: str, value: object) -> None:
    assert found(text) == value
