"""What is a sink, what can be taken for one, and what an item is to sinks."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from rich.console import Console

from rxwizard import ChunkKind, ConfigError, StreamChunk, WizardResponse
from rxwizard.chunks import ChunkSource
from rxwizard.sinks import Sink, as_sink
from rxwizard.sinks.items import json_of, text_of
from rxwizard.sinks.memory import Memory
from rxwizard.sinks.protocol import is_sink

from .emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path


class Own:
    async def write(self, item: object, /) -> None:
        """Take it."""

    async def close(self, error: BaseException | None = None, /) -> None:
        """Do nothing."""


class Half:
    async def write(self, item: object, /) -> None:
        """Take it."""


class Synchronous:
    def write(self, item: object, /) -> None:
        """Take it."""

    def close(self, error: BaseException | None = None, /) -> None:
        """Do nothing."""


def test_two_asynchronous_methods_make_a_sink() -> None:
    assert is_sink(Own())
    assert isinstance(Own(), Sink)
    for other in (Half(), Synchronous(), io.StringIO(), print, None):
        assert not is_sink(other)


def test_a_sink_is_taken_as_it_is() -> None:
    for sink in (Own(), Memory[str](1)):
        assert as_sink(sink) is sink


async def test_a_console_shows_the_answer() -> None:
    emulator = Emulator()
    sink = as_sink(emulator.console)
    await sink.write(StreamChunk(text="**shown**"))
    await sink.close()

    assert emulator.lines == ["shown"]


async def test_a_console_can_be_a_pipe() -> None:
    file = io.StringIO()
    sink = as_sink(Console(file=file))
    await sink.write("**as it is**")
    await sink.close()

    assert file.getvalue() == "**as it is**"


async def test_an_open_file_gets_the_text_and_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    with path.open("w", encoding="utf-8") as file:
        sink = as_sink(file)
        await sink.write(StreamChunk(text="some "))
        await sink.write("text")
        await sink.close()
        assert path.read_text("utf-8") == "some text"
        assert not file.closed


async def test_a_function_is_called() -> None:
    got: list[object] = []

    async def take(item: object) -> None:
        got.append(item)

    for function in (take, got.append):
        sink = as_sink(function)
        await sink.write(1)
        await sink.close()

    assert got == [1, 1]


@pytest.mark.parametrize("target", [None, 1, "answer.txt", object()])
def test_anything_else_is_refused(target: Any) -> None:
    with pytest.raises(ConfigError, match="cannot take items: a sink has `async write"):
        as_sink(target)


def test_a_console_is_told_from_others_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rich.console")
    with pytest.raises(ConfigError):
        as_sink(object())


def test_the_text_of_an_item() -> None:
    assert text_of("text") == "text"
    assert text_of(StreamChunk(text="text", reasoning="hm")) == "text"
    assert text_of(StreamChunk(text="of another", choice=1)) == ""
    assert text_of(WizardResponse(text="whole")) == "whole"
    assert text_of(["a", 1]) == "['a', 1]"


def test_a_chunk_is_read_back_from_its_json() -> None:
    for chunk in (
        StreamChunk(),
        StreamChunk(text="é\u2028\n", seq=3, epoch=1),
        StreamChunk(kind=ChunkKind.OTHER, data={"a": [1, None]}, source=ChunkSource(model="m")),
    ):
        line = json_of(chunk)
        assert "\n" not in line
        assert StreamChunk.model_validate_json(line) == chunk
        assert {"seq", "kind", "text"} <= json.loads(line).keys()


def test_json_can_be_held_to_ascii() -> None:
    assert json_of("é") == '"é"'
    assert json_of("é", ascii_only=True) == '"\\u00e9"'


class Model(BaseModel):
    name: str
    size: int = 1


@dataclasses.dataclass
class Record:
    name: str


class Unknown:
    def __str__(self) -> str:
        return "unknown"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Model(name="a"), '{"name":"a"}'),
        (Record("a"), '{"name":"a"}'),
        ({"a": (1, 2.5, None)}, '{"a":[1,2.5,null]}'),
        (Unknown(), '"unknown"'),
        ([Unknown(), Model(name="b", size=2)], '["unknown",{"name":"b","size":2}]'),
        (b"\xff", '"_w=="'),
        (None, "null"),
        ([float("nan"), float("inf")], "[null,null]"),
    ],
)
def test_anything_becomes_a_line_of_json(item: object, expected: str) -> None:
    assert json_of(item) == expected
