"""A recording that was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rxwizard.chunks import StreamChunk
from rxwizard.config import StreamingConfig
from rxwizard.errors import ConfigError
from rxwizard.recording.exchange import Exchange
from rxwizard.recording.replay import Split, replayed
from rxwizard.stream import Stream


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded. It is in memory as a whole.

    Attributes:
        path: The file it was read from.
        begun: When the recording began: date and time, ISO 8601, UTC.
        exchanges: In the order in which they were begun.
    """

    path: Path
    begun: str
    exchanges: tuple[Exchange, ...]

    def exchange(self, number: int = -1) -> Exchange:
        """Give an exchange by its number, or by its place from the end: -1 is the last.

        Raises:
            ConfigError: There is none.
        """
        if number < 0 and -number <= len(self.exchanges):
            return self.exchanges[number]
        for exchange in self.exchanges:
            if exchange.number == number:
                return exchange
        numbers = ", ".join(str(exchange.number) for exchange in self.exchanges)
        message = f"{self.path} has no exchange {number}: there are {numbers}."
        raise ConfigError(message if numbers else f"{self.path}: nothing was recorded.")

    def answered(self) -> Exchange:
        """Give the exchange that brought the answer: the last that came to its end well.

        Where none did, the last of all. An answer that was continued is in several.

        Raises:
            ConfigError: Nothing was recorded.
        """
        whole = [each for each in self.exchanges if _is_whole(each)]
        return whole[-1] if whole else self.exchange()

    def stream(
        self,
        exchange: int | None = None,
        *,
        speed: float | None = 1.0,
        split: Split | None = None,
        streaming: StreamingConfig | None = None,
    ) -> Stream[StreamChunk]:
        """Make the cold stream of an answer: the chunks, or the error, that it was when recorded.

        It goes through the same decoder and reader as a live one, and needs no key, no network and
        no settings. A reader that pauses it pauses the replay. What was recorded is what the socket
        gave: where a deadline or a reader ended it, the replay is interrupted there.

        Args:
            exchange: Which one, as for `exchange`; None: the one that brought the answer.
            speed: 1 is the pace at which it came, 2 is twice as fast; None: at once.
            split: None: the body comes in the slices in which it was read. A number: in slices of
                so many bytes. A function: makes the slices out of the whole body.
            streaming: How the chunks flow, and what becomes one; None: the defaults.

        Raises:
            ConfigError: There is no such exchange, its provider is not known, or an option cannot
                be.
        """
        found = self.answered() if exchange is None else self.exchange(exchange)
        return replayed(found, speed, split, streaming or StreamingConfig())


def _is_whole(exchange: Exchange) -> bool:
    return exchange.end in ("eof", "answered") and 200 <= (exchange.status or 0) < 300
