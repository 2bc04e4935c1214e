"""Markdown, block by block: for readers who render, run or translate what is whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rxwizard.operators.blocks import block_ends
from rxwizard.operators.cuts import after_line
from rxwizard.operators.held import HeldText, buffered
from rxwizard.operators.making import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.chunks import StreamChunk
    from rxwizard.operators.held import Ends
    from rxwizard.operators.making import Operator

#: Some 1,500 lines of code or rows of a table: beyond, nobody is served by holding it back.
_LONGEST_BLOCK = 100_000


def buffer_markdown(*, max_characters: int = _LONGEST_BLOCK) -> Operator[StreamChunk | str, str]:
    r"""Give whole Markdown blocks instead of pieces; joining them gives the text exactly.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    Blocks are those of CommonMark, and GitHub's tables: headings, paragraphs, lists, quotes, fenced
    and indented code, tables, rules, HTML. Only outermost ones count: a list comes whole, with the
    code in it. A fence may be of any length, of backticks or tildes; one that is not closed goes on
    to the end. Each block can be rendered by itself, but for references to links that are defined
    in another one.

    A block has the blank lines after it and ends where the next one is known to begin, mostly at
    its first character. A line that looks like a mark (a list's item, a fence) has to end first,
    where the block before it could go on.

    .. marble::
        -a----b----c---|
        [buffer_markdown()]
        ------x--------(y,|)

    Emits non-empty strings. What is left comes at completion, and before an error. A chunk of a
    newer epoch, a second start or a retraction drops what is held of the text that no longer
    counts. Disposing lets go of the source; what is held is dropped.

    Args:
        max_characters: Most characters at a time, 1 or more, and most that are held. A longer block
            comes in several pieces, cut after a line, else after white space.

    Raises:
        ConfigError: `max_characters` is below 1.

    Example:
        >>> text = "# One\nTwo\n```\n\n```\n"
        >>> reactivex.of(*text).pipe(ops.buffer_markdown(), rx.to_list()).run()
        ['# One\n', 'Two\n', '```\n\n```\n']
    """
    check_count("buffer_markdown", max_characters=max_characters)
    return buffered(lambda: HeldText(max_characters, block_ends, cut=after_line))


def buffer_code_blocks(*, max_characters: int = _LONGEST_BLOCK) -> Operator[StreamChunk | str, str]:
    r"""Give whole fenced code blocks, and the text around them line by line; joining gives it all.

    Takes strings, or chunks, of which it reads the visible text of choice 0. What comes out does
    not depend on how the text was cut into pieces.

    A code block is from the line with its fence (three backticks or tildes, or more) to the line
    with the same or a longer one. It may be indented, and stand in a list or a quote; a fence that
    is not closed goes on to the end. So what comes is a line without code, or begins with a fence:
    `buffer_markdown` also tells other blocks apart, but holds each paragraph.

    .. marble::
        -a----b----c---|
        [buffer_code_blocks()]
        -a---------x---|

    Emits non-empty strings: lines and code blocks, with the line feed at their end, at once when
    that comes. What is left comes at completion, and before an error. A chunk of a newer epoch, a
    second start or a retraction drops what is held of the text that no longer counts. Disposing
    lets go of the source; what is held is dropped.

    Args:
        max_characters: Most characters at a time, 1 or more, and most that are held. A longer code
            block comes in several pieces, cut after a line, else after white space.

    Raises:
        ConfigError: `max_characters` is below 1.

    Example:
        >>> text = "So:\n```py\na\nb\n```\nOr not."
        >>> reactivex.of(*text).pipe(ops.buffer_code_blocks(), rx.to_list()).run()
        ['So:\n', '```py\na\nb\n```\n', 'Or not.']
    """
    check_count("buffer_code_blocks", max_characters=max_characters)
    return buffered(lambda: HeldText(max_characters, _code_ends, cut=after_line))


_OPENING = re.compile(
    r"[ \t]*(?:(?:>|(?:[-+*]|[0-9]{1,9}[.)])[ \t])[ \t]*+)*+(`{3,}(?=[^`]*$)|~{3,})"
)


def _code_ends() -> Ends:
    """Find the ends of code blocks, and of lines that are in none."""
    line: list[str] = []  # what has come of the line that has not ended
    closing: re.Pattern[str] | None = None  # the fence that ends the code

    def ends(part: str) -> Sequence[int]:
        nonlocal closing
        found: list[int] = []
        start = 0
        while end := part.find("\n", start) + 1:
            line.append(part[start:end])
            whole = "".join(line)
            line.clear()
            start = end
            if closing is not None:
                if closing.match(whole):
                    closing = None
                    found.append(end)
            elif opening := _OPENING.match(whole):
                run = opening[1]
                closing = re.compile(rf"[ \t>]*{run[0]}{{{len(run)},}}\s*$")
            else:
                found.append(end)
        if start < len(part):
            line.append(part[start:])
        return found

    return ends
