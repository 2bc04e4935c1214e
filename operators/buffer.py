"""Fewer, larger pieces: items in lists, text by words, lines, paragraphs, characters, tokens.

Sentences are in `sentences`, Markdown in `markdown`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from rxwizard.errors import ConfigError
from rxwizard.operators.cuts import anywhere
from rxwizard.operators.held import HeldText, buffered
from rxwizard.operators.making import Gathering, Operator, Steps, check_count, clock, lift
from rxwizard.operators.patterns import pattern_ends
from rxwizard.operators.timing import Alarm, check_over_zero
from rxwizard.operators.tokenizers import counting_with
from rxwizard.operators.tokens_held import HeldTokens
from rxwizard.operators.units import line_ends, no_ends, paragraph_ends, word_ends
from rxwizard.stream import weight_in_characters

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

    from reactivex import abc

    from rxwizard.chunks import StreamChunk
    from rxwizard.operators.timing import Alarm, check_over_zero
from rxwizard.operators.tokenizers import Tokenizer

A = TypeVar("A")

#: As for sentences: a "word" of this length is data, which nobody wants to wait for.
_LONGEST_WORD = 1_000
#: Some two pages. A longer line or paragraph is no prose.
_LONGEST_PARAGRAPH = 10_000
#: Four characters a token are usual; this many would be a whole context of white space.
_LONGEST_TOKENS = 100_000


def buffer(
    *, count: int | None = None, characters: int | None = None, seconds: float | None = None
) -> Gathering:
    """Gather items of any kind into lists, by number, by size, by time: the first bound reached.

    Time counts from a list's first item, so no list is empty, and nothing ticks while nothing
    comes. Like `batched`, which pulls and so holds its source while its reader is full; this one
    passes on within the push, costs less, and needs no running loop.

    .. marble::
        -a-b-c----d-----|
        [buffer(count=2, seconds=3)]
        ---x----y----z--|

    Emits non-empty lists that nobody changes any more. What is held comes at completion, and before
    an error. Disposing lets go of the source and the timer; what is held is dropped. It holds less
    than one list; where only `seconds` is given, that is what comes in this time. A list that is
    due by time comes whether the reader has room or not: that is one item beyond its capacity and
    no more, since a source that is held gives no new list anything to begin with.

    Args:
        count: Items of a list, 1 or more.
        characters: A list ends with the item with which it has this many, 1 or more: those of
            strings, and of the text, reasoning and arguments of chunks. Anything else counts one.
        seconds: Longest time an item is held, over 0, by the scheduler of the subscription.

    Raises:
        ConfigError: No bound is given, or one that cannot work.

    Example:
        >>> reactivex.of(1, 2, 3).pipe(ops.buffer(count=2), rx.to_list()).run()
        [[1, 2], [3]]
    """
    bounds = {"count": count, "characters": characters}
    check_count("buffer", **{k: most for k, most in bounds.items() if most is not None})

    def begin() -> Steps[Any, list[Any]]:
        return _gathering(count, characters)

    if seconds is not None:
        check_over_zero("buffer", seconds=seconds)
        return cast("Gathering", _timed(begin, seconds))
    if count is None and characters is None:
        message = "buffer needs a bound: count, characters or seconds"
        raise ConfigError(message)
    return cast("Gathering", lift(begin))


def _gathering(count: int | None, characters: int | None) -> Steps[A, list[A]]:
    """Hold items until there are enough of them."""
    most = count or sys.maxsize
    held: list[A] = []
    size = 0

    def take(item: A) -> Iterable[list[A]]:
        nonlocal size
        held.append(item)
        if characters is not None:
            size += weight_in_characters(item)
            if size >= characters:
                return rest()
        return rest() if len(held) >= most else ()

    def rest() -> Iterable[list[A]]:
        nonlocal held, size
        full, held, size = held, [], 0
        return (full,) if full else ()

    return Steps(take, rest=rest, rest_of_failed=rest)


def _timed(begin: Callable[[], Steps[A, list[A]]], seconds: float) -> Operator[A, list[A]]:
    """Do as `lift`, and ask for the rest when so many seconds have passed since the first item."""

    def operator(source: Observable[A]) -> Observable[list[A]]:
        def subscribe(
            observer: abc.ObserverBase[list[A]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            steps = begin()
            is_set = False

            def give(lists: Iterable[list[A]]) -> None:
                nonlocal is_set
                is_set = False
                for gathered in lists:
                    observer.on_next(gathered)

            alarm = Alarm(clock(scheduler), lambda: give(steps.rest()))

            def on_next(item: A) -> None:
                nonlocal is_set
                with alarm.lock:
                    full = steps.take(item)
                    if full:
                        if is_set:
                            alarm.unset()
                        give(full)
                    elif not is_set:
                        is_set = True
                        alarm.set(seconds)

            def on_error(error: Exception) -> None:
                with alarm.lock:
                    alarm.dispose()
                    give(steps.rest_of_failed())
                    observer.on_error(error)

            def on_completed() -> None:
                with alarm.lock:
                    alarm.dispose()
                    give(steps.rest())
                    observer.on_completed()

            held = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(held, alarm)

        return Observable(subscribe)

    return operator


def buffer_words(
    count: int = 1, *, max_characters: int = _LONGEST_WORD
) -> Operator[StreamChunk | str, str]:
    """Give whole words instead of pieces of them; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A word ends where the next one's first character has been seen, and has the white space between
    the two. In Chinese and Japanese, each character is a word, with the punctuation that follows;
    katakana stay together. Of scripts that need a dictionary (Thai, Lao, Khmer) it gives what is
    between two spaces.

    .. marble::
        -H-i._-y-o-u.--|
        [buffer_words()]
        -------Hi._----(you.,|)

    Emits non-empty strings of `count` words. What is left comes at completion, and before an error.
    A chunk of a newer epoch, a second start or a retraction drops what is held of the text that no
    longer counts. Disposing lets go of the source; what is held is dropped.

    Args:
        count: Words at a time, 1 or more.
        max_characters: Most characters at a time, 1 or more, and most that are held. Where more
            words would be longer, fewer come; a longer word comes in several pieces.

    Raises:
        ConfigError: A number is below 1.

    Example:
        >>> words = reactivex.of("Hel", "lo wor", "ld").pipe(ops.buffer_words(), rx.to_list())
        >>> words.run()
        ['Hello ', 'world']
    """
    check_count("buffer_words", count=count, max_characters=max_characters)
    return buffered(lambda: HeldText(max_characters, word_ends, count=count))


def buffer_lines(
    count: int = 1, *, max_characters: int = _LONGEST_PARAGRAPH
) -> Operator[StreamChunk | str, str]:
    r"""Give whole lines instead of pieces of them; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A line ends with its line feed (drawn as ``/``), which belongs to it, as does a carriage return
    before that.

    .. marble::
        -a-b/-c-d-/--|
        [buffer_lines()]
        ---ab/----cd/|

    Emits non-empty strings of `count` lines, at once when the last one ends. What is left comes at
    completion, and before an error. A chunk of a newer epoch, a second start or a retraction drops
    what is held of the text that no longer counts. Disposing lets go of the source; what is held is
    dropped.

    Args:
        count: Lines at a time, 1 or more.
        max_characters: Most characters at a time, 1 or more, and most that are held. Where more
            lines would be longer, fewer come; a longer line comes in several pieces, cut after
            white space.

    Raises:
        ConfigError: A number is below 1.

    Example:
        >>> reactivex.of("a", "b\nc", "d").pipe(ops.buffer_lines(), rx.to_list()).run()
        ['ab\n', 'cd']
    """
    check_count("buffer_lines", count=count, max_characters=max_characters)
    return buffered(lambda: HeldText(max_characters, line_ends, count=count))


def buffer_paragraphs(
    *, max_characters: int = _LONGEST_PARAGRAPH
) -> Operator[StreamChunk | str, str]:
    r"""Give whole paragraphs instead of pieces of them; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A paragraph has the blank lines after it (``/`` is a line feed), and ends where the first
    character of the next one has been seen. Code with blank lines is several; `buffer_markdown`
    keeps it whole.

    .. marble::
        -a-b//-c-d-----|
        [buffer_paragraphs()]
        -------ab//----(cd,|)

    Emits non-empty strings. What is left comes at completion, and before an error. A chunk of a
    newer epoch, a second start or a retraction drops what is held of the text that no longer
    counts. Disposing lets go of the source; what is held is dropped.

    Args:
        max_characters: Most characters at a time, 1 or more, and most that are held. A longer
            paragraph comes in several pieces, cut after white space.

    Raises:
        ConfigError: `max_characters` is below 1.

    Example:
        >>> reactivex.of("a\n", "\nb").pipe(ops.buffer_paragraphs(), rx.to_list()).run()
        ['a\n\n', 'b']
    """
    check_count("buffer_paragraphs", max_characters=max_characters)
    return buffered(lambda: HeldText(max_characters, paragraph_ends))


def buffer_characters(count: int) -> Operator[StreamChunk | str, str]:
    """Give pieces of `count` characters; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A character is one of Python's, a code point. What is seen as one but has several (a letter with
    its marks, an emoji with its modifiers or joined of others, a flag, a Korean syllable of single
    letters, CR LF) is not divided: where it does not fit, the piece is shorter, and it begins the
    next one. Only one that alone has more than `count` is divided; a pair of surrogates never, so
    that it counts as one where `count` is 1. This is most of what Unicode calls grapheme clusters.

    .. marble::
        -a-bcd-e-f---|
        [buffer_characters(2)]
        ---ab--cd----(ef,|)

    Emits non-empty strings: each piece when the character after it has been seen, which may belong
    to its last one. What is left comes at completion, and before an error. A chunk of a newer
    epoch, a second start or a retraction drops what is held of the text that no longer counts.
    Disposing lets go of the source; what is held is dropped.

    Args:
        count: Characters at a time, 1 or more, and most that are held.

    Raises:
        ConfigError: `count` is below 1.

    Example:
        >>> reactivex.of("a", "bcde").pipe(ops.buffer_characters(2), rx.to_list()).run()
        ['ab', 'cd', 'e']
    """
    check_count("buffer_characters", count=count)
    return buffered(lambda: HeldText(count, no_ends, cut=anywhere))


def buffer_until(
    pattern: str | re.Pattern[str], *, max_characters: int = _LONGEST_PARAGRAPH
) -> Operator[StreamChunk | str, str]:
    r"""Give the text up to and with each match of a regular expression; joining gives it exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A piece ends with the match that `re.search` finds in the text that begins with the piece, as
    soon as no further character can change it: at a blank line at once, after ``\n+`` with the
    character that is no line feed.

    .. marble::
        -a-b;-c-;-d----|
        [buffer_until(";")]
        ---ab;--c;-----(d,|)

    Emits non-empty strings. What is left comes at completion, and before an error. A chunk of a
    newer epoch, a second start or a retraction drops what is held of the text that no longer
    counts. Disposing lets go of the source; what is held is dropped.

    Args:
        pattern: A regular expression; a compiled one keeps its flags. As for `replace`, it looks
            around itself for one character at most (``\n(?=#)``), does not refer back to its
            groups, and has no ``$`` but that of `re.MULTILINE`.
        max_characters: Most characters at a time, 1 or more, and most that are held. A longer piece
            is cut after white space; a match that has begun goes on after the cut.

    Raises:
        ConfigError: `max_characters` is below 1; or the pattern is not valid, may match nothing,
            does more than is said above, or takes exponential time with `re`, like ``(a+)+``.

    Example:
        >>> reactivex.of("a;", "b; c").pipe(ops.buffer_until("; ?"), rx.to_list()).run()
        ['a;', 'b; ', 'c']
    """
    check_count("buffer_until", max_characters=max_characters)
    ends = pattern_ends(pattern, max_characters)
    return buffered(lambda: HeldText(max_characters, ends))


def buffer_tokens(
    count: int, tokenizer: Tokenizer | None = None, *, max_characters: int = _LONGEST_TOKENS
) -> Operator[StreamChunk | str, str]:
    """Give pieces of at most `count` tokens; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A piece has as many whole words as fit, each with the white space *before* it, as vocabularies
    have it. What has over 32 characters between two spaces counts as several words, and one that
    alone has more tokens is halved until it fits; a single character is not divided.

    .. marble::
        -a-_b-_c-_d--|
        [buffer_tokens(2)]
        ---------a_b-(_c_d,|)

    Emits non-empty strings: each piece when the word after it is known. What is left comes at
    completion, and before an error. A chunk of a newer epoch, a second start or a retraction drops
    what is held of the text that no longer counts. Disposing lets go of the source; what is held is
    dropped.

    Args:
        count: Most tokens of a piece, 1 or more.
        tokenizer: What counts them, as in `count_tokens`; None: an estimate.
        max_characters: Most characters at a time, 1 or more, and most that are held, but for a
            word: an estimate may take no tokens at all for more white space.

    Raises:
        ConfigError: A number is below 1, or the tokenizer cannot be loaded.

    Example:
        >>> letters = ops.buffer_tokens(3, len)
        >>> reactivex.of("a b", " cd ef").pipe(letters, rx.to_list()).run()
        ['a b', ' cd', ' ef']
    """
    check_count("buffer_tokens", count=count, max_characters=max_characters)
    counting = counting_with(tokenizer)
    return buffered(lambda: HeldTokens(count, counting, max_characters))
