"""What the structured operators do with the text of an answer, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from rxwizard.chunks import ChunkKind, StreamChunk, ToolCallDelta
from rxwizard.errors import StructureError
from rxwizard.operators.growing import plain
from rxwizard.operators.making import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rxwizard.operators.json_document import JsonDocument
    from rxwizard.operators.json_elements import ElementScanner
    from rxwizard.operators.json_scanner import JsonScanner

#: What makes an answer start anew: a retry of RxPY's is seen by its second start.
ANEW = {ChunkKind.START, ChunkKind.RETRACT}


class Parser(Protocol):
    """What makes values of one text."""

    def take(self, text: str) -> Sequence[Any]:
        """Take the next piece of the text; give the values it led to."""
        ...

    def end(self) -> None:
        """Take the end of the text; it raises where the document is not whole."""
        ...

    def ready(self) -> Sequence[Any]:
        """Give the values that were made and not given, where `take` has raised."""
        ...


class CallArguments:
    """The arguments of one call among several.

    Args:
        tool: Its index, or the name of the tool: then it is the first one of that name.
    """

    def __init__(self, tool: str | int) -> None:
        self._tool = tool
        self._index = tool if isinstance(tool, int) else None
        #: How they begin; None before the call.
        self._begun: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the tool was called without arguments, in one of the ways that providers have."""
        return self._begun in ("", "null")

    def read(self, delta: ToolCallDelta) -> str:
        """Give the piece of its arguments that a fragment brings."""
        if self._index is None and delta.name == self._tool:
            self._index = delta.index
        if delta.index != self._index:
            return ""
        if self._begun is None or len(self._begun) <= len("null"):
            self._begun = (self._begun or "") + delta.arguments.strip()
        return delta.arguments


def steps_of(make: Callable[[], Parser], tool: str | int | None) -> Steps[StreamChunk | str, Any]:
    """Give the steps of one subscription.

    Args:
        make: Makes the parser of one answer; one that starts anew gets a new one.
        tool: Whose arguments are read, as for `CallArguments`; None: the visible text.
    """
    parser = make()
    call = None if tool is None else CallArguments(tool)
    epoch = 0

    def take(item: StreamChunk | str) -> Sequence[Any]:
        nonlocal parser, call, epoch
        if isinstance(item, str):
            return parser.take(item)
        if item.kind in ANEW or item.epoch > epoch:
            epoch = item.epoch
            parser = make()
            call = None if tool is None else CallArguments(tool)
        if item.choice:
            return ()
        if call is None:
            return parser.take(item.text) if item.text else ()
        return () if item.tool_call is None else parser.take(call.read(item.tool_call))

    def rest() -> Sequence[Any]:
        if call is not None and call.is_empty:
            return parser.take("\n{}")
        parser.end()
        return ()

    def ready() -> Sequence[Any]:
        return parser.ready()

    return Steps(take, rest=rest, rest_of_failed=ready)


class GrowingValue:
    """The document as it grows."""

    def __init__(self, document: JsonDocument[JsonScanner]) -> None:
        self._document = document
        self.end = document.end

    def take(self, text: str) -> Sequence[Any]:
        """Give its value, if the piece changed it."""
        scanner = self._document.push(text)
        if scanner is None or not scanner.changed:
            return ()
        scanner.changed = False
        return (scanner.moment(),)

    def ready(self) -> Sequence[Any]:
        """Give nothing: each piece leads to one value at most."""
        return ()


class GrowingModel:
    """The model as it grows."""

    def __init__(
        self,
        document: JsonDocument[JsonScanner],
        model: TypeAdapter[Any],
        partial: Callable[[Any], Any],
    ) -> None:
        self._document = document
        self._model = model
        self._partial = partial
        self.end = document.end

    def take(self, text: str) -> Sequence[Any]:
        """Give a partial of it, if the piece changed it; the model when the document is whole."""
        scanner = self._document.push(text)
        if scanner is None or not scanner.changed:
            return ()
        scanner.changed = False
        if scanner.whole:
            return (_validated(self._model, scanner.value),)
        seen = self._partial(scanner.moment())
        return () if seen is None else (seen,)

    def ready(self) -> Sequence[Any]:
        """Give nothing: each piece leads to one value at most."""
        return ()


class WholeElements:
    """The elements that are whole, and not given out yet."""

    def __init__(
        self,
        document: JsonDocument[ElementScanner],
        model: TypeAdapter[Any] | None,
        on_invalid: Callable[[StructureError], object] | None,
    ) -> None:
        self._document = document
        self._model = model
        self._on_invalid = on_invalid
        self._ready: list[Any] = []
        self.end = document.end

    def take(self, text: str) -> Sequence[Any]:
        """Give those that the piece ended."""
        try:
            self._document.push(text)
        finally:
            # Also of a piece that breaks the document behind them.
            self._make()
        return self.ready()

    def ready(self) -> Sequence[Any]:
        """Give those that came before the one that failed."""
        ready, self._ready = self._ready, []
        return ready

    def _make(self) -> None:
        scanner = self._document.scanner
        if scanner is None or not scanner.found:
            return
        found, scanner.found = scanner.found, []
        if self._model is None:
            self._ready = found
            return
        for element in found:
            try:
                self._ready.append(_validated(self._model, element))
            except StructureError as error:
                if self._on_invalid is None:
                    raise
                self._on_invalid(error)


def _validated(model: TypeAdapter[Any], value: Any) -> Any:
    try:
        # As JSON, which it was: a strict model takes a date from it, and not from a str.
        return model.validate_json(to_json(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the document"
        message = f"the JSON is no {error.title}: {where}: {first['msg']}"
        raise StructureError(message, value=plain(value)) from error
