"""What all tests share: an environment in which nothing of the developer's own is configured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from browser import Page, chromium

from rxwizard.providers import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every variable that `WizardConfig` reads.
_SETTINGS = {
    *(name for vendor in VENDORS.values() for name in vendor.key_variables),
    *(name for vendor in VENDORS.values() for name in vendor.endpoint_variables),
    *(name for vendor in VENDORS.values() for name in vendor.regions),
    *(name for name in os.environ if name.startswith(("WIZARD_", "AWS_"))),
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away keys and endpoints, and the pace at which the built-in simulator is watched."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WIZARD_SIMULATOR_PACE", "0")


def _needs_quiet(item: pytest.Item) -> bool:
    """Tell whether a benchmark has other processes, or times so close that a neighbour is felt."""
    marker = item.get_closest_marker("benchmark")
    return marker is not None and bool(marker.kwargs.get("quiet", True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group what must not run side by side; measure last, when the machine is quiet."""
    items.sort(key=_needs_quiet)
    for item in items:
        if _needs_quiet(item):
            item.add_marker(pytest.mark.xdist_group("benchmark"))
        elif "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Give a window of a real browser; the tests that want one use the same."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page
