"""Gemini's tool calls: whole ones, and those whose arguments arrive value by value.

Vertex sends the latter where ``streamFunctionCallArguments`` is on: each value has the path it
belongs to. They come in the order in which the model writes them, so the JSON text can be written
as they arrive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rxwizard.chunks import ChunkKind, ToolCallDelta
from rxwizard.providers.reader import Draft
from rxwizard.providers.requests import as_arguments
from rxwizard.providers.shape import objects
from rxwizard.providers.toolcalls import ToolCalls

#: The steps of a path such as ``$.places[0]['zip code']``.
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,9})\]|\['([^']*)'\]|\["([^"]*)"\]""")

#: Containers inside each other. JSON parsers refuse far less than a hostile server would send.
_MAX_DEPTH = 100

Step = str | int


class FunctionCalls:
    """The tool calls of one candidate."""

    def __init__(self, calls: ToolCalls) -> None:
        self._calls = calls
        #: The call whose arguments still arrive, and its number.
        self._open: tuple[int, PartialArguments] | None = None

    def read(self, call: Mapping[str, Any], **beside: object) -> Iterator[Draft] | None:
        """Read a ``functionCall``; None: it goes on with a call, and there is none.

        Args:
            call: A whole call, the beginning of one, or a piece.
            beside: Fields of the chunk that tells of the call.
        """
        name = call.get("name")
        if isinstance(name, str) and name:
            return self._new(call, name, beside)
        return None if self._open is None else self._go_on(call)

    def _new(
        self, call: Mapping[str, Any], name: str, beside: Mapping[str, object]
    ) -> Iterator[Draft]:
        if self._open is not None:
            yield from self._go_on({})
        is_whole = not call.get("willContinue") and not call.get("partialArgs")
        arguments = PartialArguments()
        text = as_arguments(call.get("args")) if is_whole else arguments.begin()
        delta = self._calls.new(call_id=call.get("id"), name=name, arguments=text)
        yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta, **beside}
        if not is_whole:
            self._open = (delta.index, arguments)
            yield from self._go_on(call)

    def _go_on(self, call: Mapping[str, Any]) -> Iterator[Draft]:
        """Add a piece to the open call, and its end unless it says that more will come."""
        if self._open is None:
            return
        index, arguments = self._open
        texts: list[str] = []
        for part in objects(call.get("partialArgs")):
            try:
                texts.append(arguments.add(part))
            except ValueError:
                yield {"kind": ChunkKind.OTHER, "data": part}
        if not call.get("willContinue"):
            texts.append(arguments.end())
            self._open = None
        if text := "".join(texts):
            delta = ToolCallDelta(index=index, arguments=text)
            yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}


@dataclass(slots=True)
class _Container:
    """An object or a list that is being written; `last` is the step to its newest child."""

    is_list: bool = False
    last: Step | None = None
    names: set[str] = field(default_factory=set[str])

    def enter(self, step: Step) -> str:
        """Go on to a new child; give the text that stands before its value."""
        comma = "" if self.last is None else ","
        if isinstance(step, int):
            expected = self.last + 1 if isinstance(self.last, int) else 0
            if not self.is_list or step != expected:
                raise _out_of_order(step)
            self.last = step
            return comma
        if self.is_list or step in self.names:
            raise _out_of_order(step)
        self.names.add(step)
        self.last = step
        return f"{comma}{json.dumps(step, ensure_ascii=False)}:"

    @property
    def end(self) -> str:
        return "]" if self.is_list else "}"


class PartialArguments:
    """The JSON text of one call's arguments, written piece by piece.

    Joined, the pieces of `begin`, of each `add` and of `end` are one JSON object. Without `end`
    they are half of one, as are the arguments of a call that the token limit has cut.
    """

    def __init__(self) -> None:
        self._open = [_Container()]
        self._in_string = False
        self._is_broken = False

    def begin(self) -> str:
        """Give the text before the first value."""
        return "{"

    def add(self, part: Mapping[str, Any]) -> str:
        """Take one item of ``partialArgs``; give the text it adds.

        Raises:
            ValueError: It has no value, or its path leads back to what has been written already.
                The text then stays half an object: better marked as invalid than wrong.
        """
        if self._is_broken:
            raise _out_of_order(part.get("jsonPath"))
        self._is_broken = True
        text = self._add(_steps(part.get("jsonPath")), part)
        self._is_broken = False
        return text

    def end(self) -> str:
        """Give the text after the last value."""
        return "" if self._is_broken else self._close(0)

    def _add(self, steps: list[Step], part: Mapping[str, Any]) -> str:
        text = part.get("stringValue")
        if steps == [container.last for container in self._open]:
            # Its end is not written before another value begins, so it can always go on.
            if not self._in_string or not isinstance(text, str):
                raise _out_of_order(steps)
            return _escape(text)
        value = '"' + _escape(text) if isinstance(text, str) else _scalar(part)
        common = 0
        for container, step in zip(self._open, steps[:-1], strict=False):
            if container.last != step:
                break
            common += 1
        if common >= len(self._open):
            raise _out_of_order(steps)
        pieces = [self._close(common + 1), self._open[-1].enter(steps[common])]
        for step in steps[common + 1 :]:
            container = _Container(is_list=isinstance(step, int))
            self._open.append(container)
            pieces.append(("[" if container.is_list else "{") + container.enter(step))
        self._in_string = isinstance(text, str)
        return "".join([*pieces, value])

    def _close(self, depth: int) -> str:
        """Close the open string, and all containers but the outermost `depth`."""
        quote = '"' if self._in_string else ""
        self._in_string = False
        ends = [container.end for container in reversed(self._open[depth:])]
        del self._open[depth:]
        return quote + "".join(ends)


def _steps(path: object) -> list[Step]:
    if not isinstance(path, str) or not path.startswith("$"):
        raise _out_of_order(path)
    steps: list[Step] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or len(steps) == _MAX_DEPTH:
            raise _out_of_order(path[:_MAX_DEPTH])
        steps.append(int(found[2]) if found[2] else found[1] or found[3] or found[4] or "")
        at = found.end()
    if not steps:
        raise _out_of_order(path)
    return steps


def _escape(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _scalar(part: Mapping[str, Any]) -> str:
    if "nullValue" in part:
        return "null"
    value = part.get("numberValue", part.get("boolValue"))
    if value is None:
        message = "a partial argument without a value"
        raise ValueError(message)
    return json.dumps(value)


def _out_of_order(where: object) -> ValueError:
    return ValueError(f"a partial argument where none belongs: {where!r}")
