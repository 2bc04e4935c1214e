"""The notebooks do what they say: each runs in a kernel of its own, and is kept to be read.

They run with nbclient, which is what Jupyter itself runs notebooks with. What they claim they claim
by `assert`, so running them is the test.
"""

from __future__ import annotations

import json
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

#: What one cell may take, in seconds: many times what any needs, also on a busy machine.
PATIENCE = 60

#: Bytes of a file: code hosts do not show notebooks that are large.
LARGEST = 150_000

#: Cells, text included: one sitting.
LONGEST = 12

#: What tells where a notebook was run: folders, addresses, ports.
TRACES = (
    r"/(?:home|root|tmp|usr|opt|var|work|private|Users|content)/",
    r"[A-Za-z]:\\",
    r"site-packages",
    r"localhost",
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
    r"\bport\s*\d",
    r"<(?:ipython-input|stdin)",
)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell: Any) -> str:
    return "".join(cell["source"])


def texts(outputs: Any) -> Iterator[str]:
    """Give all that is written in outputs, pictures and HTML included."""
    for output in outputs:
        yield "".join(output.get("text", ""))
        yield from ("".join(value) for value in output.get("data", {}).values())


def shows(cell: Any) -> bool:
    """Tell whether a cell shows something; a slot of a display that was emptied does not."""
    return any(text.strip() for text in texts(cell["outputs"]))


def errors(cell: Any) -> list[str]:
    """Give what went wrong in a cell, and what was written to its stderr."""
    return [
        "\n".join(output.get("traceback", [])) or "".join(output["text"])
        for output in cell["outputs"]
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give settings for a kernel of this Python, away from the developer's own Jupyter."""
    hint = "pip install 'rxwizard[notebook]' nbclient ipykernel"
    pytest.importorskip("nbclient", reason=f"notebooks are run with nbclient: {hint}")
    pytest.importorskip("ipykernel", reason=f"notebooks are run in ipykernel: {hint}")
    # Not pytest's own folder, whose name is longer than the path of a Unix socket may be.
    with tempfile.TemporaryDirectory(prefix="jupyter") as folder:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            monkeypatch.setenv(name, folder)
        monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        # Ports are chosen before they are opened: two kernels could want the same.
        has_files = hasattr(socket, "AF_UNIX")
        yield {"transport": "ipc", "ip": f"{folder}/kernel"} if has_files else {}


@each_notebook
def test_it_runs_from_top_to_bottom(path: Path, jupyter: dict[str, Any], tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    notebook = nbformat.read(path, as_version=4)
    kept = [shows(cell) for cell in code_cells(notebook)]

    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=PATIENCE,
        config=Config({"KernelManager": jupyter}),
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()

    assert [error for cell in code_cells(notebook) for error in errors(cell)] == []
    assert [shows(cell) for cell in code_cells(notebook)] == kept
    assert list(tmp_path.iterdir()) == []


@each_notebook
def test_its_outputs_are_kept_so_that_it_can_be_read_without_running(path: Path) -> None:
    cells = code_cells(read(path))

    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(map(shows, cells)) >= len(cells) - 2
    assert [error for cell in cells for error in errors(cell)] == []


@each_notebook
def test_its_outputs_do_not_say_where_it_was_run(path: Path) -> None:
    said = [text for cell in code_cells(read(path)) for text in texts(cell["outputs"])]
    # An SVG names its own language by an address.
    plain = [text.replace("http://www.w3.org/", "") for text in said]
    traces = [match[0] for text in plain for trace in TRACES for match in re.finditer(trace, text)]

    assert traces == []


@each_notebook
def test_it_claims_something(path: Path) -> None:
    claim = re.compile(r"^ *assert", re.MULTILINE)

    assert sum(claim.search(source(cell)) is not None for cell in code_cells(read(path))) >= 2


@each_notebook
def test_it_is_short_and_begins_with_its_title(path: Path) -> None:
    notebook = read(path)

    assert 6 <= len(notebook["cells"]) <= LONGEST
    assert path.stat().st_size < LARGEST
    assert source(notebook["cells"][0]).startswith("# ")


@each_notebook
def test_it_is_valid_and_kept_as_it_was_made(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="this test wants: pip install nbformat")
    notebook = read(path)

    nbformat.validate(notebook)
    # What differs from one run to the next for no reason is not kept.
    assert [cell["metadata"] for cell in notebook["cells"]] == [{} for _ in notebook["cells"]]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ids == [f"cell-{number:02}" for number in range(1, len(ids) + 1)]
    assert not {"widgets"} & notebook["metadata"].keys()


@each_notebook
def test_its_links_lead_somewhere(path: Path) -> None:
    words = "".join(source(c) for c in read(path)["cells"] if c["cell_type"] == "markdown")
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", words)

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_and_the_quickstart_list_all_of_them() -> None:
    names = [path.name for path in NOTEBOOKS]
    readme = re.findall(r"\(notebooks/(\w+\.ipynb)\)", (ROOT / "README.md").read_text())
    quickstart = "".join(source(cell) for cell in read(NOTEBOOKS[0])["cells"])

    assert sorted(set(readme)) == names
    assert sorted(set(re.findall(r"\((\w+\.ipynb)\)", quickstart))) == names[1:]
