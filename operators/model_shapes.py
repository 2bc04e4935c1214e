"""The shapes of pydantic's models and of the types of their fields."""

from __future__ import annotations

from collections import abc, deque
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PydanticUserError,
    RootModel,
    TypeAdapter,
)

from rxwizard.operators.growing import GrowingObject
from rxwizard.operators.partial_models import lens
from rxwizard.operators.shapes import (
    NOT_THERE,
    AnyShape,
    ArrayShape,
    ObjectShape,
    Shape,
    TextShape,
    UnionShape,
    has,
    member,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pydantic.fields import FieldInfo

_ARRAYS: Final = {
    *(list, set, frozenset, tuple, deque, abc.Sequence, abc.MutableSequence),
    *(abc.Collection, abc.Iterable, abc.Set, abc.MutableSet),
}
_OBJECTS: Final = {dict, abc.Mapping, abc.MutableMapping}
_SCALARS: Final = (str, int, float, bytes, Decimal, date, time, timedelta, UUID, Enum, NoneType)
_ANYTHING: Final = (Any, object, JsonValue)


@lru_cache(maxsize=256)
def model_shape(model: type[BaseModel]) -> ModelShape:
    """Give the shape of a model: one for all who ask, so that a model may contain itself."""
    return ModelShape(model)


class ModelShape(Shape):
    """A model, of which each field is shown as it arrives."""

    def __init__(self, model: type[BaseModel]) -> None:
        super().__init__(TypeAdapter(model))
        self._model = model
        self._is_root = issubclass(model, RootModel)

    @cached_property
    def _fields(self) -> dict[str, _FieldShape]:
        config = self._model.model_config
        fields = self._model.model_fields
        return {name: _FieldShape(name, field, config) for name, field in fields.items()}

    @property
    def names(self) -> Collection[str]:
        """The fields' own names."""
        return self._fields

    def prepare(self, known: set[Shape]) -> None:
        """Make the shapes of the fields, and of theirs."""
        if self not in known:
            known.add(self)
            for field in self._fields.values():
                field.shape.prepare(known)
            lens(self._model, self, None)

    def grown(self, value: Any) -> Any:
        """Give a partial of the model."""
        return lens(self._model, self, value) if self.takes(value) else None

    def takes(self, value: Any) -> bool:
        """Tell whether it is an object; a RootModel takes what its root takes."""
        if self._is_root:
            return self._fields["root"].shape.takes(value)
        return isinstance(value, GrowingObject | dict)

    def find(self, source: Any, name: str) -> Any:
        """Give a field, `NOT_THERE` where it has not arrived."""
        field = self._fields[name]
        if self._is_root:
            return field.shape.grown(source)
        for path in field.paths:
            container = source
            for step in path[:-1]:
                container = container[step] if has(container, step) else ()
            if has(container, path[-1]):
                return member(container, path[-1], field.shape)
        return NOT_THERE

    def literals(self, name: str) -> Iterator[Any]:
        """Give the values a field may have, where they are listed."""
        field = self._model.model_fields.get(name)
        if field is None:
            return
        annotation, _ = _bare(field.annotation)
        if get_origin(annotation) is Literal:
            for value in get_args(annotation):
                yield value.value if isinstance(value, Enum) else value

    def key(self, name: str) -> str:
        """Give the name under which a field stands in the object."""
        return str(self._fields[name].paths[0][0])


class _FieldShape:
    """A field: where it may stand in the object, and its shape."""

    def __init__(self, name: str, field: FieldInfo, config: ConfigDict) -> None:
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        self.paths: list[tuple[Any, ...]] = [
            tuple(choice.path) if isinstance(choice, AliasPath) else (choice,)
            for choice in choices
            if choice is not None
        ]
        if not self.paths or config.get("populate_by_name") or config.get("validate_by_name"):
            self.paths.append((name,))
        extras: list[Any] = [*field.metadata]
        if field.discriminator is not None:
            extras.append(Field(discriminator=field.discriminator))
        self.shape = shape_of(field.annotation, extras, config)


def shape_of(annotation: Any, extras: Sequence[Any], config: ConfigDict) -> Shape:
    """Give the shape of a type, as pydantic understands it.

    Args:
        annotation: The type.
        extras: What is said about it beside: constraints, validators, the discriminator.
        config: The config of the model in whose field it stands.
    """
    annotation, said = _bare(annotation)
    extras = [*said, *extras]
    if any(annotation is anything for anything in _ANYTHING) and not extras:
        return AnyShape(None)
    adapter = _adapter(annotation, extras, config)
    if any(annotation is anything for anything in _ANYTHING):
        return AnyShape(adapter)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        shape = model_shape(annotation)
        return UnionShape(adapter, [shape]) if extras else shape
    if annotation is str:
        return TextShape(adapter)
    origin = cast("Any", get_origin(annotation) or annotation)
    arguments = get_args(annotation)
    if origin in (Union, UnionType):
        return _union_shape(arguments, adapter, extras, config)
    if origin in _ARRAYS and (origin is not tuple or arguments[1:] == (...,)):
        return ArrayShape(adapter, _argument_shape(arguments[:1], config))
    if origin in _OBJECTS and (not arguments or arguments[0] in (str, Any)):
        return ObjectShape(adapter, _argument_shape(arguments[1:], config))
    is_scalar = origin in (None, Literal) or (
        isinstance(annotation, type) and issubclass(annotation, _SCALARS)
    )
    return Shape(adapter, is_scalar=is_scalar)


def _argument_shape(arguments: tuple[Any, ...], config: ConfigDict) -> Shape:
    return shape_of(arguments[0] if arguments else Any, (), config)


def _union_shape(
    arguments: tuple[Any, ...], adapter: TypeAdapter[Any], extras: Sequence[Any], config: ConfigDict
) -> UnionShape:
    shapes = [shape_of(argument, (), config) for argument in arguments if argument is not NoneType]
    tag = next((d for d in map(_discriminator, extras) if isinstance(d, str)), None)
    if tag is None:
        return UnionShape(adapter, shapes)
    tagged: dict[Any, Shape] = {}
    key = tag
    for shape in shapes:
        if isinstance(shape, ModelShape):
            tagged.update((value, shape) for value in shape.literals(tag))
            key = shape.key(tag)
    return UnionShape(adapter, shapes, key, tagged)


def _discriminator(extra: Any) -> Any:
    return getattr(extra, "discriminator", None)


def _bare(annotation: Any) -> tuple[Any, list[Any]]:
    """Take off what is said about a type, and the names it goes by."""
    said: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            said = [*more, *said]
        elif hasattr(annotation, "__value__") and annotation is not JsonValue:
            annotation = annotation.__value__  # type X = ...
        else:
            return annotation, said


def _adapter(annotation: Any, extras: Sequence[Any], config: ConfigDict) -> TypeAdapter[Any]:
    wanted: Any = Annotated[(annotation, *extras)] if extras else annotation
    try:
        return TypeAdapter[Any](wanted, config=config)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
    return TypeAdapter[Any](wanted)  # it has a config of its own
