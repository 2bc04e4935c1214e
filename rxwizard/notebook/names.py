"""What an operator is called, as far as a function can be asked."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

import reactivex.operators as rx

from rxwizard import operators as ops

#: Functions that are looked at for one that has a name: an operator is some three deep in what
#: made it.
_MOST = 50

#: What inner functions are called where their name says nothing.
_NAMELESS = {"operator", "subscribe", "begin", "<lambda>", "_", "wrapper", "inner"}


def name_of(operator: Any) -> str:
    """Give the name an operator is known by: of ours, RxPY's, or the user's own function."""
    waiting: deque[Any] = deque([operator])
    for _ in range(_MOST):
        if not waiting:
            break
        function = waiting.popleft()
        for name in _names(function):
            if hasattr(ops, name) or hasattr(rx, name):
                return name
        waiting.extend(_inside(function))
    own = [name for name in _names(operator) if name not in _NAMELESS]
    return own[-1] if own else type(operator).__name__


def _names(function: Any) -> list[str]:
    """Split ``text.<locals>.visible``; RxPY ends with an underscore what it makes operators of."""
    if isinstance(function, functools.partial):
        return _names(function.func)
    qualified = getattr(function, "__qualname__", None)
    if not isinstance(qualified, str):
        return []
    names = qualified.replace(".<locals>", "").split(".")
    if str(getattr(function, "__module__", "")).startswith("reactivex."):
        names = [name.rstrip("_") for name in names]
    return names


def _inside(function: Any) -> list[Any]:
    """Give the functions that a function has kept."""
    found: list[Any] = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if callable(content) and not isinstance(content, type):
            found.append(content)
    return found
