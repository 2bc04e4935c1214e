"""Which tool call a fragment belongs to, for protocols whose vendors do not agree on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rxwizard.chunks import ToolCallDelta
from rxwizard.errors import DecodeError

#: Tool calls of one answer. A model makes a few, agents some dozens; a hostile server would make
#: memory grow with endless new ones.
MAX_TOOL_CALLS = 10_000

#: How often it is asked whether arguments are whole, which costs their length each time. Only a
#: vendor without indexes and ids needs it, once for each further call.
_MAX_CHECKS = 1_000


@dataclass(slots=True)
class _Call:
    index: int
    id: str | None
    name: str | None


class ToolCalls:
    """The tool calls of one choice, and which of them a fragment continues.

    A fragment belongs to its index's call unless it carries another id; without an index, to its
    id's; without either, to the last call, unless that one is whole and a name arrives. What the
    fragments carry as `id` and `name` goes into the first delta of a call only, so a name that a
    vendor repeats is not doubled.

    Args:
        is_whole: Tells whether the arguments that call number N has so far are complete JSON.
    """

    def __init__(self, is_whole: Callable[[int], bool]) -> None:
        self._is_whole = is_whole
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._calls = 0
        self._checks = 0
        self._last: _Call | None = None

    def delta(
        self, *, index: object, call_id: object, name: object, arguments: object
    ) -> ToolCallDelta:
        """Make the delta of one fragment; each argument is as the provider sent it, or None.

        Raises:
            DecodeError: There are more calls than any model makes.
        """
        known_index = index if isinstance(index, int) else None
        known_id = call_id if isinstance(call_id, str) and call_id else None
        known_name = name if isinstance(name, str) and name else None
        call = self._find(known_index, known_id, known_name)
        if call is None:
            call = self._add(known_id, known_name)
            new_id, new_name = known_id, known_name
        else:
            new_id = new_name = None
            if call.id is None and known_id:
                new_id = call.id = known_id
            if call.name is None and known_name:
                new_name = call.name = known_name
        if known_index is not None:
            self._by_index[known_index] = call
        if known_id:
            self._by_id[known_id] = call
        self._last = call
        return ToolCallDelta(
            index=call.index,
            id=new_id,
            name=new_name,
            arguments=arguments if isinstance(arguments, str) else "",
        )

    def new(self, *, call_id: object, name: object, arguments: object) -> ToolCallDelta:
        """Make the delta of a call that came whole, in a protocol that has no fragments.

        Raises:
            DecodeError: There are more calls than any model makes.
        """
        known_id = call_id if isinstance(call_id, str) and call_id else None
        known_name = name if isinstance(name, str) and name else None
        call = self._add(known_id, known_name)
        text = arguments if isinstance(arguments, str) else ""
        return ToolCallDelta(index=call.index, id=call.id, name=call.name, arguments=text)

    def _find(self, index: int | None, call_id: str | None, name: str | None) -> _Call | None:
        if index is not None and (call := self._by_index.get(index)) is not None:
            if call_id is None or call.id is None or call.id == call_id:
                return call
            return self._by_id.get(call_id)
        if call_id is not None:
            return self._by_id.get(call_id)
        if index is not None:
            return None
        last = self._last
        if last is None or name is None or last.name is None:
            return last
        if name != last.name:
            return None
        self._checks += 1
        return None if self._checks <= _MAX_CHECKS and self._is_whole(last.index) else last

    def _add(self, call_id: str | None, name: str | None) -> _Call:
        if self._calls >= MAX_TOOL_CALLS:
            message = f"there are more than {MAX_TOOL_CALLS:,} tool calls in one answer"
            raise DecodeError(message)
        call = _Call(self._calls, call_id, name)
        self._calls += 1
        return call
