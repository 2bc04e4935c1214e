"""Operators on the branches of a shared source: one reader leaves while it is full, one goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.subject import Subject

from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber

from .sources import Numbers, read_all, settle

CAPACITY = 8
COUNT = 200


def through_a_subject(source: reactivex.Observable[int]) -> reactivex.Observable[int]:
    subject: Subject[int] = Subject()
    connection: list[Any] = []

    def subscribe(observer: Any, scheduler: Any = None) -> CompositeDisposable:
        subscription = subject.subscribe(observer)
        if not connection:
            connection.append(source.subscribe(subject, scheduler=scheduler))

        def leave() -> None:
            subscription.dispose()
            if not subject.observers:
                connection[0].dispose()

        return Disposable(leave)

    return reactivex.create(subscribe)


SHARED: dict[str, Any] = {
    "our share": ops.share(),
    "our share, replaying": ops.share(replay="all"),
    "share": rx.share(),
    "publish, ref_count": rx.compose(rx.publish(), rx.ref_count()),
    # Made anew for each source: RxPY's operator keeps its subject.
    "replay, ref_count": lambda source: source.pipe(rx.replay(buffer_size=4), rx.ref_count()),
    "a Subject": through_a_subject,
}


def fifty(number: int) -> reactivex.Observable[int]:
    return reactivex.from_iterable([number] * 50)


def nap(number: int) -> Any:
    return asyncio.sleep(0, number)


#: Operators, and what one push expands to.
BRANCHES: dict[str, tuple[Any, int]] = {
    "nothing": (rx.compose(), 1),
    "map": (rx.map(abs), 1),
    "filter": (rx.filter(lambda n: n % 3 == 0), 1),
    "scan": (rx.scan(lambda total, n: total + n, 0), 1),
    "buffer_with_count": (rx.buffer_with_count(4), 1),
    "window_with_count": (rx.compose(rx.window_with_count(4), rx.flat_map(rx.to_list())), 1),
    "flat_map": (rx.flat_map(fifty), 50),
    "concat_map": (rx.concat_map(fifty), 50),
    "group_by": (rx.compose(rx.group_by(lambda n: n % 3), rx.flat_map(rx.map(abs))), 1),
    "pairwise": (rx.pairwise(), 1),
    "start_with": (rx.start_with(-1), 1),
    "materialize": (rx.compose(rx.materialize(), rx.dematerialize()), 1),
    "publish with a mapper": (rx.publish(lambda shared: reactivex.merge(shared, shared)), 2),
    "merge of another pump": (lambda source: reactivex.merge(source, Numbers(COUNT)), 1),
    "bounded": (ops.bounded(3), 1),
    "batched": (ops.batched(3, 1), 1),
    "map_async": (ops.map_async(nap, concurrency=2), 1),
    "zip_with": (ops.zip_with(Numbers(COUNT), capacity=3), 1),
}


@pytest.mark.parametrize(("operator", "k"), BRANCHES.values(), ids=BRANCHES)
@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
async def test_a_reader_that_leaves_while_it_is_full_lets_the_others_go_on(
    share: Any, operator: Any, k: int
) -> None:
    sources = [Numbers(COUNT), Numbers(COUNT, start=1000, batch=3)]
    shared = share(reactivex.merge(*sources))
    leaves = BoundedSubscriber[Any](CAPACITY).attach(shared.pipe(operator))
    goes_on = BoundedSubscriber[int](COUNT).attach(shared)
    await settle()
    assert leaves.statistics().waiting >= CAPACITY
    assert leaves.statistics().peak <= CAPACITY - 1 + k
    at_rest = [source.given for source in sources]
    # It keeps the source from the other one, which has room, and from nothing else.
    assert goes_on.statistics().waiting < COUNT
    await settle()
    assert [source.given for source in sources] == at_rest

    await leaves.aclose()
    got = await read_all(goes_on)
    assert [n for n in got if n < 1000] == [*range(COUNT)]
    assert [n for n in got if n >= 1000] == [*range(1000, 1000 + COUNT)]
    await settle()
    assert all(source.is_closed for source in sources)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
async def test_readers_of_any_pace_get_everything(share: Any) -> None:
    source = Numbers(COUNT)
    shared = share(source)
    branches = [shared.pipe(rx.map(abs)), shared.pipe(ops.bounded(3)), shared]
    readers = [BoundedSubscriber[int](CAPACITY).attach(branch) for branch in branches]

    async def read(reader: BoundedSubscriber[int], turns: int) -> list[int]:
        got: list[int] = []
        async for number in reader:
            got.append(number)
            await settle(turns)
        return got

    async with asyncio.timeout(10):
        all_of_them = await asyncio.gather(*map(read, readers, (0, 1, 5)))
    assert all_of_them == [[*range(COUNT)]] * 3
    assert all(reader.statistics().peak <= CAPACITY for reader in readers)
