from __future__ import annotations

from typing import Any

import pytest

from rxwizard import ConfigError
from rxwizard.operators.json_paths import ANY, parse_path


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("items[*]", ("items", ANY)),
        ("$.items[*]", ("items", ANY)),
        ("[*]", (ANY,)),
        ("$[*]", (ANY,)),
        ("*", (ANY,)),
        ("$.*", (ANY,)),
        ("a.b[*].c", ("a", "b", ANY, "c")),
        ("a[0][12]", ("a", 0, 12)),
        ("a.*.b", ("a", ANY, "b")),
        ("""a["b c"]['d.e']""", ("a", "b c", "d.e")),
        ('[""]', ("",)),
        (" größe_2[*] ", ("größe_2", ANY)),
    ],
)
def test_a_path_is_its_steps(path: str, steps: tuple[Any, ...]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path",
    [
        *("", "  ", ".a", "a.", "a..b", "$..a", "a[", "a[]", "a[-1]", "a[01]", "a[1:2]", "a[?b]"),
        *("a[*]b", "$a", "a b", "a[b]", "a*", "1a", "a[0,1]", "a['b]", "a-b", "$$"),
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        parse_path(path)


def test_any_shows_as_it_is_written() -> None:
    assert repr(ANY) == "*"
