"""Where the blocks of a Markdown text begin, line by line, as CommonMark and its tables have it.

Only the outermost blocks are asked for. What is within a list or a quote is followed as far as it
decides where that ends: whether a line without its mark goes on with a paragraph in it, or not.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.operators.held import Ends

#: Lists in lists that are followed; markdown-it and others stop at as many.
_DEEPEST = 20

# A line that begins otherwise is nothing but text: so much is known at its first character.
_MARKS = "`~>#-+*_<=:|0123456789"

_FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_BULLET = re.compile(r"([-+*])(?= |$)")
_NUMBER = re.compile(r"([0-9]{1,9})([.)])(?= |$)")
_HEADING = re.compile(r"#{1,6}(?: |$)")
_UNDERLINE = re.compile(r"(?:=+|-+) *$")
_DELIMITERS = re.compile(r"(?:[|:][-:| ]|-[-:|])[-:| ]*$")
_CELL = re.compile(r":?-+:?")
_PIPE = re.compile(r"(?<!\\)\|")

_VALUE = r"(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\")"
_ATTRIBUTE = rf"\s++[A-Za-z_:][\w.:-]*+(?:\s*+=\s*+{_VALUE})?+"
_TAG = rf"<(?:[A-Za-z][A-Za-z0-9-]*+(?:{_ATTRIBUTE})*+\s*+/?|/[A-Za-z][A-Za-z0-9-]*+\s*+)>\s*$"
_BLOCKS_OF_HTML = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|"
    "dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|"
    "hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|"
    "search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul"
)
_BLANK = re.compile(r"^$")
# What begins a block of HTML, what ends it, and whether it can interrupt a paragraph.
_HTML = tuple(
    (re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE), interrupts)
    for begin, end, interrupts in (
        (r"<(?:script|pre|style|textarea)(?=\s|>|$)", r"</(?:script|pre|style|textarea)>", True),
        (r"<!--", r"-->", True),
        (r"<\?", r"\?>", True),
        (r"<![A-Z]", r">", True),
        (r"<!\[CDATA\[", r"\]\]>", True),
        (rf"</?(?:{_BLOCKS_OF_HTML})(?=\s|/?>|$)", r"^$", True),
        (_TAG, r"^$", False),
    )
)


class Kind(Enum):
    """What is open: what the next line may go on with."""

    NOTHING = auto()
    PARAGRAPH = auto()
    TABLE = auto()
    FENCE = auto()
    INDENTED = auto()
    HTML = auto()
    LIST = auto()
    QUOTE = auto()


class Flow:
    """The blocks within one container, or of a whole text. Lines have no tabs and no end.

    Args:
        depth: How many containers it stands in.
    """

    def __init__(self, depth: int = 0) -> None:
        self.kind = Kind.NOTHING
        self._depth = depth
        #: What ends a fence or a block of HTML.
        self._end = _BLANK
        #: What is in the open item of a list, or in a quote.
        self._inner: Flow | None = None
        self._mark = ""
        self._content = 0  # the column where an item's content stands
        self._blank = False
        self._hollow = False  # the item has nothing but its mark yet
        self._line = ""  # the last line of a paragraph: a table's head, perhaps
        self._is_first = False  # whether that was its first, too

    @property
    def is_lazy(self) -> bool:
        """Whether a line of text goes on with it that lacks the mark of its containers."""
        if self._inner is None:
            return self.kind is Kind.PARAGRAPH
        return not self._blank and self._inner.is_lazy

    def begins(self, line: str) -> bool:
        """Tell whether the line, which is not blank, begins a block; else it goes on with one."""
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        match self.kind:
            case Kind.NOTHING:
                return True
            case Kind.FENCE | Kind.HTML:
                return False
            case Kind.INDENTED:
                return indent < 4
            case Kind.TABLE:
                return indent > 3 or _interrupts(text)
            case Kind.PARAGRAPH:
                return indent < 4 and not _UNDERLINE.match(text) and _interrupts_paragraph(text)
            case Kind.LIST:
                if self._is_inside(indent):
                    return False
                if indent < 4 and not _is_rule(text) and _mark(text) == self._mark:
                    return False
            case Kind.QUOTE:
                if indent < 4 and text[0] == ">":
                    return False
        return not self.is_lazy or (indent < 4 and _interrupts(text))

    def _is_inside(self, indent: int) -> bool:
        """Tell whether a line stands under the content of a list's item, if there can be more."""
        return indent >= self._content and not (self._hollow and self._blank)

    def add(self, line: str) -> bool:
        """Take the next line; True: it makes the one before it the head of a new table."""
        text = line.lstrip(" ")
        if not text:
            self._add_blank()
            return False
        if self.begins(line):
            self._begin(line, text)
            return False
        indent = len(line) - len(text)
        match self.kind:
            case Kind.PARAGRAPH:
                return self._add_to_paragraph(text, indent)
            case Kind.FENCE:
                if indent < 4 and self._end.match(text):
                    self.kind = Kind.NOTHING
            case Kind.HTML:
                if self._end.search(text):
                    self.kind = Kind.NOTHING
            case Kind.LIST:
                is_inside = self._is_inside(indent)
                self._blank = False
                if is_inside:
                    self._add_inside(line[self._content :])
                elif indent < 4 and not _is_rule(text) and _mark(text) == self._mark:
                    self._begin_item(line, text)
            case Kind.QUOTE:
                if indent < 4 and text[0] == ">":
                    self._add_inside(_unquoted(text))
            case _:
                pass
        return False

    def _add_blank(self) -> None:
        match self.kind:
            case Kind.FENCE | Kind.INDENTED:
                pass
            case Kind.HTML:
                if self._end.search(""):
                    self.kind = Kind.NOTHING
            case Kind.LIST:
                self._blank = True
                if self._inner is not None:
                    self._inner.add("")
            case _:
                self._close()

    def _add_to_paragraph(self, text: str, indent: int) -> bool:
        before, self._line = self._line, text if indent < 4 else ""
        had_one, self._is_first = self._is_first, False
        if indent < 4 and _is_table(before, text):
            self.kind = Kind.TABLE
            return not had_one
        if indent < 4 and _UNDERLINE.match(text):
            self._close()
        return False

    def _close(self) -> None:
        self.kind = Kind.NOTHING
        self._inner = None

    def _begin(self, line: str, text: str) -> None:
        indent = len(line) - len(text)
        self._close()
        self._blank = False
        if indent > 3:
            self.kind = Kind.INDENTED
        elif fence := _FENCE.match(text):
            self.kind = Kind.FENCE
            run = fence[1] or fence[2]
            self._end = re.compile(rf"{run[0]}{{{len(run)},}} *$")
        elif text[0] == ">" and self._depth < _DEEPEST:
            self.kind = Kind.QUOTE
            self._inner = Flow(self._depth + 1)
            self._add_inside(_unquoted(text))
        elif _is_rule(text) or _HEADING.match(text):
            pass
        elif (mark := _mark(text)) and self._depth < _DEEPEST:
            self.kind = Kind.LIST
            self._mark = mark
            self._begin_item(line, text)
        elif end := _end_of_html(text, may_be_any=True):
            if not end.search(text):
                self.kind, self._end = Kind.HTML, end
        else:
            self.kind = Kind.PARAGRAPH
            self._line = text
            self._is_first = True

    def _begin_item(self, line: str, text: str) -> None:
        match = _BULLET.match(text) or _NUMBER.match(text)
        assert match is not None  # noqa: S101 -- it has the mark of an item
        rest = text[match.end() :]
        content = rest.lstrip(" ")
        spaces = len(rest) - len(content)
        # Content that stands far off is indented code, which begins one column after the mark.
        width = spaces if content and spaces < 5 else 1
        self._content = len(line) - len(rest) + width
        self._hollow = not content
        self._inner = Flow(self._depth + 1)
        if content:
            self._add_inside(rest[width:])

    def _add_inside(self, line: str) -> None:
        self._hollow = self._hollow and not line.strip(" ")
        if self._inner is not None:
            self._inner.add(line)


def _unquoted(text: str) -> str:
    return text[2:] if text[1:2] == " " else text[1:]


def _mark(text: str) -> str:
    """Give what an item's mark has in common with those of its list; empty: it is no item."""
    if match := _BULLET.match(text):
        return match[1]
    return match[2] if (match := _NUMBER.match(text)) else ""


def _is_rule(text: str) -> bool:
    marks = text.replace(" ", "")
    return len(marks) > 2 and marks[0] in "-*_" and not marks.strip(marks[0])


def _interrupts(text: str) -> bool:
    """Tell whether a line begins something that needs no blank line before."""
    return text[0] in _MARKS and bool(
        text[0] == ">"
        or _FENCE.match(text)
        or _HEADING.match(text)
        or _is_rule(text)
        or _mark(text)
        or _end_of_html(text, may_be_any=False)
    )


def _interrupts_paragraph(text: str) -> bool:
    """Do the same after text, where what looks like a list's item is often a line of prose."""
    if not _interrupts(text):
        return False
    if not (mark := _mark(text)) or _is_rule(text):
        return True
    match = _BULLET.match(text) or _NUMBER.match(text)
    is_first = mark in "-+*" or (match is not None and int(match[1]) == 1)
    return is_first and match is not None and bool(text[match.end() :].strip())


def _end_of_html(text: str, *, may_be_any: bool) -> re.Pattern[str] | None:
    if text[0] == "<":
        for begin, end, interrupts in _HTML:
            if (interrupts or may_be_any) and begin.match(text):
                return end
    return None


def _is_table(head: str, delimiters: str) -> bool:
    if "|" not in head or not _DELIMITERS.match(delimiters):
        return False
    cells = [cell.strip() for cell in delimiters.split("|")]
    cells = cells[not cells[0] : len(cells) - (not cells[-1])]
    if not all(map(_CELL.fullmatch, cells)):
        return False
    columns = _PIPE.split(head.strip())
    return len(columns[not columns[0] : len(columns) - (not columns[-1])]) == len(cells) > 0


def block_ends() -> Ends:
    """Find where blocks end: where the next one begins, so blank lines belong to the first."""
    return _Blocks().ends


class _Stage(Enum):
    """What is known of the line that has not ended."""

    BLANK = auto()
    UNDECIDED = auto()
    DECIDED = auto()


class _Blocks:
    """The blocks of one text."""

    def __init__(self) -> None:
        self._flow = Flow()
        self._line: list[str] = []  # what has come of the line that has not ended
        self._size = 0  # characters of it
        self._before = 0  # characters of the line before it
        self._stage = _Stage.BLANK
        self._has_begun = False

    def ends(self, part: str) -> Sequence[int]:
        """Give where blocks have ended."""
        if "\n" not in part and self._stage is not _Stage.BLANK:
            self._line.append(part)
            self._size += len(part)
            return ()
        found: list[int] = []
        start = 0
        while start < len(part):
            end = part.find("\n", start) + 1 or len(part)
            begin = start - self._size
            self._line.append(part[start:end])
            self._size += end - start
            if part[end - 1] == "\n":
                self._take_line(begin, found)
            elif part[start:end].strip(_SPACE):
                self._take_beginning(begin, found)
            start = end
        return found

    def _take_line(self, begin: int, found: list[int]) -> None:
        """Take the line, which has ended, and which began there."""
        line = _spaced("".join(self._line))
        if self._stage is not _Stage.DECIDED and line.strip(" "):
            self._decide(line, begin, found)
        if self._flow.add(line):
            found.append(begin - self._before)
        self._before, self._size = self._size, 0
        self._line.clear()
        self._stage = _Stage.BLANK

    def _take_beginning(self, begin: int, found: list[int]) -> None:
        """Take the line's beginning, which has something on it, if that tells enough."""
        line = _spaced("".join(self._line))
        self._stage = _Stage.UNDECIDED
        if self._flow.kind in _CERTAIN or line.lstrip(" ")[0] not in _MARKS:
            self._decide(line, begin, found)

    def _decide(self, line: str, begin: int, found: list[int]) -> None:
        self._stage = _Stage.DECIDED
        if self._has_begun and self._flow.begins(line):
            found.append(begin)
        self._has_begun = True


_SPACE = " \t\r\n"
#: Where the first character of a line tells whether it begins a block, whatever it is.
_CERTAIN = {Kind.NOTHING, Kind.FENCE, Kind.INDENTED, Kind.HTML}


def _spaced(line: str) -> str:
    line = line.rstrip("\r\n")
    return line.expandtabs(4) if "\t" in line else line
