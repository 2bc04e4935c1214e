"""An automaton that looks for an expression in a text that is still coming.

It reads each character once and keeps all the ways in which a match may have begun, best first: an
earlier beginning before a later one, and of one beginning the way that `re` would try first. So it
knows after each character whether a match is certain, possible or out of the question, and no text
takes it more than linear time. What it has worked out it keeps: in the end it looks up a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from rxwizard.operators.expression_nodes import Edge
from rxwizard.operators.match_program import MATCH, Check, Fork, Program, Take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.operators.expression_nodes import Expression, Look

#: Steps in all states that are kept, some ten megabytes, and characters whose class is.
_MOST_STEPS = 50_000
_MOST_CHARACTERS = 10_000

#: The class of what is no character: before the first and after the last.
BORDER: Final = -1


_Ways: TypeAlias = "list[tuple[int, int]]"
"""Where in the program ways stand, best first, each with which of the state before it continues."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a character does in a state.

    Attributes:
        state: The state after it.
        came_from: For each way of the new state, which of the old one it continues; -1: a new one.
        ended: Which way of the old state was a match that ends before this character; -1: none.
    """

    state: State
    came_from: tuple[int, ...]
    ended: int


class State:
    """The ways in which a match may have begun, best first.

    Attributes:
        ways: Where in the program each one stands.
        behind: The class of the character before, if that matters.
        found: Whether a match was found, so that no later one is looked for.
        matched: Which way, the last, is a match that ends here; -1: none is.
        is_over: Whether the match that was found is certain, so that nothing can better it.
        steps: The steps from here by the class of the character, as far as they were needed.
    """

    __slots__ = ("behind", "found", "is_over", "matched", "steps", "ways")

    def __init__(self, ways: tuple[int, ...], behind: int, found: bool) -> None:
        self.ways = ways
        self.behind = behind
        self.found = found
        self.matched = len(ways) - 1 if ways and ways[-1] == MATCH else -1
        self.is_over = found and (not ways or self.matched == 0)
        self.steps: dict[int, Step] = {}


class MatchAutomaton:
    """What looks for one expression, for any number of readers.

    Attributes:
        first: Finds the next character that a match may begin with.

    Raises:
        ConfigError: The expression is too long.
    """

    def __init__(self, expression: Expression) -> None:
        program = Program(expression)
        self._program = program.ops
        self._begin = program.begin
        self._looks_around = any(isinstance(op, Check) for op in self._program)
        self._atoms = [re.compile(source, flags) for source, flags in expression.atoms]
        self.first = _any_of([expression.atoms[atom] for atom in program.first_atoms()])
        self._classes: dict[str, int] = {}
        self._numbers: dict[tuple[bool, ...], int] = {}
        self._traits: dict[int, tuple[bool, ...]] = {}
        self._count = count()
        self._states: dict[tuple[tuple[int, ...], int, bool], State] = {}
        self._fresh: dict[int, State] = {}
        self._size = 0

    # -- what readers call -------------------------------------------------------------------

    def class_of(self, character: str) -> int:
        """Give the class of a character: those of one class make no difference."""
        number = self._classes.get(character)
        if number is None:
            if len(self._classes) >= _MOST_CHARACTERS:
                self._classes = {}
            traits = tuple(atom.match(character) is not None for atom in self._atoms)
            # Readers may be in several threads, so no two of them must count to one number.
            number = self._numbers.setdefault(traits, next(self._count))
            self._traits[number] = traits
            self._classes[character] = number
        return number

    def fresh(self, behind: int) -> State:
        """Give the state in which a match may begin here; `behind` is the class before it."""
        behind = behind if self._looks_around else BORDER
        state = self._fresh.get(behind)
        if state is None:
            state = self._state(self._reach([(self._begin, -1)], behind), behind)
            self._fresh[behind] = state
        return state

    def step(self, state: State, ahead: int) -> Step:
        """Make the step that a character of the class `ahead` does."""
        ways, ended = self._decided(state, ahead)
        found = state.found or ended >= 0
        traits = self._traits[ahead]
        onward: _Ways = []
        for way, source in ways:
            op = self._program[way]
            if isinstance(op, Take) and traits[op.atom]:
                onward.append((op.to, source))
        if not found:
            onward.append((self._begin, -1))
        reached = self._reach(onward, ahead)
        step = Step(
            self._state(reached, ahead, found=found), tuple(source for _, source in reached), ended
        )
        state.steps[ahead] = step
        self._size += len(reached) + 1
        return step

    def ended(self, state: State) -> int:
        """Give which way is a match if the text ends here; -1: none is."""
        return self._decided(state, BORDER)[1]

    # -- how a state comes about -------------------------------------------------------------

    def _decided(self, state: State, ahead: int) -> tuple[_Ways, int]:
        """Give the ways, now that the next character is known, and which of them is a match."""
        ways = [(way, source) for source, way in enumerate(state.ways)]
        if self._looks_around:
            ways = self._reach(ways, state.behind, ahead)
        return ways, ways[-1][1] if ways and ways[-1][0] == MATCH else -1

    def _reach(self, ways: _Ways, behind: int, ahead: int | None = None) -> _Ways:
        """Follow the program to where it takes a character, asks for one, or has a match.

        What is worse than a match is left out, and so is the worse of two that stand in one place.
        """
        seen: set[int] = set()
        reached: _Ways = []
        for way, source in ways:
            pending = [way]
            while pending:
                here = pending.pop()
                if here in seen:
                    continue
                seen.add(here)
                op = self._program[here]
                if op is None:
                    reached.append((here, source))
                    return reached
                if isinstance(op, Fork):
                    pending.extend(reversed(op.to))
                elif isinstance(op, Take) or (holds := self._holds(op.what, behind, ahead)) is None:
                    reached.append((here, source))
                elif holds:
                    pending.append(op.to)
        return reached

    def _holds(self, what: Look | Edge, behind: int, ahead: int | None) -> bool | None:
        """Tell whether it is true; None: it takes the next character to know."""
        if isinstance(what, Edge):
            if ahead is None:
                return None
            word = (what.word,)
            return (self._is_any(word, behind) == self._is_any(word, ahead)) is what.negated
        beside = ahead if what.ahead else behind
        if beside is None:
            return None
        is_true = what.border if beside == BORDER else self._is_any(what.atoms, beside)
        return is_true is not what.negated

    def _is_any(self, atoms: Sequence[int], number: int) -> bool:
        return number != BORDER and any(self._traits[number][atom] for atom in atoms)

    def _state(self, reached: _Ways, behind: int, *, found: bool = False) -> State:
        ways = tuple(way for way, _ in reached)
        found = found or bool(ways and ways[-1] == MATCH)
        key = (ways, behind if self._looks_around else BORDER, found)
        state = self._states.get(key)
        if state is None:
            if self._size >= _MOST_STEPS:
                self._states, self._fresh, self._size = {}, {}, 0
            state = self._states[key] = State(*key)
            self._size += len(ways) + 1
        return state


def _any_of(atoms: Sequence[tuple[str, int]]) -> re.Pattern[str]:
    """Make an expression of single characters of which any may match."""
    if len({flags for _, flags in atoms}) == 1:
        # `re` makes one set of these, which is several times faster than groups.
        return re.compile("|".join(source for source, _ in atoms), atoms[0][1])
    return re.compile("|".join(f"(?{_letters(flags)}:{source})" for source, flags in atoms))


def _letters(flags: int) -> str:
    letters = "".join(name for name, flag in _LETTERS.items() if flags & flag)
    return letters if flags & re.ASCII else f"u{letters}"


_LETTERS = {"a": re.ASCII, "i": re.IGNORECASE, "s": re.DOTALL}
