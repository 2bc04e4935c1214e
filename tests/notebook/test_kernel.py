"""Streams in a real kernel: several updates, a Stop that is heard, what is left in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ipykernel", reason="pip install 'rxwizard[notebook]'")

from .harmless import text_of
from .kernels import WIDGET, Cell, FrontEnd, front_end

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("kernel")

SETUP = """
from streaming import client
from rxwizard.notebook import compare, show
from rxwizard.testing import Hold, Reasoning, Script, Simulator, Text

script = Script(
    Reasoning("Hm."), Text("One <script>alert(1)</script> "), Hold(), Text("two "), Hold(),
    Text("$x^2$"),
)
simulator = await Simulator(script).start()
stream = client(simulator).generate_stream("x")

async def gone():
    await simulator.requests[-1].gone()
    print("gone")
"""


@pytest.fixture(scope="module")
def jupyter() -> Iterator[FrontEnd]:
    with front_end() as jupyter:
        assert jupyter.run(SETUP).error == ""
        yield jupyter


def begin(jupyter: FrontEnd, code: str) -> Cell:
    """Start a cell, and wait until the stream it shows has brought something."""
    cell = jupyter.start(code)
    jupyter.until(cell, lambda: "One" in cell.html)
    jupyter.until(cell, lambda: WIDGET in list(cell.outputs.values())[-1])
    return cell


def test_text_appears_in_several_steps_and_what_is_saved_is_plain(jupyter: FrontEnd) -> None:
    go_on = "simulator.requests[-1].release()"
    code = f"""
import asyncio
showing = asyncio.create_task(show(stream))
while not simulator.requests: await asyncio.sleep(0)
for step in range(2):
    await simulator.requests[-1].held()
    {go_on}
response = await showing
"""
    cell = jupyter.run(code)

    assert cell.error == ""
    assert len(cell.history) > 3
    assert any("waiting" in html for html in cell.history)
    assert [sorted(data) for data in cell.outputs.values()] == [["text/html", "text/plain"]] * 3
    assert cell.buttons == []
    text = text_of(cell.html)
    assert text.startswith("3 characters of reasoningHm.\nOne <script>alert(1)</script> two x2")
    assert text.endswith("ended: stop")
    assert "alert(1)" in next(iter(jupyter.run("response").outputs.values()))["text/html"]


@pytest.mark.parametrize("by", ["the shell", "a subshell"])
def test_stop_is_heard_while_the_cell_awaits(jupyter: FrontEnd, by: str) -> None:
    code = "response = await show(stream)\nprint(response.finish_reason)\nawait gone()"
    cell = begin(jupyter, code)
    jupyter.click(cell, subshell=jupyter.subshell() if by == "a subshell" else None)
    jupyter.until(cell, lambda: cell.is_done)

    assert cell.error == ""
    assert cell.printed == "cancelled\ngone\n"
    assert text_of(cell.html).endswith("stopped, the connection is closed")
    assert cell.buttons == []


def test_interrupting_closes_the_connection_and_leaves_what_had_arrived(jupyter: FrontEnd) -> None:
    cell = begin(jupyter, "await show(stream)")
    jupyter.interrupt()
    jupyter.until(cell, lambda: cell.is_done)

    assert cell.error == "CancelledError"
    assert "One" in cell.html
    assert text_of(cell.html).endswith("interrupted, the connection is closed")
    assert jupyter.run("await gone()").printed == "gone\n"


@pytest.mark.parametrize("by", ["a click", "an interrupt"])
def test_the_last_value_of_a_cell_is_shown_while_the_kernel_is_free(
    jupyter: FrontEnd, by: str
) -> None:
    cell = jupyter.run("stream")
    jupyter.until(cell, lambda: "One" in cell.html and WIDGET in str(cell.outputs))
    assert jupyter.run("print(1 + 1)").printed == "2\n"
    if by == "a click":
        jupyter.click(cell)
    else:
        jupyter.interrupt()
    jupyter.until(cell, lambda: "the connection is closed" in cell.html)

    assert jupyter.run("await gone()").printed == "gone\n"
    assert cell.error == ""


def test_an_error_below_a_cell_that_has_ended_is_shown(jupyter: FrontEnd) -> None:
    code = (
        "from rxwizard import Stream\nimport reactivex\nStream.of(reactivex.throw(OSError('<b>')))"
    )
    cell = jupyter.start(code)
    jupyter.until(cell, lambda: "failed: OSError" in cell.html)

    assert "OSError: <b>" in text_of(cell.html)


def test_two_streams_stand_side_by_side_each_with_its_button(jupyter: FrontEnd) -> None:
    cell = jupyter.start("a, b = await compare(stream, stream)\nprint(a.complete, b.complete)")
    jupyter.until(cell, lambda: text_of(cell.html).count("One") == 2)
    assert len(cell.buttons) == 2
    jupyter.click(cell)
    jupyter.until(cell, lambda: "stopped" in cell.html)
    jupyter.interrupt()
    jupyter.until(cell, lambda: cell.is_done)

    text = text_of(cell.html)
    assert text.index("interrupted") < text.index("stopped")
    assert "0 of 2 came to their end" in text
