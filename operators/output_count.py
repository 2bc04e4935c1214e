"""How many tokens a model has written so far: counted by us, until its provider says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.chunks import StreamChunk, TokenUsage
    from rxwizard.operators.tokenizers import RunningCount

CountSource = Literal["estimated", "counted", "reported"]


class TokenCount(NamedTuple):
    """So many tokens, and who says so."""

    tokens: int
    source: CountSource
    """The provider reported it, the tokenizer that was named counted it, or it is an estimate."""

    def __int__(self) -> int:
        return self.tokens

    def __str__(self) -> str:
        about = "about " if self.source == "estimated" else ""
        return f"{about}{self.tokens:,} tokens ({self.source})"


class OutputCount:
    """The tokens of all that one response brings: text, reasoning and tool calls, of every choice.

    Each is a text of its own, counted by a running count of its own. The provider's number replaces
    ours where it comes; what is written after it is added, and the sum is an estimate. A number
    that comes before anything was written (Anthropic's first) says nothing of what follows. Where
    another request goes on with the answer, its number replaces our count of what it has written.
    """

    __slots__ = (
        "_answer",
        "_begin",
        "_carried",
        "_carried_from",
        "_heard",
        "_inexact",
        "_others",
        "_own",
        "_own_before",
        "_own_then",
        "_said",
        "_then",
    )

    def __init__(self, begin: Callable[[], RunningCount]) -> None:
        self._begin = begin
        self._answer = begin()
        self._others: dict[tuple[int, str, int], RunningCount] = {}
        self._own = 0
        self._inexact = int(not self._answer.exact)  # how many of the counts are no tokenizer's own
        self._heard: TokenUsage | None = None
        self._said: TokenUsage | None = None
        # What the requests before this one have brought of the answer, and who says so; and what
        # our own count was when it began.
        self._carried = 0
        self._carried_from: CountSource | None = None
        self._own_before = 0
        # What the provider said, and what our own count was then.
        self._then: int | None = None
        self._own_then = 0

    @property
    def tokens(self) -> int:
        """Tokens so far."""
        return self._own if self._then is None else self._then + self._own - self._own_then

    @property
    def own(self) -> int:
        """Tokens by our own count, whatever the provider says."""
        return self._own

    @property
    def is_estimate(self) -> bool:
        """Whether our own count is no tokenizer's number."""
        return self._inexact > 0

    @property
    def source(self) -> CountSource:
        """Who says so."""
        if self._then is None or self._said is None:
            return "estimated" if self._inexact else "counted"
        if self._own != self._own_then or self._carried_from not in (None, self._said.source):
            return "estimated"
        return self._said.source

    @property
    def now(self) -> TokenCount:
        """The count so far."""
        return TokenCount(self.tokens, self.source)

    @property
    def began(self) -> bool:
        """Whether there is anything to count."""
        return self._own > 0 or self._said is not None

    def next_request(self) -> None:
        """Note that what follows is of another request, whose provider counts that alone."""
        if self.began:
            self._carried, self._carried_from = self.tokens, self.source
            self._own_before = self._own

    def add_text(self, text: str) -> None:
        """Take a piece of choice 0's visible text."""
        self._add(self._answer, text)

    def add(self, chunk: StreamChunk) -> bool:
        """Take what the chunk brings; tell whether the model wrote anything in it."""
        wrote = False
        choice = chunk.choice
        if text := chunk.text:
            wrote = True
            self._add(self._other(choice, "text") if choice else self._answer, text)
        if reasoning := chunk.reasoning:
            wrote = True
            self._add(self._other(choice, "reasoning"), reasoning)
        if (call := chunk.tool_call) is not None:
            if call.name:
                wrote = True
                self._add(self._other(choice, "name", call.index), call.name)
            if call.arguments:
                wrote = True
                self._add(self._other(choice, "arguments", call.index), call.arguments)
        if (usage := chunk.usage) is not None and (usage is not self._heard or chunk.is_final):
            self._hear(usage, is_last=chunk.is_final)
        return wrote

    def finish(self) -> bool:
        """Make the own count exact where it can be; tell whether that says anything new."""
        if not self._inexact or (self._then is not None and self._own == self._own_then):
            return False
        before = self.now
        for count in (self._answer, *self._others.values()):
            self._note(count, count.exact, count.finish())
        return self.now != before

    def _add(self, count: RunningCount, text: str) -> None:
        was_exact = count.exact
        self._note(count, was_exact, count.add(text))

    def _note(self, count: RunningCount, was_exact: bool, growth: int) -> None:
        self._own += growth
        if count.exact is not was_exact:
            self._inexact += 1 if was_exact else -1

    def _other(self, choice: int, what: str, index: int = 0) -> RunningCount:
        key = (choice, what, index)
        count = self._others.get(key)
        if count is None:
            count = self._others[key] = self._begin()
            self._inexact += not count.exact
        return count

    def _hear(self, usage: TokenUsage, *, is_last: bool) -> None:
        self._heard = usage
        usage = usage.latest or usage
        has_written = self._own > self._own_before
        if usage.completion_tokens is not None and (has_written or is_last):
            self._said = usage
            self._then = self._carried + usage.completion_tokens
            self._own_then = self._own
