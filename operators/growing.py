"""JSON values that are still being read, seen as they were at one moment.

A document only ever grows: lists at their end, objects by a member, strings by a character. So a
moment of it is nothing but some lengths along the open path, from the root to what is being read;
all moments share what is whole. Taking one costs the same however long the document is, it never
changes afterwards, and what is looked at is paid by who looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import eq, itemgetter
from typing import Any, Final, TypeAlias, cast


class Text:
    """A string that is being read: its pieces, and how long they are together."""

    __slots__ = ("_joined", "length", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        # How many pieces have been joined, and to what; replaced at once, so that a value may be
        # looked at in another thread than the one that reads on.
        self._joined = 0, ""

    def read(self, length: int) -> str:
        """Give its first characters."""
        count, joined = self._joined
        if length > len(joined):
            more = self.pieces[count:]
            joined = "".join((joined, *more))
            self._joined = count + len(more), joined
        return joined if length == len(joined) else joined[:length]


class Open:
    """An object or array that is being read: its whole members, and its place in the parent.

    Attributes:
        items: What is whole of it; elements are appended, members added or replaced.
        is_array: Which of the two it is.
        count: Members that have come, those of the same name counted each.
        key: The name of the member that is being read.
        parent: Where it stands itself; None for the root.
        before: How many members of the parent came before it.
        name: Its own name, where the parent is an object.
        typed: What others made of members, by name or index: the member, for whom, what it became.
    """

    __slots__ = (
        *("_again", "_first", "_older", "before", "count", "is_array", "items", "key", "name"),
        *("parent", "typed"),
    )

    def __init__(self, parent: Open | None, is_array: bool) -> None:
        self.items: Any = [] if is_array else {}
        self.is_array = is_array
        self.count = 0
        self.key = ""
        self.parent = parent
        if parent is not None:
            self.before = parent.count
            self.name = parent.key
        self.typed: dict[Any, tuple[Any, Any, Any]] = {}
        if not is_array:
            # At which count a name came, and came again; and what it stood for until then.
            self._first: dict[str, int] = {}
            self._again: list[int] = []
            self._older: dict[str, list[tuple[int, Any]]] = {}

    def add(self, value: Any) -> None:
        """Take the next member, whole."""
        items = self.items
        if self.is_array:
            items.append(value)
        else:
            key = self.key
            if key in items:
                self._again.append(self.count)
                self._older.setdefault(key, []).append((self.count, items[key]))
            else:
                self._first[key] = self.count
            items[key] = value
        self.count += 1

    # An object as it was when `count` members had come:

    def names(self, count: int) -> int:
        """Count its names."""
        return count - bisect_left(self._again, count)

    def has(self, key: str, count: int) -> bool:
        """Tell whether it had this name."""
        return self._first.get(key, count) < count

    def member(self, key: str, count: int) -> Any:
        """Give what stood under this name; there must be one."""
        older = self._older.get(key)
        if older is not None:
            replaced = bisect_left(older, count, key=itemgetter(0))
            if replaced < len(older):
                return older[replaced][1]
        return self.items[key]


Moment: TypeAlias = tuple[Open, int, str, Text | None, int]
"""Where reading stands: the innermost container, its count and key, a string and its length."""


class _Nothing:
    __slots__ = ()


_NOTHING: Final = _Nothing()


class _Fragment:
    """A string as it was at some moment."""

    __slots__ = ("_length", "_text")

    def __init__(self, text: Text, length: int) -> None:
        self._text = text
        self._length = length

    def read(self) -> str:
        return self._text.read(self._length)


class _Growing:
    """What the two have in common: whole members, and perhaps one more that is not."""

    __slots__ = ("_count", "_key", "_moment", "_open", "_tail")

    _count: int
    _key: str
    _tail: Any

    def __init__(self, opened: Open, moment: Moment) -> None:
        self._open = opened
        self._moment: Moment | None = moment

    def _look(self) -> None:
        """Build what stands on the open path: one view for each container."""
        moment = self._moment
        if moment is None:
            return
        opened, count, key, text, length = moment
        tail: Any = _NOTHING if text is None else _Fragment(text, length)
        while opened is not self._open:
            view = growing(opened, moment)
            view._keep(count, key, tail)  # noqa: SLF001 -- it is one of these
            tail, count, key = view, opened.before, opened.name
            assert opened.parent is not None  # noqa: S101 -- the root is one of its ancestors
            opened = opened.parent
        self._keep(count, key, tail)

    def _keep(self, count: int, key: str, tail: Any) -> None:
        self._count, self._key, self._tail = count, key, tail
        self._moment = None

    @property
    def _has_tail(self) -> bool:
        return self._tail is not _NOTHING

    @property
    def typed(self) -> dict[Any, tuple[Any, Any, Any]]:
        """What others made of whole members, shared by all moments."""
        return self._open.typed

    def _read_tail(self) -> Any:
        if isinstance(self._tail, _Fragment):
            self._tail = self._tail.read()
        return self._tail

    def __reduce__(self) -> tuple[Any, ...]:
        return plain, (plain(self),)  # a copy has nothing to share


class GrowingObject(_Growing, Mapping[str, Any]):
    """A JSON object that is not whole yet, as it was at one moment; it never changes.

    A read-only mapping, equal to a dict of the same members. The last member may be growing itself.
    `plain` makes a dict of it; so do copying and pickling.
    """

    __slots__ = ()

    def grows(self, key: Any) -> bool:
        """Tell whether this member is not whole yet."""
        self._look()
        return self._has_tail and key == self._key

    def __contains__(self, key: Any) -> bool:
        return self.grows(key) or self._open.has(key, self._count)

    def __getitem__(self, key: str) -> Any:
        if self.grows(key):
            return self._read_tail()
        if not self._open.has(key, self._count):
            raise KeyError(key)
        return self._open.member(key, self._count)

    def __iter__(self) -> Iterator[str]:
        self._look()
        opened, count = self._open, self._count
        # At once, because the object may grow while somebody iterates.
        names: tuple[str, ...] = tuple(islice(opened.items, opened.names(count)))
        yield from names
        if self._has_tail and not opened.has(self._key, count):
            yield self._key

    def __len__(self) -> int:
        self._look()
        opened, count = self._open, self._count
        return opened.names(count) + (self._has_tail and not opened.has(self._key, count))

    def __repr__(self) -> str:
        return repr(dict(self))


class ListView(Sequence[Any]):
    """A read-only sequence that is equal to a list of the same elements."""

    __slots__ = ()

    def _at(self, place: int) -> Any:
        """Give the element there; the place is one of the sequence."""
        raise NotImplementedError

    def __getitem__(self, index: Any) -> Any:
        size = len(self)
        if isinstance(index, slice):
            return [self._at(place) for place in range(*index.indices(size))]
        place = index + size if index < 0 else index
        if not 0 <= place < size:
            message = f"there is no element {index}: there are {size}"
            raise IndexError(message)
        return self._at(place)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ListView | list):
            return NotImplemented
        others = cast("Sequence[Any]", other)
        return len(self) == len(others) and all(map(eq, self, others))

    __hash__ = None  # type: ignore[assignment]  # as lists have none

    def __repr__(self) -> str:
        return repr(list(self))


class GrowingArray(_Growing, ListView):
    """A JSON array that is not whole yet, as it was at one moment; it never changes.

    A read-only sequence, equal to a list of the same elements. The last element may be growing
    itself. `plain` makes a list of it; so do copying and pickling.
    """

    __slots__ = ()

    def grows(self, index: Any) -> bool:
        """Tell whether this element is not whole yet."""
        self._look()
        return self._has_tail and index in (self._count, -1)

    def _at(self, place: int) -> Any:
        return self._read_tail() if place == self._count else self._open.items[place]

    def __len__(self) -> int:
        self._look()
        return self._count + self._has_tail

    def __iter__(self) -> Iterator[Any]:
        self._look()
        yield from islice(self._open.items, self._count)
        if self._has_tail:
            yield self._read_tail()


def growing(opened: Open, moment: Moment) -> GrowingObject | GrowingArray:
    """Give the view of a container at a moment: of what reading stands in it, or below it."""
    return GrowingArray(opened, moment) if opened.is_array else GrowingObject(opened, moment)


def plain(value: Any) -> Any:
    """Copy a JSON value into dicts and lists of one's own: ``json.dumps(value, default=plain)``."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {key: plain(member) for key, member in members.items()}
    if isinstance(value, ListView | list):
        elements = cast("Sequence[Any]", value)
        return [plain(element) for element in elements]
    return value
