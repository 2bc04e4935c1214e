"""The README does what it says: its Python runs, its commands exist, its tables are whole."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import rxwizard
from rxwizard import Overflow, sinks
from rxwizard import operators as ops
from rxwizard.arguments import parser, replay_parser
from rxwizard.providers import VENDORS, Vendor
from rxwizard.testing import SCENARIOS, Text

if TYPE_CHECKING:
    from types import CodeType

    from rxwizard.testing.plugin import SimulatorFactory

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
OPERATORS = {name for name, value in vars(ops).items() if inspect.isfunction(value)}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def blocks(language: str) -> list[tuple[int, str]]:
    """Give each block of a language with the number of its first line."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [(README.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def compiled(line: int, text: str) -> CodeType:
    """Compile a block such that a traceback shows the README's own lines."""
    source = "\n" * (line - 1) + text
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(source, ROOT / "README.md", "exec", flags, dont_inherit=True)


async def execute(code: CodeType, names: dict[str, Any]) -> None:
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)
    else:
        await asyncio.to_thread(exec, code, names)  # it may run a loop of its own


@pytest.mark.parametrize(
    ("line", "text"), blocks("python"), ids=[f"line {line}" for line, _ in blocks("python")]
)
async def test_python_runs(
    line: int,
    text: str,
    simulator: SimulatorFactory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    sim = await simulator(Text("It is a language."))
    # A server of the reader's own is our simulator.
    text = text.replace("http://localhost:8000/v1", sim.endpoint("openai"))
    names: dict[str, Any] = {"__name__": "readme"}
    await execute(compiled(line, text), names)
    for name, value in names.items():
        if name.startswith("test_"):
            await value(simulator)


async def test_the_first_block_runs_without_a_key_and_shows_an_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line, text = blocks("python")[0]
    await execute(compiled(line, text), {"__name__": "readme"})

    assert "You wrote: “What is Rust?”" in capsys.readouterr().out
    assert len([code for code in text.splitlines() if code]) <= 12
    assert line < 30  # on the first screen


async def test_what_is_said_to_be_printed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in blocks("python") if "error.partial.text)" in block[1]]
    await execute(compiled(*block), {"__name__": "readme"})

    said = re.findall(r"print\(.*\)  # (.*)", block[1])
    assert capsys.readouterr().out.splitlines() == said
    assert len(said) == 3


def test_the_commands_exist() -> None:
    lines = [line for _, text in blocks("console") for line in text.splitlines()]
    cells = re.findall(r"`((?:make|pip|uv) [^`]*)`", README)
    targets = {*re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)}
    parsed = 0
    for command in re.split(r"&&|[|$\n]", "\n".join([*lines, *cells])):
        match shlex.split(command):
            case ["rxwizard", "replay", *arguments]:
                parsed += bool(replay_parser().parse_args(arguments).file)
            case ["rxwizard", *arguments] | ["uv", "run", "rxwizard", *arguments]:
                parsed += bool(parser().parse_args(arguments).prompt)
            case ["make", target]:
                assert target in targets or target.startswith("PYTHON=")
            case _:
                pass

    assert parsed == 9
    assert {"make demo", "make test"} <= {*cells}
    extras = {*re.findall(r"\.\[(\w+)\]", README), *re.findall(r"--extra (\w+)", README)}
    assert extras == {"aws", "cli", "dev", "notebook"}
    assert extras <= {*EXTRAS}


def row(vendor: Vendor) -> str:
    keys = ", ".join(f"`{name}`" for name in vendor.key_variables)
    if vendor.in_process:
        return f"| `{vendor.name}` | {vendor.protocol} | none | in process |"
    if not vendor.key_required:
        keys += " (optional)"
    where = f"`{vendor.endpoint}`" if vendor.endpoint else f"set `{vendor.endpoint_variables[0]}`"
    return f"| `{vendor.name}` | {vendor.protocol} | {keys} | {where} |"


def table(header: str) -> list[str]:
    _, _, after = README.partition(f"| {header} |")
    return re.findall(r"^\|.*\|$", after.partition("\n\n")[0], re.MULTILINE)[1:]


def test_the_table_of_providers_is_that_of_the_code() -> None:
    assert table("provider | protocol | key | endpoint") == [
        row(vendor) for vendor in VENDORS.values()
    ]


def test_the_table_of_operators_is_whole() -> None:
    rows = "\n".join(table("family | operator | gives"))
    named = re.findall(r"^\| \w* ?\| `(\w+)\(\)` \|", rows, re.MULTILINE)

    assert len(named) == len({*named}) == rows.count("\n") + 1
    assert {*named} == OPERATORS


def test_every_operator_is_what_somebody_needs() -> None:
    rows = "\n".join(table("which one do I need? | this one"))
    named = {*re.findall(r"`(\w+)`", rows)} & OPERATORS

    # Those that are parts of others, or of the family's better known ones.
    others = {
        *("text", "reasoning", "usage", "final", "choice", "accumulate", "tool_arguments"),
        *("buffer", "buffer_lines", "buffer_paragraphs", "buffer_characters", "buffer_tokens"),
        *("buffer_until", "heartbeat", "bounded", "zip_with", "concat_streams"),
    }
    assert named == OPERATORS - others


def test_the_table_of_policies_is_whole() -> None:
    named = re.findall(r"`([A-Z_]+)`", "\n".join(table("overflow | when the reader is full")))

    assert {*named} == {policy.name for policy in Overflow}


def test_all_scenarios_are_named() -> None:
    (named,) = re.findall(r"Scenarios to play with by hand: (.*?)\.\n", README, re.DOTALL)

    assert {*re.findall(r"`(?:simulator:)?([\w-]+)`", named)} == {*SCENARIOS} - {"default"}


def test_the_links_lead_somewhere() -> None:
    files = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]

    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {f"#{heading.lower().replace(' ', '-')}" for heading in headings}
    assert files
    assert [link for link in files if link not in anchors and not (ROOT / link).exists()] == []


def test_the_table_of_sinks_is_whole() -> None:
    named = re.findall(r"^\| `(\w+)\(", "\n".join(table("sink | takes items to")), re.MULTILINE)
    classes = {name for name in sinks.__all__ if inspect.isclass(getattr(sinks, name))}

    # The others are not for users to make: what the table's are made of, and what they tell.
    assert {*named} == classes - {"BrowserStatistics", "Sink", "Slow", "TextWriter"}


def test_the_table_of_branches_is_whole() -> None:
    named = re.findall(r"^\| `(\w+)\(", "\n".join(table("policy | gives the sink")), re.MULTILINE)

    assert {*named} == {"lossless", "live", "latest", "branch"}
    assert all(hasattr(rxwizard, name) for name in named)
