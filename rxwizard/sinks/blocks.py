"""How far a growing Markdown text is finished: what stays as it is, whatever follows."""

from __future__ import annotations

from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Nothing the model says may vanish from the screen: so HTML is text, an image is a link with "!",
# and the definition of a link stands where it was written. The last also makes blocks independent
# of each other, without which none would ever be finished.
PARSER = (
    MarkdownIt("commonmark", {"html": False})
    .enable(["strikethrough", "table"])
    .disable(["image", "reference"])
)

# Characters in one block, some 1,500 lines of a table: beyond, drawing it once takes longer than a
# tenth of a second, and nobody is served by holding it back.
LARGEST = 100_000

_LISTS = ("bullet_list_open", "ordered_list_open")
#: Blocks that may go on after a blank line.
_STAY_OPEN = (*_LISTS, "code_block")


class Cut(NamedTuple):
    """A text in two, each of them Markdown by itself."""

    done: str
    """What is finished."""
    rest: str
    """What may still grow or turn into something else."""
    seam: bool
    """Whether `rest` goes on with the last block of `done`."""


def cut(text: str, most_lines: int) -> Cut:
    """Cut a text after its last finished block.

    Only whole lines count: what a line is, its end decides. Where the last block has more than
    `most_lines` lines, it is cut within if it is a list or fenced code: before the last item, if
    its number is the one that is shown, or before the last line of code, whose fence opens `rest`
    anew. What is over 100,000 characters and still not finished is cut where it ends at the moment.
    """
    whole = text[: text.rfind("\n") + 1]
    tokens = PARSER.parse(whole)
    blocks = [token for token in tokens if token.level == 0 and token.map]
    lines = whole.split("\n")[:-1]
    at, opening, seam = 0, "", False
    if blocks:
        last = blocks[-1]
        start, end = _span(last)
        code = last.type == "fence" and not _is_closed(last)
        if _is_finished(last, len(lines)):
            at = len(lines)
        elif end - start > most_lines and (code or last.type in _LISTS):
            at = _last_filled(lines, start) if code else _last_item(tokens, last)
            seam = at > start
        else:
            at = start
        opening = lines[start] + "\n" if code else ""
    done = "".join(line + "\n" for line in lines[:at])
    rest = text[len(done) :]
    if len(rest) > LARGEST:
        return Cut(text, opening, seam=bool(opening))
    return Cut(done, opening + rest if seam else rest, seam)


def _span(block: Token) -> tuple[int, int]:
    """Give a block's first line and the one after its last."""
    start, end = block.map or (0, 0)
    return start, end


def _is_closed(fence: Token) -> bool:
    start, end = _span(fence)
    return end - start > 1 + fence.content.count("\n")


def _is_finished(last: Token, lines: int) -> bool:
    if last.type == "fence":
        return _is_closed(last)
    # A blank line follows, there being no further block. Without one, not even a heading is
    # finished: the next line can make it the head of a table.
    return _span(last)[1] < lines and last.type not in _STAY_OPEN


def _last_filled(lines: list[str], start: int) -> int:
    """Find the last line of code with another before it: blank ones are not drawn at an end."""
    for at in range(len(lines) - 1, start + 1, -1):
        if lines[at].strip() and lines[at - 1].strip():
            return at
    return start


def _last_item(tokens: list[Token], last: Token) -> int:
    """Find the last item of the last list, where another list can begin with it."""
    start, _ = _span(last)
    items = [
        token
        for token in tokens
        if token.type == "list_item_open" and token.level == 1 and _span(token)[0] >= start
    ]
    # Many lists are numbered 1, 1, 1 and shown as 1, 2, 3.
    shown = int(last.attrs.get("start", 1)) + len(items) - 1
    return _span(items[-1])[0] if items[-1].info in ("", str(shown)) else start
