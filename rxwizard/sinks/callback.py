"""A sink that calls a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rxwizard.errors import ConfigError, SinkError

T = TypeVar("T")


class Callback(Generic[T]):
    """Call `function` with each item, and wait for what it gives where that can be awaited.

    So an asynchronous function slows whoever writes, and a plain one is done when it returns. What
    either raises passes through as it is.

    Args:
        function: Any callable of one argument: a function, a partial, a method, an object.
        on_close: Called once, with the error or None, when there are no more items; awaited in the
            same way. Closing again calls it no more, even where it raised.

    Raises:
        ConfigError: One of them cannot be called, or is a generator function, which only calling
            would never run.
        SinkError: From `write`, once it is closed.
    """

    def __init__(
        self,
        function: Callable[[T], Any],
        *,
        on_close: Callable[[BaseException | None], Any] | None = None,
    ) -> None:
        _require_callable("function", function)
        if on_close is not None:
            _require_callable("on_close", on_close)
        self._function = function
        self._is_asynchronous = _is_asynchronous(function)
        self._on_close = on_close
        self._closed = False

    async def write(self, item: T, /) -> None:
        """Call the function."""
        if self._closed:
            message = "this Callback is closed and calls no more"
            raise SinkError(message)
        given = self._function(item)
        # What is known since it was made need not be asked for each item: `isawaitable` takes as
        # long as calling a small function.
        if self._is_asynchronous or (given is not None and inspect.isawaitable(given)):
            await given

    async def close(self, error: BaseException | None = None, /) -> None:
        """Call `on_close`."""
        if self._closed:
            return
        self._closed = True
        if self._on_close is not None:
            given = self._on_close(error)
            if inspect.isawaitable(given):
                await given


def _require_callable(name: str, function: object) -> None:
    if not callable(function):
        message = f"{name} is something to call, not a {type(function).__name__}"
        raise ConfigError(message)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        message = f"{name} is a generator function: calling it would run nothing of it"
        raise ConfigError(message)


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):  # of a partial, too
        return True
    # An object may have an asynchronous `__call__`; that of a class is its metaclass's.
    return not inspect.isclass(function) and inspect.iscoroutinefunction(type(function).__call__)
