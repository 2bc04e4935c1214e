"""Reading back what was drawn."""

from __future__ import annotations

import re
import unicodedata
from xml.etree import ElementTree as ET

from rxwizard.notebook.svg import COLUMN
from rxwizard.notebook.words import columns

SVG = "{http://www.w3.org/2000/svg}"

#: All that a picture is made of. Nothing of it runs, loads or leads anywhere.
ELEMENTS = {"svg", "title", "line", "path", "rect", "circle", "text"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "role", "style", "font-family", "font-size", "font-weight"),
    *("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "d"),
    *("fill", "fill-opacity", "opacity", "stroke", "stroke-width", "stroke-opacity"),
    *("stroke-dasharray", "stroke-linejoin", "text-anchor"),
}
VALUE = re.compile(r"[\w #.,:;%'()-]*")


def parsed(svg: str) -> ET.Element:
    """Parse a picture, after a look at whether it is harmless and lies inside its frame."""
    svg.encode()  # no lone surrogates
    root = ET.fromstring(svg)
    frame = [float(side) for side in root.attrib["viewBox"].split()]
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
        assert all(VALUE.fullmatch(value) for value in element.attrib.values()), element.attrib
        if element is root:
            continue
        for name, value in element.attrib.items():
            if name in {"x", "x1", "x2", "cx"}:
                assert 0 <= float(value) <= frame[2]
            if name in {"y", "y1", "y2", "cy"}:
                assert 0 <= float(value) <= frame[3]
    return root


def written(svg: str) -> list[str]:
    """The words of a picture, in the order in which they were drawn."""
    texts = parsed(svg).iter(f"{SVG}text")
    return ["".join([text.text or "", *(child.tail or "" for child in text)]) for text in texts]


def harmless(words: str) -> bool:
    """Whether a terminal only shows it."""
    return not any(
        unicodedata.category(letter) in {"Cc", "Cs"} for letter in words if letter != "\n"
    )


def tips(svg: str) -> list[str]:
    """What is shown where a mouse rests."""
    return [title.text or "" for title in parsed(svg).iter(f"{SVG}title")][1:]


def clipped(svg: str) -> list[str]:
    """The words that do not fit into the frame."""
    root = parsed(svg)
    width = float(root.attrib["width"])
    found: list[str] = []
    for text in root.iter(f"{SVG}text"):
        words = "".join([text.text or "", *(child.tail or "" for child in text)])
        length = columns(words) * COLUMN
        share = {"end": 1.0, "middle": 0.5}.get(text.get("text-anchor", ""), 0.0)
        left = float(text.attrib["x"]) - share * length
        if left < 0 or left + length > width:
            found.append(words)
    return found
