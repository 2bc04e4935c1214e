"""Where a growing Markdown text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.sinks.blocks import LARGEST, PARSER, cut

CASES = {
    "nothing": ("", ("", "")),
    "one line": ("word", ("", "word")),
    "a paragraph may go on": ("a\n", ("", "a\n")),
    "a blank line ends it": ("a\n\nb", ("a\n\n", "b")),
    "a heading may become the head of a table": ("# a | b\n", ("", "# a | b\n")),
    "a list goes on after a blank line": ("- a\n\n", ("", "- a\n\n")),
    "half a line ends nothing": ("- a\n*", ("", "- a\n*")),
    "a whole line of another list does": ("- a\n* b\n", ("- a\n", "* b\n")),
    "code goes on after a blank line": ("```\na\n\n", ("", "```\na\n\n")),
    "a closing fence ends it": ("```\na\n```\nb", ("```\na\n```\n", "b")),
    "another fence does not": ("````\na\n```\n", ("", "````\na\n```\n")),
    "indented code goes on": ("    a\n\n", ("", "    a\n\n")),
    "a table ends": ("| a |\n|---|\n| b |\n\n", ("| a |\n|---|\n| b |\n\n", "")),
    "a definition is text": ("[a]: http://b\n\n", ("[a]: http://b\n\n", "")),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_cut(text: str, expected: tuple[str, str]) -> None:
    assert cut(text, 100) == (*expected, False)


LONG = {
    "items": ("- a\n- b\n- c", ("- a\n", "- b\n- c")),
    "an item stays whole": ("- a\n- b\n\n  c\n", ("- a\n", "- b\n\n  c\n")),
    "numbers": ("3. a\n4. b\n", ("3. a\n", "4. b\n")),
    "code": ("~~~py\na\nb\nc", ("~~~py\na\n", "~~~py\nb\nc")),
    "blank lines stay within": ("```\na\nb\n\n\nc", ("```\na\n", "```\nb\n\n\nc")),
    "after another block": ("x\n\n- a\n- b\n", ("x\n\n- a\n", "- b\n")),
}


@pytest.mark.parametrize(("text", "expected"), LONG.values(), ids=LONG)
def test_a_long_block_is_cut_within(text: str, expected: tuple[str, str]) -> None:
    assert cut(text, 1) == (*expected, True)


WHOLE = {
    "numbers that are not shown": "1. a\n1. b\n",
    "a single item": "- a\n  b\n",
    "a table": "| a |\n|---|\n| b |\n",
    "a paragraph": "a\nb\nc\n",
    "code of blank lines": "```\n\n\n\n",
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_what_cannot_be_cut_within_is_not(text: str) -> None:
    assert cut(text, 1) == ("", text, False)


def test_what_grows_without_end_is_cut_where_it_is() -> None:
    text = "word " * LARGEST

    assert cut(text, 10) == (text, "", False)
    assert cut("```py\n" + text, 10) == ("```py\n" + text, "```py\n", True)


def kinds(text: str) -> list[str]:
    return [token.type for token in PARSER.parse(text) if token.type != "softbreak"]


@given(
    st.lists(
        st.sampled_from(
            [
                *("a\n", "\n", "- b\n", "  c\n", "```\n", "    d\n", "> e\n", "---\n", "1. f\n"),
                *("# g\n", "| h |\n", "|---|\n", "~~~\n", "* i\n", "    - j\n", "===\n"),
            ]
        ),
        max_size=12,
    ),
    st.data(),
)
def test_what_is_finished_stays_so_whatever_follows(lines: list[str], data: st.DataObject) -> None:
    text = "".join(lines)
    until = data.draw(st.integers(0, len(text)))
    done, rest, seam = cut(text[:until], 100)

    assert not seam
    assert done + rest == text[:until]
    assert kinds(done) + kinds(rest + text[until:]) == kinds(text)
