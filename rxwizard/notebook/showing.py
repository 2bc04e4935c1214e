"""`show`: one stream, below a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.notebook import page
from rxwizard.notebook.answer import GOING_ON, State
from rxwizard.notebook.controls import HINT
from rxwizard.notebook.displaying import Display
from rxwizard.notebook.interrupts import interruptible
from rxwizard.notebook.options import check, check_installed
from rxwizard.notebook.printed import Printed
from rxwizard.notebook.slots import Slots, kernel
from rxwizard.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reactivex import Observable

    from rxwizard.chunks import WizardResponse
    from rxwizard.notebook.answer import View
    from rxwizard.notebook.page import Bundle, Reasoning
    from rxwizard.notebook.slots import Surface
    from rxwizard.operators.pricing import Price


async def show(
    stream: Observable[Any],
    *,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    title: str | None = None,
    stop: bool = True,
    price: Price | None = None,
) -> WizardResponse:
    """Read a stream to its end and show it while it grows; give what arrived.

    Below the cell stand the reasoning, the answer as Markdown, tool calls, and a line that says who
    answers, how much it is, what it costs, and how it ended. What does not count any more (a newer
    epoch, a retraction, a second start) disappears. Nothing of what the model says is markup of the
    page. In the saved notebook it is plain HTML and text, for any viewer.

    Each update shows all there is. They are fewer than `rate` where drawing one takes more than a
    tenth of its time, or the page is large: no more than a million characters a second are sent. So
    neither the loop nor the network waits for the display, nor does it fall behind.

    The **Stop** button closes the connection at once, and this returns what had arrived, with
    ``complete`` False and the finish reason ``cancelled``. Interrupting the kernel, or cancelling,
    closes it as well, and raises; what had arrived stays, and says so. There is no button without
    ipywidgets, and with an ipykernel before 7.4, whose cells hear no clicks while they run.

    A stream of strings is the text of an answer. Other items are listed, the last fifty of them.
    Outside of a notebook the text is written to the standard output as it comes, without control
    characters, and then the same line.

    Args:
        stream: It is subscribed to once.
        rate: Updates a second, at most.
        reasoning: "folded" away, "open", or "hidden".
        title: Stands above the answer.
        stop: Whether there is a Stop button.
        price: What tokens cost; None: what genai-prices says, if that is installed.

    Raises:
        ConfigError: An option cannot work, or in a notebook, the extra is not installed.
        WizardError: The stream failed; `partial` is what had arrived, which stays shown.
        Exception: It failed with that.
    """
    check(rate=rate, reasoning=reasoning)
    shown = Stream[Any].of(stream)
    if kernel() is None:
        display = printed(shown, rate=rate, title=title, price=price)
    else:
        check_installed()
        display = on_surface(
            shown, Slots(), rate=rate, reasoning=reasoning, title=title, stop=stop, price=price
        )
    with interruptible():
        await display.run()
    (answer,) = display.answers
    if answer.state is State.FAILED and answer.error is not None:
        raise answer.error
    return answer.response()


def printed(stream: Stream[Any], *, rate: float, title: str | None, price: Price | None) -> Display:
    """Make the display of one stream where there is no notebook."""

    def lay_out(views: Sequence[View], _: Bundle | None) -> list[Bundle]:
        return [page.printed(view, title) for view in views]

    return Display([stream], Printed(), lay_out, rate=rate, stops=None, price=price, renders=False)


def on_surface(
    stream: Stream[Any],
    surface: Surface,
    *,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    title: str | None = None,
    stop: bool = True,
    price: Price | None = None,
    is_awaited: bool = True,
) -> Display:
    """Make the display of one stream."""

    def lay_out(views: Sequence[View], buttons: Bundle | None) -> list[Bundle]:
        (view,) = views
        # Apart from the rest, so that it can be unfolded and stay so while the answer grows.
        head = page.heading(title)
        thoughts = page.reasoning(view, reasoning)
        said = page.answer(view) if thoughts else page.joined(head, page.answer(view))
        hint = HINT if buttons is None and view.state in GOING_ON else ""
        state = page.status(view, hint=hint)
        # The state ends where the buttons were: an output cannot be taken away.
        end = [page.joined(said, state), buttons] if buttons is not None else [said, state]
        parts = [page.joined(head, thoughts), *end] if thoughts else end
        return [part if part is buttons else page.inset(part) for part in parts]

    return Display(
        [stream],
        surface,
        lay_out,
        rate=rate,
        stops=[""] if stop else None,
        price=price,
        is_awaited=is_awaited,
    )
