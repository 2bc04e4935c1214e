"""What is in the wheel and in the sdist; built here, without a network."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OPERATORS = {f"operators/{path.name}" for path in (ROOT / "operators").glob("*.py")}


def build(*arguments: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *arguments, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout, as ``pip install .`` does."""
    place = tmp_path_factory.mktemp("wheel")
    build("--wheel", "--outdir", str(place))
    (path,) = place.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and from it another wheel, as for a release."""
    place = tmp_path_factory.mktemp("release")
    build("--outdir", str(place))
    return place


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {*archive.namelist()}


def metadata_of(wheel: Path) -> str:
    return f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"


def test_the_wheel_holds_operators_as_files_and_the_mark_of_types(wheel: Path) -> None:
    names = names_in(wheel)

    assert {f"rxwizard/{name}" for name in OPERATORS} <= names
    assert {"rxwizard/__init__.py", "rxwizard/py.typed", "rxwizard/testing/plugin.py"} <= names
    assert {name.split("/")[0] for name in names} == {"rxwizard", metadata_of(wheel)}
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("rxwizard/operators/__init__.py").decode()
    assert text == (ROOT / "operators" / "__init__.py").read_text()


def test_the_wheel_brings_the_command_and_the_fixture(wheel: Path) -> None:
    points = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        points.read_string(archive.read(f"{metadata_of(wheel)}/entry_points.txt").decode())

    assert {name: dict(points[name]) for name in points.sections()} == {
        "console_scripts": {"rxwizard": "rxwizard.cli:main"},
        "pytest11": {"rxwizard": "rxwizard.testing.plugin"},
    }


def test_the_wheel_can_be_imported(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    show = "import rxwizard.operators as it, rxwizard.cli; print(it.__file__, it.text.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [
        str(tmp_path / "rxwizard" / "operators" / "__init__.py"),
        "rxwizard.operators.select",
    ]


def test_the_sdist_holds_operators_and_tests(release: Path) -> None:
    (path,) = release.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert names >= OPERATORS
    assert {"tests/test_packaging.py", "Makefile", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name.startswith("rxwizard/operators")]


def test_the_wheel_made_from_the_sdist_is_the_same(wheel: Path, release: Path) -> None:
    (path,) = release.glob("*.whl")

    assert names_in(path) == names_in(wheel)
