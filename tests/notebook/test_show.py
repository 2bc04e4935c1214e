"""Showing streams: how often, until when, and what is left of it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from streaming import ENDLESS, client, until

from rxwizard import ConfigError, FinishReason, Stream
from rxwizard.notebook import compare, displaying, show
from rxwizard.notebook.comparing import side_by_side
from rxwizard.notebook.showing import on_surface
from rxwizard.testing import Hold, HttpError, Script, Simulator, Text, run_in_virtual_time

from .answers import chunks, timed
from .harmless import bundle_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.notebook.page import Bundle


class Wall:
    """A surface that remembers what was shown on it, and when."""

    def __init__(self, cost: int = 0) -> None:
        self.shown: list[tuple[float, str]] = []
        self._cost = cost

    def show(self, bundles: Sequence[Bundle], /) -> int:
        text = "\n".join(map(bundle_text, bundles))
        self.shown.append((asyncio.get_running_loop().time(), text))
        return self._cost

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.shown]

    @property
    def last(self) -> str:
        return self.shown[-1][1]


def words(*times: float) -> Stream[Any]:
    """A word at each of these times, in seconds."""
    return timed(*((time, f"w{number} ") for number, time in enumerate(times)))


async def displayed(stream: Stream[Any], wall: Wall, **options: Any) -> None:
    await on_surface(stream, wall, **options).run()


def shown(stream: Stream[Any], wall: Wall, **options: Any) -> None:
    run_in_virtual_time(displayed(stream, wall, stop=False, **options))


def test_updates_are_no_more_than_told_however_fast_chunks_come() -> None:
    wall = Wall()
    shown(words(*(n / 1000 for n in range(1000))), wall, rate=10)

    gaps = [later - earlier for earlier, later in pairwise(wall.times[:-1])]
    assert len(wall.shown) == 11  # ten in the second, and the end
    assert min(gaps) == pytest.approx(0.1)


def test_what_comes_after_a_while_is_shown_at_once() -> None:
    wall = Wall()
    shown(words(1.0, 5.0), wall, rate=2)

    assert wall.times == [0.0, 1.0, 5.0, 5.0]


def test_the_last_word_is_shown_without_another_one_after_it() -> None:
    wall = Wall()
    shown(words(1.0, 1.1, 100.0), wall, rate=2)

    assert wall.times[:3] == [0.0, 1.0, 1.5]
    assert "w0 w1" in wall.shown[2][1]


def test_a_large_page_is_shown_less_often() -> None:
    wall = Wall(cost=2_000_000)  # two seconds' worth
    shown(words(*(n / 10 for n in range(100))), wall, rate=10)

    assert wall.times == [0.0, 2.0, 4.0, 6.0, 8.0, 9.9]


def test_the_page_says_that_it_waits_and_how_it_ended() -> None:
    wall = Wall()
    shown(words(1.0), wall, title="Words")

    assert "waiting for the first chunk — interrupt the kernel to stop" in wall.shown[0][1]
    assert "streaming" in wall.shown[1][1]
    assert wall.last.endswith("ended")
    assert wall.last.startswith("Words")


def test_reasoning_stands_in_an_output_of_its_own() -> None:
    stack: list[list[Bundle]] = []

    class Stack(Wall):
        def show(self, bundles: Sequence[Bundle], /) -> int:
            stack.append([*bundles])
            return super().show(bundles)

    parts = chunks((1, {"reasoning": "Hm."}), (2, {"text": "A"}), (3, {"text": "B"}))
    shown(timed(*((chunk.at, chunk) for chunk in parts)), Stack())

    assert [len(bundles) for bundles in stack[1:]] == [3, 3, 3, 3]
    assert stack[1][0] == stack[2][0] == stack[-1][0]  # what is unfolded stays so


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
async def test_a_rate_is_a_number_above_0(rate: float) -> None:
    with pytest.raises(ConfigError, match="rate"):
        await show(words(), rate=rate)


async def test_reasoning_is_one_of_three() -> None:
    with pytest.raises(ConfigError, match="folded, open, hidden"):
        await show(words(), reasoning="closed")  # type: ignore[arg-type]


class Buttons:
    """Buttons without widgets."""

    def __init__(self) -> None:
        self.is_closed = False
        self.disabled: set[int] = set()

    bundle: ClassVar[dict[str, str]] = {"text/html": "<p>Stop</p>", "text/plain": ""}

    def disable(self, number: int) -> None:
        self.disabled.add(number)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def buttons(monkeypatch: pytest.MonkeyPatch) -> Buttons:
    buttons = Buttons()
    monkeypatch.setattr(displaying, "buttons", lambda _names, _stop: buttons)
    return buttons


def test_buttons_stand_there_until_the_end_and_then_are_gone(buttons: Buttons) -> None:
    wall = Wall()
    run_in_virtual_time(displayed(words(1.0), wall))

    assert ["Stop" in text for _, text in wall.shown] == [True, True, False]
    assert (buttons.disabled, buttons.is_closed) == ({0}, True)


def test_below_a_cell_that_does_not_wait_they_come_a_moment_later(buttons: Buttons) -> None:
    wall = Wall()
    run_in_virtual_time(displayed(words(1.0), wall, is_awaited=False))

    # What runs notebooks without a browser saves the first of these, where nothing must be dead.
    assert wall.times == [0.0, 0.1, 1.0, 1.0]
    assert ["Stop" in text for _, text in wall.shown] == [False, True, True, False]


# -- the connection --------------------------------------------------------------------------------


async def test_stop_closes_the_connection_and_gives_what_had_arrived() -> None:
    wall = Wall()
    async with Simulator(Script(Text("So far."), Hold())) as simulator:
        display = on_surface(client(simulator).generate_stream("x"), wall, stop=False)
        running = asyncio.create_task(display.run())
        exchange = await simulator.request()
        await until(lambda: "So far." in wall.last)
        display.stop(0)
        await exchange.gone()
        await running

    response = display.answers[0].response()
    assert (response.text, response.complete) == ("So far.", False)
    assert response.finish_reason is FinishReason.CANCELLED
    assert "stopped, the connection is closed" in wall.last


async def test_stop_before_the_first_chunk_asks_for_nothing() -> None:
    wall = Wall()
    async with Simulator(ENDLESS) as simulator:
        display = on_surface(client(simulator).generate_stream("x"), wall, stop=False)
        display.stop(0)
        await display.run()

    assert simulator.requests == []
    assert "stopped" in wall.last


async def test_cancelling_closes_the_connection_and_says_so_under_what_had_arrived() -> None:
    wall = Wall()
    async with Simulator(Script(Text("So far."), Hold())) as simulator:
        display = on_surface(client(simulator).generate_stream("x"), wall, stop=False)
        running = asyncio.create_task(display.run())
        exchange = await simulator.request()
        await until(lambda: "So far." in wall.last)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await exchange.gone()

    assert "So far." in wall.last
    assert "interrupted, the connection is closed" in wall.last


async def test_of_two_streams_one_that_fails_leaves_the_other() -> None:
    wall = Wall()
    async with (
        Simulator(HttpError(429)) as bad,
        Simulator(Script(Text("Well "), Hold(), Text("done."))) as good,
    ):
        streams = [client(simulator).generate_stream("x") for simulator in (bad, good)]
        display = side_by_side(streams, ["bad", "good"], wall, stop=False)
        running = asyncio.create_task(display.run())
        exchange = await good.request()
        await until(lambda: "RateLimitError" in wall.last and "Well" in wall.last)
        exchange.release()
        await running

    failed, whole = (answer.response() for answer in display.answers)
    assert (failed.complete, failed.finish_reason) == (False, FinishReason.INTERRUPTED)
    assert (whole.complete, whole.text) == (True, "Well done.")
    assert "1 of 2 came to their end" in wall.last


async def test_of_two_streams_one_is_stopped_and_the_other_goes_on() -> None:
    wall = Wall()
    async with Simulator(Script(Text("Well "), Hold(), Text("done."))) as simulator:
        streams = [client(simulator).generate_stream("x") for _ in range(2)]
        display = side_by_side(streams, ["1", "2"], wall, stop=False)
        running = asyncio.create_task(display.run())
        exchanges = [await simulator.request(n) for n in range(2)]
        await until(lambda: wall.last.count("Well") == 2)
        display.stop(1)
        await until(lambda: any(exchange.gone_at is not None for exchange in exchanges))
        for exchange in exchanges:
            exchange.release()
        await running

    assert [answer.response().complete for answer in display.answers] == [True, False]


# -- where there is no notebook --------------------------------------------------------------------


async def test_in_a_terminal_the_text_is_printed_as_it_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with Simulator(Script(Text("So \x1b[31mfar."), Hold(), Text(" Done."))) as simulator:
        stream = client(simulator).generate_stream("x")
        running = asyncio.create_task(show(stream, title="It"))
        exchange = await simulator.request()
        printed = ""

        def has_printed() -> bool:
            nonlocal printed
            printed += capsys.readouterr().out
            return "far." in printed

        await until(has_printed)
        exchange.release()
        response = await running

    assert response.complete
    assert printed == "It\nSo \ufffd[31mfar."
    rest = capsys.readouterr().out
    assert rest.startswith(" Done.\n(openai:gpt-test · ")
    assert rest.endswith(" · ended: stop)\n")


async def test_a_stream_that_fails_raises_its_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"):
        await show(timed((0, "Half"), error=OSError("gone")))

    assert capsys.readouterr().out == ("Half\nOSError: gone\n(about 2 tokens · failed: OSError)\n")


def test_what_is_begun_anew_is_said_where_it_cannot_be_erased(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = chunks((0, {"text": "Old"}), (0, {"text": "New", "epoch": 1}))

    response = run_in_virtual_time(show(timed((0, old), (1, new))))

    assert response.text == "New"
    assert capsys.readouterr().out.startswith(
        "Old\n(starting anew; the above no longer counts)\nNew\n("
    )


async def test_compare_gives_what_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    by_place = await compare(words(0), words(0))
    by_name = await compare({"a": words(0), "b": words(0)})

    assert [response.text for response in by_place] == ["w0 ", "w0 "]
    assert {name: response.text for name, response in by_name.items()} == {"a": "w0 ", "b": "w0 "}
    assert capsys.readouterr().out.count("w0 \n(about 2 tokens · ended)\n") == 4


async def test_compare_wants_streams_and_a_title_for_each() -> None:
    with pytest.raises(ConfigError, match="needs a stream"):
        await compare()
    with pytest.raises(ConfigError, match="2 streams have 1 titles"):
        await compare(words(), words(), titles=["a"])
    with pytest.raises(ConfigError, match="one mapping"):
        await compare({"a": words()}, words())  # type: ignore[call-overload]
