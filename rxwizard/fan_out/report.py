"""What became of a fan-out, sink by sink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What one sink got."""

    delivered: int
    """Items it took."""
    dropped: int
    """Items lost by its policy. What still waited when it failed or was stopped is not counted."""
    merged: int
    """Items that became part of the one before."""
    peak: int
    """Most items that ever waited for it."""
    waited: float
    """How long the source waited for it, in seconds of the loop's clock."""
    error: BaseException | None = None
    """How it failed; None where it took all there was and closed. What ended the stream is here,
    too: a sink that is closed because of it has not got everything."""


class FanOutReport(Mapping[str, SinkReport]):
    """The reports of all sinks, by their names."""

    def __init__(self, sinks: Mapping[str, SinkReport]) -> None:
        self._sinks = dict(sinks)

    def __getitem__(self, name: str) -> SinkReport:
        return self._sinks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sinks)

    def __len__(self) -> int:
        return len(self._sinks)

    def __repr__(self) -> str:
        return f"FanOutReport({self._sinks!r})"

    @property
    def failed(self) -> dict[str, BaseException]:
        """The errors of the sinks that have one."""
        return {name: sink.error for name, sink in self.items() if sink.error is not None}
