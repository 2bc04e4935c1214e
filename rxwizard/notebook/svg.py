"""Plain SVG: shapes and words, no scripts, no links, no style sheet.

JupyterLab and code hosts show ``image/svg+xml`` as a picture, in which ``currentColor`` is black
whatever the page is like, and a style sheet cannot learn of the page's theme. So every colour here
is a middle tone that can be read on white and on near-black alike, also with white words on it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from rxwizard.notebook.words import escape, one_line

#: For words and lines. All of these have one luminance: 4.6 to 1 on white, 3.6 on dark grey.
INK = "#757575"
BLUE = "#1f75d7"
PURPLE = "#9958c7"
ORANGE = "#b65d0f"
GREEN = "#1c8648"
RED = "#d53d38"
TEAL = "#10818c"
PINK = "#c7408f"
OLIVE = "#80770e"

#: For words that stand on one of the colours.
PAPER = "#ffffff"

#: Pixels: the size of words, and the width of a column of them. A fixed pitch, so that it is known
#: without a font what a word takes.
SIZE = 12
COLUMN = SIZE * 0.61

_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Drawing:
    """A picture that is being drawn; what is drawn later lies above.

    All numbers are pixels, from the upper left corner. Words are escaped here and nowhere else.

    Args:
        width: Of the picture.
        height: Of the picture.
        title: What it shows, for those who have it read to them.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self._height = height
        self._title = title
        self._parts: list[str] = []

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        colour: str = INK,
        *,
        width: float = 1,
        opacity: float = 1,
        dashed: bool = False,
        tip: str = "",
    ) -> None:
        """Draw a straight line; `tip` is shown where the mouse rests on it."""
        self._add(
            "line",
            tip,
            x1=start[0],
            y1=start[1],
            x2=end[0],
            y2=end[1],
            stroke=colour,
            stroke_width=width,
            stroke_opacity=opacity,
            stroke_dasharray="4 3" if dashed else None,
        )

    def path(
        self,
        points: list[tuple[float, float]],
        colour: str = INK,
        *,
        width: float = 1.5,
        fill: float = 0,
        tip: str = "",
    ) -> None:
        """Draw a line through points; with `fill`, instead, the area in it, that opaque."""
        if not points:
            return
        steps = " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        self._add(
            "path",
            tip,
            d=f"M{steps}",
            fill=colour if fill else "none",
            fill_opacity=fill or None,
            stroke=None if fill else colour,
            stroke_width=None if fill else width,
            stroke_linejoin=None if fill else "round",
        )

    def rect(
        self,
        corner: tuple[float, float],
        width: float,
        height: float,
        colour: str = INK,
        *,
        opacity: float = 1,
        radius: float = 0,
        outlined: bool = False,
        tip: str = "",
    ) -> None:
        """Draw a rectangle from its upper left corner, filled or `outlined`."""
        self._add(
            "rect",
            tip,
            x=corner[0],
            y=corner[1],
            width=max(width, 0),
            height=max(height, 0),
            rx=radius or None,
            fill="none" if outlined else colour,
            stroke=colour if outlined else None,
            opacity=opacity,
        )

    def circle(
        self, centre: tuple[float, float], radius: float, colour: str = INK, *, tip: str = ""
    ) -> None:
        """Draw a filled circle."""
        self._add("circle", tip, cx=centre[0], cy=centre[1], r=radius, fill=colour)

    def words(
        self,
        place: tuple[float, float],
        words: str,
        colour: str = INK,
        *,
        anchor: str = "start",
        bold: bool = False,
        tip: str = "",
    ) -> None:
        """Write one line; `place` is the left end, middle or end of its foot, as `anchor` says."""
        content = escape(one_line(words))
        if not content:
            return
        self._add(
            "text",
            tip,
            content,
            x=place[0],
            y=place[1],
            fill=colour,
            text_anchor=None if anchor == "start" else anchor,
            font_weight="bold" if bold else None,
        )

    def svg(self) -> str:
        """Give the picture as a document of its own, which can stand inside HTML as well."""
        width, height = _number(self.width), _number(self._height)
        head = _tag(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            width=width,
            height=height,
            viewBox=f"0 0 {width} {height}",
            role="img",
            style="max-width:100%;height:auto",
            font_family=_FONT,
            font_size=SIZE,
        )
        title = f"<title>{escape(self._title)}</title>"
        return "\n".join([f"<{head}>", title, *self._parts, "</svg>"])

    def _add(
        self, name: str, tip: str, content: str = "", /, **attributes: str | float | None
    ) -> None:
        inner = (f"<title>{escape(tip)}</title>" if tip else "") + content
        tag = _tag(name, **attributes)
        self._parts.append(f"<{tag}>{inner}</{name}>" if inner else f"<{tag}/>")


class Picture(ABC):
    """What can be looked at: in a notebook as a picture, in a terminal as words."""

    @abstractmethod
    def svg(self) -> str:
        """Draw it, as an SVG document."""

    # Not also _repr_html_: viewers prefer HTML, and code hosts take a picture out of that.
    def _repr_svg_(self) -> str:
        return self.svg()

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Raises:
            OSError: It cannot be written.
        """
        Path(path).write_text(self.svg(), encoding="utf-8")


def _tag(name: str, **attributes: str | float | None) -> str:
    given = (
        f'{key if key in _CAMEL else key.replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None and not (key.endswith("opacity") and value == 1)
    )
    return " ".join((name, *given))


#: The one attribute that is not written with hyphens.
_CAMEL = {"viewBox"}


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    # A tenth of a pixel is enough for any eye, and halves the file.
    return f"{value:.1f}".removesuffix(".0")
