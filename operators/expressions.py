r"""Regular expressions, read into parts that an automaton can be made of.

`re` finds what matches in a text that is all there. It cannot say of a text that goes on whether
more of it would change the answer, and that is the one question of a stream. So the expression is
read here, after `re` has found it valid, and `operators/match_automaton.py` answers. A single
character (``x``, ``\d``, ``[a-z]``) is left to `re`, so case, scripts and classes mean what they
mean there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from rxwizard.errors import ConfigError
from rxwizard.operators.expression_nodes import (
    Alt,
    Char,
    Edge,
    Expression,
    Look,
    Node,
    Repeat,
    Seq,
    narrowest,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_expression(
    patterns: Iterable[str | re.Pattern[str]], *, literal: bool = False
) -> Expression:
    """Read one expression, or several of which the first that matches counts.

    Raises:
        ConfigError: There is none, it is not valid, or it needs more than a stream can give: it
            may match nothing at all, refers back to its groups, looks further than one character
            around, or uses atomic groups or possessive repetition.
    """
    atoms: dict[tuple[str, int], int] = {}
    nodes: list[Node] = []
    sources: list[str] = []
    for pattern in patterns:
        compiled = compile_pattern(pattern, literal=literal)
        node = _Parser(compiled, atoms).parse()
        if not narrowest(node):
            refuse(compiled.pattern, "it may match nothing at all")
        nodes.append(node)
        sources.append(compiled.pattern)
    if not nodes:
        message = "a pattern is needed, and there is none"
        raise ConfigError(message)
    return Expression(" or ".join(sources), _one(nodes, Alt), tuple(atoms))


def compile_pattern(pattern: str | re.Pattern[str], *, literal: bool = False) -> re.Pattern[str]:
    """Compile a pattern as `re` does; one that is compiled keeps its flags.

    Raises:
        ConfigError: It is empty, not valid, or no pattern for text.
    """
    source: Any = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    if not isinstance(source, str):
        refuse(repr(source), "it must be a string or a compiled regular expression for strings")
    if not source:
        refuse("", "it is empty")
    flags = pattern.flags if isinstance(pattern, re.Pattern) else 0
    try:
        return re.compile(re.escape(source) if literal else source, flags)
    except (re.error, OverflowError, RecursionError) as error:
        refuse(source, f"{error}")


_ATOM = re.compile(
    r"\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|.)"
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"
    r"|.",
    re.DOTALL,
)
_GROUP = re.compile(
    r"\((?:\?(?:P<\w+>|(?P<on>[aimsux]*)(?:-(?P<off>[imsx]+))?:|(?P<look><?)(?P<sign>[=!]))|(?!\?))"
)
_QUANTIFIER = re.compile(
    r"(?:(?P<sign>[*+?])|\{(?=[\d,])(?P<low>\d*)(?P<comma>,?)(?P<high>\d*)\})(?P<kind>[?+]?)"
)
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_NOTHING = re.compile(r"\(\?#[^)]*\)|\(\?[aimsuxL]+\)")
_BLANK = re.compile(r"\s+|#[^\n]*\n?")
_FLAGS = {
    "a": re.ASCII,
    "i": re.IGNORECASE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "x": re.VERBOSE,
    "u": re.UNICODE,
}
_OF_ATOMS = re.ASCII | re.IGNORECASE | re.DOTALL
_BORDERS = {"\\A": False, "\\Z": True, "\\z": True}


class _Parser:
    """Reads a pattern that `re` has found valid, so nothing here has to be checked for that."""

    def __init__(self, pattern: re.Pattern[str], atoms: dict[tuple[str, int], int]) -> None:
        self._pattern = pattern
        self._text = pattern.pattern
        self._at = 0
        self._atoms = atoms

    def parse(self) -> Node:
        return self._alternatives(self._pattern.flags)

    def _alternatives(self, flags: int) -> Node:
        nodes = [self._sequence(flags)]
        while self._text.startswith("|", self._at):
            self._at += 1
            nodes.append(self._sequence(flags))
        return _one(nodes, Alt)

    def _sequence(self, flags: int) -> Node:
        nodes: list[Node] = []
        while self._goes_on(flags):
            nodes.append(self._repeated(self._item(flags), flags))
        return _one(nodes, Seq)

    def _goes_on(self, flags: int) -> bool:
        """Skip what means nothing; tell whether this sequence has more."""
        while match := (
            _NOTHING.match(self._text, self._at)
            or (flags & re.VERBOSE and _BLANK.match(self._text, self._at))
        ):
            self._at = match.end()
        return self._at < len(self._text) and self._text[self._at] not in "|)"

    def _item(self, flags: int) -> Node:
        if self._text[self._at] == "(":
            return self._group(flags)
        match = _ATOM.match(self._text, self._at)
        assert match is not None  # noqa: S101 -- any character is an atom
        self._at = match.end()
        source = match.group()
        if source == "^":
            return Look(ahead=False, atoms=self._line_end(flags), border=True)
        if source == "$":
            if not flags & re.MULTILINE:
                remedy = "say \\Z for the end of the text, or use re.MULTILINE for that of a line"
                self._refuse(f"its $ stands also before a last line feed; {remedy}")
            return Look(ahead=True, atoms=self._line_end(flags), border=True)
        if source in _BORDERS:
            return Look(ahead=_BORDERS[source], border=True)
        if source in ("\\b", "\\B"):
            return Edge(self._atom("\\w", flags), negated=source == "\\B")
        if source[0] == "\\" and source[1] in "123456789":
            self._refuse("it refers back to a group")
        return Char(self._atom(source, flags))

    def _atom(self, source: str, flags: int) -> int:
        return self._atoms.setdefault((source, flags & _OF_ATOMS), len(self._atoms))

    def _line_end(self, flags: int) -> tuple[int, ...]:
        return (self._atom("\\n", flags),) if flags & re.MULTILINE else ()

    def _group(self, flags: int) -> Node:
        match = _GROUP.match(self._text, self._at)
        if match is None:
            what = self._text[self._at : self._at + 3]
            self._refuse(f"{what} is an atomic group, a condition or a reference to a group")
        self._at = match.end()
        for letter in match["on"] or "":
            flags |= _FLAGS[letter]
            if letter == "u":
                flags &= ~re.ASCII
        for letter in match["off"] or "":
            flags &= ~_FLAGS[letter]
        inner = self._alternatives(flags)
        self._at += 1
        if match["sign"] is None:
            return inner
        return self._look(inner, ahead=not match["look"], negated=match["sign"] == "!")

    def _look(self, inner: Node, *, ahead: bool, negated: bool) -> Look:
        atoms: list[int] = []
        border = False
        for node in inner.nodes if isinstance(inner, Alt) else (inner,):
            match node:
                case Char(atom):
                    atoms.append(atom)
                case Look(same, more, also, negated=False) if same is ahead:
                    atoms.extend(more)
                    border = border or also
                case _:
                    self._refuse("it looks further than one character around")
        return Look(ahead, tuple(atoms), border, negated)

    def _repeated(self, node: Node, flags: int) -> Node:
        self._goes_on(flags)
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None:
            return node
        self._at = match.end()
        high: int | None
        if match["sign"]:
            low, high = _TIMES[match["sign"]]
        else:
            low = int(match["low"] or 0)
            high = int(match["high"]) if match["high"] else None if match["comma"] else low
        if match["kind"] == "+":
            self._refuse("it has a possessive repetition")
        if high is None and not narrowest(node):
            self._refuse("it repeats without end what may be nothing at all")
        return Repeat(node, low, high, lazy=match["kind"] == "?")

    def _refuse(self, why: str) -> NoReturn:
        refuse(self._text, why)


def _one(nodes: list[Node], kind: type[Seq | Alt]) -> Node:
    return nodes[0] if len(nodes) == 1 else kind(tuple(nodes))
