"""The file of a recording: its format, what is damaged and what is not, a disk that refuses."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import ConfigError, DecodeError, SinkError, StreamInterruptedError
from rxwizard.prompts import Prompt
from rxwizard.recording import Recorder, RecordingWire, load
from rxwizard.testing import run_in_virtual_time

from .kit import (
    DONE,
    Got,
    Scripted,
    ScriptedWire,
    config_of,
    event,
    every,
    lines_of,
    read,
    record,
    source_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO = [event("Hello"), event(" there")[:40], event(" there")[40:], DONE]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "recording.jsonl"
    run_in_virtual_time(record(path, ScriptedWire(Scripted(every(0.5, HELLO), at=0.25))))
    return path


def test_the_lines(recorded: Path) -> None:
    header, request, response, *reads, end = lines_of(recorded)

    assert (header["format"], header["version"]) == ("rxwizard-recording", 1)
    assert header["begun"].endswith("+00:00")
    assert {name: request[name] for name in request if name != "body"} == {
        "exchange": 0,
        "at": 0.0,
        "provider": "openai",
        "model": "m",
        "protocol": "chat",
        "method": "POST",
        "url": "http://127.0.0.1:1/v1/chat/completions",
        "headers": {"Authorization": "***"},
    }
    assert request["body"]["model"] == "m"
    assert response == {"exchange": 0, "at": 0.25, "status": 200, "headers": {}}
    assert [(line["at"], line["text"].encode()) for line in reads] == every(0.5, HELLO)
    assert end == {"exchange": 0, "at": 2.0, "end": "answered"}


def test_what_is_no_text_is_base64(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    word = "世".encode()
    parts = [b": " + word[:1], word[1:] + b"\n\n", b": \xff\n\n", event("a"), DONE]
    run_in_virtual_time(record(path, ScriptedWire(Scripted(every(0.5, parts)))))

    assert ["base64" in line for line in lines_of(path)[3:-1]] == [True, True, True, False, False]
    assert [one.data for one in load(path).exchange().reads] == parts


def test_each_line_is_there_when_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    config = config_of()

    async def watch() -> list[int]:
        wire = ScriptedWire(Scripted(every(0.5, HELLO), at=0.25))
        recorded = RecordingWire(wire, Recorder(path), config)
        stream = source_of(recorded, config).stream(Prompt("Hi"))
        assert not path.exists()
        reading = asyncio.create_task(read(stream))
        seen = []
        for _ in range(5):
            await asyncio.sleep(0.41)
            seen.append(len(lines_of(path)))
        await reading
        return seen

    assert run_in_virtual_time(watch()) == [3, 4, 5, 6, 8]


def test_a_recording_replaces_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text("from before\n" * 1000)
    config = config_of()

    async def twice() -> None:
        wire = ScriptedWire(*(Scripted(every(0.5, HELLO)) for _ in range(2)))
        source = source_of(RecordingWire(wire, Recorder(path), config), config)
        for _ in range(2):
            await read(source.stream(Prompt("Hi")))

    run_in_virtual_time(twice())

    assert "from before" not in path.read_text()
    assert [one.number for one in load(path).exchanges] == [0, 1]
    assert [one.at for one in load(path).exchanges] == [0.0, 2.0]


def test_a_file_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    config = config_of()

    async def twice() -> Got:
        wire = ScriptedWire(*(Scripted(every(0.5, HELLO)) for _ in range(2)))
        source = source_of(RecordingWire(wire, Recorder(path), config), config)
        await read(source.stream(Prompt("Hi")))
        path.unlink()
        await read(source.stream(Prompt("Hi")))
        return await read(load(path).stream())

    assert run_in_virtual_time(twice()).text == "Hello there"


def test_nothing_is_open_after_it(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = files()
    for script in (
        Scripted(every(0.5, HELLO)),
        Scripted(status=500),
        Scripted([(0.1, HELLO[0])], error=StreamInterruptedError("cut")),
    ):
        run_in_virtual_time(record(path, ScriptedWire(script)))

    assert files() == before


def test_a_body_that_cannot_be_sent_is_none(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    config = config_of()

    async def ask() -> None:
        for extra in ({"x": object()}, {"x": float("nan")}, {"x": "\ud83d", "y": [1, None]}):
            wire = ScriptedWire(Scripted(every(0.5, HELLO)))
            source = source_of(RecordingWire(wire, Recorder(path), config), config)
            await read(source.stream(Prompt("Hi", extra=extra)))
            bodies.append(load(path).exchange().body)

    bodies: list[Any] = []
    run_in_virtual_time(ask())

    assert bodies[:2] == [None, None]
    assert (bodies[2]["x"], bodies[2]["y"]) == ("?", [1, None])


def test_a_header_that_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    script = Scripted(every(0.5, HELLO), headers={"x-city": "Z\udcfcrich"})
    run_in_virtual_time(record(path, ScriptedWire(script)))

    assert load(path).exchange().headers == {"x-city": "Z?rich"}


# -- a disk that refuses ---------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")
def test_a_full_disk_ends_the_recording_and_not_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = config_of()
    recorder = Recorder("/dev/full")

    async def ask() -> list[Got]:
        wire = ScriptedWire(*(Scripted(every(0.5, HELLO)) for _ in range(2)))
        source = source_of(RecordingWire(wire, recorder, config), config)
        return [await read(source.stream(Prompt("Hi"))) for _ in range(2)]

    got = run_in_virtual_time(ask())

    assert [(one.text, one.error) for one in got] == [("Hello there", None)] * 2
    assert isinstance(recorder.failure, SinkError)
    (said,) = caplog.records
    assert (said.name, said.levelno) == ("rxwizard.recording", logging.WARNING)
    assert "/dev/full" in said.getMessage()


def test_a_disk_that_fills_up_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recording.jsonl"
    left = 700

    def write_all(raw: Any, data: bytes) -> None:
        nonlocal left
        raw.write(data[:left])
        left -= len(data)
        if left < 0:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("rxwizard.recording.recorder.write_all", write_all)
    got = run_in_virtual_time(record(path, ScriptedWire(Scripted(every(0.5, HELLO)))))

    assert (got.text, got.error) == ("Hello there", None)
    assert "No space left" in caplog.text
    assert path.read_text().endswith("\n")
    assert load(path).exchange().end == "interrupted"
    assert len(load(path).exchange().reads) in range(1, len(HELLO))


@pytest.mark.parametrize("name", ["", "missing/recording.jsonl", "."])
def test_a_path_that_cannot_be(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        Recorder(name)


# -- loading ---------------------------------------------------------------------------------------


def test_what_was_recorded_is_loaded(recorded: Path) -> None:
    recording = load(recorded)
    (exchange,) = recording.exchanges

    assert recording.path == recorded
    assert recording.exchange() is recording.exchange(0) is exchange
    assert (exchange.provider, exchange.model, exchange.protocol) == ("openai", "m", "chat")
    assert (exchange.status, exchange.answered_at) == (200, 0.25)
    assert (exchange.end, exchange.ended_at) == ("answered", 2.0)
    assert exchange.body["messages"][0]["content"] == "Hi"


def test_a_recording_that_breaks_off_anywhere_is_loaded_as_far_as_it_goes(recorded: Path) -> None:
    data = recorded.read_bytes()
    first = data.index(b"\n") + 1
    whole = load(recorded).exchange()
    for size in range(first, len(data), 7):
        recorded.write_bytes(data[:size])
        recording = load(recorded)
        if recording.exchanges:
            exchange = recording.exchange()
            assert exchange.reads == whole.reads[: len(exchange.reads)]
            assert exchange.end in {"interrupted", whole.end}


def test_a_recording_that_breaks_off_is_an_answer_that_does(recorded: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    recorded.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    got = run_in_virtual_time(read(load(recorded).stream()))

    assert got.text == "Hello"
    assert type(got.error) is StreamInterruptedError
    assert "broken off" in str(got.error)


def test_one_that_ends_before_the_response(recorded: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    recorded.write_bytes(b"".join(lines[:2]))
    got = run_in_virtual_time(read(load(recorded).stream()))

    assert got.chunks == []
    assert "broken off" in str(got.error)


def edited(line: int, **fields: Any) -> Callable[[list[bytes]], list[bytes]]:
    def edit(lines: list[bytes]) -> list[bytes]:
        changed = {**json.loads(lines[line]), **fields}
        changed = {name: value for name, value in changed.items() if value is not ...}
        return [*lines[:line], json.dumps(changed).encode() + b"\n", *lines[line + 1 :]]

    return edit


DAMAGED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "empty": (lambda _: [], "no recording"),
    "no header": (lambda lines: lines[1:], "line 1 is not its header"),
    "something else": (lambda _: [b"Dear Sir,\n"], "no recording"),
    "a header without a version": (edited(0, version=...), "Line 1 .* version"),
    "half a line": (lambda lines: [*lines[:3], b'{"exchange":0,\n', *lines[3:]], "Line 4"),
    "no object": (lambda lines: [*lines[:3], b"[]\n", *lines[3:]], "Line 4 .* no JSON object"),
    "no kind": (lambda lines: [*lines, b"{}\n"], "a line has one of method, status"),
    "bad base64": (edited(4, text=..., base64="*"), "Line 5 .* base64"),
    "no time": (edited(3, at=...), "Line 4 .* at: Field required"),
    "an impossible time": (edited(3, at=-1), "Line 4 .* at: "),
    "no such exchange": (edited(3, exchange=7), "exchange 7 has no request"),
    "two requests": (lambda lines: [*lines[:2], *lines[1:]], "exchange 0 begins twice"),
    "two responses": (lambda lines: [*lines[:3], *lines[2:]], "has a response already"),
    "a body without a response": (lambda lines: [*lines[:2], *lines[3:]], "has no response"),
    "more behind its end": (lambda lines: [*lines, lines[3]], "has ended before"),
    "an end of no kind": (edited(-1, end="well"), "end: "),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_damaged_is_told_with_its_line(recorded: Path, damage: str) -> None:
    edit, said = DAMAGED[damage]
    recorded.write_bytes(b"".join(edit(recorded.read_bytes().splitlines(keepends=True))))

    with pytest.raises(DecodeError, match=said) as caught:
        load(recorded)
    assert str(recorded) in str(caught.value)


def test_a_newer_version_is_told(recorded: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    recorded.write_bytes(b"".join(edited(0, version=2)(lines)))

    with pytest.raises(ConfigError, match="version 2"):
        load(recorded)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "recording.jsonl")


def test_one_in_which_nothing_happened(recorded: Path) -> None:
    recorded.write_bytes(recorded.read_bytes().splitlines(keepends=True)[0])

    assert load(recorded).exchanges == ()
    with pytest.raises(ConfigError, match="nothing was recorded"):
        load(recorded).stream()


def test_what_an_editor_does_to_it_does_no_harm(recorded: Path) -> None:
    lines = recorded.read_text().splitlines()
    edited_by_hand = "\r\n\r\n".join([*lines, ""]).replace('"at":', '"note": "mine", "at": ')
    recorded.write_bytes(edited_by_hand.encode())

    assert run_in_virtual_time(read(load(recorded).stream())).text == "Hello there"
