"""The notebooks do what they show: every code cell runs, in order, on the reader's road."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_every_cell_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": path.stem}
    for number, cell in enumerate(code_cells(path)):
        code = compile(
            "".join(cell["source"]),
            f"{path.name}, code cell {number}",
            "exec",
            ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        result = eval(code, names)
        if code.co_flags & inspect.CO_COROUTINE:
            await result

        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_outputs_are_kept_so_that_they_can_be_read_without_running(path: Path) -> None:
    assert all(cell["outputs"] for cell in code_cells(path))


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS
