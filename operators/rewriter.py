"""What decides on the words of an answer as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Run(NamedTuple):
    """What becomes of some characters, next in the order in which they came.

    Attributes:
        length: How many characters of what came.
        text: What is given instead.
        kept: Whether that is the same.
        thought: Whether it is reasoning from now on.
    """

    length: int
    text: str
    kept: bool = True
    thought: bool = False


class Rewriter(Protocol):
    """Decides on the words of one answer, or of its reasoning."""

    def feed(self, text: str, /) -> Sequence[Run]:
        """Take the next piece; give what is certain, whatever comes next."""
        ...

    def finish(self, *, whole: bool) -> Sequence[Run]:
        """Decide on what is held, since no more comes; `whole`: and there was to be no more."""
        ...

    def give_up(self) -> Sequence[Run]:
        """Decide on what is held, though more may come, because too much waits behind it."""
        ...
