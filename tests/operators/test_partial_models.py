from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
import reactivex as rx
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    RootModel,
    SecretStr,
    field_validator,
)

from rxwizard import operators as ops
from rxwizard.operators.partial_models import PartialModel, partial_of


class Unit(Enum):
    GRAM = "g"
    KILOGRAM = "kg"


class Step(BaseModel):
    text: str
    minutes: int | None = None


class Recipe(BaseModel):
    title: str
    steps: list[Step]
    day: date | None = None


def grown(model: Any, *texts: str) -> list[Any]:
    """Give the values that these pieces lead to, whether or not the document is whole."""
    values: list[Any] = []
    rx.from_iterable(texts).pipe(ops.partial(model)).subscribe(values.append, lambda _: None)
    return values


def last(model: Any, text: str) -> Any:
    return grown(model, text)[-1]


# -- what a partial is -----------------------------------------------------------------------


def test_a_partial_is_a_model_whose_fields_are_none_until_they_arrive() -> None:
    partial = last(Recipe, '{"title": "Pa')

    assert isinstance(partial, PartialModel)
    assert isinstance(partial, BaseModel)
    assert not isinstance(partial, Recipe)
    assert (partial.title, partial.steps, partial.day) == ("Pa", None, None)
    assert repr(partial) == "PartialRecipe(title='Pa', steps=None, day=None)"
    assert partial.model_fields_set == {"title"}


def test_a_partial_is_the_same_however_it_is_looked_at() -> None:
    def made() -> Any:
        return last(Recipe, '{"title": "Pan", "steps": [{"text": "Stir"}, {"text": "Ea')

    steps = [{"text": "Stir", "minutes": None}, {"text": "Ea", "minutes": None}]
    expected = {"title": "Pan", "steps": steps, "day": None}

    assert made().model_dump() == expected
    assert json.loads(made().model_dump_json()) == expected
    assert made().model_dump(exclude_unset=True) == {
        "title": "Pan",
        "steps": [{"text": "Stir"}, {"text": "Ea"}],
    }
    assert [name for name, _ in made()] == [*expected]
    assert str(made()).startswith("title='Pan' steps=[Step(")
    assert made() == made()
    assert made() != last(Recipe, '{"title": "Pan"')
    assert vars(made()).keys() == expected.keys()
    for copied in (
        copy.copy(made()),
        copy.deepcopy(made()),
        made().model_copy(),
        pickle.loads(pickle.dumps(made())),
    ):
        assert copied == made()
        assert copied.model_dump() == expected


def test_looking_at_a_field_first_changes_nothing() -> None:
    partial = last(Recipe, '{"title": "Pan", "steps": [{"text": "Stir"}, {"text": "Ea')
    partial.steps[-1].text  # noqa: B018

    assert partial.model_dump()["steps"][-1] == {"text": "Ea", "minutes": None}
    assert type(partial) is partial_of(Recipe)
    assert type(partial.steps) is list


def test_a_partial_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        last(Recipe, '{"title": "Pa').title = "Pot"


def test_a_partial_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="PartialRecipe"):
        last(Recipe, '{"title": "Pa').taste  # noqa: B018


def test_every_partial_stays_what_it_was() -> None:
    text = '{"title": "Pan", "steps": [{"text": "Stir", "minutes": 3}, {"text": "Eat"}]}'
    kept = grown(Recipe, *text)
    dumps = [value.model_dump() for value in grown(Recipe, *text)]

    assert [value.model_dump() for value in kept] == dumps
    assert [value.title for value in kept[:5]] == [None, "", "P", "Pa", "Pan"]
    assert kept[-1] == Recipe.model_validate_json(text)


# -- what is whole and what grows ------------------------------------------------------------


def test_what_is_whole_in_it_is_the_real_thing() -> None:
    partial = last(Recipe, '{"day": "2024-05-01", "steps": [{"text": "a"}, {"text": "b"')

    assert partial.day == date(2024, 5, 1)
    assert type(partial.steps[0]) is Step
    assert isinstance(partial.steps[1], partial_of(Step))
    assert [step.text for step in partial.steps] == ["a", "b"]


def test_what_is_whole_is_made_once() -> None:
    first, second = grown(Recipe, '{"steps": [{"text": "a"}, {"te', 'xt": "b"')

    assert first.steps[0] is second.steps[0]


def test_a_list_that_grows_is_a_sequence() -> None:
    steps = last(Recipe, '{"steps": [{"text": "a"}, {"text": "b"').steps

    assert isinstance(steps, Sequence)
    assert (len(steps), steps[-1].text, len(steps[:1])) == (2, "b", 1)
    assert steps[:1] == [Step(text="a")]
    assert steps == [*steps]


class Everything(BaseModel):
    text: str = ""
    short: Annotated[str, Field(max_length=3)] = ""
    secret: SecretStr | None = None
    word: Literal["yes", "no"] | None = None
    unit: Unit | None = None
    number: Decimal | None = None
    either: int | str | None = None
    anything: Any = None
    value: JsonValue = None
    names: set[str] = set()
    pair: tuple[int, str] | None = None
    row: tuple[int, ...] = ()
    table: list[list[int]] = []
    by_name: dict[str, Step] = {}
    by_number: dict[int, Step] = {}
    bare: list = []  # type: ignore[type-arg]


@pytest.mark.parametrize(
    ("field", "text", "seen"),
    [
        ("text", '"ab', "ab"),
        ("short", '"abcd', "abcd"),
        ("short", '"abcd", "text": "', "abcd"),
        ("secret", '"ab', None),
        ("secret", '"ab", "text": "', SecretStr("ab")),
        ("word", '"ye', None),
        ("word", '"yes", "text": "', "yes"),
        ("unit", '"g', None),
        ("unit", '"g", "text": "', Unit.GRAM),
        ("unit", '"pound", "text": "', None),
        ("number", "1.5", None),
        ("number", '1.5, "text": "', Decimal("1.5")),
        ("either", '"1', "1"),
        ("either", '1, "text": "', 1),
        ("anything", '{"a": [1, "x', {"a": [1, "x"]}),
        ("value", '[1, {"a": null', [1, {}]),
        ("names", '["a", "b', ["a", "b"]),
        ("names", '["a", "b"], "text": "', {"a", "b"}),
        ("pair", '[1, "b', None),
        ("pair", '[1, "b"], "text": "', (1, "b")),
        ("row", "[1, 2, 3", [1, 2]),
        ("table", "[[1, 2], [3, 4, 5", [[1, 2], [3, 4]]),
        ("by_number", '{"1": {"text": "a', None),
        ("by_number", '{"1": {"text": "a"}}, "text": "', {1: Step(text="a")}),
        ("bare", '[1, {"a": "b', [1, {"a": "b"}]),
        ("text", "null", None),
        ("text", '7, "short": "', None),
    ],
)
def test_a_field_is_shown_as_far_as_its_type_allows(field: str, text: str, seen: object) -> None:
    partial = last(Everything, f'{{"{field}": {text}')

    assert getattr(partial, field) == seen
    assert getattr(last(Everything, f'{{"{field}": {text}').model_copy(), field) == seen


def test_a_dict_that_grows_is_a_mapping_of_what_it_holds() -> None:
    by_name = last(Everything, '{"by_name": {"a": {"text": "x"}, "b": {"text": "y').by_name

    assert isinstance(by_name, Mapping)
    assert (len(by_name), [*by_name]) == (2, ["a", "b"])
    assert by_name["a"] == Step(text="x")
    assert by_name["b"].text == "y"
    assert repr(by_name).startswith("{'a': Step(")


def test_a_value_that_does_not_validate_is_shown_as_far_as_it_does() -> None:
    partial = last(Recipe, '{"steps": [{"text": "a", "minutes": "long"}, 7], "title": "')

    assert [partial.steps[0].text, partial.steps[0].minutes, partial.steps[1]] == ["a", None, None]


# -- unions ----------------------------------------------------------------------------------


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float = 0


class Square(BaseModel):
    kind: Literal["square", "box"] = Field(validation_alias="kind")
    side: float = 0


@dataclass
class Point:
    x: int


class Drawing(BaseModel):
    shape: Circle | Square = Field(discriminator="kind")
    more: list[Annotated[Circle | Square, Field(discriminator="kind")]] = []
    unclear: Circle | Square | None = None
    clear: Circle | int | None = None
    opaque: Circle | Point | None = None
    line: list[int] | str | None = None


def test_a_discriminated_union_is_shown_when_its_discriminator_is_whole() -> None:
    assert last(Drawing, '{"shape": {"kind": "bo').shape is None
    assert last(Drawing, '{"shape": {"radius": 2, ').shape is None
    assert last(Drawing, '{"shape": {"kind": "nothing", ').shape is None
    assert last(Drawing, '{"shape": {"kind": [], "side": 1, ').shape is None
    box = last(Drawing, '{"shape": {"kind": "box", "side": 2, ').shape
    assert isinstance(box, partial_of(Square))
    assert (box.kind, box.side) == ("box", 2)
    assert last(Drawing, '{"shape": {"kind": "box"}, ').shape == Square(kind="box")


def test_elements_of_a_discriminated_union_come_as_they_become_clear() -> None:
    more = last(Drawing, '{"more": [{"kind": "circle"}, {"radius": 1, "kind": "circle", ').more

    assert more[0] == Circle(kind="circle")
    assert isinstance(more[1], partial_of(Circle))
    assert more[1].radius == 1


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('"unclear": {"kind": "circle", ', None),
        ('"unclear": {"kind": "circle"}, ', Circle(kind="circle")),
        ('"opaque": {"x": 1, ', None),
        ('"opaque": {"x": 1}, ', Point(1)),
        ('"line": "ab', "ab"),
        ('"line": [1, 2, ', [1, 2]),
    ],
)
def test_an_undiscriminated_union_is_shown_when_it_is_clear(text: str, seen: object) -> None:
    field = text.split('"')[1]

    assert getattr(last(Drawing, "{" + text), field) == seen


def test_a_union_with_one_model_is_shown_as_that() -> None:
    clear = last(Drawing, '{"clear": {"kind": "circle", "radius": 3, ').clear

    assert (clear.kind, clear.radius) == ("circle", 3)


# -- models as people write them -------------------------------------------------------------


class Node(BaseModel):
    name: str
    children: list[Node] = []


def test_a_model_may_contain_itself() -> None:
    node = last(Node, '{"name": "a", "children": [{"name": "b", "children": [{"name": "c')

    assert node.children[0].children[0].name == "c"
    assert isinstance(node, partial_of(Node))
    assert isinstance(node.children[0], partial_of(Node))


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: str = Field(alias="firstName")
    second: str = Field(default="", validation_alias=AliasChoices("b", AliasPath("c", 0, "d")))
    third: str = Field(default="", validation_alias="z", serialization_alias="y")


def test_aliases_are_found() -> None:
    assert last(Aliased, '{"firstName": "a').first == "a"
    assert last(Aliased, '{"first": "a').first == "a"
    assert last(Aliased, '{"b": "x').second == "x"
    assert last(Aliased, '{"c": [{"d": "x').second == "x"
    assert last(Aliased, '{"c": [').second is None
    assert last(Aliased, '{"c": "x').second is None
    assert last(Aliased, '{"z": "x').model_dump(by_alias=True)["y"] == "x"


class Items(RootModel[list[Step]]):
    pass


def test_a_root_model_grows_as_its_root() -> None:
    partial, whole = grown(Items, '[{"text": "a"}, {"text": "b', '"}]')

    assert (partial.root[0], partial.root[1].text) == (Step(text="a"), "b")
    assert partial.model_dump() == {
        "root": [{"text": "a", "minutes": None}, {"text": "b", "minutes": None}]
    }
    assert whole == Items([Step(text="a"), Step(text="b")])


class Odd(BaseModel):
    """Fields that are named like what pydantic has."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str = ""
    names: str = ""
    find: str = ""


def test_fields_may_be_named_like_other_things() -> None:
    partial = last(Odd, '{"model_name": "a", "names": "b", "find": "c')

    assert (partial.model_name, partial.names, partial.find) == ("a", "b", "c")


class Checked(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    name: str
    shout: Annotated[str, AfterValidator(str.upper)] = ""

    @field_validator("name")
    @classmethod
    def is_long(cls, name: str) -> str:
        if len(name) < 5:
            raise ValueError("too short")
        return name.title()

    @property
    def age(self) -> int:
        return 2024 - self.day.year


def test_validators_wait_for_the_whole_and_types_for_their_values() -> None:
    partial, whole = grown(Checked, '{"day": "2024-01-02", "shout": "hi", "name": "wil', 'helm"}')

    assert (partial.day, partial.shout, partial.name) == (date(2024, 1, 2), "HI", "wil")
    assert not hasattr(partial, "age")
    assert (whole.name, whole.age) == ("Wilhelm", 0)


class Registered(BaseModel):
    seen: list[str] = []

    def __init_subclass__(cls, **options: Any) -> None:
        raise AssertionError("a partial is no subclass")


def test_hooks_of_a_model_are_left_alone() -> None:
    assert last(Registered, '{"seen": ["a').seen == ["a"]


def test_a_partial_may_be_a_type_of_its_own() -> None:
    partial = partial_of(Recipe)

    assert partial.__name__ == "PartialRecipe"
    assert partial.model_validate({"title": "Pan"}).title == "Pan"
    assert partial().model_dump() == {"title": None, "steps": None, "day": None}


def test_a_field_that_comes_twice_is_what_it_was_at_each_moment() -> None:
    first, second = grown(Recipe, '{"steps": [{"text": "a"}], ', '"steps": [], "title": "')

    assert second.steps == []
    assert first.steps == [Step(text="a")]


def test_numbers_of_any_length_reach_the_model() -> None:
    class Long(BaseModel):
        number: int

    assert last(Long, f'{{"number": {10**40}}}').number == 10**40
