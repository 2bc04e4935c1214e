"""What IPython asks for: what it gets where there is no notebook, and what it costs to be asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from streaming import ENDLESS, client

from rxwizard import ConfigError, WizardResponse
from rxwizard.notebook import controls, options, show, showing
from rxwizard.testing import Simulator

from .harmless import bundle_text


async def test_a_stream_that_cannot_be_shown_says_what_it_is_and_asks_for_nothing() -> None:
    async with Simulator(ENDLESS) as simulator:
        stream = client(simulator).generate_stream("x")
        with pytest.raises(NotImplementedError):
            stream._ipython_display_()
        assert "await show(stream)" in bundle_text(stream._repr_mimebundle_())

    assert simulator.requests == []


def test_a_response_is_laid_out_and_is_printed_as_ever() -> None:
    bundle = WizardResponse(text="*Hi* <b>", model="m")._repr_mimebundle_(
        include=None, exclude=None
    )

    assert bundle_text(bundle) == "Hi <b>\nm · not complete"
    assert bundle.keys() == {"text/html"}


async def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda _: None)
    monkeypatch.setattr(showing, "kernel", object)

    async with Simulator(ENDLESS) as simulator:
        stream = client(simulator).generate_stream("x")
        with pytest.raises(ConfigError, match=r"pip install 'rxwizard\[notebook\]'"):
            await show(stream)
        assert stream._repr_mimebundle_() == {}

    assert WizardResponse()._repr_mimebundle_() == {}


class Module:
    version_info = (7, 3, 9)


@pytest.mark.parametrize("missing", ["ipywidgets", "a kernel that hears clicks"])
async def test_there_is_no_button_that_does_nothing(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def import_module(name: str) -> Any:
        if name == missing:
            raise ImportError
        return Module

    monkeypatch.setattr(controls.importlib, "import_module", import_module)

    assert controls.buttons(["x"], lambda _: None) is None


def test_nothing_of_a_notebook_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, rxwizard, rxwizard.notebook\n"
        "heavy = {'IPython', 'ipywidgets', 'ipykernel', 'markdown_it', 'latex2mathml'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "from rxwizard.notebook import show, compare\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
