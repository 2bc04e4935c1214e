"""Streams of what a program has at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rxwizard.demand import sources
from rxwizard.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

T = TypeVar("T")


def from_iterable(items: Iterable[T]) -> Stream[T]:
    """Make a stream of an iterable, which is asked for an item when there is room for it.

    RxPY's `from_iterable` pushes all of them at the moment of the subscription, and cannot be
    paused; here a million are as good as ten. Each subscription begins a new iteration, so an
    iterator serves one. An exception of the iterable ends the stream as an error. After disposing
    it is asked for nothing more.
    """
    return Stream.of(sources.from_iterable(items))


def from_async_iterable(items: AsyncIterable[T]) -> Stream[T]:
    """Make a stream of an asynchronous iterable, which is asked while there is room.

    Each subscription begins a new iteration, so an asynchronous generator serves one, and is closed
    with it. An exception of the iterable ends the stream as an error.
    """
    return Stream.of(sources.from_async_iterable(items))
