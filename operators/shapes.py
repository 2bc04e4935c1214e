"""What a type makes of a JSON value, whole or growing.

A whole value is validated, as pydantic validates JSON, and what becomes of it is shared by all
later moments. Of a growing one only what can be shown is shown: text, and what contains something.
What does not validate is shown as far as it does; the error comes at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError
from pydantic_core import to_json

from rxwizard.operators.growing import GrowingArray, GrowingObject, ListView

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NOT_THERE: Final = object()
"""Stands for what has not arrived, since None may be a value."""


class Shape:
    """What a type makes of a value; this one is shown when it is whole.

    Args:
        adapter: Validates a whole value; None takes any.
        parts: The shapes of what may be in it.
        is_scalar: Whether no object and no array can become one.
    """

    def __init__(
        self,
        adapter: TypeAdapter[Any] | None,
        parts: Sequence[Shape] = (),
        *,
        is_scalar: bool = False,
    ) -> None:
        self._adapter = adapter
        self._parts = parts
        self._is_scalar = is_scalar

    def prepare(self, known: set[Shape]) -> None:
        """Make all that is to be made before the first value, here and in the parts."""
        for part in self._parts:
            part.prepare(known)

    def whole(self, value: Any) -> Any:
        """Give what becomes of a whole value."""
        if self._adapter is None:
            return value
        try:
            return self._adapter.validate_json(to_json(value))
        except ValidationError:
            return self.grown(value)

    def grown(self, value: Any) -> Any:  # noqa: ARG002
        """Give what is to be seen of a value that is not whole, or does not validate."""
        return None

    def takes(self, value: Any) -> bool:
        """Tell whether a growing value may become one of these."""
        return not self._is_scalar or isinstance(value, str)


class TextShape(Shape):
    """A string, which is shown while it grows."""

    def grown(self, value: Any) -> Any:
        """Give it as far as it has come."""
        return value if isinstance(value, str) else None

    def takes(self, value: Any) -> bool:
        """Tell whether it is one."""
        return isinstance(value, str)


class AnyShape(Shape):
    """Whatever comes, as it stands."""

    def grown(self, value: Any) -> Any:
        """Give it."""
        return value


class ArrayShape(Shape):
    """A list, or what is made of one, with elements of a shape."""

    def __init__(self, adapter: TypeAdapter[Any], element: Shape) -> None:
        super().__init__(adapter, (element,))
        self._element = element

    def grown(self, value: Any) -> Any:
        """Give its elements, as many as there are."""
        return TypedArray(value, self._element) if self.takes(value) else None

    def takes(self, value: Any) -> bool:
        """Tell whether it is an array."""
        return isinstance(value, GrowingArray | list)


class ObjectShape(Shape):
    """A dict with members of a shape."""

    def __init__(self, adapter: TypeAdapter[Any], member: Shape) -> None:
        super().__init__(adapter, (member,))
        self._member = member

    def grown(self, value: Any) -> Any:
        """Give its members, as many as there are."""
        return TypedObject(value, self._member) if self.takes(value) else None

    def takes(self, value: Any) -> bool:
        """Tell whether it is an object."""
        return isinstance(value, GrowingObject | dict)


class UnionShape(Shape):
    """One of several; which one must be clear before anything of it is shown.

    Args:
        adapter: Validates a whole value.
        members: The shapes it may have.
        tag: The name of the member that tells which, where there is one.
        tagged: By its value, the shapes.
    """

    def __init__(
        self,
        adapter: TypeAdapter[Any],
        members: Sequence[Shape],
        tag: str | None = None,
        tagged: Mapping[Any, Shape] | None = None,
    ) -> None:
        super().__init__(adapter, members)
        self._members = members
        self._tag = tag
        self._tagged = tagged or {}

    def grown(self, value: Any) -> Any:
        """Give what the one shape makes of it that it can have."""
        tag = self._tag
        if tag is not None and isinstance(value, GrowingObject | dict):
            is_told = has(value, tag) and not _grows(value, tag)
            chosen = self._tagged.get(_hashable(value[tag])) if is_told else None
            return None if chosen is None else chosen.grown(value)
        if isinstance(value, str):
            # Whatever else it becomes, it is text now.
            texts = [shape for shape in self._members if isinstance(shape, TextShape)]
            return texts[0].grown(value) if texts else None
        shown = [shape for shape in self._members if shape.takes(value)]
        return shown[0].grown(value) if len(shown) == 1 else None

    def takes(self, value: Any) -> bool:
        """Tell whether one of them takes it."""
        return any(shape.takes(value) for shape in self._members)


def has(container: Any, key: Any) -> bool:
    """Tell whether a member or element has arrived, at least its beginning."""
    if isinstance(container, GrowingObject | dict):
        return key in container
    if isinstance(container, GrowingArray | list) and isinstance(key, int):
        elements = cast("Sequence[Any]", container)
        return -len(elements) <= key < len(elements)
    return False


def member(container: Any, key: Any, shape: Shape) -> Any:
    """Give what a shape makes of a member or element that is there.

    What is whole in a growing container is made once.
    """
    value = container[key]
    if not isinstance(container, GrowingObject | GrowingArray):
        return shape.whole(value)
    if container.grows(key):
        return shape.grown(value)
    made = container.typed
    found = made.get(key)
    # A member of the same name may have come again since: it is another value.
    if found is not None and found[0] is value and found[1] is shape:
        return found[2]
    result = shape.whole(value)
    made[key] = value, shape, result
    return result


def _grows(container: Any, key: Any) -> bool:
    return isinstance(container, GrowingObject | GrowingArray) and container.grows(key)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | None) else None


class TypedArray(ListView):
    """An array whose elements are made when they are looked at; read-only."""

    __slots__ = ("_element", "_source")

    def __init__(self, source: Sequence[Any], element: Shape) -> None:
        self._source = source
        self._element = element

    def _at(self, place: int) -> Any:
        return member(self._source, place, self._element)

    def __len__(self) -> int:
        return len(self._source)


class TypedObject(Mapping[str, Any]):
    """An object whose members are made when they are looked at; read-only."""

    __slots__ = ("_member", "_source")

    def __init__(self, source: Mapping[str, Any], member: Shape) -> None:
        self._source = source
        self._member = member

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def __getitem__(self, key: str) -> Any:
        return member(self._source, key, self._member)

    def __repr__(self) -> str:
        return repr(dict(self))


def settled(value: Any) -> Any:
    """Make lists and dicts of what is still a view."""
    if isinstance(value, ListView):
        return [settled(element) for element in value]
    if isinstance(value, TypedObject | GrowingObject):
        return {key: settled(element) for key, element in value.items()}
    return value
