"""The program of an expression: what an automaton follows, made from its end to its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from rxwizard.operators.expression_nodes import (
    Alt,
    Char,
    Edge,
    Expression,
    Look,
    Node,
    Repeat,
    Seq,
    refuse,
)

#: Steps of a program. A state holds so many at worst, and a repetition of so many characters
#: is better said without a number.
_LONGEST = 2_000

#: Where a program ends, with a match.
MATCH: Final = 0


@dataclass(slots=True)
class Fork:
    """Goes on at each of these, the first of them first."""

    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Take:
    """Takes a character of this atom and goes on."""

    atom: int
    to: int


@dataclass(frozen=True, slots=True)
class Check:
    """Goes on if this is true of the characters before and after."""

    what: Look | Edge
    to: int


Op: TypeAlias = "Fork | Take | Check | None"
"""One step of a program; None is a match."""


class Program:
    """The steps that find one expression.

    Attributes:
        ops: The steps; the first one is the match.
        begin: Where a match begins.

    Raises:
        ConfigError: The expression is too long.
    """

    def __init__(self, expression: Expression) -> None:
        self._source = expression.source
        self.ops: list[Op] = [None]
        self.begin = self._add(expression.root, MATCH)

    def _add(self, node: Node, after: int) -> int:
        """Add what matches `node` and goes on at `after`; give where it begins."""
        match node:
            case Char(atom):
                return self._op(Take(atom, after))
            case Look() | Edge():
                return self._op(Check(node, after))
            case Seq(nodes):
                for part in reversed(nodes):
                    after = self._add(part, after)
                return after
            case Alt(nodes):
                return self._op(Fork(tuple(self._add(part, after) for part in nodes)))
            case Repeat():
                return self._repeat(node, after)

    def _repeat(self, node: Repeat, after: int) -> int:
        low, begin = node.low, after
        if node.high is None:
            fork = Fork(())
            loop = self._op(fork)
            body = self._add(node.node, loop)
            fork.to = (after, body) if node.lazy else (body, after)
            # The first time around is one of those that must be.
            begin, low = (body, low - 1) if low else (loop, 0)
        else:
            for _ in range(node.high - low):
                body = self._add(node.node, begin)
                begin = self._op(Fork((after, body) if node.lazy else (body, after)))
        for _ in range(low):
            after, begin = begin, self._add(node.node, begin)
            if begin == after:
                break  # it was nothing, and a million times nothing takes its time
        return begin

    def _op(self, op: Op) -> int:
        if len(self.ops) > _LONGEST:
            why = f"it has over {_LONGEST:,} steps; say * or + instead of a large number"
            refuse(self._source, why)
        self.ops.append(op)
        return len(self.ops) - 1

    def first_atoms(self) -> list[int]:
        """Give the atoms a match may begin with, whatever stands around it."""
        seen = {MATCH}
        pending = [self.begin]
        atoms: list[int] = []
        while pending:
            here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            op = self.ops[here]
            if isinstance(op, Fork):
                pending.extend(op.to)
            elif isinstance(op, Take):
                atoms.append(op.atom)
            elif op is not None:
                pending.append(op.to)
        return atoms
