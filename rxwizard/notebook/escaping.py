"""Text that a model wrote, as text of a page."""

from __future__ import annotations

import html
import re

# Control characters but line end and tab, and halves of surrogate pairs, which no message to a
# notebook can hold. They are replaced rather than taken out: nothing may vanish.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# JupyterLab would break long lines.
_CODE = (
    "background:#8882;border-radius:4px;padding:.6em .8em;margin:.6em 0;"
    "white-space:pre;overflow-x:auto"
)
_PLAIN = "background:none;padding:0;white-space:inherit"


def printable(text: str) -> str:
    """Put a mark in place of each character that cannot be shown; CR LF becomes LF."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def escape(text: str) -> str:
    """Make text that stands for itself in HTML, also in an attribute."""
    return html.escape(printable(text))


def code_block(text: str) -> str:
    """Make a block of code."""
    return f'<pre style="{_CODE}"><code style="{_PLAIN}">{escape(text)}</code></pre>\n'


def shortened(text: str, most: int) -> str:
    """Cut a text after so many characters, and say how many are left out."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} characters more)"
