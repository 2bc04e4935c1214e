# ruff: noqa: ASYNC240 - the files are what is tested
from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rxwizard import ChunkKind, ChunkSource, ConfigError, FinishReason, SinkError, StreamChunk
from rxwizard.sinks.jsonlines import JsonLines
from rxwizard.sinks.partfile import PartFile
from rxwizard.sinks.protocol import is_sink

CHUNKS = [
    StreamChunk(kind=ChunkKind.START, source=ChunkSource(provider="openai", model="m")),
    StreamChunk(text="a\n\u2028", seq=1),
    StreamChunk(
        kind=ChunkKind.FINAL,
        is_final=True,
        complete=True,
        finish_reason=FinishReason.STOP,
        seq=2,
        at=1.5,
    ),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answer.jsonl"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "answer.jsonl.part"


async def put(sink: JsonLines, *items: object, error: BaseException | None = None) -> None:
    for item in items:
        await sink.write(item)
    await sink.close(error)


def lines(path: Path) -> list[Any]:
    """Read it as a strict reader does: each line ends, and each is JSON."""
    *whole, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in whole]


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


async def test_each_line_can_be_read_while_it_grows(path: Path, part: Path) -> None:
    sink = JsonLines(path)
    assert is_sink(sink)
    assert names(path) == []
    for number, chunk in enumerate(CHUNKS):
        await sink.write(chunk)
        assert names(path) == ["answer.jsonl.part"]
        assert [line["seq"] for line in lines(part)] == list(range(number + 1))
    await sink.close()

    assert names(path) == ["answer.jsonl"]
    assert [StreamChunk.model_validate(line) for line in lines(path)] == CHUNKS


async def test_anything_is_a_line(path: Path) -> None:
    await put(JsonLines(path), "text", {"a": [1, None]}, 5, Path("p"))

    assert lines(path) == ["text", {"a": [1, None]}, 5, "p"]


async def test_text_is_kept_to_the_character(path: Path) -> None:
    texts = ["a\r\nb\n", "\0", "\u2028\u2029\x85", "😀é", "\ud83d", '"\\']
    await put(JsonLines(path), *(StreamChunk(text=text) for text in texts))

    assert [line["text"] for line in lines(path)] == texts
    assert "😀é".encode() in path.read_bytes()


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
async def test_jq_reads_it(path: Path, part: Path) -> None:
    sink = JsonLines(path)
    for chunk in CHUNKS[:2]:
        await sink.write(chunk)
    command = ["jq", "-j", ".text", str(part)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    await sink.close()

    assert output.decode() == "a\n\u2028"


async def test_an_empty_stream_gives_an_empty_file(path: Path) -> None:
    await put(JsonLines(path))

    assert names(path) == ["answer.jsonl"]
    assert path.read_bytes() == b""


async def test_a_whole_answer_replaces_an_older_one_at_the_end_only(path: Path) -> None:
    path.write_text("older")
    sink = JsonLines(path)
    await sink.write(1)
    assert path.read_text() == "older"
    await sink.close()

    assert names(path) == ["answer.jsonl"]
    assert lines(path) == [1]


async def test_half_an_answer_is_never_taken_for_a_whole_one(path: Path, part: Path) -> None:
    path.write_text("older")
    await put(JsonLines(path), 1, 2, error=ValueError("cut"))

    assert path.read_text() == "older"
    assert lines(part) == [1, 2]


async def test_an_error_before_the_first_item_leaves_nothing(path: Path) -> None:
    await put(JsonLines(path), error=ValueError("cut"))

    assert names(path) == []


async def test_closing_twice_is_harmless_and_writing_then_is_not(path: Path) -> None:
    sink = JsonLines(path)
    await put(sink, 1)
    await sink.close(ValueError())
    await sink.close()
    with pytest.raises(SinkError, match=r"answer\.jsonl: the sink is closed"):
        await sink.write(2)

    assert lines(path) == [1]


async def test_closing_again_does_not_make_a_whole_of_a_half(path: Path) -> None:
    sink = JsonLines(path)
    await put(sink, 1, error=ValueError())
    await sink.close()

    assert names(path) == ["answer.jsonl.part"]


async def test_a_link_stays_and_what_it_points_to_is_replaced(path: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    target = tmp_path / "d" / "real.jsonl"
    target.touch()
    path.symlink_to(target)
    await put(JsonLines(path), 1)

    assert path.is_symlink()
    assert lines(target) == [1]
    assert names(target) == ["real.jsonl"]


# -- what an earlier run left ----------------------------------------------------------------------


async def test_what_an_earlier_run_left_is_kept_under_a_number(path: Path, part: Path) -> None:
    for run in range(3):
        await put(JsonLines(path), run, error=ValueError())
    await put(JsonLines(path), "whole")

    kept = [f"answer.jsonl.part.{number}" for number in (1, 2, 3)]
    assert names(path) == ["answer.jsonl", *kept]
    assert [lines(part.with_name(name)) for name in kept] == [[0], [1], [2]]
    assert lines(path) == ["whole"]


async def test_an_earlier_one_is_not_touched_before_there_is_a_line_to_write(
    path: Path, part: Path
) -> None:
    part.write_text("1\n")
    await put(JsonLines(path), error=ValueError())

    assert names(path) == ["answer.jsonl.part"]


async def test_an_earlier_one_without_a_line_is_not_kept(path: Path, part: Path) -> None:
    part.touch()
    await put(JsonLines(path), 1)

    assert names(path) == ["answer.jsonl"]


async def test_two_sinks_cannot_write_the_same_file_at_once(path: Path, part: Path) -> None:
    first, second = JsonLines(path), JsonLines(path)
    await first.write(1)
    with pytest.raises(SinkError, match=r"answer\.jsonl\.part is being written by another"):
        await second.write("mixed")
    await second.close()
    assert lines(part) == [1]
    await first.write(2)
    await first.close()

    assert names(path) == ["answer.jsonl"]
    assert lines(path) == [1, 2]


async def test_one_taken_for_stale_while_it_was_made_is_made_anew(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another sink comes between making the file and locking it.
    real, calls = PartFile.__init__.__globals__["_lock"], 0

    def lock(raw: io.FileIO) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            os.rename(part, f"{part}.moved")
        return real(raw)

    monkeypatch.setattr("rxwizard.sinks.partfile._lock", lock)
    await put(JsonLines(path), 1)

    assert calls == 2
    assert lines(path) == [1]


async def test_a_file_system_without_locks_will_do(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("rxwizard.sinks.partfile.fcntl.flock", refuse)
    part.write_text("0\n")
    await put(JsonLines(path), 1)

    assert names(path) == ["answer.jsonl", "answer.jsonl.part.1"]


# -- crashes and full disks ------------------------------------------------------------------------

_CRASHING = """
import asyncio, os, signal, sys
from rxwizard import StreamChunk
from rxwizard.sinks.jsonlines import JsonLines

async def main():
    sink = JsonLines(sys.argv[1])
    for seq in range(100):
        await sink.write(StreamChunk(seq=seq, text="x" * 10_000))
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_leaves_every_line_it_wrote(path: Path, part: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CRASHING, str(path), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert output == b"written\n"
    assert names(path) == ["answer.jsonl.part"]
    assert [line["seq"] for line in lines(part)] == list(range(100))

    await put(JsonLines(path), "next run")  # its lock went with it
    assert names(path) == ["answer.jsonl", "answer.jsonl.part.1"]
    assert len(lines(part.with_name("answer.jsonl.part.1"))) == 100


async def test_a_line_that_the_disk_takes_half_of_is_taken_away_again(
    path: Path, part: Path
) -> None:
    sink = JsonLines(path)
    await sink.write("a" * 1000)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limit[1]))
    try:
        with pytest.raises(SinkError, match=r"answer\.jsonl\.part: File too large") as caught:
            await sink.write("b" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert lines(part) == ["a" * 1000]

    await sink.close()  # even so: a line is missing
    assert names(path) == ["answer.jsonl.part"]
    assert lines(part) == ["a" * 1000]


class FullDisk(io.FileIO):
    """Takes ten bytes of each record and no more."""

    def write(self, data: Any, /) -> int:
        if len(data) <= 10:
            return super().write(data)
        super().write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_is_a_sink_error_and_the_line_before_stays(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxwizard.sinks.partfile.io.FileIO", FullDisk)
    sink = JsonLines(path)
    await sink.write("whole")
    for _ in range(2):
        with pytest.raises(SinkError, match=r"answer\.jsonl\.part: No space left") as caught:
            await sink.write("longer than ten bytes")
        assert isinstance(caught.value.__cause__, OSError)
        assert lines(part) == ["whole"]
    await sink.write("short")
    await sink.close(caught.value)

    assert names(path) == ["answer.jsonl.part"]
    assert lines(part) == ["whole", "short"]


async def test_a_disk_that_was_full_from_the_start_is_left_without_an_empty_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxwizard.sinks.partfile.io.FileIO", FullDisk)
    sink = JsonLines(path)
    with pytest.raises(SinkError):
        await sink.write("longer than ten bytes")
    await sink.close()

    assert names(path) == []


@pytest.mark.parametrize("name", ["fsync", "replace"])
async def test_a_disk_that_fails_at_the_end_leaves_the_part(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = JsonLines(path)
    await sink.write(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(SinkError, match=r"answer\.jsonl\.part: Input/output error"):
            await sink.close()
    await sink.close()

    assert names(path) == ["answer.jsonl.part"]
    assert lines(part) == [1]


async def test_the_disk_has_it_all_before_it_gets_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(names(path)))
    await put(JsonLines(path), 1)

    assert seen == [["answer.jsonl.part"]]


async def test_a_close_that_is_cancelled_leaves_the_part(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = JsonLines(path)
    await sink.write(1)
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr("rxwizard.sinks.jsonlines.asyncio.to_thread", lambda _: never)
    closing = asyncio.ensure_future(sink.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    assert names(path) == ["answer.jsonl.part"]
    assert lines(part) == [1]


async def test_an_item_that_cannot_be_json_is_a_sink_error(path: Path, part: Path) -> None:
    circle: list[object] = []
    circle.append(circle)
    sink = JsonLines(path)
    await sink.write(1)
    with pytest.raises(SinkError, match="a list cannot be written as JSON") as caught:
        await sink.write(circle)
    await sink.close(caught.value)

    assert lines(part) == [1]


# -- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing/a", "missing does not exist"),
        ("file/a", "file is not a directory"),
        (".", "is a directory"),
        ("pipe", "pipe is no regular file"),
    ],
)
def test_a_path_that_cannot_work_is_refused_when_the_sink_is_made(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match=says):
        JsonLines(tmp_path / name)


def test_a_device_is_never_replaced_by_a_file() -> None:
    with pytest.raises(ConfigError, match=r"/dev/null is no regular file"):
        JsonLines(os.devnull)


def test_a_directory_that_may_not_be_written_to_is_refused_even_where_the_file_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch()
    monkeypatch.setattr("os.access", lambda asked, mode: Path(asked) != path.parent)
    with pytest.raises(ConfigError, match=r"answer\.jsonl cannot be made: .* written to"):
        JsonLines(path)


async def test_a_directory_in_the_place_of_the_part_is_a_sink_error(path: Path, part: Path) -> None:
    part.mkdir()
    sink = JsonLines(path)
    with pytest.raises(SinkError, match=r"answer\.jsonl\.part: Is a directory"):
        await sink.write(1)
    await sink.close()
