"""The house rules, read from the source: who imports whom, and what the front door shows."""

from __future__ import annotations

import ast
import inspect
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rxwizard
import rxwizard.chunks
import rxwizard.config
import rxwizard.errors
import rxwizard.prompts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parent.parent

#: What each part of the house may import of the others when it runs. For the eyes of a type checker
#: alone (under TYPE_CHECKING) it may look anywhere.
MAY_IMPORT = {
    "errors": "",
    "chunks": "",
    "prompts": "errors",
    "fold": "chunks",
    "thinktags": "",
    "decoders": "errors",
    "providers": "errors chunks prompts fold thinktags decoders",
    "settings": "errors",
    "policies": "settings",
    # Of the providers, the table of vendors alone.
    "config": "errors decoders providers settings policies",
    "wire": "errors providers",
    "demand": "errors",
    "stream": "errors chunks config demand",
    "creation": "demand stream",
    "operators": "errors chunks fold thinktags policies demand stream",
    "transport": "errors providers wire",
    "source": "errors chunks prompts decoders providers policies config demand stream wire",
    "sinks": "errors chunks fold",
    "fan_out": "errors demand stream sinks",
    "testing": "",
    "admission": "errors chunks policies demand",
    "cache": "errors chunks fold providers demand sinks",
    "recording": "errors chunks prompts providers config stream source transport wire sinks",
    "recovery": "providers operators admission cache",
    "client": "errors chunks prompts fold config stream source transport wire testing recording "
    "recovery",
    "notebook": "errors chunks fold demand stream operators testing",
    "arguments": "",
    "cli_output": "errors chunks sinks",
    "cli": "arguments cli_output errors chunks prompts fold providers config stream client "
    "recording",
    "__main__": "cli",
}

#: Who may import what can wait or push. The others are plain functions of their input.
MAY_WAIT = {
    "aiohttp": "transport sinks testing",
    "asyncio": "demand stream transport source sinks fan_out cache recording client cli testing "
    "notebook",
    "reactivex": "demand stream source operators fan_out admission cache client testing notebook",
    "socket": "transport sinks testing",
    "threading": "demand sinks admission cache notebook",
}

FILES = [
    *(ROOT / "operators").rglob("*.py"),
    *(p for p in (ROOT / "rxwizard").rglob("*.py") if "operators" not in p.parts),
]


def part_of(path: Path) -> str:
    """Name the part of the house a file belongs to: a folder, or a module beside the folders."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return names[0] if names[0] == "operators" else names[1]


def imports(path: Path) -> Iterator[str]:
    """Give the dotted names a file imports when it runs, also inside functions."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            package = node.module or ""
            yield from (f"{package}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def test_the_table_points_one_way() -> None:
    order = TopologicalSorter({part: may.split() for part, may in MAY_IMPORT.items()})

    assert {*order.static_order()} == {*MAY_IMPORT}  # a circle would raise


def test_the_table_knows_every_part() -> None:
    assert {part_of(path) for path in FILES} - {"__init__"} == {*MAY_IMPORT}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_one_way(part: str) -> None:
    mine = [path for path in FILES if part_of(path) == part]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in mine
        for name in imports(path)
        if name.startswith("rxwizard.")
        and name.split(".")[1] not in {part, *MAY_IMPORT[part].split()}
    ]

    assert mine
    assert wrong == []


@pytest.mark.parametrize("package", MAY_WAIT)
def test_only_these_can_wait_or_push(package: str) -> None:
    users = {
        part_of(path) for path in FILES for name in imports(path) if name.split(".")[0] == package
    }

    assert users <= {*MAY_WAIT[package].split()}


def test_config_needs_nothing_of_the_providers_but_their_table() -> None:
    names = imports(ROOT / "rxwizard" / "config.py")
    providers = {name for name in names if name.startswith("rxwizard.providers")}

    assert {name.rpartition(".")[0] for name in providers} == {"rxwizard.providers.vendors"}


# -- the front door --------------------------------------------------------------------------------


def public_classes(module: ModuleType) -> Iterator[type]:
    for name, thing in vars(module).items():
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and name[0] != "_":
            yield thing


EXPORTED = {
    name: thing
    for name, thing in vars(rxwizard).items()
    if not name.startswith("_") and not inspect.ismodule(thing)
}


@pytest.mark.parametrize("name", EXPORTED)
def test_every_public_name_is_documented(name: str) -> None:
    thing = EXPORTED[name]
    own = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__

    assert own is not None, f"{name} has no docstring of its own"
    assert own.split("\n")[0].endswith((".", "::", ":"))


@pytest.mark.parametrize(
    "module",
    [rxwizard.errors, rxwizard.chunks, rxwizard.prompts, rxwizard.config],
    ids=lambda module: module.__name__,
)
def test_every_public_class_is_exported(module: ModuleType) -> None:
    missing = [cls.__name__ for cls in public_classes(module) if cls not in EXPORTED.values()]

    assert missing == []


def test_the_tree_of_errors_is_drawn_whole() -> None:
    drawing = rxwizard.errors.__doc__
    assert drawing is not None
    drawn = {
        line.partition("+-- ")[2].split()[0] for line in drawing.splitlines() if "+-- " in line
    }

    classes = {*public_classes(rxwizard.errors)} - {rxwizard.WizardError}
    assert drawn == {cls.__name__ for cls in classes}
    assert all(issubclass(cls, rxwizard.WizardError) for cls in classes)
