"""Which regular expressions take exponential time with `re`: (a+)+ and its kin.

They are those that can read one stretch of a text in two ways and go around again, so that each
round doubles the ways. The automaton of this package does not care, but groups are read with `re`,
and such a pattern is a mistake anyway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from rxwizard.operators.expression_nodes import Alt, Char, Expression, Repeat, Seq, refuse

if TYPE_CHECKING:
    from rxwizard.operators.expression_nodes import Node

#: Places of one round, beyond which pairs of them are too many to look at.
_MOST_PLACES = 200

#: So many times are as good as without end: 2 to the 20th are a million ways.
_MANY = 20

#: What characters are tried to see whether two atoms have any in common, beside those that the
#: pattern names: Latin, Greek, Cyrillic, and some that are classes of their own.
_TRIED = "".join(map(chr, range(0x500))) + "\u0660\u2028\u3042\u4e00\U0001f600"

_Ways: TypeAlias = "dict[int, int]"
"""By place: in how many ways it can be reached, where two are as good as many."""


def check_unambiguous(expression: Expression) -> None:
    """Refuse an expression that takes exponential time, as far as it can be told.

    Raises:
        ConfigError: It does.
    """
    if _Places(expression).have_two_ways_around():
        why = "it repeats what can be read in two ways, as (a+)+ does, which takes exponential time"
        refuse(expression.source, why)


class _Places:
    """The characters of an expression by their place in it, and which can follow on which."""

    def __init__(self, expression: Expression) -> None:
        self._atoms: list[int] = []
        self._next: list[_Ways] = []
        self._rounds: list[range] = []
        self._depth = 0
        self._endless = False
        tried = _TRIED + "".join(source for source, _ in expression.atoms)
        self._tried = [
            frozenset(re.compile(source, flags).findall(tried))
            for source, flags in expression.atoms
        ]
        self._add(expression.root)

    def have_two_ways_around(self) -> bool:
        return any(map(self._has_two_ways, self._rounds))

    def _has_two_ways(self, places: range) -> bool:
        if any(self._next[p].get(q, 0) > 1 for p in places for q in places):
            return True
        if len(places) > _MOST_PLACES:
            return False
        # Two readers go along by the same characters. If they can part and meet again, there are
        # two ways; and since this is a round, the next parting is as near as the first.
        pairs = [(place, place) for place in places]
        seen = set(pairs)
        while pairs:
            p, q = pairs.pop()
            for one in self._next[p]:
                for other in self._next[q]:
                    if one not in places or other not in places:
                        continue
                    if one == other and p != q:
                        return True
                    pair = (one, other)
                    if pair not in seen and self._overlap(one, other):
                        seen.add(pair)
                        pairs.append(pair)
        return False

    def _overlap(self, one: int, other: int) -> bool:
        first, second = self._atoms[one], self._atoms[other]
        return first == second or not self._tried[first].isdisjoint(self._tried[second])

    def _add(self, node: Node) -> tuple[_Ways, _Ways, int]:
        """Add a part; give the places it begins and ends with, and the ways it can be empty."""
        firsts: _Ways = {}
        lasts: _Ways = {}
        match node:
            case Char(atom):
                self._atoms.append(atom)
                self._next.append({})
                place = len(self._atoms) - 1
                return {place: 1}, {place: 1}, 0
            case Seq(nodes):
                empty = 1
                for part in nodes:
                    first, last, may_be_empty = self._add(part)
                    self._link(lasts, first)
                    _join(firsts, first, empty)
                    lasts = _join(last, lasts, may_be_empty)
                    empty = min(2, empty * may_be_empty)
                return firsts, lasts, empty
            case Alt(nodes):
                empty = 0
                for part in nodes:
                    first, last, may_be_empty = self._add(part)
                    _join(firsts, first)
                    _join(lasts, last)
                    empty = min(2, empty + may_be_empty)
                return firsts, lasts, empty
            case Repeat(inner, low, high):
                return self._repeat(inner, low, high)
            case _:
                return firsts, lasts, 1

    def _repeat(self, inner: Node, low: int, high: int | None) -> tuple[_Ways, _Ways, int]:
        begin = len(self._atoms)
        goes_around = high is None or high >= _MANY or high > max(low, 1)
        self._depth += goes_around
        firsts, lasts, empty = self._add(inner)
        if goes_around:
            self._link(lasts, firsts)
            self._depth -= 1
            # A number of times multiplies the ways of what is within, but not without end.
            self._endless = self._endless or high is None
            if not self._depth:
                if self._endless:
                    self._rounds.append(range(begin, len(self._atoms)))
                self._endless = False
        if high == 0:
            return {}, {}, 1
        return firsts, lasts, empty if low else min(2, empty + 1)

    def _link(self, lasts: _Ways, firsts: _Ways) -> None:
        for place, ways in lasts.items():
            _join(self._next[place], firsts, ways)


def _join(ways: _Ways, more: _Ways, times: int = 1) -> _Ways:
    """Add further ways to some, each of them so many times."""
    if times:
        for place, count in more.items():
            ways[place] = min(2, ways.get(place, 0) + count * times)
    return ways
