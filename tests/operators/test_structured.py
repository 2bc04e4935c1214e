from __future__ import annotations

import gc
import json
import time
import weakref
from datetime import date
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import documents
from kit import check_dispose, check_empty, check_error, check_two_subscribers, pieces, results
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from reactivex import operators as rx_ops

from rxwizard import ChunkKind, ConfigError, StreamChunk, StructureError, ToolCallDelta
from rxwizard import operators as ops
from rxwizard.operators.growing import GrowingObject, plain
from rxwizard.testing import assert_marbles, play


class Step(BaseModel):
    text: str
    minutes: int = 0


class Recipe(BaseModel):
    title: str
    steps: list[Step] = []


def failing(operator: Any, *items: Any) -> tuple[list[Any], StructureError]:
    """Give what comes before the failure, and the failure."""
    given_out: list[Any] = []
    failures: list[Exception] = []
    rx.from_iterable(items).pipe(operator).subscribe(given_out.append, failures.append)
    (error,) = failures
    assert isinstance(error, StructureError)
    return given_out, error


def call(arguments: str, index: int = 0, name: str | None = None, **more: Any) -> StreamChunk:
    delta = ToolCallDelta(index=index, name=name, arguments=arguments)
    return StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=delta, **more)


MAKERS = {
    "partial_json": ops.partial_json,
    "partial": lambda **options: ops.partial(Recipe, **options),
    "json_items": lambda **options: ops.json_items("steps[*]", **options),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


# -- partial_json ----------------------------------------------------------------------------


def test_partial_json_gives_the_value_each_time_it_grows() -> None:
    assert_marbles(
        ops.partial_json(),
        "-a-b-c-d-e-|",
        "-v-w---x-y-|",
        a='{"a": "x',
        b='y", "b',
        c='": ',
        d="[1, 2",
        e="]} and so on",
        v={"a": "x"},
        w={"a": "xy"},
        x={"a": "xy", "b": [1]},
        y={"a": "xy", "b": [1, 2]},
    )


def test_partial_json_is_plain_at_the_end_and_a_view_before() -> None:
    first, last = results(ops.partial_json(), ['{"a": [{"b": 1}', "]}"])

    assert isinstance(first, GrowingObject)
    assert type(first["a"][0]) is dict
    assert (type(last), type(last["a"])) == (dict, list)
    assert json.dumps(first, default=plain) == json.dumps(last)


def test_partial_json_gives_values_that_never_change() -> None:
    kept = results(ops.partial_json(), '{"a": "xy", "b": [1, 2]}')

    assert kept == [
        {},
        {"a": ""},
        {"a": "x"},
        {"a": "xy"},
        {"a": "xy"},  # whole now
        {"a": "xy", "b": []},
        {"a": "xy", "b": [1]},
        {"a": "xy", "b": [1, 2]},
        {"a": "xy", "b": [1, 2]},  # as is the document
    ]


def test_partial_json_waits_for_whole_strings_on_request() -> None:
    texts = ['{"a": "x', "y", '", "b": "z', '"}']

    assert results(ops.partial_json(strings="complete"), texts) == [
        {},
        {"a": "xy"},
        {"a": "xy", "b": "z"},
    ]


def test_partial_json_of_a_number_waits_for_its_end() -> None:
    assert results(ops.partial_json(), ['{"a": 1', "2", ".5", "}"]) == [{}, {"a": 12.5}]


@settings(deadline=None, max_examples=50)
@given(documents, st.lists(st.integers(0, 60)))
def test_partial_json_ends_with_the_document_however_it_is_cut(
    document: str, cuts: list[int]
) -> None:
    values = results(ops.partial_json(), pieces(document, cuts))

    assert values[-1] == json.loads(document)


# -- partial ---------------------------------------------------------------------------------


def test_partial_gives_partials_and_then_the_model() -> None:
    played = play(
        ops.partial(Recipe),
        "-a-b-c-d-|",
        a='{"title": "Pa',
        b='n", "steps": [{"text": "Stir"},',
        c=' {"text": "Ea',
        d='t"}]} Enjoy!',
    )
    seen = [
        (message.tick, value.title, [step.text for step in value.steps or ()])
        for message in played.messages[:-1]
        if (value := message.value)
    ]

    assert seen == [
        (1, "Pa", []),
        (3, "Pan", ["Stir"]),
        (5, "Pan", ["Stir", "Ea"]),
        (7, "Pan", ["Stir", "Eat"]),
    ]
    assert played.values[-1] == Recipe(title="Pan", steps=[Step(text="Stir"), Step(text="Eat")])


def test_partial_fails_with_what_was_valid_where_the_model_says_no() -> None:
    values, error = failing(ops.partial(Recipe), '{"title": "Pan", "steps": [', "7]}")

    assert str(error).startswith("the JSON is no Recipe: steps.0: Input should be")
    assert isinstance(error.__cause__, ValidationError)
    assert error.value == {"title": "Pan", "steps": [7]}
    assert [value.title for value in values] == ["Pan"]


def test_partial_of_another_kind_of_document_fails() -> None:
    values, error = failing(ops.partial(Recipe), "[1, ", "2]")

    assert (values, error.value) == ([], [1, 2])


def test_partial_takes_a_strict_model_as_json_means_it() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        day: date

    assert results(ops.partial(Strict), ['{"day": "2024-01-02"}']) == [Strict(day=date(2024, 1, 2))]


def test_partial_ends_with_what_a_validator_raises() -> None:
    class Broken(BaseModel):
        a: int

        def model_post_init(self, context: object) -> None:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        results(ops.partial(Broken), ['{"a": 1}'])


# -- json_items ------------------------------------------------------------------------------


def test_json_items_gives_each_element_when_it_is_complete() -> None:
    assert_marbles(
        ops.json_items("[*]"),
        "-a-b-c-d-----e-|",
        "-------(x,y)-z-|",
        a="[",
        b='{"a"',
        c=": 1",
        d='}, {"a": 2}',
        e=", 3]",
        x={"a": 1},
        y={"a": 2},
        z=3,
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a[*]", [1, "x", [2, [3]], {"b": 4}]),
        ("$.a[*]", [1, "x", [2, [3]], {"b": 4}]),
        ("a[2][*]", [2, [3]]),
        ("a[2][1]", [[3]]),
        ("a[*].b", [4]),
        ("a[*][*]", [2, [3], 4]),
        ("c.d", [{"e": [5, 6]}]),
        ("c.d.e[1]", [6]),
        ("c.*.e", [[5, 6]]),
        ("*", [[1, "x", [2, [3]], {"b": 4}], {"d": {"e": [5, 6]}}, 7]),
        ("0", []),
        ("f", [7]),
        ("f[*]", []),
        ("nothing[*]", []),
        ("$", [{"a": [1, "x", [2, [3]], {"b": 4}], "c": {"d": {"e": [5, 6]}}, "0": 7}]),
    ],
)
def test_json_items_finds_what_the_path_says(path: str, expected: list[Any]) -> None:
    document = '{"a": [1, "x", [2, [3]], {"b": 4}], "c": {"d": {"e": [5, 6]}}, "0": 7}'
    if path == "0":
        path = "[0]"  # an index is no name
    if path == "f":
        path = '["0"]'
    for items in ([document], [*document]):
        assert results(ops.json_items(path), items) == expected


def test_json_items_makes_models_and_whatever_pydantic_can() -> None:
    texts = [*'[{"text": "a"}, {"text": "b", "minutes": 2}]']

    assert results(ops.json_items("[*]", Step), texts) == [
        Step(text="a"),
        Step(text="b", minutes=2),
    ]
    assert results(ops.json_items("[*].text", date), ['[{"text": "2024-01-02"}]']) == [
        date(2024, 1, 2)
    ]
    assert results(ops.json_items("[*]", TypeAdapter(int | str)), ['["a", 1]']) == ["a", 1]


def test_json_items_fails_at_an_invalid_element_behind_those_before() -> None:
    values, error = failing(
        ops.json_items("[*]", Step), '[{"text": "a"}, {"no": 1}, {"text": "b"}]'
    )

    assert values == [Step(text="a")]
    assert error.value == {"no": 1}
    assert "no Step: text: Field required" in str(error)
    assert isinstance(error.__cause__, ValidationError)


def test_json_items_hands_an_invalid_element_over_on_request() -> None:
    invalid: list[StructureError] = []
    operator = ops.json_items("[*]", Step, on_invalid=invalid.append)

    assert results(operator, ['[{"text": "a"}, {"no": 1}, {"text": "b"}]']) == [
        Step(text="a"),
        Step(text="b"),
    ]
    assert [error.value for error in invalid] == [{"no": 1}]


def test_json_items_gives_what_was_complete_before_a_mistake_in_the_same_piece() -> None:
    values, error = failing(ops.json_items("a[*]"), '{"a": [1, {"b": [2, {"c": 3}, x')

    assert values == [1]
    assert error.value == {"b": [2, {"c": 3}]}


def test_json_items_of_a_cut_document_fails_with_the_unfinished_element() -> None:
    for text, value in (
        ('{"a": [1, {"b": 2', {}),
        ('{"a": [1, ', None),
        ('{"a": [1, [2, "x', [2]),
        ('{"a": [[1], 2], "b": {"c": 1, ', None),
    ):
        for items in ([text], [*text]):
            _, error = failing(ops.json_items("a[*]"), *items)
            assert "cut" in str(error)
            assert error.value == value


def test_json_items_keeps_no_element() -> None:
    class Kept(dict):  # type: ignore[type-arg]
        """A dict that can be watched."""

    watched: list[weakref.ref[Any]] = []

    def watch(element: dict[str, Any]) -> None:
        kept = Kept(element)
        watched.append(weakref.ref(kept))

    source = rx.from_iterable(['{"a": ['] + ['{"b": 1},'] * 1000)
    gc.disable()
    try:
        source.pipe(ops.json_items("a[*]")).subscribe(watch, lambda _: None)
        assert len(watched) == 1000
        assert not any(ref() for ref in watched)
    finally:
        gc.enable()


def test_json_items_bounds_an_element_and_not_their_number() -> None:
    many = ["["] + ['"abcdefgh",'] * 100

    values, error = failing(ops.json_items("[*]", max_characters=20), *many, '"', *["x" * 7] * 3)

    assert values == ["abcdefgh"] * 100
    assert "longer than 20 characters" in str(error)


# -- all three -------------------------------------------------------------------------------

DOCUMENT = {"a": 'Here: {"title": "Pan", "steps": [{"text": "Stir"}', "b": "]} Enjoy", "c": "!"}


@every_maker
def test_an_empty_source_gives_nothing(make: Any) -> None:
    check_empty(make())
    assert results(make(), ["", " \n"]) == []


@every_maker
def test_an_error_passes_on_at_once(make: Any) -> None:
    check_error(make(), **DOCUMENT)
    # What was being read is not made up.
    assert_marbles(make(), "-a-#", "---#", a='{"ti', error=OSError("reset"))


@every_maker
def test_disposing_frees_the_source(make: Any) -> None:
    check_dispose(make(), **DOCUMENT)


@every_maker
def test_two_subscribers_share_nothing(make: Any) -> None:
    check_two_subscribers(make(), **DOCUMENT)


@every_maker
def test_it_lets_go_in_the_middle(make: Any) -> None:
    seen = play(lambda source: source.pipe(make(), rx_ops.take(1)), "-a-b-c-|", **DOCUMENT)

    assert (len(seen.values), seen.held) == (1, [(0, 1)])


@every_maker
def test_a_text_without_json_fails(make: Any) -> None:
    values, error = failing(make(), "I cannot ", "do that.")

    assert (values, error.value) == ([], None)
    assert "there is no JSON" in str(error)


@every_maker
def test_a_cut_document_fails_at_completion(make: Any) -> None:
    last = play(make(), "-a-|", **DOCUMENT).messages[-1]

    assert (last.tick, last.what, type(last.value)) == (3, "error", StructureError)


@every_maker
def test_a_broken_document_fails_at_once_with_what_was_valid(make: Any) -> None:
    source = {"a": '{"title": "Pan", "steps": [', "b": '{"text": "a", "m": x', "c": "}"}
    last = play(make(), "-a-b-c-|", **source).messages[-1]

    assert (last.tick, last.what, type(last.value)) == (3, "error", StructureError)
    assert (last.value.position, last.value.text) == (46, "x")
    element = {"text": "a"}
    assert last.value.value in (element, {"title": "Pan", "steps": [element]})


@every_maker
def test_a_document_that_nests_too_deep_fails(make: Any) -> None:
    _, error = failing(make(), '{"steps": ' + "[" * 200)

    assert "100 levels" in str(error)


@every_maker
def test_it_reads_the_visible_text_of_chunks(make: Any) -> None:
    text = '{"title": "Pan", "steps": [{"text": "Stir"}]}'
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text=text[:20]),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="hm}"),
        StreamChunk(text="}}", choice=1),
        call("{}"),
        StreamChunk(text=text[20:]),
        StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True),
    ]

    assert results(make(), chunks) == results(make(), [text[:20], text[20:]])


@every_maker
@pytest.mark.parametrize(
    "anew",
    [
        StreamChunk(epoch=1, kind=ChunkKind.START),
        StreamChunk(epoch=0, kind=ChunkKind.START),
        StreamChunk(kind=ChunkKind.RETRACT),
        StreamChunk(epoch=1, text=" "),
    ],
    ids=["newer epoch", "second start", "retraction", "newer epoch without a start"],
)
def test_an_answer_that_starts_anew_is_read_anew(make: Any, anew: StreamChunk) -> None:
    text = '{"title": "Pan", "steps": [{"text": "Stir"}]}'
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text='{"title": "Pot'),
        anew,
        StreamChunk(text=text, epoch=anew.epoch),
    ]

    assert results(make(), chunks)[-1:] == results(make(), [text])


@every_maker
@pytest.mark.parametrize("tool", ["save", 1])
def test_it_reads_the_arguments_of_one_call(make: Any, tool: str | int) -> None:
    text = '{"title": "Pan", "steps": [{"text": "Stir"}]}'
    chunks = [
        StreamChunk(text="Let me save that {"),
        call('{"x":', 0, "look"),
        call("", 1, "save"),
        call(text[:15], 1),
        call("1}", 0),
        call(text[15:], 1, choice=0),
        call("}}", 1, choice=1),
        call('{"title": "Pot"}', 2, "save"),
    ]

    assert results(make(tool=tool), chunks) == results(make(), [text[:15], text[15:]])


@every_maker
def test_a_call_of_another_answer_is_forgotten(make: Any) -> None:
    text = '{"title": "Pan", "steps": [{"text": "Stir"}]}'
    chunks = [call('{"title"', 1, "save"), call(text, 0, "save", epoch=1)]

    assert results(make(tool="save"), chunks)[-1:] == results(make(), [text])


@every_maker
def test_a_call_that_does_not_come_gives_nothing(make: Any) -> None:
    assert results(make(tool="save"), [call("{}", 0, "look"), StreamChunk(text="{")]) == []


@pytest.mark.parametrize("arguments", [[""], ["null"], ["nu", "ll"], [" "], ["{}"], ["{", "}"]])
def test_absent_arguments_are_an_empty_object(arguments: list[str]) -> None:
    chunks = [call("", 0, "now"), *[call(piece) for piece in arguments]]

    assert results(ops.partial_json(tool="now"), chunks) == [{}]
    assert results(ops.json_items("$", tool=0), chunks) == [{}]
    assert "title: Field required" in str(failing(ops.partial(Recipe, tool=0), *chunks)[1])


# -- tool_arguments --------------------------------------------------------------------------


def test_tool_arguments_gives_the_pieces_of_one_call() -> None:
    assert_marbles(
        ops.tool_arguments("save"),
        "-s-a-b-c-d-e-|",
        "-----x---y---|",
        s=StreamChunk(text="Hm"),
        a=call('{"q": 1}', 0, "look"),
        b=call("{", 1, "save"),
        c=call("!", 1, choice=1),
        d=call("}", 1),
        e=call("{}", 2, "save"),
        x="{",
        y="}",
    )
    assert results(ops.tool_arguments(), [call("{", 0, "look"), call("}", 1)]) == ["{"]


def test_tool_arguments_follows_an_answer_that_starts_anew() -> None:
    chunks = [call("a", 1, "save"), call("b", 0, "save", epoch=1), call("c", 0, epoch=1)]

    assert results(ops.tool_arguments("save"), chunks) == ["a", "b", "c"]


def test_tool_arguments_is_as_operators_are() -> None:
    source = {"a": call("{", 0, "save"), "b": call("1", 0), "c": call("}", 0)}
    operator = ops.tool_arguments("save")

    check_empty(operator)
    check_error(operator, **source)
    check_dispose(operator, **source)
    check_two_subscribers(operator, **source)


def test_tool_arguments_composes_with_the_others() -> None:
    chunks = [call('{"title": ', 0, "save"), call('"Pan"}')]
    stream = rx.from_iterable(chunks).pipe(ops.tool_arguments(), ops.partial(Recipe))

    assert stream.run() == Recipe(title="Pan")


# -- options ---------------------------------------------------------------------------------


@every_maker
@pytest.mark.parametrize(
    "options",
    [
        {"max_characters": 0},
        {"max_characters": -1},
        {"max_characters": True},
        {"max_characters": 1.5},
        {"max_characters": float("nan")},
        {"tool": ""},
        {"tool": -1},
        {"tool": True},
        {"tool": 1.0},
    ],
    ids=repr,
)
def test_an_option_that_cannot_work_is_refused(make: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        make(**options)


class Undefined(BaseModel):
    a: Missing  # noqa: F821


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.partial_json(strings="some"),  # type: ignore[arg-type]
        lambda: ops.partial(Recipe, strings=""),  # type: ignore[arg-type]
        lambda: ops.partial(dict),  # type: ignore[type-var]
        lambda: ops.partial(Recipe(title="x")),  # type: ignore[arg-type]
        lambda: ops.partial(list[Recipe]),  # type: ignore[type-var]
        lambda: ops.partial(Undefined),
        lambda: ops.json_items(""),
        lambda: ops.json_items("a..b"),
        lambda: ops.json_items("a", Undefined),
        lambda: ops.json_items("a", object()),  # type: ignore[call-overload]
        lambda: ops.json_items("a", on_invalid="skip"),  # type: ignore[call-overload]
        lambda: ops.tool_arguments(""),
        lambda: ops.tool_arguments(-1),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


# -- cost and examples -----------------------------------------------------------------------


def document_of(size: int) -> str:
    step = {"text": "Stir it well until it is done", "minutes": 12}
    return json.dumps({"title": "Pan", "steps": [step] * (size // 70), "note": "x" * (size // 10)})


@every_maker
@pytest.mark.parametrize("is_looked_at", [False, True], ids=["unseen", "looked at"])
def test_work_is_linear_in_pieces_of_one_character(make: Any, is_looked_at: bool) -> None:
    def look(value: Any) -> None:
        if is_looked_at and make is not MAKERS["json_items"]:
            steps = value.get("steps") if hasattr(value, "get") else value.steps
            assert not steps or steps[len(steps) - 1] is not None

    def cpu_seconds(size: int) -> float:
        source = rx.from_iterable([*document_of(size)]).pipe(make())
        began = time.process_time()
        source.subscribe(look)
        return time.process_time() - began

    small = min(cpu_seconds(3_000) for _ in range(3))

    assert min(cpu_seconds(24_000) for _ in range(2)) < 20 * small + 0.02
