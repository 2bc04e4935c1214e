"""Gates: who holds them, who waits at them, how a reader finds them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.gate import GateGroup, PumpGate, downstream, pushing

from .sources import Numbers, read_all, settle


async def test_a_gate_is_open_while_nobody_holds_it() -> None:
    gate = PumpGate()
    assert await gate.wait_open()
    gate.hold("a")
    gate.hold("a")
    gate.hold("b")
    waiting = asyncio.ensure_future(gate.wait_open())
    gate.release("a")
    await settle()
    assert not waiting.done()
    assert gate.holders == {"b"}

    gate.release("b")
    assert await waiting


async def test_a_release_by_somebody_else_does_nothing() -> None:
    gate = PumpGate()
    gate.hold("a")
    gate.release("b")

    assert gate.holders == {"a"}


async def test_a_gate_that_is_held_again_before_the_waiter_ran_stays_closed() -> None:
    gate = PumpGate()
    gate.hold("a")
    waiting = asyncio.ensure_future(gate.wait_open())
    await settle()
    gate.release("a")
    gate.hold("b")
    await settle()
    assert not waiting.done()

    gate.release("b")
    assert await waiting


async def test_closing_sends_the_waiter_away() -> None:
    gate = PumpGate()
    gate.hold("a")
    waiting = asyncio.ensure_future(gate.wait_open())
    await settle()
    gate.close()
    assert await waiting is False
    gate.hold("b")
    gate.release("b")
    assert gate.closed
    assert gate.holders  # a source need look at nothing else
    assert await gate.wait_open() is False


async def test_a_cancelled_waiter_is_forgotten() -> None:
    gate = PumpGate()
    gate.hold("a")
    waiting = asyncio.ensure_future(gate.wait_open())
    await settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    gate.release("a")

    assert await gate.wait_open()


async def test_finished_is_later_than_closed() -> None:
    gate = PumpGate()
    gate.close()
    waiting = asyncio.ensure_future(gate.wait_finished())
    await settle()
    assert (gate.closed, gate.finished) == (True, False)
    assert not waiting.done()
    gate.finish()
    gate.finish()

    await waiting
    assert gate.finished


async def test_a_release_from_another_thread_wakes_the_source() -> None:
    gate = PumpGate()
    gate.hold("a")
    waiting = asyncio.ensure_future(gate.wait_open())
    await settle()
    thread = threading.Thread(target=gate.release, args=("a",))
    thread.start()
    async with asyncio.timeout(5):
        assert await waiting
    thread.join()


def test_a_release_after_the_loop_is_gone_is_harmless() -> None:
    loop = asyncio.new_event_loop()

    async def wait() -> PumpGate:
        gate = PumpGate()
        gate.hold("a")
        # Never finished: loops that are closed in a hurry leave such things behind.
        gate._waiter = asyncio.get_running_loop().create_future()
        return gate

    gate = loop.run_until_complete(wait())
    loop.close()
    gate.release("a")

    assert not gate.holders


async def test_a_group_holds_and_releases_all_of_its_gates() -> None:
    group, first, second = GateGroup(), PumpGate(), PumpGate()
    assert not group.linked
    group.attach(first)
    group.hold()
    group.attach(second)  # joins while paused
    assert first.holders == second.holders == {group}
    assert group.linked

    group.release()
    assert not first.holders
    assert not second.holders


async def test_a_group_takes_in_the_parents_of_a_gate() -> None:
    outer = PumpGate()
    inner = PumpGate(parent=outer)
    group = GateGroup()
    group.attach(inner)

    assert {*group.gates} == {outer, inner}


async def test_a_group_takes_in_who_is_pushing_when_it_fills_up() -> None:
    group, gate = GateGroup("screen"), PumpGate()
    token = pushing.set(gate)
    group.hold()
    pushing.reset(token)

    assert gate.holders == {group}
    assert [repr(holder) for holder in gate.holders] == ["<screen>"]


async def test_gates_of_finished_sources_are_forgotten() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(3).pipe(rx.repeat(500)))
    got = [await anext(reader) for _ in range(1000)]

    assert got == [0, 1, 2] * 333 + [0]
    assert len(reader.ring.group._gates) <= 2
    reader.cancel()


@pytest.mark.parametrize(("again", "fails"), [(rx.repeat(), 0), (rx.retry(), 10**9)])
async def test_resubscribing_does_not_chain_dead_gates(again: Any, fails: int) -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(3, fails=fails).pipe(again))
    for _ in range(300):
        await anext(reader)
    (gate, *_) = reader.ring.group.gates
    depth = 0
    parent = gate.parent
    while parent is not None:
        depth, parent = depth + 1, parent.parent

    assert depth <= 1
    reader.cancel()


async def test_what_is_set_while_attaching_does_not_leak() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(3))

    assert downstream.get() is None
    assert pushing.get() is None
    assert await read_all(reader) == [0, 1, 2]


async def test_a_reader_made_inside_a_push_does_not_hold_the_pusher() -> None:
    inner: list[BoundedSubscriber[int]] = []

    def read_another(number: int) -> int:
        if not inner:
            inner.append(BoundedSubscriber[int](2).attach(Numbers()))
        return number

    outer = BoundedSubscriber[int](8).attach(Numbers(100).pipe(rx.map(read_another)))

    assert await read_all(outer) == list(range(100))
    assert inner[0].statistics().waiting == 2
    inner[0].cancel()


async def test_a_plain_subscription_pauses_its_source() -> None:
    source = Numbers(100)
    reader = BoundedSubscriber[int](8)
    source.subscribe(reader)
    await settle()

    assert reader.statistics().waiting == 8
    assert await read_all(reader) == list(range(100))


async def test_a_subject_as_bridge_pauses_the_source_behind_it() -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](8).attach(subject)
    source = Numbers(100)
    source.subscribe(subject)
    await settle()

    assert reader.statistics().waiting == 8
    assert source.given <= 9
    assert await read_all(reader) == list(range(100))


async def test_a_flat_map_holds_the_outer_source_also_when_subscribed_plainly() -> None:
    source = Numbers(100)
    reader = BoundedSubscriber[int](8)
    source.pipe(rx.flat_map(lambda n: Numbers(10, start=10 * n, batch=1))).subscribe(reader)
    await settle()

    assert source.given < 100
    assert sorted(await read_all(reader)) == list(range(1000))


async def test_a_subscription_on_a_thread_pauses_too() -> None:
    loop = asyncio.get_running_loop()
    source = Numbers(100)
    reader = BoundedSubscriber[int](8)

    def subscribe() -> None:
        loop.call_soon_threadsafe(source.subscribe, reader)

    await asyncio.to_thread(subscribe)
    await settle()

    assert reader.statistics().waiting == 8
    assert await read_all(reader) == list(range(100))


@pytest.mark.parametrize("slow", [0, 1])
async def test_the_slowest_reader_of_a_shared_source_governs(slow: int) -> None:
    source = Numbers(200)
    shared = source.pipe(rx.publish(), rx.ref_count())
    readers = [BoundedSubscriber[int](8).attach(shared) for _ in range(2)]
    await settle()
    quick = asyncio.ensure_future(read_all(readers[1 - slow]))
    await settle()
    assert readers[slow].statistics().waiting == 8
    assert readers[1 - slow].statistics().delivered <= 8
    (gate,) = readers[slow].ring.group.gates
    assert gate.holders == {readers[slow].ring.group}

    both = await read_all(readers[slow]), await quick
    assert both == (list(range(200)), list(range(200)))


async def test_each_reader_of_a_cold_source_has_a_gate_of_its_own() -> None:
    source = Numbers(100)
    asleep = BoundedSubscriber[int](8).attach(source)
    awake = BoundedSubscriber[int](8).attach(source)

    assert await read_all(awake) == list(range(100))
    assert asleep.statistics().waiting == 8
    asleep.cancel()


async def test_inside_a_merge_an_empty_source_holds_nobody() -> None:
    reader = BoundedSubscriber[int](4).attach(
        reactivex.merge(reactivex.empty(), Numbers(50), reactivex.never().pipe(rx.take(0)))
    )

    assert await read_all(reader) == list(range(50))
