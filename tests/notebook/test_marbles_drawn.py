"""Marble diagrams of what really passed, in exact virtual time."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
import reactivex.operators as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex.testing import ReactiveTest, TestScheduler

from rxwizard import from_async_iterable, from_iterable
from rxwizard import operators as ops
from rxwizard.errors import ConfigError
from rxwizard.notebook.labels import label_of
from rxwizard.notebook.marble_diagrams import Marbles, Stage, marbles
from rxwizard.notebook.names import name_of
from rxwizard.testing import run_in_virtual_time

from .answers import chunks, timed
from .drawings import clipped, harmless, parsed, tips, written

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ((0.5, "One "), (1.0, "two. "), (2.0, "Three."))


def seen(stage: Stage) -> list[tuple[float, str, str]]:
    """What happened at a stage: when, what, and to which item."""
    return [(mark.at, mark.what, mark.label.short if mark.label else "") for mark in stage.marks]


def shout(source: Any) -> Any:
    return source.pipe(rx.map(str.upper))


# -- what is noted -------------------------------------------------------------------------------


def test_each_stage_has_what_passed_and_when() -> None:
    diagram = run_in_virtual_time(marbles(timed(*WORDS), ops.buffer_sentences(), rx.map(len)))

    source, sentences, lengths = diagram.stages
    assert seen(source) == [
        (0.0, "subscribed", ""),
        (0.5, "next", "One"),
        (1.0, "next", "two."),
        (2.0, "next", "Three."),
        (2.0, "completed", ""),
    ]
    assert seen(sentences) == [
        (0.0, "subscribed", ""),
        (2.0, "next", "One two."),
        (2.0, "next", "Three."),
        (2.0, "completed", ""),
    ]
    assert [mark.label.full for mark in lengths.marks if mark.label] == ["9", "6"]
    assert [stage.name for stage in diagram.stages] == ["source", "", ""]
    assert [stage.operator for stage in diagram.stages] == ["", "buffer_sentences", "map"]
    assert diagram.duration == 2.0


def test_time_counts_from_the_first_subscription() -> None:
    async def late() -> Marbles:
        await asyncio.sleep(100)
        return await marbles(timed((0.5, "a")), rx.map(len))

    assert [mark.at for mark in run_in_virtual_time(late()).stages[0].marks] == [0.0, 0.5, 0.5]


def test_an_error_is_drawn_and_not_raised() -> None:
    error = OSError("reset")
    diagram = run_in_virtual_time(
        marbles(timed((1.0, "a"), error=error, fails_at=2.0), ops.accumulate_text())
    )

    for stage in diagram.stages:
        assert stage.end is not None
        assert (stage.end.at, stage.end.what, stage.end.error) == (2.0, "failed", error)
    assert written(diagram.svg()).count("✕ OSError") == 2
    assert "2 s  OSError: reset" in tips(diagram.svg())


def test_what_an_operator_raises_shows_where_it_was() -> None:
    diagram = run_in_virtual_time(marbles(timed((1.0, "a"), (2.0, "b")), rx.map(int)))

    source, numbers = diagram.stages
    assert numbers.end is not None
    assert source.end is not None
    assert isinstance(numbers.end.error, ValueError)
    assert source.end.what == "disposed"
    assert source.items == 1


def test_an_operator_that_has_enough_disposes_of_what_is_above() -> None:
    diagram = run_in_virtual_time(marbles(timed(*WORDS), rx.take(1)))

    assert seen(diagram.stages[0])[-1] == (0.5, "disposed", "")
    assert seen(diagram.stages[1])[-1] == (0.5, "completed", "")


def test_a_retry_subscribes_again_on_the_same_line() -> None:
    attempts = 0

    def source(*_: Any) -> Any:
        nonlocal attempts
        attempts += 1
        return timed((1.0, attempts), error=OSError() if attempts == 1 else None, fails_at=2.0)

    diagram = run_in_virtual_time(marbles(reactivex.defer(source), rx.retry(2)))

    assert seen(diagram.stages[0]) == [
        (0.0, "subscribed", ""),
        (1.0, "next", "1"),
        (2.0, "failed", ""),
        (2.0, "subscribed", ""),
        (3.0, "next", "2"),
        (3.0, "completed", ""),
    ]
    assert "2 s  subscribed again" in tips(diagram.svg())


async def test_the_error_of_a_reader_that_is_outrun_is_raised() -> None:
    from rxwizard.errors import MissingBackpressureError

    with pytest.raises(MissingBackpressureError):
        await marbles(reactivex.range(0, 10_000), rx.map(str))


def test_around_a_pipeline_that_somebody_else_reads() -> None:
    async def read() -> tuple[Marbles, list[int]]:
        with Marbles() as diagram:
            stream = timed(*WORDS).pipe(
                diagram.stage("words"),
                ops.buffer_sentences(),
                rx.map(len),
                diagram.stage("lengths"),
            )
            got = [length async for length in stream]
        diagram.stages[0].name = "words"
        return diagram, got

    diagram, got = run_in_virtual_time(read())

    assert got == [9, 6]
    assert [(stage.name, stage.operator, stage.items) for stage in diagram.stages] == [
        ("words", "", 3),
        ("lengths", "", 2),
    ]


def test_virtual_time_of_reactivex_is_drawn_as_well() -> None:
    scheduler = TestScheduler()
    on_next, on_completed = ReactiveTest.on_next, ReactiveTest.on_completed
    cold = scheduler.create_cold_observable(on_next(10, "a"), on_next(20, "b"), on_completed(30))
    diagram = Marbles()

    scheduler.start(lambda: cold.pipe(diagram.watch(rx.delay(5), source="cold")))

    assert [(at, what) for at, what, _ in seen(diagram.stages[0])] == [
        (0, "subscribed"),
        (10, "next"),
        (20, "next"),
        (30, "completed"),
    ]
    assert [at for at, _, _ in seen(diagram.stages[1])] == [0, 15, 25, 35]


def test_the_taps_leave_backpressure_as_it_is() -> None:
    given_out: list[int] = []

    def numbers() -> Any:
        for number in range(100):
            given_out.append(number)
            yield number

    async def read(*taps: Callable[[Any], Any]) -> list[int]:
        given_out.clear()
        ahead: list[int] = []
        async with from_iterable(numbers()).pipe(*taps).bounded(4) as reader:
            async for number in reader:
                await asyncio.sleep(1)
                ahead.append(len(given_out) - number)
        return ahead

    diagram = Marbles(limit=5)
    watched = run_in_virtual_time(read(diagram.watch(rx.map(lambda number: number))))

    assert watched == run_in_virtual_time(read(rx.map(lambda number: number)))
    assert max(watched) <= 6


def test_beyond_the_limit_items_are_counted_and_not_kept() -> None:
    async def read() -> Marbles:
        return await marbles(from_iterable(range(50)), rx.map(str), limit=10)

    diagram = run_in_virtual_time(read())

    assert [(stage.items, stage.left_out) for stage in diagram.stages] == [(50, 40), (50, 40)]
    assert [len(stage.marks) for stage in diagram.stages] == [12, 12]
    assert written(diagram.svg()).count("40 not kept") == 2


def test_an_item_is_seen_as_it_was_when_it_passed() -> None:
    async def read() -> Marbles:
        shared: list[int] = []
        return await marbles(timed((1.0, shared), (2.0, shared)), ("grow", rx.do_action(grow)))

    def grow(item: list[int]) -> None:
        item.append(1)

    diagram = run_in_virtual_time(read())

    assert [mark[2] for mark in seen(diagram.stages[0]) if mark[1] == "next"] == ["[]", "[1]"]
    assert diagram.stages[1].operator == "grow"


@pytest.mark.parametrize("options", [{"limit": 0}, {"width": 5}])
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Marbles: "):
        Marbles(**options)


async def test_what_is_no_stream_or_no_operator_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes a stream, not a list"):
        await marbles([1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="an operator is a function, not a int"):
        await marbles(from_iterable([1]), 3)  # type: ignore[arg-type]


async def test_cancelling_closes_the_stream() -> None:
    closed = False
    reading = asyncio.Event()

    async def give() -> Any:
        nonlocal closed
        try:
            yield "a"
            reading.set()
            await asyncio.Event().wait()
        finally:
            closed = True

    task = asyncio.create_task(marbles(from_async_iterable(give()), rx.map(len)))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed


# -- names and labels ----------------------------------------------------------------------------


class Same:
    def __call__(self, source: Any) -> Any:
        return source


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        (ops.text(), "text"),
        (ops.buffer_sentences(), "buffer_sentences"),
        (ops.accumulate(), "accumulate"),
        (ops.tap_metrics(), "tap_metrics"),
        (ops.heartbeat(1), "heartbeat"),
        (rx.map(len), "map"),
        (rx.take(2), "take"),
        (rx.buffer_with_count(3), "buffer_with_count"),
        (shout, "shout"),
        (functools.partial(shout), "shout"),
        (Same(), "Same"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_operators_are_known_by_their_functions(operator: Any, name: str) -> None:
    assert name_of(operator) == name


def test_a_chunk_is_labelled_with_what_it_brings() -> None:
    answer = chunks(
        (0.0, {"kind": "start"}),
        (0.0, {"text": " Hello\nyou"}),
        (0.0, {"text": "  "}),
        (0.0, {"kind": "final", "is_final": True, "finish_reason": "stop"}),
    )
    labels = [label_of(chunk) for chunk in answer]

    assert [label.short for label in labels] == ["start", "Hello↵you", "␣␣", "stop"]
    assert [label.kind for label in labels] == ["start", "text", "text", "final"]
    assert labels[1].full == "text: ' Hello\\nyou'"


def test_an_item_that_cannot_say_what_it_is_has_its_types_name() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise ValueError

    assert label_of(Shy()).short == "<Shy>"
    assert label_of("").short == "∅"
    assert len(label_of("x" * 10_000).full) < 500


# -- the picture ---------------------------------------------------------------------------------


def test_the_picture_has_a_line_for_each_stage_and_the_operators_between() -> None:
    diagram = run_in_virtual_time(
        marbles(timed(*WORDS), ops.buffer_sentences(), ("how long <is it>", rx.map(len)))
    )
    words = written(diagram.svg())

    order = ["source", "One", "two.", "buffer_sentences", "One two.", "how long <is it>", "9"]
    assert [word for word in words if word in order] == order
    assert [word for word in words if word.endswith("items")] == ["3 items", "2 items", "2 items"]
    assert "500 ms  'One '" in tips(diagram.svg())
    assert "2 s  completed" in tips(diagram.svg())
    assert not clipped(diagram.svg())


def places(svg: str) -> dict[str, tuple[float, float]]:
    root = parsed(svg)
    texts = [element for element in root if element.tag.endswith("text")]
    words = written(svg)
    return {
        word: (float(text.attrib["x"]), float(text.attrib["y"]))
        for word, text in zip(words, texts, strict=True)
    }


def test_items_of_one_moment_hang_below_each_other_in_order() -> None:
    diagram = run_in_virtual_time(marbles(timed((1.0, "first"), (1.0, "second"), (1.0, "third"))))
    at = places(diagram.svg())

    assert at["first"][0] == at["second"][0] == at["third"][0]
    assert at["first"][1] + 20 < at["second"][1]
    assert at["second"][1] + 20 < at["third"][1]


def test_items_that_find_no_place_are_dots_and_counted() -> None:
    items = [(1.0 + number / 100, f"item {number}") for number in range(200)]
    diagram = run_in_virtual_time(marbles(timed(*items), width=300))
    picture = diagram.svg()
    drawn = sum(1 for word in written(picture) if word.startswith("ite"))

    assert drawn >= 6
    assert f"{200 - drawn} as dots" in written(picture)
    assert not clipped(picture)


def test_a_diagram_of_nothing_can_be_drawn() -> None:
    assert written(Marbles().svg()) == ["0 s"]
    assert repr(Marbles()) == "0 stages in 0 s"
    unread = Marbles()
    unread.stage("unread")
    assert written(unread.svg())[1:] == ["unread", "0 items"]


labels = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), labels), max_size=15), labels, labels)
def test_whatever_passes_is_drawn_within_its_frame(
    items: list[tuple[float, str]], name: str, source: str
) -> None:
    async def read() -> Marbles:
        stream = timed(*sorted(items))
        return await marbles(stream, (name, rx.map(lambda item: item)), name=source, width=500)

    diagram = run_in_virtual_time(read())

    parsed(diagram.svg())
    assert not clipped(diagram.svg())
    assert harmless(repr(diagram))


# -- letters -------------------------------------------------------------------------------------


def test_in_a_terminal_it_is_drawn_with_letters() -> None:
    diagram = run_in_virtual_time(
        marbles(timed((0.0, "a"), (2.0, "b"), (2.0, "c"), (4.0, "d")), ("upper", shout))
    )

    assert diagram.text(columns=29).splitlines() == [
        "2 stages in 4 s",
        "source a---------b---------d|",
        "                 c",
        "       [ upper ]",
        "       A---------B---------D|",
        "                 C",
    ]


def test_in_a_terminal_an_end_has_its_sign() -> None:
    failed = run_in_virtual_time(marbles(timed((1.0, "a"), error=OSError(), fails_at=2.0)))
    taken = run_in_virtual_time(marbles(timed((1.0, "a"), (2.0, "b")), rx.take(1)))

    assert failed.text(28).splitlines()[1] == "source ---------a---------#"
    assert taken.text(28).splitlines()[1] == "source -------------------a>"


def test_in_a_terminal_more_than_four_items_of_a_column_are_a_plus() -> None:
    diagram = run_in_virtual_time(marbles(timed(*((1.0, letter) for letter in "abcdef"))))

    assert [
        line.removeprefix("source").strip(" -|") for line in diagram.text(40).splitlines()[1:]
    ] == [
        *"abc",
        "+",
    ]
