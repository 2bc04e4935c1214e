"""Pydantic models of which a part has arrived.

The partial of a model has the same fields, each None until it arrives. `lens` gives one whose
fields are made when they are looked at, from a value that is still being read. So a moment nobody
looks at costs next to nothing, and a look at a field costs the field, not the document.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, create_model

from rxwizard.operators.shapes import NOT_THERE, settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class PartialModel(BaseModel):
    """A model of which a part has arrived; every field is None until it does."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    __whole__: ClassVar[type[BaseModel]]

    def __reduce__(self) -> tuple[Any, ...]:
        # Its class is made at run time, so that pickle cannot find it by its name.
        arrived = {name: getattr(self, name) for name in self.model_fields_set}
        return _rebuilt, (self.__whole__, arrived)


def _rebuilt(model: type[BaseModel], arrived: dict[str, Any]) -> PartialModel:
    return partial_of(model).model_construct(**arrived)


@lru_cache(maxsize=256)
def partial_of(model: type[BaseModel]) -> type[PartialModel]:
    """Give the partial of a model: one class for all who ask."""
    fields: dict[str, Any] = {
        name: (
            Any,
            Field(
                default=None,
                validation_alias=field.validation_alias,
                serialization_alias=field.serialization_alias,
                repr=field.repr,
            ),
        )
        for name, field in model.model_fields.items()
    }
    with warnings.catch_warnings():
        # A field that is named like a method has been warned about in the model itself.
        warnings.simplefilter("ignore")
        made = create_model(
            f"Partial{model.__name__}",
            __base__=PartialModel,
            __doc__=f"What has arrived of a {model.__name__}.",
            __module__=model.__module__,
            **fields,
        )
    made.__whole__ = model
    return made


class Fields(Protocol):
    """How the fields of a model are made of a value that is being read."""

    @property
    def names(self) -> Collection[str]:
        """The fields' own names."""
        ...

    def find(self, source: Any, name: str) -> Any:
        """Give a field, `NOT_THERE` where it has not arrived."""
        ...


def lens(model: type[BaseModel], fields: Fields, source: Any) -> PartialModel:
    """Give a partial whose fields are made of the source when they are looked at."""
    made = _new(_lens_class(model))
    _get(made, "__dict__")[_SOURCE] = source, fields
    return made


_SOURCE: Final = "_source"
#: Whatever it does with the fields, it takes them from there.
_WHERE_PYDANTIC_LOOKS: Final = frozenset(
    ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_new = object.__new__
_get = object.__getattribute__
_set = object.__setattr__


class _Lens:
    """Makes fields one by one; it stands in for pydantic's own access to them.

    Whoever looks at all of it at once (prints, compares, dumps it) gets a plain instance of the
    partial, which it is from then on.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        found: dict[str, Any] = _get(self, "__dict__")
        source = found.get(_SOURCE)
        if source is not None:
            value, fields = source
            if name in fields.names:
                if name not in found:
                    made = fields.find(value, name)
                    found[name] = None if made is NOT_THERE else made
                return found[name]
            if name in _WHERE_PYDANTIC_LOOKS:
                _settle(self)
        return _get(self, name)

    # What Python looks up on the class does not come by there.

    def __repr__(self) -> str:
        return repr(_settle(self))

    def __str__(self) -> str:
        return str(_settle(self))

    def __eq__(self, other: object) -> bool:
        return bool(_settle(self) == other)

    def __hash__(self) -> int:
        return hash(_settle(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(_settle(self))

    def __copy__(self) -> Any:
        return _settle(self).__copy__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        return _settle(self).__deepcopy__(memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _settle(self).__reduce_ex__(protocol)


@lru_cache(maxsize=256)
def _lens_class(model: type[BaseModel]) -> type[PartialModel]:
    partial = partial_of(model)
    namespace = {"__module__": partial.__module__, "__doc__": partial.__doc__}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metaclass = cast("Any", type(partial))
        return cast("type[PartialModel]", metaclass(partial.__name__, (_Lens, partial), namespace))


def _settle(made: Any) -> Any:
    """Make all fields, and a plain instance of it."""
    found: dict[str, Any] = _get(made, "__dict__")
    source = found.get(_SOURCE)
    if source is None:
        return made
    value, fields = source
    all_of_them = {name: fields.find(value, name) for name in fields.names}
    arrived = {name for name, field in all_of_them.items() if field is not NOT_THERE}
    _set(made, "__pydantic_fields_set__", arrived)
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    found.clear()
    found.update(
        (name, settled(field) if name in arrived else None) for name, field in all_of_them.items()
    )
    _set(made, "__class__", partial_of(cast("type[PartialModel]", type(made)).__whole__))
    return made
