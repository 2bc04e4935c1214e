from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import (
    check_dispose,
    check_empty,
    check_error,
    check_linear,
    check_two_subscribers,
    pieces,
    results,
)
from markdown_it import MarkdownIt

from rxwizard import ChunkKind, ConfigError, StreamChunk
from rxwizard import operators as ops
from rxwizard.testing import assert_marbles

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY: dict[str, Callable[..., Any]] = {
    "markdown": lambda **options: ops.buffer_markdown(**options),
    "code blocks": lambda **options: ops.buffer_code_blocks(**options),
}
every_operator = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
TEXT = {"a": "# One\nTwo\n", "b": "\n```\n", "c": "code"}


# -- both of them ----------------------------------------------------------------------------


@every_operator
def test_an_empty_source_gives_nothing(make) -> None:
    check_empty(make())


@every_operator
def test_what_is_held_comes_at_completion_and_before_an_error(make) -> None:
    check_error(make(), "-a-b-c-", **TEXT)


@every_operator
def test_who_has_gone_gets_nothing_and_the_source_is_free(make) -> None:
    check_dispose(make(), **TEXT)


@every_operator
def test_two_subscribers_share_nothing(make) -> None:
    check_two_subscribers(make(), **TEXT)


@every_operator
@pytest.mark.parametrize("bad", [0, -1, True, 2.0, None], ids=repr)
def test_a_bound_that_cannot_work_is_refused(make, bad: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_characters=.* must be 1 or more"):
        make(max_characters=bad)


@every_operator
def test_they_read_the_visible_text_of_chunks(make) -> None:
    text = "# One\n\nTwo\n"
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(text="lost", seq=1),
        StreamChunk(kind=ChunkKind.RETRACT, seq=2),
        *(StreamChunk(text=piece, seq=n) for n, piece in enumerate(text, 3)),
        StreamChunk(text="# Otra\n\ncosa", choice=1, seq=51),
    ]

    assert results(make(), chunks) == results(make(), [text])


# -- Markdown --------------------------------------------------------------------------------


def test_buffer_markdown_gives_a_block_when_the_next_one_begins() -> None:
    assert_marbles(
        ops.buffer_markdown(),
        "-a-b-c-d-|",
        "-----x---(y,|)",
        a="# Title\n",
        b="\n",
        c="Wo",
        d="rds",
        x="# Title\n\n",
        y="Words",
    )


@pytest.mark.parametrize(
    "expected",
    [
        ["# One\n", "Two\n", "## Three\n\n", "Four\nfive\n\n", "Six"],
        ["One\n===\n", "Two\n---\n\n", "***\n", "Three"],
        ["```py\na\n\n# b\n```\n\n", "After"],
        ["````\n```\n````\n", "~~~ `x`\n```\n~~~~ \n", "After"],
        ["Text\n", "```\nnever closed\n\n# so all of this\n\n- is code\n"],
        ["- a\n- b\n\n  more\n\n- c\nlazy\n\n", "Text\n"],
        ["1. a\n   ```\n   x\n\n   y\n   ```\n2. b\n\n", "Text\n"],
        ["- a\n", "* b\n", "1. c\n", "2) d\n"],
        ["1. a\n", "```\nat the margin\n```\n", "2. b\n"],
        ["> a\n> b\nlazy\n\n", "> c\n", "# D\n"],
        ["| a | b |\n|---|---|\n| 1 | 2 |\n\n", "Text\n"],
        ["Text\n", "| a | b |\n|---|---|\n| 1 | 2 |\n", "- item\n"],
        ["    code\n\n    more\n\n", "Text\n"],
        ["<div>\na\n\n", "b\n"],
        ["<!-- a\n\nb -->\n", "c\n"],
        ["Not a list:\n14. so not here\n\n", "14. but here\n"],
        ["Text\n", "- a list at once\n"],
        ["\n\n  One\r\n\r\n", "Two\r\n"],
        ["`not a fence` at the line's beginning\n\n", "``` nor `this`\nText"],
        ["\n \n"],
    ],
    ids=repr,
)
def test_a_block_ends_here(expected: list[str]) -> None:
    text = "".join(expected)

    assert results(ops.buffer_markdown(), [text]) == expected
    assert results(ops.buffer_markdown(), text) == expected


def test_a_long_block_is_cut_after_a_line() -> None:
    operator = ops.buffer_markdown(max_characters=12)

    assert results(operator, ["```\na\nb c\nd\ne f\n```\nLong enough words\n"]) == [
        *("```\na\nb c\nd\n", "e f\n```\n", "Long enough ", "words\n"),
    ]


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").disable("reference")


def blocks(text: str) -> list[str]:
    """Divide a text where another parser says that outermost blocks begin."""
    starts = {token.map[0] for token in MARKDOWN.parse(text) if token.level == 0 and token.map}
    lines = text.split("\n")
    edges = [0, *sorted(starts)[1:], len(lines)]
    return ["\n".join([*lines[a:b], ""]) for a, b in pairwise(edges)]


indents = st.sampled_from(["", "", "  ", "   "])
marks = st.lists(st.sampled_from(["- ", "* ", "1. ", "2. ", "> ", ">"]), max_size=2)
contents = st.sampled_from(
    [
        *("a", "b c", "`d`", "# e", "#f", "```", "````", "```py", "~~~", "---", "***", "- - -"),
        *("===", "1.x", "14) g", "+ h", "<div>", "</div>", "<!--", "-->", "<b>", "<b", "<pre>"),
        *("</pre>", "---x", "**i**", "[j]: /k", "\\# l"),
    ]
)
# The other parser takes any line before a delimiter row for a table's head, also a heading; divides
# a list after an empty item and blank lines; and counts the four columns of indented code from
# within a list that the line is no part of. So tables, blank and indented lines stand alone here.
lines = st.tuples(indents, marks.map("".join), contents).map("".join)
tables = st.sampled_from(
    ["| a | b |\n|---|---|", "a | b\n:-- | -\nc", "| a |\n|-|", "a|b\n---|---|---", "|a\\|b|\n|-|"]
)


@settings(derandomize=True, max_examples=400)
@given(
    st.lists(
        lines | tables | st.sampled_from(["", "  ", "    a", "      a"]), min_size=1, max_size=8
    )
)
def test_blocks_are_those_of_another_parser(some: list[str]) -> None:
    text = "\n".join(some)

    assert results(ops.buffer_markdown(), [text + "\n"]) == blocks(text)


# -- code blocks -----------------------------------------------------------------------------


def test_buffer_code_blocks_gives_lines_and_whole_code_blocks() -> None:
    assert_marbles(
        ops.buffer_code_blocks(),
        "-a-b-c-d-e-|",
        "-x-----y-z-(w,|)",
        a="So:\n``",
        b="`py\n",
        c="x = 1\n\n",
        d="```\n",
        e="\nOr",
        x="So:\n",
        y="```py\nx = 1\n\n```\n",
        z="\n",
        w="Or",
    )


@pytest.mark.parametrize(
    "expected",
    [
        ["a\n", "\n", "b"],
        ["````md\n```\nx\n```\n````\n", "a\n"],
        ["~~~ a`b\n```\n~~~ \n", "a\n"],
        ["- a\n", "  ```\n  x\n\n  ```\n", "- b"],
        ["1. ```\n   x\n   ```\n", "> ```\n> x\n> ```\n", "a"],
        ["```\r\nx\r\n```\r\n", "a"],
        ["```x``` is no fence\n", "nor `` this\n", "**```\n"],
        ["a\n", "```\nnever closed\n``` x\n``\n"],
    ],
    ids=repr,
)
def test_a_code_block_ends_here(expected: list[str]) -> None:
    text = "".join(expected)

    assert results(ops.buffer_code_blocks(), [text]) == expected
    assert results(ops.buffer_code_blocks(), text) == expected


def test_a_long_code_block_is_cut_after_a_line_and_still_one() -> None:
    operator = ops.buffer_code_blocks(max_characters=8)

    assert results(operator, ["```\nx\ny\nlonger line\n```\na\n"]) == [
        *("```\nx\ny\n", "longer ", "line\n", "```\n", "a\n"),
    ]


# -- for any text and any cuts ---------------------------------------------------------------

snippets = st.sampled_from(
    [
        *("\n", "\n\n", "a", " ", "  ", "    ", "\t", "- ", "-", "1. ", "> ", "# ", "```", "~~~"),
        *("---", "|a|b|", "\n|-|-|\n", "<div>", "<!--", "-->", "`x`", "\r\n", "\u00a0", "**b** "),
    ]
)
texts = st.lists(snippets, max_size=20).map("".join)
bounds = st.sampled_from([1, 2, 3, 5, 8, 20, 1000])


@every_operator
@settings(max_examples=150)
@given(texts, st.lists(st.integers(0, 80)), bounds)
def test_joining_gives_the_text_and_cuts_change_nothing(
    make, text: str, cuts: list[int], most: int
) -> None:
    operator = make(max_characters=most)
    given_out = results(operator, pieces(text, cuts))

    assert "".join(given_out) == text
    assert given_out == results(operator, [text])
    assert given_out == results(operator, text)
    assert all(0 < len(piece) <= most for piece in given_out)


@every_operator
@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "\n",
        " ",
        "```\n",
        "`",
        "- ",
        "- a\n",
        "> ",
        "> a\n",
        "|-",
        "a|\n|-|\n",
        "#",
        "<b a",
    ],
    ids=repr,
)
def test_work_is_linear_whatever_the_text(make, unit: str) -> None:
    # As long as the text, so that all of it waits where nothing ends.
    check_linear(lambda: make(max_characters=10_000_000), lambda n: [*(unit * n)], few=1_000)
