"""Markdown as HTML: no tag is the model's, and growing costs little."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rxwizard.notebook import markdown
from rxwizard.notebook.growing import GrowingMarkdown
from rxwizard.notebook.markdown import render

from .harmless import text_of

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1) 'x')",
    "[a](&#106;avascript:alert(1))",
    "[a](\tjavascript:alert(1))",
    "<javascript:alert(1)>",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    '[a](https://b.c "\\" onclick=alert(1)")',
    "[a](https://b.c/'onclick='alert(1))",
    "![x](https://b.c/x.png)",
    '```html" onclick=alert(1)\n<b>\n```',
    "    <script>x</script>",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\text{</mtext><script>alert(1)</script>}$",
    "\\(\\text{&lt;script>}\\)",
    "$\\style{background:url(javascript:x)}{y}$ $\\class{c}{d}$",
    '$$\n\\color{red" onclick="x}{y}\n$$',
    "\\[ \\mathbf{<img src=x>} \\]",
    "<!-- x --> <?php ?> <!DOCTYPE html> <![CDATA[x]]>",
    "| <b> | `|` |\n|---|---|\n| <i onclick=x> | \\| |",
    "1000000000. x\n\n> <b\n> onclick=x>",
    "\ud800 \x00 \x1b[31m \r\n \x85",
]
FRAGMENTS = [
    *ATTACKS,
    *"<>\"'&;=/\\`$[]()!#*_-|:~ \n\u2028\ud83d\x85",
    *("```", "~~~", "$$", "\\(", "\\)", "\\[", "\\]", "\\\\", "\n\n", "\n- ", "\n1. ", "\n> "),
    *("\n    ", "\n|---|\n", "script", "onclick=", "style", "href", "javascript:", "https://a.b"),
    *("&lt;", "&#60;", "&quot;", "\\text{", "}", "\\frac{a}{b}", "\\begin{aligned}", "\\href{"),
]
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=12).map(
    "".join
)


@given(TEXTS)
@example("".join(ATTACKS))
def test_whatever_the_text_no_tag_is_the_models(text: str) -> None:
    text_of(render(text))


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_gets_into_the_page(text: str) -> None:
    text_of(render(text))


@given(TEXTS, st.lists(st.integers(0, 60)))
def test_a_page_does_not_depend_on_how_the_text_was_cut(text: str, cuts: list[int]) -> None:
    # A pair of surrogates that was cut in two is two characters that cannot be shown.
    text = text.encode("utf-8", "replace").decode()
    whole, growing = GrowingMarkdown(), GrowingMarkdown()
    whole.add(text)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(places):
        growing.add(text[start:end])
        text_of(growing.html())

    assert growing.html() == whole.html()


def test_html_is_text() -> None:
    assert render("a <b>c</b>") == "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n"


def test_links_lead_out_and_images_are_links() -> None:
    html = render("[a](https://b.c) ![d](https://e.f) [g](ftp://h.i)")

    assert '<a href="https://b.c" target="_blank" rel="noopener noreferrer">a</a>' in html
    assert '!<a href="https://e.f"' in html
    assert "[g](ftp://h.i)" in html


def test_tables_and_code_are_laid_out() -> None:
    html = render("| a |\n|--:|\n| 1 |\n\n```python\nx < y\n```\n")

    assert '<td style="text-align:right">1</td>' in html
    assert "x &lt; y\n</code></pre>" in html


@pytest.mark.parametrize(
    "text",
    ["$x^2$", "\\(x^2\\)", "$$x^2$$", "$$\nx^2\n$$", "\\[\nx^2\n\\]", "so:\n\\[\nx^2\n\\]"],
)
def test_maths_is_mathml(text: str) -> None:
    assert "<msup><mi>x</mi><mn>2</mn></msup></mrow></math>" in render(text)


def test_money_is_no_maths() -> None:
    assert render("From $5 to $6.") == "<p>From $5 to $6.</p>\n"
    assert render("From 5$ to 6$.") == "<p>From 5$ to 6$.</p>\n"


def test_maths_that_cannot_be_read_stays_as_it_was_written() -> None:
    assert "<code>$\\frac{$</code>" in render("$\\frac{$")


def test_a_formula_is_one_block_whatever_its_lines_look_like() -> None:
    growing = GrowingMarkdown()
    for character in "$$\nx = a\n- b\n$$\n\nThen.":
        growing.add(character)
        growing.html()

    assert growing.html().count("<math") == 1
    assert "<li>" not in growing.html()


def test_what_is_finished_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = 0

    def counting(text: str) -> str:
        nonlocal rendered
        rendered += len(text)
        return render(text)

    monkeypatch.setattr(markdown, "render", counting)
    growing = GrowingMarkdown()
    paragraph = "A *sentence* that is some sixty characters long, or so it is.\n\n"
    for _ in range(500):
        growing.add(paragraph[:30])
        growing.html()
        growing.add(paragraph[30:])
        growing.html()

    assert growing.size == 500 * len(paragraph)
    assert rendered < 4 * growing.size


def test_beyond_the_bound_the_page_says_how_much_is_missing() -> None:
    growing = GrowingMarkdown(longest=10)
    growing.add("0123456")
    growing.add("789abcdef")

    assert text_of(growing.html()) == "0123456789\n6 more characters are not shown."


def test_the_name_of_a_function_stands_apart_from_what_it_is_of() -> None:
    space = '<mspace width="0.167em"></mspace>'

    assert f"<mi>log</mi>{space}<mi>V</mi>" in render(r"$\log V$")
    assert f"<mi>n</mi>{space}<msub><mi>log</mi>" in render(r"$n\log_2 V$")
    for without in (r"$\log(n)$", "$xy$", r"$\alpha x$"):
        assert "mspace" not in render(without)
