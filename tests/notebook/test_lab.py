"""Once for real: the quickstart in JupyterLab, in a browser, and a server that sees who leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import INSTALLING

from rxwizard.testing import SCENARIOS, Hold, Repeat, Script, Simulator, Text

from .lab import Notebook, jupyter_lab

if TYPE_CHECKING:
    from browser import Page

    from rxwizard.testing import Exchange

pytestmark = pytest.mark.timeout(2 * INSTALLING)

QUICKSTART = Path(__file__).parent.parent.parent / "notebooks" / "01_quickstart.ipynb"

#: Code cells of the quickstart: the first answer, the one without an end, and what comes after it.
FIRST, ENDLESS, AFTER, LAST = 0, 2, 3, 5

#: In the notebook: presses Stop where nobody does.
TIMER = "asyncio.timeout(3)"

STEPS = ["One. ", "Two. ", "Three. "]
IN_STEPS = Script(*(step for text in STEPS for step in (Hold(), Text(text))), Hold())
WITHOUT_END = Script(Repeat((Text("On and on. "),)), pace=0.05)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Give a folder with the quickstart, in which somebody presses Stop, however late."""
    source = QUICKSTART.read_text()
    assert source.count(TIMER) == 1
    books = tmp_path / "books"
    books.mkdir()
    (books / QUICKSTART.name).write_text(source.replace(TIMER, "asyncio.timeout(None)"))
    return books


async def test_an_answer_appears_in_steps_and_stop_reaches_the_server(
    page: Page, books: Path, tmp_path: Path
) -> None:
    scripts = [IN_STEPS]

    def answer(exchange: Exchange) -> Script:
        return scripts.pop() if scripts else SCENARIOS[exchange.json["model"]]

    # It runs here, so what it sees it sees from outside of the notebook.
    async with (
        Simulator(answer) as simulator,
        jupyter_lab(books, tmp_path / "home", SIMULATOR_ENDPOINT=simulator.endpoint()) as address,
    ):
        notebook = Notebook(page)
        try:
            await notebook.open(address.format(QUICKSTART.name))
            await notebook.clear()
            await notebook.record(FIRST)
            await notebook.run_all()

            await goes_through_the_steps(notebook, await simulator.request())
            await notebook.press_stop(ENDLESS)
            await notebook.until_run(LAST)
            assert await notebook.errors() == []
            assert "You pressed Stop: cancelled" in await notebook.output(ENDLESS)
            assert "bytes when the client left" in await notebook.output(AFTER)

            scripts.append(WITHOUT_END)
            seen = len(simulator.requests)
            await notebook.run(FIRST)
            await stops(notebook, await simulator.request(seen))
        finally:
            await page.open("about:blank")


async def goes_through_the_steps(notebook: Notebook, exchange: Exchange) -> None:
    so_far = ""
    for step in STEPS:
        await exchange.held()
        exchange.release()
        so_far += step
        # The next one is not sent before this one is seen.
        await notebook.until_shown(FIRST, so_far.strip())
    exchange.release()
    await notebook.until_shown(FIRST, "ended: stop")

    steps = [sum(step.strip() in text for step in STEPS) for text in await notebook.recorded()]
    assert set(steps) == {0, 1, 2, 3}
    assert steps == sorted(steps), "what was there is gone for a moment"


async def stops(notebook: Notebook, exchange: Exchange) -> None:
    await notebook.until_shown(FIRST, "On and on. On and on.")
    assert exchange.gone_at is None
    await notebook.press_stop(FIRST)

    await exchange.gone()
    await notebook.until_shown(FIRST, "stopped, the connection is closed")
