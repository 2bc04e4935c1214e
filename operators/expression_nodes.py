"""The parts of a regular expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from rxwizard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Char:
    """One character that atom number `atom` matches."""

    atom: int


@dataclass(frozen=True, slots=True)
class Look:
    """The character beside this place, of which nothing is taken.

    Attributes:
        ahead: Whether it is the next one rather than the one before.
        atoms: Any of these matches it.
        border: Or there is none, because the text begins or ends here.
        negated: The contrary of all this is asked for.
    """

    ahead: bool
    atoms: tuple[int, ...] = ()
    border: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A place where a word begins or ends; `word` is the atom of its characters."""

    word: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """The first of these that leads to a match."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`low` times to `high` times; None: without end."""

    node: Node
    low: int
    high: int | None
    lazy: bool


Node: TypeAlias = "Char | Look | Edge | Seq | Alt | Repeat"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read: its parts, and its atoms by number, each with its flags."""

    source: str
    root: Node
    atoms: tuple[tuple[str, int], ...]


def refuse(pattern: str, why: str) -> NoReturn:
    """Raise the ConfigError that says why a pattern cannot be looked for in a stream."""
    shown = pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}..."
    message = f"the pattern {shown!r} cannot be looked for in a stream: {why}"
    raise ConfigError(message)


#: Characters of a pattern in a message: as much as one reads.
_SHOWN = 80


def narrowest(node: Node) -> int:
    """Count the fewest characters that it matches."""
    match node:
        case Char():
            return 1
        case Look() | Edge():
            return 0
        case Seq(nodes):
            return sum(map(narrowest, nodes))
        case Alt(nodes):
            return min(map(narrowest, nodes))
        case Repeat(inner, low):
            return low and low * narrowest(inner)
