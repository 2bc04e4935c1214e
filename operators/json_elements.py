"""Read one JSON document for the elements at a path, and keep nothing else of it."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from rxwizard.operators.growing import growing
from rxwizard.operators.json_paths import ANY
from rxwizard.operators.json_scanner import JsonScanner, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.operators.growing import Open
    from rxwizard.operators.json_paths import Step


class _Where(Enum):
    """Where a container stands; what comes into it is kept only inside an element."""

    ABOVE = auto()  #: on the way to elements
    INSIDE = auto()  #: it is an element, or part of one
    BESIDE = auto()


class ElementScanner(JsonScanner):
    """Read one object or array, and find the elements at a path.

    Attributes:
        found: The elements that are whole, to be taken away.

    Args:
        path: The steps to an element, as `parse_path` gives them.
        place: As for `JsonScanner`.
    """

    def __init__(self, path: Sequence[Step], *, place: Place = Place.ALONE) -> None:
        super().__init__(place=place, growing_strings=False)
        self.found: list[Any] = []
        self._path = path
        # One for the ground, which is above all.
        self._places: list[_Where] = [_Where.ABOVE]
        self._element: Open | None = None

    def push(self, text: str) -> None:
        """Take the next characters, as `JsonScanner` does."""
        super().push(text)
        if self.found:
            self.mark = self.taken

    def moment(self) -> Any:
        """Give the element that is being read, as it is now; None: none is."""
        element, opened = self._element, self._open
        if element is None:
            return None
        return growing(element, (opened, opened.count, opened.key, None, 0))

    def _enter(self, is_array: bool, at: int) -> None:
        where = self._places[-1]
        if where is _Where.ABOVE:
            where = self._where()
        super()._enter(is_array, at)
        if where is _Where.INSIDE and self._places[-1] is _Where.ABOVE:
            self._element = self._open
        self._places.append(where)

    def _leave(self, at: int) -> int:
        self._places.pop()
        end = super()._leave(at)
        if self.whole and not self._path:
            self.found.append(self.value)
        if self._places[-1] is _Where.ABOVE:
            self._element = None
        return end

    def _add(self, value: Any) -> None:
        where = self._places[-1]
        if where is _Where.INSIDE:
            super()._add(value)
            return
        if where is _Where.ABOVE and self._where() is _Where.INSIDE:
            self.found.append(value)
        self._open.count += 1
        self._go_on()

    def _where(self) -> _Where:
        """Tell where the value stands that comes next, in a container above elements."""
        if not self._depth:
            return _Where.ABOVE if self._path else _Where.INSIDE
        opened = self._open
        step = self._path[self._depth - 1]
        name = opened.count if opened.is_array else opened.key
        # An index is no name: 0 is not "0".
        if step is not ANY and step != name:
            return _Where.BESIDE
        return _Where.INSIDE if self._depth == len(self._path) else _Where.ABOVE
