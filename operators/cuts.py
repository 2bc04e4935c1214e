"""Where a text is cut that has to be cut somewhere."""

from __future__ import annotations

from unicodedata import category

_MARKS = ("Mn", "Me", "Mc")
_JOINER = "\u200d"


def after_line(text: str, most: int) -> int:
    """Count the characters up to the last line's end, at most `most` of them; else `after_space`.

    Like the others here, it gives 1 or more, and the text has more than `most` characters.
    """
    return text.rfind("\n", 0, most) + 1 or after_space(text, most)


def after_space(text: str, most: int) -> int:
    """Count the characters up to the last white space; where there is none, as `anywhere` does."""
    fitting = text[:most]
    if fitting[-1].isspace():
        return most
    return most - len(fitting.rsplit(None, 1)[-1]) or anywhere(text, most)


def anywhere(text: str, most: int) -> int:
    """Count `most` characters, or fewer, so that what is seen as one character stays whole.

    That is a letter with its marks, an emoji with its modifiers and what is joined to it, a flag,
    a Korean syllable, a line's end of two characters. One that alone has more than `most` is cut;
    but never a pair of surrogates, which gives 2 where `most` is 1.
    """
    at = most
    while at and _is_joined(text, at):
        at -= 1
    if at:
        return at
    return 2 if most == 1 and _is_pair(text[:2]) else most


def _is_joined(text: str, at: int) -> bool:
    """Tell whether the character there is one with the character before it."""
    here = text[at]
    if here < "\u0300":
        return here == "\n" and text[at - 1] == "\r"
    before = text[at - 1]
    return (
        here == _JOINER
        or before == _JOINER
        or category(here) in _MARKS
        or "\U0001f3fb" <= here <= "\U0001f3ff"  # the colours of skin
        or "\u1160" <= here <= "\u11ff"  # the vowels and finals of Korean
        or "\U000e0020" <= here <= "\U000e007f"  # the letters within a flag
        or (_is_half_flag(here) and _half_flags_before(text, at) % 2 == 1)
        or _is_pair(text[at - 1 : at + 1])
    )


def _is_pair(two: str) -> bool:
    return len(two) == 2 and "\ud800" <= two[0] <= "\udbff" and "\udc00" <= two[1] <= "\udfff"


def _is_half_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _half_flags_before(text: str, at: int) -> int:
    count = 0
    while count < at and _is_half_flag(text[at - count - 1]):
        count += 1
    return count
