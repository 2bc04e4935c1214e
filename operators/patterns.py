"""Where pieces end that a regular expression ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.operators.ambiguity import check_unambiguous
from rxwizard.operators.expressions import read_expression
from rxwizard.operators.match_automaton import BORDER, MatchAutomaton

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from rxwizard.operators.held import Ends
    from rxwizard.operators.match_automaton import State


def pattern_ends(pattern: str | re.Pattern[str], most_ahead: int) -> Callable[[], Ends]:
    """Make what finds the ends of matches, each in the text after the one before.

    Args:
        pattern: The expression.
        most_ahead: Characters after a match that may still make it longer; then it counts as it is.

    Raises:
        ConfigError: The pattern cannot work.
    """
    expression = read_expression([pattern])
    check_unambiguous(expression)
    automaton = MatchAutomaton(expression)
    return lambda: _Matches(automaton, most_ahead).ends


class _Matches:
    """The search in one text."""

    def __init__(self, automaton: MatchAutomaton, most_ahead: int) -> None:
        self._automaton = automaton
        self._most_ahead = most_ahead
        self._fresh = self._state = automaton.fresh(BORDER)
        #: Where a search goes on, by the class of the character before.
        self._fresh_after: dict[int, State] = {}
        #: Where the best match so far ends, counted from what comes next: 0 or negative.
        self._end: int | None = None
        #: The text after it.
        self._after: list[str] = []

    def ends(self, part: str) -> Sequence[int]:
        """Give where matches have ended that nothing can change any more."""
        if not part:
            return self._last_ends()
        automaton, state, end = self._automaton, self._state, self._end
        fresh = self._fresh
        text, shift, at = part, 0, 0
        found: list[int] = []
        while at < len(text):
            if state is fresh:
                first = automaton.first.search(text, at)
                begin = first.start() if first else len(text)
                if begin > at:
                    behind = automaton.class_of(text[begin - 1])
                    state = self._fresh_after.get(behind) or self._begin_after(behind)
                    at = begin
                    continue
            ahead = automaton.class_of(text[at])
            step = state.steps.get(ahead) or automaton.step(state, ahead)
            state = step.state
            if step.ended >= 0:
                end = at
            at += 1
            if state.matched >= 0:
                end = at
            if end is None or not (state.is_over or at - end >= self._most_ahead):
                continue
            found.append(end - shift)
            if end < 0:
                before = "".join(self._after)
                text, shift, end = before + text, shift + len(before), 0
            # The search goes on in the text after the match, some of which it has seen already.
            state, at, end = fresh, end, None
        if end is not None:
            if end < 0:
                self._after.append(part)
            else:
                self._after = [text[end:]]
            end -= len(text)
        self._state, self._end = state, end
        return found

    def _begin_after(self, behind: int) -> State:
        state = self._fresh_after[behind] = self._automaton.fresh(behind)
        return state

    def _last_ends(self) -> Sequence[int]:
        """Give the ends of matches now that the text is over, counted from there."""
        found: list[int] = []
        while True:
            after = "".join(self._after)
            if self._automaton.ended(self._state) >= 0:
                self._end, after = 0, ""
            end, self._end = self._end, None
            self._after.clear()
            if end is None:
                return found
            found.append(end)
            self._state = self._fresh
            if after:
                found.extend(end + further for further in self.ends(after))
