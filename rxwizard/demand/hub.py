"""The hub: one subscription to a source, and many readers of it, each at its own pace."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

from rxwizard.demand.gate import GateGroup, downstream, pushing, running_loop
from rxwizard.demand.hub_gate import HubGate
from rxwizard.demand.member import Late, Member
from rxwizard.demand.pump import push_batches
from rxwizard.demand.ring import BURST
from rxwizard.demand.scheduler import LoopScheduler
from rxwizard.demand.stall import Stall, StallWatch
from rxwizard.errors import BufferOverflowError, MissingBackpressureError

if TYPE_CHECKING:
    from reactivex import typing

T = TypeVar("T")
S = TypeVar("S")

_Way = tuple[Context, Callable[[T], None], Member[T]]


class TooLateError(RuntimeError):
    """The source of a hub has ended, or everybody has left."""


class Hub(Generic[T]):
    """Hands each item of one source to all who have joined.

    It holds the source while any of its readers is full, so the slowest lossless one governs. An
    observer that raises is let go alone: it gets its exception, and the others go on. The last one
    to leave closes the source.

    Readers join and leave on any thread. The source runs on the loop of the first one, and pushes
    one item at a time, as Rx demands of it. No observer is called under the lock.

    Args:
        source: What is shared; subscribed to once, by `connect`.
        replay: Most items that are kept for those who join late.
        forgets: Whether older ones may be forgotten. If not, who joins after there were more gets a
            BufferOverflowError.
        stall: What to do about a reader that stands still.
    """

    def __init__(
        self,
        source: Observable[T],
        *,
        replay: int = 0,
        forgets: bool = True,
        stall: Stall | None = None,
    ) -> None:
        self._source = source
        self._replay = replay
        self._forgets = forgets
        # Re-entrant: a reader's finaliser can run anywhere, and makes it leave.
        self._lock = threading.RLock()
        self._watch = None if stall is None else StallWatch(stall, self._lock, self._waiting)
        self._gate = HubGate(self._lock, self._watch)
        self._subscription: SingleAssignmentDisposable | None = None
        self._history: deque[T] = deque(maxlen=replay)
        #: Whether more came than may be kept, and nothing may be forgotten.
        self._is_cut = False
        self._members: dict[abc.ObserverBase[T], Member[T]] = {}
        self._late: dict[abc.ObserverBase[T], Late[T]] = {}
        #: The members as the source's side needs them; replaced when they change.
        self._ways: tuple[_Way[T], ...] = ()
        #: Whether a source was found that can be held.
        self._is_paced = False
        self._is_pushing = False
        #: How the source failed, if it did.
        self.error: Exception | None = None
        #: Whether the source has ended, or everybody has left.
        self.over = False
        self._was_left = False

    @property
    def joinable(self) -> bool:
        """Whether who joins now gets what belongs to this subscription of the source."""
        if not self.over:
            return True
        return self._replay > 0 and not (self._is_cut or self._was_left or self.error is not None)

    def _waiting(self) -> int:
        """Count the readers that have room: they wait for the one that has none."""
        members = [*self._members.values(), *(late.member for late in [*self._late.values()])]
        groups = {member.group for member in members if member.group is not None}
        holders = {each for each in (*self._gate.holders,) if isinstance(each, GateGroup)}
        # Who did not say who it is becomes known when it holds.
        unnamed = sum(member.group is None for member in members) - len(holders - groups)
        return sum(not group.holding for group in groups) + max(0, unnamed)

    # -- the readers' side ---------------------------------------------------------------------

    def join(self, observer: abc.ObserverBase[T]) -> abc.DisposableBase:
        """Give `observer` what is kept, and then what comes.

        Raises:
            TooLateError: It is not `joinable`.
        """
        member = Member(observer, self._gate)
        if member.group is not None:
            member.group.attach(self._gate)
        leave = Disposable(lambda: self._leave(member))
        late: Late[T] | None = None
        with self._lock:
            if not self.joinable:
                raise TooLateError
            if not (self._history or self.over or self._is_cut):
                self._admit(member)
                return leave
            if not self._is_cut:
                running_loop()  # raises while nothing has changed
                late = self._late[observer] = Late(self, member, tuple(self._history))
                self._gate.hold(late)
        if late is None:
            member.tell(observer.on_error, self._is_forgotten())
            return Disposable()
        return CompositeDisposable(member.context.run(push_batches, late.batches, late), leave)

    def catch_up(self, late: Late[T]) -> list[T]:
        """Give what it has missed. Where that is nothing, it gets what comes from now on."""
        with self._lock:
            missed, late.missed = late.missed, []
            if not missed and self._late.pop(late.member.observer, None) is not None:
                self._admit(late.member)
                self._gate.release(late)
            return missed

    def tell_end(self, member: Member[T]) -> None:
        """Tell the end, if it has come."""
        if self.error is not None:
            member.tell(member.observer.on_error, self.error)
        elif self.over:
            member.tell(member.observer.on_completed)

    def let_go(self, member: Member[T], error: Exception) -> None:
        """Leave it alone with what it raised; raised on, that would end the source for all."""
        self._leave(member)
        member.tell(member.observer.on_error, error)

    def _admit(self, member: Member[T]) -> None:
        self._members[member.observer] = member
        self._look_at_members()
        if self._watch is not None:
            self._watch.waits()

    def _look_at_members(self) -> None:
        # A copy: a reader's finaliser may make it leave in the midst of this.
        members = [*self._members.values()]
        self._ways = tuple((each.context, each.observer.on_next, each) for each in members)

    def _leave(self, member: Member[T]) -> None:
        observer = member.observer
        with self._lock:
            if self._members.pop(observer, None) is not None:
                self._look_at_members()
            if (late := self._late.pop(observer, None)) is not None:
                self._gate.release(late)
            if self._members or self._late or self.over:
                return
            self._was_left = True
            self._end()
        if self._subscription is not None:
            self._subscription.dispose()

    # -- the source's side ---------------------------------------------------------------------

    def connect(self, scheduler: abc.SchedulerBase | None = None) -> None:
        """Subscribe to the source, if that has not been done."""
        with self._lock:
            if self._subscription is not None or self.over:
                return
            self._subscription = SingleAssignmentDisposable()
        # The source works for this hub, and not for the reader that happens to come first: that one
        # may leave.
        context = copy_context()
        context.run(downstream.set, self._gate.sources)
        context.run(pushing.set, None)
        self._subscription.disposable = context.run(
            self._source.subscribe,
            self._on_next,
            self._on_error,
            self._on_completed,
            scheduler=_lent(scheduler),
        )

    def _on_next(self, item: T) -> None:
        if self._gate.holders or not self._is_paced:
            # Who pushes through a Subject is found out only now.
            self._gate.sources.attach(pushing.get())
            self._is_paced = self._gate.sources.linked
        ways = self._keep(item) if self._replay else self._ways
        if self._is_pushing:
            # A reader feeds what it reads, and its context is in use.
            ways = tuple((context.copy(), on_next, member) for context, on_next, member in ways)
        is_nested, self._is_pushing = self._is_pushing, True
        for context, on_next, member in ways:
            try:
                context.run(on_next, item)
            except Exception as error:
                self.let_go(member, error)
        self._is_pushing = is_nested

    def _keep(self, item: T) -> tuple[_Way[T], ...]:
        """Keep it for those who come late; give those who get it now."""
        with self._lock:
            history = self._history
            if not self._forgets and len(history) == self._replay:
                self._is_cut = True
                history.clear()
            if not self._is_cut:
                history.append(item)
            if not self._late:
                return self._ways
            late = [*self._late.values()]
            for each in late:
                each.missed.append(item)
            ways = self._ways
        for each in late:
            if len(each.missed) > BURST:
                each.member.tell(each.member.observer.on_error, self._is_outrun())
        return ways

    def _on_error(self, error: Exception) -> None:
        with self._lock:
            self.error = error
            members = self._end()
        for member in members:
            member.tell(member.observer.on_error, error)

    def _on_completed(self) -> None:
        for member in self._end():
            member.tell(member.observer.on_completed)

    def _end(self) -> list[Member[T]]:
        """Nothing comes any more; give who is to be told."""
        with self._lock:
            self.over = True
            members = [*self._members.values()]
            self._members.clear()
            self._ways = ()
            if not self.joinable:
                self._history.clear()
            self._gate.close()
            return members

    # -- errors of ours ------------------------------------------------------------------------

    def _is_forgotten(self) -> BufferOverflowError:
        message = (
            f"the beginning of the shared stream is forgotten: more than {self._replay:,} items "
            "have come. Join earlier, or be content with the last n (replay=n)."
        )
        return BufferOverflowError(message, partial=self._gate.sources.evidence())

    def _is_outrun(self) -> MissingBackpressureError:
        message = (
            f"more than {BURST:,} items came while a late reader was given the earlier ones, and "
            "the shared source cannot be paused"
        )
        return MissingBackpressureError(message, partial=self._gate.sources.evidence())


class _SourceScheduler(LoopScheduler):
    """Keeps what the source does on the trampoline in the source's context.

    The trampoline may be that of the reader that came first, and would run it in that one's.
    """

    def schedule(
        self, action: typing.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at the end of what this thread is doing, or at once."""
        context = copy_context()

        def act(scheduler: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            return context.run(action, scheduler, state)

        return super().schedule(act, state)


def _lent(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """Give the source a scheduler of its own, unless a reader brought a special one."""
    if scheduler is None or isinstance(scheduler, LoopScheduler):
        with suppress(RuntimeError):
            return _SourceScheduler(asyncio.get_running_loop())
    return scheduler
