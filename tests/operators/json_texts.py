"""JSON as text, with everything text may have: white space, escapes, names that come twice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

spaces = st.sampled_from(["", "", " ", "\n", "\r\n\t "])
strings = st.builds(
    lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["a", "😀é", '"\\/\b\f\n\r\t', "true", "1"]),
    st.booleans(),
)
names = st.sampled_from(['"a"', '"b"', '"\\u0061"', '""', '"c d"'])
scalars = (
    st.sampled_from(["true", "false", "null", "0", "-0", "-1.5", "12e3", "1E-7", "0.10"])
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
)


def _array(elements: Sequence[str], space: str) -> str:
    return f"[{space}{f'{space},{space}'.join(elements)}{space}]"


def _object(members: Sequence[tuple[str, str]], space: str) -> str:
    pairs = f"{space},{space}".join(f"{key}{space}:{space}{value}" for key, value in members)
    return f"{{{space}{pairs}{space}}}"


def _containers(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    arrays = st.builds(_array, st.lists(inner, max_size=3), spaces)
    objects = st.builds(_object, st.lists(st.tuples(names, inner), max_size=3), spaces)
    return arrays | objects


values = st.recursive(scalars | strings, _containers, max_leaves=6)
#: Objects and arrays.
documents = _containers(values)

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]+|[{}\[\],:]|\s+')


def without_last_scalar(document: str, length: int) -> str:
    """Cut a document, and take off a number or word that may go on."""
    for token in _TOKENS.finditer(document):
        if token.start() < length <= token.end() and token[0][0] in "-0123456789tfn":
            return document[: token.start()]
    return document[:length]
