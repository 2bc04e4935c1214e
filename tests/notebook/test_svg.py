"""Pictures are harmless whatever is written in them, and can be read on any page."""

from __future__ import annotations

import colorsys
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.chunks import ChunkKind
from rxwizard.errors import ConfigError
from rxwizard.notebook import svg
from rxwizard.notebook.axis import Axis, check_width, seconds
from rxwizard.notebook.kinds import colour_of
from rxwizard.notebook.label_row import LabelRow
from rxwizard.notebook.svg import Drawing
from rxwizard.notebook.words import columns, cut, escape, one_line

from .drawings import parsed, tips, written

if TYPE_CHECKING:
    from pathlib import Path

#: Any string of Python's, lone surrogates and control characters included.
anything = st.text(st.characters(codec=None, exclude_categories=()))
nasty = st.one_of(
    anything,
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "</text></svg><img src=x onerror=alert(1)>",
            '" onload="alert(1)',
            "]]><!--",
            "&lt;&#x0;&bogus;",
            "\x00\x1b[31m\x7f\x85",
            "\ud800 \udfff \ufffe \uffff",
            "\u202egnp.exe",
        ]
    ),
)


@given(nasty, nasty, nasty)
def test_whatever_is_written_is_words_and_never_markup(words: str, tip: str, title: str) -> None:
    drawing = Drawing(400, 100, title)
    drawing.words((10, 20), words, tip=tip)
    drawing.line((0, 0), (1, 1), tip=tip)
    drawing.circle((5, 5), 2, tip=tip)

    picture = drawing.svg()

    root = parsed(picture)
    assert sum(1 for element in root if element.tag.endswith("text")) == bool(one_line(words))
    assert "<script" not in picture


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Cn"))))
def test_ordinary_words_are_read_back_as_they_are(words: str) -> None:
    drawing = Drawing(400, 100, "title")
    drawing.words((10, 20), words, tip="tip")

    assert written(drawing.svg()) == ([words] if words else [])


def test_what_xml_cannot_have_is_shown() -> None:
    assert escape("a\x00b\x1b\x7f\x85\ud800\ufffe\tc\n") == "a␀b␛␡���\tc\n"
    assert one_line("a\r\nb\tc\x1b[1m\u202e\u2028") == "a↵b⇥c␛[1m�↵"


@given(anything, st.integers(1, 30))
def test_what_is_cut_takes_no_more_columns_than_it_may(words: str, most: int) -> None:
    shortened = cut(words, most)

    assert columns(shortened) <= most
    assert len(shortened) <= 4 * most
    assert shortened == words or shortened.endswith("…")


@pytest.mark.parametrize(
    ("words", "most", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301a", 2, "e\u0301a"),
        ("", 3, ""),
    ],
)
def test_wide_letters_take_two_columns_and_accents_none(words: str, most: int, shown: str) -> None:
    assert cut(words, most) == shown


def test_a_picture_goes_into_a_file(tmp_path: Path) -> None:
    class Dot(svg.Picture):
        def svg(self) -> str:
            drawing = Drawing(10, 10, "a dot \ud800")
            drawing.circle((5, 5), 2)
            return drawing.svg()

    Dot().save(tmp_path / "dot.svg")

    assert ET.parse(tmp_path / "dot.svg").getroot().attrib["width"] == "10"
    assert not hasattr(Dot(), "_repr_html_")
    assert Dot()._repr_svg_() == Dot().svg()


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


COLOURS = {
    *(colour_of(kind) for kind in (*ChunkKind, "item", "?")),
    *(value for value in vars(svg).values() if re.fullmatch("#[0-9a-f]{6}", str(value))),
} - {svg.PAPER}


@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_each_colour_can_be_read_on_a_light_page_and_on_a_dark_one(colour: str) -> None:
    assert contrast(colour, svg.PAPER) >= 4.5  # words on paper, and white words on the colour
    assert contrast(colour, "#1e1e1e") >= 3.5


def test_the_colours_of_an_answers_parts_differ() -> None:
    kinds = ("text", "reasoning", "tool_call", "refusal", "citation", "retract", "warning")
    hues = {
        colorsys.rgb_to_hls(*(int(colour_of(kind)[at : at + 2], 16) for at in (1, 3, 5)))[0]
        for kind in kinds
    }
    assert len(hues) == len(kinds)


@pytest.mark.parametrize(
    ("high", "most", "ticks"),
    [
        (10, 6, [0, 2, 4, 6, 8, 10]),
        (6.3, 8, [0, 1, 2, 3, 4, 5, 6]),
        (0.0004, 5, [0, 0.0001, 0.0002, 0.0003, 0.0004]),
        (7, 2, [0, 7]),
        (0, 5, [0]),
    ],
)
def test_ticks_are_round_and_not_too_many(high: float, most: int, ticks: list[float]) -> None:
    assert Axis(high, 0, 100).ticks(most) == pytest.approx(ticks)


@given(st.floats(1e-9, 1e9), st.integers(2, 40))
def test_there_are_never_more_ticks_than_there_is_room_for(high: float, most: int) -> None:
    ticks = Axis(high, 0, 100).ticks(most)

    assert 2 <= len(ticks) <= most
    assert all(0 <= tick <= high * (1 + 1e-6) for tick in ticks)


def test_an_axis_puts_what_is_beyond_at_its_end() -> None:
    axis = Axis(10, 100, 200)

    assert [axis(value) for value in (-1, 0, 5, 10, 11)] == [100, 100, 150, 200, 200]
    assert Axis(0, 100, 200)(5) == 100


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"),
        (4e-6, "4 µs"),
        (0.00025, "250 µs"),
        (0.5, "500 ms"),
        (0.9999, "1 s"),
        (1.2345, "1.23 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125.2, "2 min 5 s"),
    ],
)
def test_times_are_written_with_the_unit_that_suits_them(value: float, words: str) -> None:
    assert seconds(value) == words


def test_labels_of_one_line_do_not_lie_on_each_other() -> None:
    drawing = Drawing(300, 50, "labels")
    row = LabelRow(drawing, 20, 10, 290)

    assert row.write(50, "first")
    assert not row.write(60, "second")
    assert row.write(290, "at the end")
    assert not row.write(150, "too long for its place", room=20)
    assert not row.write(150, "x" * 60)
    assert written(drawing.svg()) == ["first", "at the end"]


@pytest.mark.parametrize("width", [0, 299, 10_001, True, "880", None, float("nan")])
def test_a_width_that_cannot_be_is_refused(width: object) -> None:
    with pytest.raises(ConfigError, match=r"plot: width=.* pixels"):
        check_width("plot", width)


def test_tips_are_found_where_they_belong() -> None:
    drawing = Drawing(100, 50, "title")
    drawing.rect((1, 1), 5, 5, tip="here <b>")

    assert tips(drawing.svg()) == ["here <b>"]
