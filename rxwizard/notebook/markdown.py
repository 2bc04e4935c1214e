"""Markdown as HTML in which no tag is the model's.

HTML is text. A link leads to a web page or a mail address, else it is text. An image is a link with
"!": to load it would tell its server what was answered. The definition of a link stands where it
was written, which makes blocks independent of each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from rxwizard.notebook.escaping import code_block, printable
from rxwizard.notebook.maths import LONGEST, maths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_FORMULA = "margin:.3em 0;padding:.3em 0;overflow:auto hidden"
_BRACKETS = {
    "\\(": ("\\)", "math_inline"),
    "\\[": ("\\]", "math_inline_double"),
}
_HARMLESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def render(text: str) -> str:
    """Give the HTML of whole blocks of Markdown."""
    html: str = _PARSER.render(printable(text))
    return html


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - its name
        return _HARMLESS.match(url) is not None


def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False})
    parser.enable(["strikethrough", "table"]).disable(["image", "reference"])
    dollarmath_plugin(
        parser,
        allow_labels=False,
        allow_space=False,  # "$5 and $6" is money
        allow_digits=False,
        allow_blank_lines=False,
        double_inline=True,
    )
    # Written here because the plugin for brackets takes seconds for a page full of opening ones.
    parser.inline.ruler.before("escape", "math_brackets", _brackets)
    parser.block.ruler.before("fence", "math_brackets", _block_in_brackets)
    parser.add_render_rule("math_inline", _inline)
    parser.add_render_rule("math_inline_double", _display)
    parser.add_render_rule("math_block", _display_block)
    parser.add_render_rule("link_open", _link)
    for rule in ("td_open", "th_open"):
        parser.add_render_rule(rule, _cell)
    for rule in ("fence", "code_block"):
        parser.add_render_rule(rule, _code)
    return parser


def _brackets(state: StateInline, silent: bool) -> bool:
    r"""Read a formula in a line: ``\(...\)``, or ``\[...\]``, which is displayed."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in _BRACKETS:
        return False
    closing, rule = _BRACKETS[opening]
    start = state.pos + 2
    end = state.src.find(closing, start, start + LONGEST)
    if end <= start:
        return False
    if not silent:
        token = state.push(rule, "math", 0)
        token.content = state.src[start:end]
    state.pos = end + 2
    return True


def _block_in_brackets(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Read a formula on lines of its own, from ``\[`` to ``\]`` at the end of a line."""
    at = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith("\\[", at) or state.is_code_block(start):
        return False
    last = start
    while not state.src.endswith("\\]", 0, state.eMarks[last]):
        last += 1
        if last >= end or state.isEmpty(last) or state.sCount[last] < state.blkIndent:
            return False
    text = state.getLines(start, last + 1, state.blkIndent, False).strip()
    if len(text) < 5:
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        token.block = True
        token.content = text[2:-2]
        token.map = [start, last + 1]
        state.line = last + 1
    return True


def _inline(_renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    return maths(tokens[at].content.strip(), is_display=False)


def _display(_renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    return maths(tokens[at].content.strip(), is_display=True)


def _display_block(renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    return f'<div style="{_FORMULA}">{_display(renderer, tokens, at)}</div>\n'


def _code(_renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    return code_block(tokens[at].content)


def _cell(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    if tokens[at].attrGet("style") is None:
        tokens[at].attrSet("style", "text-align:left")  # JupyterLab's own is right
    return str(renderer.renderToken(tokens, at, options, env))


def _link(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    tokens[at].attrSet("target", "_blank")
    tokens[at].attrSet("rel", "noopener noreferrer")
    return str(renderer.renderToken(tokens, at, options, env))


_PARSER = _parser()
