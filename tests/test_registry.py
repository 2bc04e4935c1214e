"""Every list guards itself: an operator that is exported is drawn, documented and tested."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rxwizard import operators

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent / "operators"
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PUBLIC = {
    name: value
    for name, value in vars(operators).items()
    if not name.startswith("_") and inspect.isfunction(value)
}
every_operator = pytest.mark.parametrize("operator", PUBLIC.values(), ids=PUBLIC.keys())


def family(operator: Callable[..., object]) -> str:
    return operator.__module__.rpartition(".")[2]


def test_there_are_operators() -> None:
    assert {"text", "reasoning", "accumulate", "buffer_sentences", "collect"} <= PUBLIC.keys()


@every_operator
def test_an_operator_is_exported_under_its_own_name_by_its_family(operator) -> None:
    assert PUBLIC[operator.__name__] is operator
    assert operator.__module__ == f"rxwizard.operators.{family(operator)}"


@every_operator
def test_an_operator_is_drawn(operator) -> None:
    drawing = operator.__doc__.partition(".. marble::")[2].strip().splitlines()

    # The source, the operator's own name in brackets, the result.
    assert drawing[0].endswith(("|", "#", "|)"))
    assert drawing[1].strip().startswith("[")
    assert operator.__name__ in drawing[1]
    assert drawing[2].strip().startswith("-")


@every_operator
def test_an_operator_says_what_it_emits_and_how_it_ends(operator) -> None:
    words = inspect.getdoc(operator)  # without the indentation, which Python 3.13 drops itself

    assert "Emits" in words
    assert "completion" in words
    assert "error" in words
    assert "isposing" in words
    for parameter in inspect.signature(operator).parameters:
        assert f"\n    {parameter}: " in words


@every_operator
def test_an_operator_is_tested_by_name(operator) -> None:
    tests = TESTS.joinpath(f"test_{family(operator)}.py").read_text(encoding="utf-8")

    assert f"ops.{operator.__name__}(" in tests
    assert f"def test_{operator.__name__}_" in tests


@every_operator
def test_an_operator_is_in_the_readmes_table(operator) -> None:
    rows = [line for line in README.splitlines() if line.startswith("|")]

    assert sum(f"| `{operator.__name__}()` |" in row for row in rows) == 1


@pytest.mark.parametrize(
    "path", sorted(Path(operators.__path__[0]).glob("*.py")), ids=lambda p: p.name
)
def test_every_file_imports_absolutely(path: Path) -> None:
    source = path.read_text(encoding="utf-8")

    assert "from ." not in source
    assert "\nimport operators" not in source
