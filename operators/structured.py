"""JSON out of an answer while it is written: the growing value, a growing model, whole elements.

A value that is given out never changes, and giving it out costs the same however long the document
is: it is a view of what has arrived (see `growing`). What is looked at is paid by who looks, so the
work is linear in the document, in pieces of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pydantic import (
    BaseModel,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
)

from rxwizard.chunks import StreamChunk
from rxwizard.errors import ConfigError, StructureError
from rxwizard.operators.json_document import MAX_CHARACTERS, JsonDocument
from rxwizard.operators.json_elements import ElementScanner
from rxwizard.operators.json_paths import parse_path
from rxwizard.operators.json_scanner import JsonScanner, Place
from rxwizard.operators.making import Operator, Steps, lift
from rxwizard.operators.model_shapes import ModelShape, model_shape
from rxwizard.operators.structuring import (
    ANEW,
    CallArguments,
    GrowingModel,
    GrowingValue,
    WholeElements,
    steps_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


def partial_json(
    *,
    tool: str | int | None = None,
    strings: Literal["growing", "complete"] = "growing",
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, Any]:
    """Give the JSON in the answer as it stands, each time it grows.

    Takes strings, or chunks, of which it reads the visible text of choice 0, or a tool call's
    arguments. Prose before and after the document and a code fence around it are no part of it:
    the document is the first object or array in the text, given from its first name or element on.

    .. marble::
        -a--------b------c-|
        [  partial_json()  ]
        -x--------y------z-|

    Emits at most one value for a piece, when the piece changed it or made a part of it whole: a
    read-only `GrowingObject` or `GrowingArray`, which is equal to a dict or list, never changes,
    and costs two microseconds until it is looked at; at the end of the document the whole value, in
    real dicts and lists, as `json.loads` gives it. What is whole is shared by the values, so they
    are to be read, not changed: `plain` of `rxwizard.operators.growing` gives a copy of one's own.
    A number or a word is there when it is whole, a string while it grows. Of two members of the
    same name the last one counts.

    A chunk of a newer epoch, a second start or a retraction begins anew. At completion nothing is
    held back; a source without any text completes without a value. An error of the source passes on
    at once. Disposing lets go of the source at once.

    Args:
        tool: Reads arguments instead of the text: those of the first call of this tool (a name), or
            of the call with this index, from 0. Strings are read as they are.
        strings: "growing" shows strings while they grow, "complete" when they are whole.
        max_characters: Most characters of the document, 1 or more: they are held.

    Raises:
        ConfigError: An option cannot work.
        StructureError: In the stream: the document is broken, cut, or there is none; also where it
            is nested deeper than 100 levels. `value` is what was valid of it.

    Example:
        >>> pieces = reactivex.of('Sure: {"title": "Pa', 'n", "si', 'ze": 4}. Enjoy!')
        >>> pieces.pipe(ops.partial_json(), rx.to_list()).run()
        [{'title': 'Pa'}, {'title': 'Pan'}, {'title': 'Pan', 'size': 4}]
    """
    make = _documents(strings, max_characters)

    def begin() -> Steps[StreamChunk | str, Any]:
        return steps_of(lambda: GrowingValue(make()), tool)

    _check_tool(tool)
    return lift(begin)


def partial(
    model: type[M],
    *,
    tool: str | int | None = None,
    strings: Literal["growing", "complete"] = "growing",
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, M]:
    """Give the model that the answer's JSON describes as it stands, each time it grows.

    Like `partial_json`, but typed. Each value but the last is a partial of the model: it has the
    same fields, each None until it arrives::

        async for recipe in stream.pipe(ops.partial(Recipe)):
            print(recipe.title, len(recipe.steps or ()))

    The last value is the model itself, validated. In a partial

    - what is whole has been validated as the field's type says: a step that is whole is a `Step`;
    - what grows is a partial itself (models), a read-only sequence or mapping (lists, dicts), or
      text (``str``); all else, such as a date or a member of an enumeration, is None until whole;
    - of a union nothing is shown before it is clear which it is: by its discriminator, or because
      only one of its types is an object, an array or a ``str``;
    - validators and properties of the model itself do not run, and those of models in it when they
      are whole; a value that does not validate is shown as far as it does.

    .. marble::
        -a--------b------c-|
        [ partial(Recipe)  ]
        -p--------q------R-|

    Emits at most one value for a piece, when the piece changed it or made a part of it whole: a
    `PartialModel`, a pydantic model that never changes and costs three microseconds until it is
    looked at. A look at a field costs the field, not the document; to dump or print a partial costs
    all of it. A chunk of a newer epoch, a second start or a retraction begins anew. At completion
    nothing is held back; a source without any text completes without a value. An error of the
    source passes on at once. Disposing lets go of the source at once.

    Args:
        model: A pydantic model.
        tool: Reads arguments instead of the text: those of the first call of this tool (a name), or
            of the call with this index, from 0. Strings are read as they are.
        strings: "growing" shows strings while they grow, "complete" when they are whole.
        max_characters: Most characters of the document, 1 or more: they are held.

    Raises:
        ConfigError: An option cannot work.
        StructureError: In the stream: the document is broken, cut, or there is none, or it is not
            what the model wants; `value` is what was valid of it, in plain dicts and lists.

    Example:
        >>> from pydantic import BaseModel
        >>> class Recipe(BaseModel):
        ...     title: str
        ...     size: int
        >>> pieces = reactivex.of('{"title": "Pa', 'n", "si', 'ze": 4}')
        >>> pieces.pipe(ops.partial(Recipe), rx.map(print)).run()
        title='Pa' size=None
        title='Pan' size=None
        title='Pan' size=4
    """
    adapter, shape = _adapter_of(model), _shape_of(model)
    make = _documents(strings, max_characters)

    def begin() -> Steps[StreamChunk | str, Any]:
        return steps_of(lambda: GrowingModel(make(), adapter, shape.grown), tool)

    _check_tool(tool)
    return lift(begin)


@overload
def json_items(
    path: str,
    model: None = None,
    *,
    on_invalid: Callable[[StructureError], object] | None = None,
    tool: str | int | None = None,
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, Any]: ...
@overload
def json_items(
    path: str,
    model: type[T] | TypeAdapter[T],
    *,
    on_invalid: Callable[[StructureError], object] | None = None,
    tool: str | int | None = None,
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, T]: ...
def json_items(
    path: str,
    model: Any = None,
    *,
    on_invalid: Callable[[StructureError], object] | None = None,
    tool: str | int | None = None,
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, Any]:
    """Give the elements at a path of the answer's JSON, each when it is complete.

    Finds the document as `partial_json` does. The path is a small part of JSONPath (RFC 9535):

    - ``items[*]``, or ``$.items[*]``: each element of the array under that name;
    - ``[*]``: each element of an array that is the document itself;
    - ``a.b[*].c``, ``a["b c"][0]``, ``data.*``: names, indexes from 0, members of an object;
    - ``$``: the document, when it is whole.

    .. marble::
        -a----b-----c----d-|
        [   json_items("[*]")  ]
        ------x-----(y,z)--|

    Emits each element once, in the order of the text: a value in plain dicts and lists, or what the
    model makes of it. A path that nothing matches gives nothing. Elements are not kept, nor is what
    stands around them: the memory is one element's. A chunk of a newer epoch, a second start or a
    retraction begins with another document: what was given of the old one stays given, and its
    elements may come again. At completion nothing is held back; a source without any text
    completes. Before an error come the elements that were complete. Disposing lets
    go of the source at once.

    Args:
        path: Where the elements stand.
        model: Makes something of each: a pydantic model, any other type pydantic can validate, or a
            TypeAdapter. None: they stay as they are.
        on_invalid: Called with the error of an element that is not what the model wants, whose
            `value` is the element; the stream goes on without it. None: it ends with that error.
        tool: Reads arguments instead of the text: those of the first call of this tool (a name), or
            of the call with this index, from 0. Strings are read as they are.
        max_characters: Most characters of an element, with what stands before it, 1 or more.

    Raises:
        ConfigError: The path or another option cannot work.
        StructureError: In the stream: the document is broken, cut, or there is none; `value` is
            what was valid of the element that was being read.

    Example:
        >>> pieces = reactivex.of('{"items": [{"a": 1}, {"a"', ': 2}], "more": 0}')
        >>> pieces.pipe(ops.json_items("items[*]"), rx.to_list()).run()
        [{'a': 1}, {'a': 2}]
    """
    steps = parse_path(path)
    adapter = None if model is None else _adapter_of(model)
    _check_characters(max_characters)
    _check_function(on_invalid)

    def scanner(place: Place) -> ElementScanner:
        return ElementScanner(steps, place=place)

    def elements() -> WholeElements:
        return WholeElements(JsonDocument(scanner, max_characters), adapter, on_invalid)

    def begin() -> Steps[StreamChunk | str, Any]:
        return steps_of(elements, tool)

    _check_tool(tool)
    return lift(begin)


def tool_arguments(tool: str | int = 0) -> Operator[StreamChunk, str]:
    """Give the arguments of one tool call of choice 0, piece by piece: JSON text.

    What `text` is for the answer: ``stream.pipe(ops.tool_arguments("save"), ...)``. Where an
    operator upstream starts the answer anew, the pieces of both epochs come, one after the other;
    the option `tool` of `partial_json`, `partial` and `json_items` tells them apart.

    .. marble::
        --s--a--b--c--f|
        [tool_arguments()]
        -----{--}------|

    Emits non-empty strings, in the order of the wire. Nothing is held back: completion and errors
    pass through at once, and disposing lets go of the source at once.

    Args:
        tool: Which call: the first one of this tool (a name), or by its index, from 0.

    Raises:
        ConfigError: The name is empty or the index is below 0.

    Example:
        >>> call = ToolCallDelta(name="save", arguments='{"a": 1}')
        >>> reactivex.of(StreamChunk(tool_call=call)).pipe(ops.tool_arguments("save")).run()
        '{"a": 1}'
    """
    _check_tool(tool)

    def begin() -> Steps[StreamChunk, str]:
        call = CallArguments(tool)
        epoch = 0

        def take(chunk: StreamChunk) -> tuple[str, ...]:
            nonlocal call, epoch
            if chunk.kind in ANEW or chunk.epoch > epoch:
                epoch = chunk.epoch
                call = CallArguments(tool)
            if chunk.choice or chunk.tool_call is None:
                return ()
            piece = call.read(chunk.tool_call)
            return (piece,) if piece else ()

        return Steps(take)

    return lift(begin)


# -- options ---------------------------------------------------------------------------------


def _documents(strings: str, max_characters: int) -> Callable[[], JsonDocument[JsonScanner]]:
    if strings not in ("growing", "complete"):
        message = f"strings must be 'growing' or 'complete', not {strings!r}"
        raise ConfigError(message)
    _check_characters(max_characters)

    def scanner(place: Place) -> JsonScanner:
        return JsonScanner(place=place, growing_strings=strings == "growing")

    def document() -> JsonDocument[JsonScanner]:
        return JsonDocument(scanner, max_characters)

    return document


def _check_characters(count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        message = f"max_characters must be a number of characters, 1 or more, not {count!r}"
        raise ConfigError(message)


def _check_function(function: Any) -> None:
    if function is not None and not callable(function):
        message = f"on_invalid must be a function or None, not {function!r}"
        raise ConfigError(message)


def _check_tool(tool: Any) -> None:
    is_index = isinstance(tool, int) and not isinstance(tool, bool) and tool >= 0
    if tool is not None and not is_index and not (isinstance(tool, str) and tool):
        message = f"tool must be the name of a tool or the index of a call, not {tool!r}"
        raise ConfigError(message)


def _shape_of(model: Any) -> ModelShape:
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        message = f"partial takes a pydantic model, not {model!r}"
        raise ConfigError(message)
    shape = model_shape(model)
    shape.prepare(set())
    return shape


def _adapter_of(model: type[Any] | TypeAdapter[Any]) -> TypeAdapter[Any]:
    if isinstance(model, TypeAdapter):
        return model
    try:
        adapter = TypeAdapter[Any](model)
        adapter.rebuild(raise_errors=True)  # a type it names may not be defined
        return adapter
    except (PydanticUserError, PydanticSchemaGenerationError, NameError) as error:
        message = f"values cannot be validated as {model!r}: {error}"
        raise ConfigError(message) from error
