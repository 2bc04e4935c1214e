"""Taking parsed JSON for what it should be, and for nothing where it is something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a JSON value is an array."""
    return isinstance(value, list)


def as_object(value: object) -> Mapping[str, Any]:
    """Give an object as it is, and an empty one for anything else."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    """Give an array as it is, and an empty one for anything else."""
    return value if is_list(value) else []


def objects(value: object) -> list[Mapping[str, Any]]:
    """Give the objects of an array; nothing for anything else."""
    return [item for item in as_list(value) if is_object(item)]


def as_text(value: object) -> str:
    """Give a string as it is, and an empty one for anything else."""
    return value if isinstance(value, str) else ""
