"""Where elements stand in a JSON document: a small part of JSONPath (RFC 9535).

    items[*]            each element of the array under the name "items"; `$.items[*]` is the same
    [*]                 each element of an array that is the document
    a.b[*].c            the member "c" of each element of that array
    a["b c"][0]         a name with other characters; the first element
    data.*              each member of an object
    $                   the document itself

No filters, slices, unions, negative indexes and no ``..``: an element must be known when it comes.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from rxwizard.errors import ConfigError


class _Any:
    def __repr__(self) -> str:
        return "*"


#: Matches every name and index.
ANY: Final = _Any()

Step: TypeAlias = str | int | _Any

_STEP = re.compile(
    r"\.?(?P<name>[^\W\d]\w*)"
    r"|\[(?P<index>0|[1-9][0-9]*)\]"
    r"|(?P<any>\[\*\]|\.?\*)"
    r"|\[\"(?P<double>[^\"\\]*)\"\]"
    r"|\['(?P<single>[^'\\]*)'\]"
)


def parse_path(path: str) -> tuple[Step, ...]:
    """Read a path into its steps: names, indexes and `ANY`.

    Raises:
        ConfigError: It is empty, or is not of this part of JSONPath.
    """
    rest = path.strip()
    at = int(rest.startswith("$"))
    if not rest:
        message = "a path must not be empty; '$' is the whole document"
        raise ConfigError(message)
    steps: list[Step] = []
    while at < len(rest):
        match = _STEP.match(rest, at)
        # A dot stands before each name but the very first.
        if match is None or ((at == 0) is (match[0][0] == ".") and match[0][0] != "["):
            message = (
                f"{path!r} is no path at {rest[at:]!r}; paths look like 'items[*]' or 'a.b[0].c'"
            )
            raise ConfigError(message)
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["any"]:
        return ANY
    if match["index"]:
        return int(match["index"])
    return match["name"] or match["double"] or match["single"] or ""
