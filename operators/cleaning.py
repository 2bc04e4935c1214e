"""An answer with other words in it: replaced, masked, without its fences or its think tags.

All of them hold back only what the next characters may still change, and what comes out does not
depend on how the answer was cut into pieces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from rxwizard.chunks import ChunkKind
from rxwizard.errors import ConfigError
from rxwizard.operators.ambiguity import check_unambiguous
from rxwizard.operators.expressions import read_expression
from rxwizard.operators.fences import Fences
from rxwizard.operators.making import check_count
from rxwizard.operators.match_automaton import MatchAutomaton
from rxwizard.operators.matching import MAX_MATCH, Matcher
from rxwizard.operators.replacing import mask_partials, replaced_by
from rxwizard.operators.rewriter import Run
from rxwizard.operators.rewriting import Of, rewriting
from rxwizard.thinktags import CLOSE, OPEN, Part, ThinkTags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reactivex import Observable

    from rxwizard.chunks import StreamChunk
    from rxwizard.operators.making import Operator

Words = TypeVar("Words", bound="StreamChunk | str")


class Rewriting(Protocol):
    """An operator that gives chunks for chunks, and strings for strings."""

    def __call__(self, source: Observable[Words], /) -> Observable[Words]:
        """Apply it to a source."""
        ...


_ONE_KIND = frozenset({ChunkKind.TEXT})


def replace(
    pattern: str | re.Pattern[str],
    replacement: str | Callable[[re.Match[str]], str],
    *,
    literal: bool = False,
    of: Of = "text",
    max_match: int = MAX_MATCH,
) -> Rewriting:
    r"""Replace what matches a regular expression, as `re.sub` does with the whole text.

    Takes chunks, of which it replaces the words of each choice, or strings. Only what may still
    become a match is held back, at most `max_match` characters of a choice; what comes after it
    waits behind it, up to 256 chunks, beyond which it is no match any more. The result does not
    depend on how the text was cut into pieces.

    The time is linear in the text, whatever the pattern, save for what stands in doubt after a
    match that may still grow. The price is that a pattern can do less than with `re`: it looks
    around itself for one character at most (``\b``, ``(?<!\d)``, ``(?=\s|\Z)``), does not refer
    back to its groups, and has no ``$`` but that of `re.MULTILINE` (say ``\Z``).

    .. marble::
        -a-b--c-|
        [replace("bc", "x")]
        -a----x-|

    Emits what came with the words replaced; `seq` still rises by one. A chunk with nothing left in
    it is dropped; one that is altered has no `raw` and no log probabilities, which spell the words
    out. Heartbeats, tool calls and other chunks keep their places. At completion, before an error
    and before the final chunk, what is held comes: the text ends there. A newer epoch or a
    retraction drops what is held, which no longer counts. Disposing lets go of the source, and
    drops it.

    Args:
        pattern: A regular expression; a compiled one keeps its flags.
        replacement: What stands there instead, with ``\1`` and ``\g<name>`` for groups; or a
            function of the match, whose positions count from somewhere in the text. Its exceptions
            end the stream.
        literal: Whether pattern and replacement are meant character by character.
        of: "text", "reasoning" or "both"; a refusal is text. Strings are always meant.
        max_match: Most characters that are held back; 1 or more. A longer stretch that may still
            become a match is passed on as it is, or replaced where it has become one already.

    Raises:
        ConfigError: The pattern is not valid, is empty or may match nothing, does more than is said
            above, has over 2,000 steps, or takes exponential time with `re`, like ``(a+)+``; or
            another option cannot work.

    Example:
        >>> pieces = reactivex.of("Cats and d", "ogs, dog", "s!")
        >>> pieces.pipe(ops.replace("dogs", "mice"), reactivex.operators.to_list()).run()
        ['Cats and ', 'mice, ', 'mice!']
    """
    check_count("replace", max_match=max_match)
    automaton = _automaton([pattern], literal=literal)
    replaced = replaced_by(pattern, replacement, literal=literal)
    return cast("Rewriting", rewriting(lambda: Matcher(automaton, replaced, max_match), of))


def redact(
    pattern: str | re.Pattern[str] | Iterable[str | re.Pattern[str]],
    mask: str = "[redacted]",
    *,
    literal: bool = False,
    of: Of = "both",
    max_match: int = MAX_MATCH,
) -> Rewriting:
    r"""Mask what matches a regular expression, and let no character of it out, however it is cut.

    Like `replace`, with the same patterns, but safe where that has to pass things on:

    - A stretch that may become a match of more than `max_match` characters is masked, and left out
      until it is clear where it ends, also if it comes to be none. So a match may have any length.
      The same holds for what has more than 256 chunks waiting behind it.
    - Where the text is cut (by an error, or with a final chunk that says so, such as "length"),
      what may have become a match is masked, not given out: half a secret is one, too.
    - The `partial` of an error that passes is masked as well, in the error itself.
    - No chunk has `raw`, which may have the whole text once more.

    Only words are masked: not a tool's arguments, a citation or other data, or the message of an
    error.

    .. marble::
        -a-b--c-|
        [redact("bc")]
        -a----x-|

    Emits what came with the mask for each match; `seq` still rises by one. A chunk with nothing
    left in it is dropped; one that is altered has no `raw` and no log probabilities. At completion
    and before a final chunk of a whole answer, what is held and is no match is text. A newer epoch
    or a retraction drops held text. Disposing lets go of the source and drops it.

    Args:
        pattern: A regular expression, or several of them; a compiled one keeps its flags.
            `rxwizard.operators.known_patterns` has some.
        mask: What stands there instead, character by character; may be empty.
        literal: Whether patterns are meant character by character.
        of: "text", "reasoning" or "both"; a refusal is text. Strings are always meant.
        max_match: Most characters that are held back; 1 or more.

    Raises:
        ConfigError: A pattern or another option cannot work, as for `replace`.

    Example:
        >>> pieces = reactivex.of("My key is sk-12", "34, keep it.")
        >>> pieces.pipe(ops.redact(r"sk-\d+"), reactivex.operators.to_list()).run()
        ['My key is ', '[redacted], keep it.']
    """
    check_count("redact", max_match=max_match)
    given: Any = mask
    if not isinstance(given, str):
        message = f"redact: the mask must be a string, and {mask!r} is none"
        raise ConfigError(message)
    patterns = [pattern] if isinstance(pattern, str | re.Pattern) else list(pattern)
    automaton = _automaton(patterns, literal=literal)

    def matcher() -> Matcher:
        return Matcher(automaton, lambda _text, _begin, _end: mask, max_match, mask)

    def masked(text: str) -> str:
        one = matcher()
        return "".join(run.text for run in (*one.feed(text), *one.finish(whole=False)))

    def hide(error: Exception) -> None:
        mask_partials(error, masked, of)

    return cast("Rewriting", rewriting(matcher, of, hide=hide))


def strip_fences() -> Rewriting:
    r"""Take the fences off an answer that is one fenced block, as of JSON or code.

    That is a line that begins the answer with three or more backticks or tildes, whatever it says
    after them, and a fence of at least as many that ends it, with the line's end before it. White
    space around the two goes with them; fences within stay. Nothing else is changed: an answer with
    words before its block stays as it is. With words after it, the closing fence does not end
    the answer and stays; the opening one is gone by then.

    Takes chunks, of which it reads the text of each choice, or strings. Held back is the first line
    while it may be a fence, and later a line's end and what may be the closing fence: at most 200
    characters. The result does not depend on how the text was cut into pieces.

    .. marble::
        -a-b--c-|
        [strip_fences()]
        ---x----|

    Emits what came without the fences; `seq` still rises by one, and a chunk with nothing left in
    it is dropped. At completion, before an error and before the final chunk, what is held comes
    unless it is a fence. A newer epoch or a retraction drops held text, which no longer counts.
    Disposing lets go of the source and drops it.

    Example:
        >>> pieces = reactivex.of("```js", 'on\n{"a": 1}\n`', "``")
        >>> pieces.pipe(ops.strip_fences()).run()
        '{"a": 1}'
    """
    return cast("Rewriting", rewriting(Fences))


def split_think_tags(
    tags: tuple[str, str] = (OPEN, CLOSE), *, is_inside: bool = False
) -> Operator[StreamChunk, StreamChunk]:
    """Make reasoning of what a model writes into its text between two tags.

    What `StreamingConfig(think_tags=True)` does for one stream, for any that has chunks: a recorded
    one, or another tag. It reads the text of each choice; the words of a refusal stay.

    .. marble::
        -a-b--c-|
        [split_think_tags()]
        ---r--c-|

    Emits chunks of kind reasoning for what is between the tags, and of kind text for the rest,
    without the tags; `seq` still rises by one, and a chunk with nothing left in it is dropped. Held
    back is what may be the beginning of a tag, at most one character less than the tag has; what
    comes after it waits behind it. At completion, before an error and before the final chunk, it is
    no tag, and comes. A newer epoch or a retraction drops it, and begins outside the tags again.
    Disposing lets go of the source and drops it.

    Args:
        tags: What reasoning begins after, and what it ends before; not empty.
        is_inside: Whether an answer begins with reasoning, as where the model's template has
            written the first tag already.

    Raises:
        ConfigError: There are not two tags, or one is empty.

    Example:
        >>> chunks = reactivex.of(StreamChunk(text="<think>Hm</th"), StreamChunk(text="ink>Yes"))
        >>> chunks.pipe(ops.split_think_tags(), ops.reasoning()).run()
        'Hm'
    """
    if len(tags) != 2 or not all(tags):
        message = f"split_think_tags: tags={tags!r} cannot work; it must be two strings, not empty"
        raise ConfigError(message)
    return rewriting(lambda: _Thoughts(*tags, is_inside=is_inside), kinds=_ONE_KIND)


class _Thoughts:
    """The think tags of one text."""

    def __init__(self, opening: str, closing: str, *, is_inside: bool) -> None:
        self._tags = ThinkTags(opening, closing, is_inside=is_inside)

    def feed(self, text: str) -> Sequence[Run]:
        return _runs(self._tags.split(text))

    def finish(self, *, whole: bool) -> Sequence[Run]:  # noqa: ARG002 -- half a tag is no tag
        return self.give_up()

    def give_up(self) -> Sequence[Run]:
        return _runs(self._tags.flush())


def _runs(parts: list[Part]) -> Sequence[Run]:
    return [Run(part.length, part.text, bool(part.text), part.is_reasoning) for part in parts]


def _automaton(patterns: Sequence[str | re.Pattern[str]], *, literal: bool) -> MatchAutomaton:
    expression = read_expression(patterns, literal=literal)
    check_unambiguous(expression)
    return MatchAutomaton(expression)
