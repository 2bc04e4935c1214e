"""What may stand in a page: everything else in it would be the model's."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from rxwizard.notebook import maths

# Tables of names read as such.
TAGS = {
    *"div p br hr h1 h2 h3 h4 h5 h6 strong em s code pre blockquote ul ol li a".split(),  # noqa: SIM905
    *"table thead tbody tr th td details summary".split(),  # noqa: SIM905
    *maths.TAGS,
}
STYLES = set(
    """
    background border-left border-radius color display flex flex-wrap font-size gap margin min-width
    opacity overflow overflow-wrap overflow-x padding text-align
    white-space
    """.split()  # noqa: SIM905
)
ATTRIBUTES: dict[str, re.Pattern[str]] = {
    "href": re.compile(r"(?:https?://|mailto:).*", re.IGNORECASE | re.DOTALL),
    "title": re.compile(r".*", re.DOTALL),  # text, wherever it is shown
    "target": re.compile("_blank"),
    "rel": re.compile("noopener noreferrer"),
    "class": re.compile("tex2jax_ignore mathjax_ignore"),
    "start": re.compile(r"\d+"),
    "open": re.compile(""),
    **dict.fromkeys(maths.ATTRIBUTES, maths.VALUE),
}
OPEN_ENDED = {"br", "hr"}


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag}>"
        for name, value in attrs:
            if name == "style":
                for rule in (value or "").split(";"):
                    assert rule.partition(":")[0] in STYLES, f"style {rule}"
                    assert re.fullmatch(r"[a-z0-9#%. :-]+", rule), f"style {rule}"
            else:
                assert name in ATTRIBUTES, f"<{tag} {name}>"
                assert ATTRIBUTES[name].fullmatch(value or ""), f"{name}={value}"
        if tag not in OPEN_ENDED:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPEN_ENDED:
            assert self.stack, f"</{tag}> closes nothing"
            assert self.stack.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def text_of(html: str) -> str:
    """Check that a page has nothing but what may stand in one; give its text."""
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.stack == []
    return "".join(checker.text)


def bundle_text(bundle: dict[str, Any]) -> str:
    """Check a bundle, and give the text of its page."""
    assert bundle.keys() <= {"text/html", "text/plain"}
    return text_of(bundle["text/html"])
