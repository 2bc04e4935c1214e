"""What all tests share: an environment in which nothing of the developer's own is configured."""

from __future__ import annotations

import os

import pytest

from rxwizard.providers import VENDORS

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
