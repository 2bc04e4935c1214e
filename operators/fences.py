"""An answer that is one fenced block, without its fences."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rxwizard.operators.expressions import read_expression
from rxwizard.operators.match_automaton import MatchAutomaton
from rxwizard.operators.matching import Matcher
from rxwizard.operators.rewriter import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Longest fence with the white space around it: no language has a name as long as this.
_LONGEST = 200

_OPENING = re.compile(r"\s*(?P<fence>(?:`{3,})(?=[^`\n]*\n)|~{3,})[^\n]*\n")
_MAY_OPEN = re.compile(r"\s*(?:`{0,2}|`{3,}[^`\n]*|~{0,2}|~{3,}[^\n]*)")


class Fences:
    """Leaves out a fence that begins the text, and then one that ends it.

    It holds back the first line while that may be a fence, and later a line's end, a fence and
    white space: at most 200 characters.
    """

    def __init__(self) -> None:
        self._held = ""
        self._has_begun = False
        self._body: Matcher | None = None

    def feed(self, text: str) -> Sequence[Run]:
        """Take the next piece; give what is certain, whatever comes next."""
        if self._body is not None:
            return self._body.feed(text)
        if self._has_begun:
            return (Run(len(text), text),)
        self._held += text
        first = self._held[:_LONGEST]
        opening = _OPENING.match(first)
        if opening:
            rest, self._held = self._held[opening.end() :], ""
            self._body = Matcher(_closing(opening["fence"]), _nothing, _LONGEST)
            body = self._body.feed(rest) if rest else ()
            return [Run(opening.end(), "", kept=False), *body]
        if len(self._held) < _LONGEST and _MAY_OPEN.fullmatch(self._held):
            return ()
        return self.give_up()

    def finish(self, *, whole: bool) -> Sequence[Run]:
        """Decide on what is held: a fence, if the text ends here."""
        return self.give_up() if self._body is None else self._body.finish(whole=whole)

    def give_up(self) -> Sequence[Run]:
        """Decide on what is held, though more may come: it is no fence."""
        if self._body is not None:
            return self._body.give_up()
        self._has_begun = True
        held, self._held = self._held, ""
        return (Run(len(held), held),) if held else ()


@lru_cache(maxsize=8)
def _closing(fence: str) -> MatchAutomaton:
    pattern = rf"(?:\A|\r?\n)[ \t]*{fence[0]}{{{len(fence)},}}\s*\Z"
    return MatchAutomaton(read_expression([pattern]))


def _nothing(_text: str, _begin: int, _end: int) -> str:
    return ""
