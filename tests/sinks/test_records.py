from __future__ import annotations

import asyncio
import logging

import pytest

from rxwizard import ChunkKind, SinkError, StreamChunk, WizardResponse
from rxwizard.sinks.protocol import is_sink
from rxwizard.sinks.records import Log


@pytest.fixture(autouse=True)
def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rxwizard.stream")


async def test_the_characters_are_those_of_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    for chunk in (
        StreamChunk(text="old"),
        StreamChunk(kind=ChunkKind.RETRACT, epoch=1),
        StreamChunk(text="newer", epoch=1),
    ):
        await log.write(chunk)
    await log.close()

    assert (vars(caplog.records[-1])["items"], vars(caplog.records[-1])["characters"]) == (3, 5)


async def test_each_item_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    chunk = StreamChunk(text="a\nb", seq=3)
    await log.write(chunk)
    await log.write("c")

    assert [(r.levelname, r.name, r.getMessage()) for r in caplog.records] == [
        ("DEBUG", "rxwizard.stream", '{"seq":3,"kind":"text","text":"a\\nb"}'),
        ("DEBUG", "rxwizard.stream", '"c"'),
    ]
    assert [(vars(r)["item"], vars(r)["position"]) for r in caplog.records] == [
        (chunk, 0),
        ("c", 1),
    ]
    assert is_sink(log)


async def test_the_end_is_a_record_with_the_counts(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    items = [StreamChunk(text="four"), StreamChunk(text="other", choice=1), "five5", {"a": 1}]
    for item in [*items, WizardResponse(text="six666")]:
        await log.write(item)
    caplog.clear()
    await log.close()
    await log.close(OSError())

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "ended well; items: 5, characters: 15")
    ]
    about = vars(caplog.records[0])
    assert (about["items"], about["characters"], about["error"]) == (5, 15, None)


async def test_a_failure_is_an_error_with_its_class_and_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = Log(level=logging.INFO)
    await log.write("x")
    await log.close(OSError("reset by 100%s of peers"))

    end = caplog.records[-1]
    assert end.levelname == "ERROR"
    assert end.getMessage() == "failed; items: 1, characters: 1; OSError: reset by 100%s of peers"
    assert end.exc_info is None
    assert vars(end)["error"] == "OSError"


async def test_cancellation_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    await Log().close(asyncio.CancelledError())

    assert caplog.records[0].levelname == "INFO"
    assert caplog.records[0].getMessage() == "cancelled; items: 0, characters: 0"


class Costly:
    """Something that must not be formatted."""

    def __init__(self) -> None:
        self.formatted = 0

    def __str__(self) -> str:
        self.formatted += 1
        return "formatted"


async def test_nothing_is_formatted_where_nobody_listens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rxwizard.stream")
    item = Costly()
    log = Log()
    await log.write(item)
    assert caplog.records == []
    assert item.formatted == 0

    await log.close()
    assert caplog.messages == ["ended well; items: 1, characters: 0"]


async def test_a_record_is_formatted_by_its_handler_alone() -> None:
    taken: list[logging.LogRecord] = []
    logger = logging.Logger("mine")
    handler = logging.Handler()
    handler.emit = taken.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    item = Costly()
    await Log(logger, logging.WARNING).write(item)
    assert item.formatted == 0

    assert taken[0].getMessage() == '"formatted"'
    assert taken[0].levelno == logging.WARNING
    assert item.formatted == 1


async def test_after_close_nothing_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    log = Log("rxwizard.stream.mine")
    await log.close()
    with pytest.raises(SinkError, match="closed"):
        await log.write("x")

    assert [r.name for r in caplog.records] == ["rxwizard.stream.mine"]
