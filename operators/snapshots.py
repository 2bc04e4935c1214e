"""A response that is made when it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.chunks import WizardResponse

if TYPE_CHECKING:
    from collections.abc import Callable

_MAKE = "_make"
_new = object.__new__
_get = object.__getattribute__
_set = object.__setattr__


class Snapshot(WizardResponse):
    """An answer at some moment: a `WizardResponse` from the first look on, of any kind.

    Making a response costs as much as it is long. A stream has thousands of moments, of which most
    are thrown away: those cost next to nothing.
    """

    def __getattribute__(self, name: str) -> Any:
        # Also for ``__dict__``, which is where pydantic looks. But isinstance() asks for the class.
        return _get(self if name == "__class__" else _looked_at(self), name)

    # What Python looks up on the class does not come by there.

    def __repr__(self) -> str:
        return repr(_looked_at(self))

    def __str__(self) -> str:
        return str(_looked_at(self))

    def __eq__(self, other: object) -> bool:
        return _looked_at(self) == other

    def __hash__(self) -> int:
        return hash(_looked_at(self))

    def __iter__(self) -> Any:
        return iter(_looked_at(self))

    def __copy__(self) -> Any:
        return _looked_at(self).__copy__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        return _looked_at(self).__deepcopy__(memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _looked_at(self).__reduce_ex__(protocol)


def snapshot(make: Callable[[], WizardResponse]) -> WizardResponse:
    """Make a response of what `make` gives, which is called when it is first looked at."""
    made = _new(Snapshot)
    _get(made, "__dict__")[_MAKE] = make
    return made


def _looked_at(made: Snapshot) -> WizardResponse:
    fields: dict[str, Any] = _get(made, "__dict__")
    make = fields.get(_MAKE)
    if make is not None:
        whole: WizardResponse = make()
        _set(made, "__pydantic_fields_set__", whole.model_fields_set)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        fields.update(whole.__dict__)
        # From here on it is what it says it is, and nothing is left of this class.
        del fields[_MAKE]
        _set(made, "__class__", WizardResponse)
    return made
