"""What a sink is, and what can be taken for one."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from rxwizard.errors import ConfigError

T_contra = TypeVar("T_contra", contravariant=True)


@runtime_checkable
class Sink(Protocol[T_contra]):
    """Where items go: a screen, a file, a table, a browser.

    Two methods, and nothing of streams: whoever drives a sink calls `write` for one item after the
    other, never two at a time, and then `close` exactly once, however it ends.

    A sink takes its time in `write`, and so slows whoever writes. An exception of `write` is final:
    no item follows it, only `close` with that exception. Both may be cancelled.
    """

    async def write(self, item: T_contra, /) -> None:
        """Take one item."""

    async def close(self, error: BaseException | None = None, /) -> None:
        """Put out what is held back and free what is held.

        Args:
            error: Why there are no more items; None where there were none left.
        """


def as_sink(target: Any) -> Sink[Any]:
    """Make a sink of what can take items.

    That is, in this order: a sink, as it is; a rich Console, on which the answer is shown; an
    object with a `write` for text, such as an open file, which gets the text of the items and is
    flushed in the end but not closed, being yours; any function, asynchronous or not, called with
    each item.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(target, type):
        message = f"{target.__name__} is a class: make a sink of it, as in {target.__name__}(...)"
        raise ConfigError(message)
    if is_sink(target):
        return target
    if _is_nearly_one(target):
        kind = type(target).__name__
        message = (
            f"a sink has `async write(item)` and `async close(error)`, and {kind} has not both"
        )
        raise ConfigError(message)
    if _is_console(target):
        from rxwizard.sinks.terminal import Terminal

        return Terminal(target)
    if callable(getattr(target, "write", None)):
        from rxwizard.sinks.textfile import TextWriter

        return TextWriter(target)
    if callable(target):
        from rxwizard.sinks.callback import Callback

        return Callback(target)
    message = (
        f"a {type(target).__name__} cannot take items: a sink has `async write(item)` and "
        "`async close(error)`; an open file, a rich Console and a function do as well"
    )
    raise ConfigError(message)


def is_sink(target: object) -> TypeGuard[Sink[Any]]:
    """Tell whether it has the two methods, asynchronous ones."""
    write, close = getattr(target, "write", None), getattr(target, "close", None)
    return inspect.iscoroutinefunction(write) and inspect.iscoroutinefunction(close)


def _is_nearly_one(target: object) -> bool:
    """Tell whether one of its methods is asynchronous: it would not be called as it is meant."""
    methods = (getattr(target, "write", None), getattr(target, "close", None))
    return any(
        inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
        for method in methods
    )


def _is_console(target: object) -> bool:
    # Whoever has one has imported rich; whoever has not need not have it.
    rich = sys.modules.get("rich.console")
    return rich is not None and isinstance(target, rich.Console)
