"""What holds for the package as a whole: its imports, its exports, its plugin."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rxwizard.testing
from rxwizard.testing import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxwizard.testing import Simulator
    from rxwizard.testing.plugin import SimulatorFactory

ROOT = Path(rxwizard.testing.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_of_rxwizard_is_imported_from_outside(file: Path) -> None:
    ours = {name for name in imported(file) if name.split(".")[0] == "rxwizard"}

    assert all(name.startswith("rxwizard.testing") for name in ours), ours


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_server_knows_aiohttp_and_only_the_marbles_reactivex(file: Path) -> None:
    roots = {name.split(".")[0] for name in imported(file)}

    assert "aiohttp" not in roots or file.name in {"simulator.py", "player.py"}
    assert "reactivex" not in roots or file.name == "marbles.py"


@pytest.mark.parametrize("name", rxwizard.testing.__all__)
def test_every_export_is_there_and_documented(name: str) -> None:
    export = getattr(rxwizard.testing, name)

    assert name in dir(rxwizard.testing)
    assert name in {"SCENARIOS", "Step"} or export.__doc__


def test_an_unknown_export_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Simulato"):
        _ = rxwizard.testing.Simulato  # type: ignore[attr-defined]


def test_our_part_of_the_plugin_needs_neither_aiohttp_nor_reactivex() -> None:
    code = (
        "import sys, types, pytest\n"
        "package = types.ModuleType('rxwizard')\n"
        f"package.__path__ = [{str(ROOT.parent)!r}]\n"
        "sys.modules['rxwizard'] = package\n"
        "import rxwizard.testing.plugin\n"
        "assert not {'aiohttp', 'reactivex', 'pytest_asyncio'} & {*sys.modules}\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


async def test_the_fixture_starts_simulators(simulator: SimulatorFactory) -> None:
    one = await simulator(Text("a"), Text("b"))
    other = await simulator(api_key="k")

    assert one.url != other.url


@pytest.fixture
async def started(simulator: SimulatorFactory) -> Simulator:
    return await simulator(Text("a"))


async def test_the_fixture_serves_other_fixtures(started: Simulator) -> None:
    assert started.url


PLUGIN_TEST = """
import asyncio, gc, pytest, urllib.request
from rxwizard.testing import Hold, Script, Text
seen = []

{mark}
async def test_one(simulator):
    sim = await simulator(Script(Text("a"), Hold()))
    seen.append(sim)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sim.url.rpartition(":")[2]))
    body = b'{{"model": "m"}}'
    head = b"POST /api/chat HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n"
    writer.write(head % len(body) + body)
    await (await sim.request()).held()
    writer.transport.abort()

def test_runs_itself(simulator):
    async def main():
        seen.append(await simulator(Text("a")))
    asyncio.run(main())

def test_all_are_closed():
    gc.collect()
    for sim in seen:
        with pytest.raises(OSError):
            urllib.request.urlopen(sim.url)
"""


@pytest.mark.parametrize(
    ("options", "mark"),
    [
        pytest.param(["-o", "asyncio_mode=auto"], "", id="auto"),
        pytest.param(["-o", "asyncio_mode=strict"], "@pytest.mark.asyncio", id="strict"),
        pytest.param([], "@pytest.mark.asyncio(loop_scope='session')", id="session-loop"),
        pytest.param(["-p", "no:asyncio"], "@pytest.mark.skip", id="no-plugin"),
    ],
)
def test_the_fixture_works_with_every_asyncio_plugin(
    tmp_path: Path, options: list[str], mark: str
) -> None:
    (tmp_path / "test_plugin.py").write_text(PLUGIN_TEST.format(mark=mark))
    if "no:asyncio" not in options:
        options = [*options, "-o", "asyncio_default_fixture_loop_scope=function"]
    command = [sys.executable, "-X", "dev", "-m", "pytest", "-W", "error", *options]

    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ResourceWarning" not in done.stdout + done.stderr
