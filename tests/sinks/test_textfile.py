# ruff: noqa: ASYNC240 - the files are what is tested
from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rxwizard import ChunkKind, ConfigError, SinkError, StreamChunk
from rxwizard.sinks.protocol import as_sink, is_sink
from rxwizard.sinks.textfile import TextFile, TextWriter

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="/dev/full is Linux's, and so are pipes of this kind"
)


async def put(sink: Any, *items: object, error: BaseException | None = None) -> None:
    for item in items:
        await sink.write(item)
    await sink.close(error)


# -- a file of ours --------------------------------------------------------------------------------


async def test_the_text_is_in_the_file_after_each_write(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    sink = TextFile(path)
    assert is_sink(sink)
    assert not path.exists()

    await sink.write(StreamChunk(kind=ChunkKind.START))
    assert path.read_bytes() == b""
    await sink.write(StreamChunk(text="Hé"))
    assert path.read_bytes() == "Hé".encode()
    await sink.write(StreamChunk(reasoning="hm", kind=ChunkKind.REASONING))
    await sink.write(StreamChunk(text="another answer", choice=1))
    await sink.write("llo")
    assert path.read_bytes() == "Héllo".encode()
    await sink.close()
    assert path.read_bytes() == "Héllo".encode()


async def test_line_ends_and_control_characters_are_kept_as_they_are(tmp_path: Path) -> None:
    text = "a\r\nb\nc\rd\0e\u2028f\ufeff"
    await put(TextFile(tmp_path / "t"), text)

    assert (tmp_path / "t").read_bytes() == text.encode()


async def test_it_empties_an_older_file_with_the_first_write_only(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("older")
    sink = TextFile(path)
    assert path.read_text() == "older"
    await put(sink, "new")

    assert path.read_text() == "new"


async def test_appending_goes_on_after_what_is_there(tmp_path: Path) -> None:
    await put(TextFile(tmp_path / "t", append=True), "one")
    await put(TextFile(tmp_path / "t", append=True), "two")

    assert (tmp_path / "t").read_text() == "onetwo"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "iso2022_jp"])
async def test_it_reads_back_in_its_encoding_also_when_appended_to(
    tmp_path: Path, encoding: str
) -> None:
    pieces = ["Prix ", "日本" if encoding == "iso2022_jp" else "é"]
    await put(TextFile(tmp_path / "t", encoding=encoding), *pieces)
    await put(TextFile(tmp_path / "t", encoding=encoding, append=True), *pieces)

    assert (tmp_path / "t").read_bytes().decode(encoding) == "".join(pieces) * 2


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "a\ud83db", b"a\\ud83db"),
        ("ascii", "né 😀", b"n\\xe9 \\U0001f600"),
    ],
)
async def test_what_the_encoding_cannot_hold_is_written_as_an_escape(
    tmp_path: Path, encoding: str, text: str, written: bytes
) -> None:
    await put(TextFile(tmp_path / "t", encoding=encoding), text)

    assert (tmp_path / "t").read_bytes() == written


async def test_an_empty_stream_gives_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("older")
    await put(TextFile(tmp_path / "t"))

    assert (tmp_path / "t").read_bytes() == b""


async def test_an_error_before_the_first_item_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("older")
    await put(TextFile(tmp_path / "t"), error=ValueError())
    await put(TextFile(tmp_path / "u"), error=ValueError())

    assert (tmp_path / "t").read_text() == "older"
    assert not (tmp_path / "u").exists()


async def test_after_an_error_the_file_keeps_what_came_before(tmp_path: Path) -> None:
    await put(TextFile(tmp_path / "t"), "half", error=ValueError())

    assert (tmp_path / "t").read_text() == "half"


async def test_closing_twice_is_harmless_and_writing_then_is_not(tmp_path: Path) -> None:
    sink = TextFile(tmp_path / "t")
    await put(sink, "a")
    await sink.close(ValueError())
    with pytest.raises(SinkError, match="t: the sink is closed"):
        await sink.write("b")

    assert (tmp_path / "t").read_text() == "a"


@linux
async def test_a_full_disk_is_a_sink_error_that_names_the_path() -> None:
    sink = TextFile("/dev/full")
    with pytest.raises(SinkError, match="/dev/full: No space left") as caught:
        await sink.write("a")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC

    await sink.close(caught.value)


async def test_what_the_system_takes_in_pieces_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneByteAtATime(io.FileIO):
        def write(self, data: Any, /) -> int:
            return super().write(data[:1])

    monkeypatch.setattr("rxwizard.sinks.textfile.io.FileIO", OneByteAtATime)
    await put(TextFile(tmp_path / "t"), "pièces")

    assert (tmp_path / "t").read_text("utf-8") == "pièces"


async def test_a_directory_that_goes_away_is_a_sink_error(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    sink = TextFile(tmp_path / "d" / "t")
    (tmp_path / "d").rmdir()
    with pytest.raises(SinkError, match="d/t: No such file"):
        await sink.write("a")


async def test_a_relative_path_is_where_it_was_when_the_sink_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path)
    sink = TextFile("t")
    monkeypatch.chdir(tmp_path / "d")
    await put(sink, "a")

    assert (tmp_path / "t").read_text() == "a"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("missing/t", "missing does not exist"),
        ("file/t", "file is not a directory"),
        (".", "is a directory"),
        ("", "is not the path of a file"),
        ("a\0b", "is not the path of a file"),
    ],
)
def test_a_path_that_cannot_work_is_refused_when_the_sink_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, says: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        TextFile(path)


@pytest.mark.parametrize("closed", ["old", "."])
def test_a_path_that_may_not_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    # For root everything is open; so the question itself is answered here.
    (tmp_path / "old").touch()
    refused = tmp_path / closed
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != refused)
    name = "old" if closed == "old" else "new"
    with pytest.raises(ConfigError, match=f"{name}.* may not be written to"):
        TextFile(tmp_path / name)


@pytest.mark.parametrize("encoding", ["klingon", "base64", "a\0b"])
def test_an_encoding_that_is_none_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ConfigError, match="is not an encoding"):
        TextFile(tmp_path / "t", encoding=encoding)


START = StreamChunk(kind=ChunkKind.START)
OLD = StreamChunk(text="öld\n")
RETRACT = StreamChunk(kind=ChunkKind.RETRACT, epoch=1)
NEW = StreamChunk(text="new", epoch=1)
MARK = "(starting anew; the above no longer counts)\n"


@pytest.mark.parametrize("anew", [[RETRACT, NEW], [NEW], [START, NEW]], ids=["r", "e", "s"])
async def test_what_is_retracted_is_taken_out_of_the_file(tmp_path: Path, anew: Any) -> None:
    path = tmp_path / "answer.txt"
    path.write_text("before ")
    await put(TextFile(path, append=True), "title: ", START, OLD, *anew)

    assert path.read_text() == "before title: new"


async def test_a_file_that_others_write_to_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    sink = TextFile(path, append=True)
    await sink.write(OLD)
    with path.open("a", encoding="utf-8") as other:
        other.write("theirs")
    await put(sink, RETRACT, NEW, RETRACT.model_copy(update={"epoch": 2}))

    assert path.read_text(encoding="utf-8") == f"öld\ntheirs{MARK}"


@linux
async def test_a_pipe_gets_a_line_where_it_cannot_be_erased(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    await put(TextFile(path), START, RETRACT, OLD, START, StreamChunk(text="x", epoch=1), NEW)

    assert os.read(reading, 1000).decode() == f"öld\n{MARK}xnew"
    os.close(reading)


# -- a file of yours -------------------------------------------------------------------------------


class Recorder:
    """A file that tells what was done to it."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.calls: list[str] = []
        self._terminal = terminal

    def write(self, text: str) -> None:
        self.calls.append(text)

    def flush(self) -> None:
        self.calls.append("<flush>")

    def close(self) -> None:
        self.calls.append("<close>")

    def isatty(self) -> bool:
        return self._terminal


async def test_an_open_file_gets_the_text_is_flushed_in_the_end_and_stays_open() -> None:
    file = Recorder()
    sink = as_sink(file)
    assert isinstance(sink, TextWriter)
    await put(sink, StreamChunk(kind=ChunkKind.START), StreamChunk(text="Hel"), "", "lo")
    await sink.close()

    assert file.calls == ["Hel", "lo", "<flush>"]


async def test_a_terminal_shows_each_piece_as_it_comes() -> None:
    file = Recorder(terminal=True)
    await put(TextWriter(file), "Hel", "lo", error=ValueError())

    assert file.calls == ["Hel", "<flush>", "lo", "<flush>", "<flush>"]


def on_disk(path: Path, mode: str) -> Any:
    return path.open(mode, **({} if "b" in mode else {"encoding": "utf-8"}))


@pytest.mark.parametrize("mode", ["w", "a", "wb", "r+", "w+b"])
async def test_what_is_retracted_is_taken_out_of_an_open_file(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "answer.txt"
    path.touch()
    with on_disk(path, mode) as file:
        await put(TextWriter(file), "title: ", START, OLD, RETRACT, NEW)

    assert path.read_text(encoding="utf-8") == "title: new"


async def test_what_is_retracted_is_taken_out_of_a_string() -> None:
    text = io.StringIO()
    await put(TextWriter(text), START, OLD, RETRACT, NEW, START, StreamChunk(text="last", epoch=1))

    assert text.getvalue() == "last"


async def test_what_others_have_written_to_an_open_file_is_not_erased() -> None:
    among, over = io.StringIO(), io.StringIO("theirs, all of it")
    sink = TextWriter(among)
    await put(TextWriter(over), OLD, RETRACT, NEW)
    await sink.write(OLD)
    among.write("theirs")
    await put(sink, RETRACT, NEW)

    assert among.getvalue() == f"öld\ntheirs{MARK}new"
    assert over.getvalue().endswith("it") or MARK in over.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
async def test_what_cannot_be_erased_is_followed_by_a_line(terminal: bool) -> None:
    file = Recorder(terminal=terminal)
    await put(TextWriter(file), START, RETRACT, StreamChunk(text="old", epoch=1), START, NEW)

    written = "".join(call for call in file.calls if call != "<flush>")
    assert written == f"old\n{MARK}new"


async def test_a_write_is_all_it_needs() -> None:
    class Bare:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

    bare = Bare()
    await put(TextWriter(bare), "a\r\n", "b")

    assert bare.text == "a\r\nb"


async def test_binary_files_get_utf_8(tmp_path: Path) -> None:
    memory = io.BytesIO()
    await put(TextWriter(memory), "é", "\ud83d")
    with (tmp_path / "raw").open("wb", buffering=0) as raw:
        await put(TextWriter(raw), "é")
    with tempfile.NamedTemporaryFile() as wrapped:
        await put(TextWriter(wrapped), "é")
        assert Path(wrapped.name).read_bytes() == "é".encode()

    assert memory.getvalue() == "é\\ud83d".encode()
    assert (tmp_path / "raw").read_bytes() == "é".encode()


async def test_what_a_text_file_cannot_hold_is_written_as_an_escape() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii")
    await put(TextWriter(ascii_only), "né")
    utf_8 = io.TextIOWrapper(io.BytesIO(), "utf-8")
    await put(TextWriter(utf_8), "a\ud83d")

    assert ascii_only.buffer.getvalue() == b"n\\xe9"
    assert utf_8.buffer.getvalue() == b"a\\ud83d"


async def test_a_reader_that_is_gone_is_a_sink_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        sink = TextWriter(file)
        await sink.write("a")
        os.close(reading)
        with pytest.raises(SinkError, match="Broken pipe") as caught:
            await sink.close()
        assert isinstance(caught.value.__cause__, BrokenPipeError)
        # What waits in the file's own buffer is tried again when it is closed.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, writing)
        os.close(nowhere)


async def test_a_pipe_that_breaks_in_a_write_is_not_flushed_any_more() -> None:
    class Broken(Recorder):
        def write(self, text: str) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    file = Broken()
    sink = TextWriter(file)
    with pytest.raises(SinkError, match="Broken: Broken pipe") as caught:
        await sink.write("a")
    await sink.close(caught.value)

    assert file.calls == []


async def test_a_file_that_is_closed_is_a_sink_error() -> None:
    file = io.StringIO()
    file.close()
    sink = TextWriter(file)
    with pytest.raises(SinkError, match=r"StringIO does not take text: .*closed"):
        await sink.write("a")
    await sink.close()


async def test_a_file_you_closed_before_the_end_is_left_alone() -> None:
    file = io.StringIO()
    sink = TextWriter(file)
    await sink.write("a")
    file.close()

    await sink.close()


async def test_something_that_takes_bytes_and_does_not_say_so_is_a_sink_error() -> None:
    class Bytes:
        def write(self, data: bytes) -> None:
            memoryview(data)

    with pytest.raises(SinkError, match="Bytes does not take text") as caught:
        await TextWriter(Bytes()).write("a")
    assert isinstance(caught.value.__cause__, TypeError)


async def test_writing_to_a_closed_writer_is_a_sink_error() -> None:
    file = io.StringIO()
    sink = TextWriter(file)
    await put(sink)
    with pytest.raises(SinkError, match="the sink is closed"):
        await sink.write("a")

    assert file.getvalue() == ""


def test_an_asynchronous_write_is_refused_before_it_loses_anything() -> None:
    class Asynchronous:
        async def write(self, text: str) -> None: ...

    with pytest.raises(ConfigError, match="Asynchronous is asynchronous"):
        TextWriter(Asynchronous())


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used: File name too long"):
        TextFile(tmp_path / ("x" * 300))
