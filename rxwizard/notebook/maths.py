r"""Maths: TeX as MathML, which every current browser draws by itself.

So it is drawn in JupyterLab, in VS Code and in a file, without a script and without a network. A
renderer in the page would take commands from the answer: MathJax knows ``\\href``. Of what the
converter gives, only what is listed here gets into the page, for it passes on links, styles and
unescaped text.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from latex2mathml.converter import convert_to_element

from rxwizard.notebook.escaping import escape

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

TAGS = frozenset(
    """
    maction math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts
    mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none
    """.split()  # noqa: SIM905 - a table of names reads as such
)
ATTRIBUTES = frozenset(
    """
    accent columnlines columnspacing depth display displaystyle fence form height
    linebreak linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize
    movablelimits notation rowlines rowspacing rspace scriptlevel separator stretchy symmetric
    voffset width
    """.split()  # noqa: SIM905
)
ALIGNMENTS = frozenset({"left", "center", "right"})
#: What the values of these attributes are made of: numbers, units, names and colours.
VALUE = re.compile(r"[\w #%.,+-]{0,64}")

# Elements whose children stand in a row, and those whose first child has the others around it.
_ROWS = frozenset({"math", "mrow", "mstyle", "mtd", "msqrt"})
_WITH_SCRIPTS = frozenset({"msub", "msup", "msubsup"})
_SPACE = '<mspace width="0.167em"></mspace>'

#: Characters of one formula: the longest in a textbook has some hundreds.
LONGEST = 4_000
# Formulas remembered: a block that grows is drawn again and again.
_REMEMBERED = 512

# What the converter knows by another name only.
_OTHER_NAMES = re.compile(r"\\(begin|end)\{(?:aligned|gathered)\}")


@lru_cache(_REMEMBERED)
def maths(tex: str, *, is_display: bool) -> str:
    """Give a formula as HTML; what cannot be read stays TeX, between its dollars."""
    mark = "$$" if is_display else "$"
    source = f"<code>{escape(mark + tex + mark)}</code>"
    if len(tex) > LONGEST:
        return source
    text = _OTHER_NAMES.sub(r"\\\1{split}", tex)
    try:
        root = convert_to_element(text, display="block" if is_display else "inline")
        return _written(root)
    except Exception:  # of a converter that is given anything; RecursionError, too
        return source


def _written(element: Element) -> str:
    if element.tag not in TAGS:
        message = f"{element.tag} is no element of a formula"
        raise ValueError(message)
    attributes = "".join(
        f' {name}="{escape(value)}"'
        for name, value in element.attrib.items()
        if name in ATTRIBUTES and VALUE.fullmatch(value)
    )
    # Browsers look for it in the style only.
    align = element.attrib.get("columnalign")
    if align in ALIGNMENTS:
        attributes += f' style="text-align:{align}"'
    parts = [_text(element.text)]
    before: Element | None = None
    for child in element:
        if before is not None and element.tag in _ROWS and _want_space(before, child):
            parts.append(_SPACE)
        parts += [_written(child), _text(child.tail)]
        before = child
    return f"<{element.tag}{attributes}>{''.join(parts)}</{element.tag}>"


def _want_space(left: Element, right: Element) -> bool:
    # Operators bring their own; what the converter leaves out is the space around names: log V.
    if {left.tag, right.tag} & {"mo", "mspace"}:
        return False
    return _is_name(left) or _is_name(right)


def _is_name(element: Element) -> bool:
    base = element[0] if element.tag in _WITH_SCRIPTS and len(element) else element
    text = _text(base.text)
    return base.tag == "mi" and len(text) > 1 and text.isalpha()


def _text(text: str | None) -> str:
    # The converter writes symbols as references.
    return escape(html.unescape(text or ""))
