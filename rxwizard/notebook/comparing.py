"""`compare`: streams side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any, overload

from rxwizard.errors import ConfigError
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


@overload
async def compare(
    streams: Mapping[str, Observable[Any]],
    /,
    *,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    stop: bool = True,
    price: Price | None = None,
) -> dict[str, WizardResponse]: ...
@overload
async def compare(
    *streams: Observable[Any],
    titles: Sequence[str] | None = None,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    stop: bool = True,
    price: Price | None = None,
) -> tuple[WizardResponse, ...]: ...
async def compare(
    *streams: Observable[Any] | Mapping[str, Observable[Any]],
    titles: Sequence[str] | None = None,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    stop: bool = True,
    price: Price | None = None,
) -> dict[str, WizardResponse] | tuple[WizardResponse, ...]:
    """Read streams at the same time and show them side by side; give what arrived, in their order.

    Each is shown as by `show`, with its own line and its own Stop button. One that fails leaves the
    others: its column says how, and its response is what had arrived, with ``complete`` False and
    the finish reason ``interrupted``. Interrupting or cancelling closes all connections and raises.

    Outside of a notebook each answer is written whole, when it and those before it have ended.

    Args:
        streams: Any number of streams; or one mapping from title to stream, which gives a mapping.
        titles: What stands above them, one for each; None: their numbers.
        rate: Updates a second of the whole page, at most.
        reasoning: "folded" away, "open", or "hidden".
        stop: Whether there are Stop buttons.
        price: What tokens cost, whatever model answers; None: what genai-prices says, if that is
            installed.

    Raises:
        ConfigError: There is no stream, an option cannot work, or the extra is not installed.
    """
    check(rate=rate, reasoning=reasoning)
    names, shown = _named(streams, titles)
    if kernel() is None:
        display = one_after_the_other(shown, names, rate=rate, price=price)
    else:
        check_installed()
        display = side_by_side(
            shown, names, Slots(), rate=rate, reasoning=reasoning, stop=stop, price=price
        )
    with interruptible():
        await display.run()
    responses = tuple(answer.response() for answer in display.answers)
    is_mapping = isinstance(streams[0], Mapping)
    return dict(zip(names, responses, strict=True)) if is_mapping else responses


def _named(
    streams: Sequence[Observable[Any] | Mapping[str, Observable[Any]]],
    titles: Sequence[str] | None,
) -> tuple[list[str], list[Stream[Any]]]:
    given: list[Observable[Any]] = []
    names: list[str] = []
    for stream in streams:
        if isinstance(stream, Mapping):
            if len(streams) > 1 or titles is not None:
                message = "compare takes streams, or one mapping from title to stream and no titles"
                raise ConfigError(message)
            given += stream.values()
            names += stream
        else:
            given.append(stream)
    if not given:
        message = "compare needs a stream, better two"
        raise ConfigError(message)
    names = names or list(titles or (str(number) for number in range(1, len(given) + 1)))
    if len(names) != len(given):
        message = f"{len(given)} streams have {len(names)} titles: one for each, or None"
        raise ConfigError(message)
    return names, [Stream[Any].of(stream) for stream in given]


def one_after_the_other(
    streams: Sequence[Stream[Any]], names: Sequence[str], *, rate: float, price: Price | None
) -> Display:
    """Make the display of several streams where there is no notebook."""

    def lay_out(views: Sequence[View], _: Bundle | None) -> list[Bundle]:
        ended = takewhile(lambda view: view.state not in GOING_ON, views)
        return [page.printed(view, name) for view, name in zip(ended, names, strict=False)]

    return Display(streams, Printed(), lay_out, rate=rate, stops=None, price=price, renders=False)


def side_by_side(
    streams: Sequence[Stream[Any]],
    names: Sequence[str],
    surface: Surface,
    *,
    rate: float = 10.0,
    reasoning: Reasoning = "folded",
    stop: bool = True,
    price: Price | None = None,
) -> Display:
    """Make the display of several streams."""

    def lay_out(views: Sequence[View], buttons: Bundle | None) -> list[Bundle]:
        return [page.columns(views, names, reasoning), buttons or page.note(_summary(views))]

    return Display(streams, surface, lay_out, rate=rate, stops=names if stop else None, price=price)


def _summary(views: Sequence[View]) -> str:
    going = sum(view.state in GOING_ON for view in views)
    ended = sum(view.state is State.ENDED for view in views)
    if going:
        return f"{going} of {len(views)} going on — {HINT}"
    return f"{ended} of {len(views)} came to their end"
