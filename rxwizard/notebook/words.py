"""Letters that a picture can show, and how much room they take."""

from __future__ import annotations

import unicodedata


def escape(words: str) -> str:
    """Make any string the text of an element or attribute; what XML cannot have is shown as �."""
    return words.translate(_ESCAPES)


def one_line(words: str) -> str:
    """Make a string one line, in which nothing steers a terminal or turns the writing around."""
    return words.translate(_LINE)


def columns(words: str) -> int:
    """Count the columns that words take: two for the wide letters of East Asia and for emoji."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else not unicodedata.combining(letter)
        for letter in words
    )


def cut(words: str, most: int) -> str:
    """Shorten words to `most` columns, the last of which then is an ellipsis."""
    kept = _fitting(words, most)
    return kept if kept == words else f"{_fitting(words, most - 1)}…"


def _fitting(words: str, room: int) -> str:
    # Marks above and below a letter take no column, and might go on for ever.
    start = words[: 4 * room]
    for place, letter in enumerate(start):
        room -= columns(letter)
        if room < 0:
            return start[:place]
    return start


_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
_FORBIDDEN = [*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_TURNING = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]

_ESCAPES = str.maketrans(
    {
        **{code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\t\n"},
        **dict.fromkeys(_FORBIDDEN, "�"),
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#39;",
    }
)
_LINE = str.maketrans(
    {
        **_CONTROLS,
        **dict.fromkeys(_FORBIDDEN, "�"),
        **dict.fromkeys(_TURNING, "�"),
        **dict.fromkeys([0x2028, 0x2029], "↵"),
        "\r": None,
        "\n": "↵",
        "\t": "⇥",
    }
)
