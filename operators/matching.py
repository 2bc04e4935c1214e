"""What matches in a text that is still coming, and what stands there instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.operators.match_automaton import BORDER
from rxwizard.operators.rewriter import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rxwizard.operators.match_automaton import MatchAutomaton

#: A page's paragraph: longer than names, numbers and keys are, and a few seconds of an answer that
#: is held back at worst.
MAX_MATCH = 1000


class Matcher:
    """Replaces what matches, and holds back what may still become a match.

    What comes out does not depend on how the text was cut. It reads each character once, and again
    those after a match that was in doubt; it holds at most `limit` characters.

    Args:
        automaton: What to look for.
        replacement: Given a text, and where in it a match begins and ends, says what stands there
            instead. The text has at least the characters that decided on the match.
        limit: Most characters that are held while a match is possible.
        mask: Makes sure that no part of what may be a match gets out: where that is in doubt, and
            will stay so, this stands there. None: then it stands as it came.
    """

    __slots__ = (
        *("_at", "_automaton", "_done", "_hiding", "_limit", "_mask", "_match", "_replacement"),
        *("_runs", "_starts", "_state", "_text"),
    )

    def __init__(
        self,
        automaton: MatchAutomaton,
        replacement: Callable[[str, int, int], str],
        limit: int,
        mask: str | None = None,
    ) -> None:
        self._automaton = automaton
        self._replacement = replacement
        self._limit = limit
        self._mask = mask
        self._runs: list[Run] = []
        #: What is held, after the character before it, which a pattern may look at.
        self._text = ""
        self._done = 0  # the characters that were decided on
        self._at = 0  # and those that were read
        #: The best match so far; a better one may still come.
        self._match: tuple[int, int] | None = None
        self._state = automaton.fresh(BORDER)
        #: Where the match of each way of the state begins, in its order.
        self._starts: list[int] = [0] * len(self._state.ways)
        #: Whether a match that is too long to be held is being left out as it comes.
        self._hiding = False

    def feed(self, text: str) -> Sequence[Run]:
        """Take the next piece; give what is certain, whatever comes next."""
        self._text += text
        self._read()
        begin = self._at if self._hiding else self._begin()
        if self._hiding:
            self._run(begin, "", kept=False)
        else:
            self._run(begin)
        self._trim()
        return self._taken()

    def finish(self, *, whole: bool) -> Sequence[Run]:
        """Decide on what is held: the text ends here; `whole`: and was not cut."""
        if not whole and self._mask is not None:
            return self.give_up()
        while True:
            ended = self._automaton.ended(self._state)
            if ended >= 0:
                self._match = self._starts[ended], self._at
            if self._match is None or self._hiding:
                return self.give_up(mask=False)
            self._replace(*self._match)
            self._read()

    def give_up(self, *, mask: bool = True) -> Sequence[Run]:
        """Decide on what is held, though it may still become a match: masked, or as it came."""
        if self._hiding:
            self._run(self._at, "", kept=False)
        elif mask and self._mask is not None and self._begin() < self._at:
            self._exceed()  # what may come of it yet is hidden, too
        else:
            self._run(self._at)
            self._start(self._at)
        self._trim()
        return self._taken()

    # -- reading -----------------------------------------------------------------------------

    def _read(self) -> None:
        """Read what has not been read, and decide on all matches that are certain."""
        automaton, text = self._automaton, self._text
        search, class_of, end = automaton.first.search, automaton.class_of, len(text)
        while (at := self._at) < end:
            state, starts = self._state, self._starts
            if self._match is None and (not starts or starts[0] == at):
                # Nothing is held: on to the next character that a match may begin with.
                found = search(text, at)
                begin = found.start() if found else end
                if begin > at:
                    self._start(begin)
                    if not found:
                        return
                    at, state, starts = begin, self._state, self._starts
            ahead = class_of(text[at])
            step = state.steps.get(ahead) or automaton.step(state, ahead)
            if step.ended >= 0:
                self._match = starts[step.ended], at
            self._at = at = at + 1
            self._state = state = step.state
            self._starts = starts = [starts[i] if i >= 0 else at for i in step.came_from]
            if state.matched >= 0:
                self._match = starts[state.matched], at
            if self._hiding:
                if state.is_over or self._begin() == at:
                    self._stop_hiding()
            elif state.is_over and self._match is not None:
                self._replace(*self._match)
            elif at - self._done > self._limit and at - self._begin() > self._limit:
                self._exceed()

    def _begin(self) -> int:
        """Give where the earliest match begins that is still possible."""
        begin = self._starts[0] if self._starts else self._at
        return begin if self._match is None else min(begin, self._match[0])

    def _start(self, at: int) -> None:
        """Look for a match from here on."""
        behind = self._automaton.class_of(self._text[at - 1]) if at else BORDER
        self._at = at
        self._match = None
        self._state = state = self._automaton.fresh(behind)
        self._starts = [at] * len(state.ways)

    # -- deciding ----------------------------------------------------------------------------

    def _replace(self, begin: int, end: int) -> None:
        self._run(begin)
        try:
            said = self._replacement(self._text, begin, end)
        except Exception:
            # It is the user's. After it has failed, what is held goes out as it came.
            self._replacement = _as_it_came
            raise
        self._run(end, said, kept=False)
        self._start(end)

    def _exceed(self) -> None:
        """Decide on a stretch that is too long to be held, and still may be a match."""
        begin = self._begin()
        if self._mask is not None:
            self._run(begin)
            self._run(self._at, self._mask, kept=False)
            self._hiding = True
        elif self._match is not None:
            self._replace(*self._match)
        else:
            self._run(self._at)
            self._start(self._at)

    def _stop_hiding(self) -> None:
        """Go on after a long match; the last character is part of it only if it ends with it."""
        is_part = self._match is not None and self._match[1] == self._at
        at = self._at if is_part else self._at - 1
        self._hiding = False
        if at > self._done:
            self._run(at, "", kept=False)
        self._start(at)

    def _run(self, end: int, text: str | None = None, *, kept: bool = True) -> None:
        """Note what becomes of the characters up to `end`."""
        length = end - self._done
        if length > 0:
            said = self._text[self._done : end] if text is None else text
            self._runs.append(Run(length, said, kept))
            self._done = end

    def _taken(self) -> Sequence[Run]:
        runs, self._runs = self._runs, []
        return runs

    def _trim(self) -> None:
        """Forget what was decided on, but its last character."""
        cut = self._done - 1
        if cut > 0:
            self._text = self._text[cut:]
            self._done -= cut
            self._at -= cut
            self._starts = [start - cut for start in self._starts]
            if self._match is not None:
                self._match = self._match[0] - cut, self._match[1] - cut


def _as_it_came(text: str, begin: int, end: int) -> str:
    return text[begin:end]
