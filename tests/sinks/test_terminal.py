"""What stands on the screen, at the end and at each moment before."""

from __future__ import annotations

import asyncio
import io
import math
import sys
from collections import Counter

import pytest
from rich.console import Console

from rxwizard import ChunkKind, ConfigError, SinkError, StreamChunk
from rxwizard.sinks.terminal import Terminal
from rxwizard.testing import run_in_virtual_time

from .emulator import Emulator, pieces, show

DOCUMENT = """\
# Heads

A paragraph that is long enough to be *wrapped* on a narrow screen, with `code` and **more**.
1. first
2. second
   - nested

   and a paragraph of its own
3. third

```python
def f(x):

    return x
```
> quoted, and
continued

| left | right |
|------|------:|
| 1    | 2     |

---

Setext
======

The end, without a line end"""

SHOWN = [
    "                 Heads",
    "",
    "A paragraph that is long enough to be",
    "wrapped on a narrow screen, with code",
    "and more.",
    "",
    " 1 first",
    " 2 second",
    "    • nested",
    "   and a paragraph of its own",
    " 3 third",
    "",
    " def f(x):",
    "",
    "     return x",
    "",
    "▌ quoted, and continued",
    "",
    "",
    " left  right",
    " ───────────",
    " 1         2",
    "",
    "",
    "----------------------------------------",
    "",
    "                 Setext",
    "",
    "The end, without a line end",
]


@pytest.mark.parametrize(
    ("size", "height"), [(2, 5), (3, 10), (7, 4), (7, 100), (50, 4), (50, 10), (10_000, 4)]
)
def test_pieces_of_any_size_end_as_the_same_screen(size: int, height: int) -> None:
    emulator = show(Emulator(height=height), *pieces(DOCUMENT, size))

    assert emulator.lines == SHOWN
    assert emulator.cursor_is_shown


ENDLESS = {
    "paragraphs": "".join(f"line{n:03}\n\n" for n in range(20)),
    "list": "".join(f"- line{n:03}\n" for n in range(20)),
    "numbers": "".join(f"{n}. line{n:03}\n" for n in range(1, 21)),
    "code": "```\n" + "".join(f"line{n:03}\n" for n in range(20)) + "```\n",
    "open code": "```\n" + "".join(f"line{n:03}\n" for n in range(20)),
    "table": "| a |\n|---|\n" + "".join(f"| line{n:03} |\n" for n in range(20)),
    "quotation": "".join(f"> line{n:03}  \n" for n in range(20)),
    "one paragraph": "".join(f"line{n:03}  \n" for n in range(20)),
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_no_line_is_ever_seen_twice(text: str) -> None:
    def look(emulator: Emulator) -> None:
        seen = Counter(line for line in emulator.lines if "line" in line and len(line) > 6)
        assert not seen or max(seen.values()) == 1, emulator.lines

    emulator = show(Emulator(height=6, watch=look), *pieces(text, 25))
    numbers = [line[-8:].strip(" ▌|")[-3:] for line in emulator.lines if "line" in line]
    assert numbers == sorted(numbers)
    assert len(numbers) == text.count("line")


@pytest.mark.parametrize("kind", ["list", "numbers", "code", "open code"])
def test_parts_of_one_block_meet_without_a_gap(kind: str) -> None:
    assert "" not in show(Emulator(height=6), *pieces(ENDLESS[kind], 25)).lines


def test_a_block_that_is_longer_than_the_screen_shows_its_last_lines() -> None:
    emulator = Emulator(height=6)

    def look() -> None:
        # Below the last row stands the edge of the table, a blank line.
        assert emulator.visible == ["start", *(f" line{n:03}" for n in range(16, 20))]

    show(emulator, *pieces("start\n\n" + ENDLESS["table"], 25), look=look)
    assert emulator.lines[0] == "start"
    assert emulator.lines[5:] == [f" line{n:03}" for n in range(20)]


def test_a_list_numbered_by_ones_counts_on() -> None:
    emulator = show(Emulator(height=6), *["1. item\n"] * 12)

    assert [line.split() for line in emulator.lines] == [[str(n), "item"] for n in range(1, 13)]


def test_blank_lines_of_code_are_kept_where_the_screen_ends() -> None:
    code = "\n\n".join(f"x{n}" for n in range(20))
    emulator = show(Emulator(height=6), *pieces(f"```\n{code}\n```\nafter", 3))

    assert emulator.lines == [*(f" {line}".rstrip() for line in code.split("\n")), "", "after"]


def test_what_is_finished_is_not_written_again() -> None:
    emulator = show(Emulator(), "first\n\n", "second ", *["word "] * 20)

    assert emulator.raw.count("first") == 1


def test_an_endless_block_of_code_costs_what_it_has_lines() -> None:
    lines = [f"line{n:05}\n" for n in range(200)]
    emulator = show(Emulator(height=10), "```\n", *lines)

    # A line is drawn again until as many as the screen has are there: half of its height, in the
    # mean, and each time with the sequences that erase it. All lines each time would be 1 MB.
    assert len(emulator.raw) < 200 * 10 * 60


def test_a_block_without_end_is_printed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxwizard.sinks.blocks.LARGEST", 1000)
    monkeypatch.setattr("rxwizard.sinks.terminal_markdown.LARGEST", 1000)
    emulator = Emulator(width=80)

    def look() -> None:
        assert len(emulator.lines) > 5000 / 80

    show(emulator, *pieces("word " * 1000, 40), look=look)
    assert sum(line.count("word") for line in emulator.lines) == 1000


def test_what_others_print_meanwhile_comes_above() -> None:
    emulator = Emulator()
    show(emulator, "growing", look=lambda: emulator.console.print("of others"))

    assert emulator.lines == ["of others", "growing"]


HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "colour": "\x1b[31m",
    "answer back": "\x1b[6n",
    "C1": "\x9b2J\x9d0;owned\x9c",
    "return": "\rover",
    "backspace": "\b\b\b",
    "entities": "&#27;[2J &#x9b;2J &#155;2J &#13;over &#8;",
    "link": "[x](<http://a/\x1b]0;owned\x07>)",
    "link entity": "[x](http://a/&#27;]0;owned&#7;)",
    "code": "`\x1b[2J`",
    "language": "\n```\x1b[2J\n\x1b[2J\n```\n",
    "table": "\n\n| \x1b[2J |\n|---|\n| \x1b[2J |\n",
}


@pytest.mark.parametrize("markdown", [True, False])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_model_cannot_drive_the_terminal(hostile: str, markdown: bool) -> None:
    chunk = StreamChunk(reasoning=hostile)
    error = SinkError(hostile)
    emulator = show(
        Emulator(), chunk, "before ", *hostile, " after", error=error, markdown=markdown
    )

    assert any("before" in line for line in emulator.lines)
    assert emulator.screen.title == ""
    foreign = emulator.raw
    for ours in ("\x1b[1A", "\x1b[2K", "\x1b[?25l", "\x1b[?25h"):
        foreign = foreign.replace(ours, "")
    foreign = foreign.replace("\r", "") if markdown else foreign  # Live returns to the first column
    assert set("\x1b\x9b\x9d\x9c\x07\x08\r").isdisjoint(foreign)


def test_what_is_left_of_a_sequence_is_seen() -> None:
    assert show(Emulator(), "a\x1b[31mb").lines == ["a[31mb"]


def test_nothing_of_the_text_is_hidden() -> None:
    text = "[red]x[/red] <b>y</b> [l](http://z) ![i](http://j) [r]\n\n[r]: http://k\n\n<div>\n"
    emulator = show(Emulator(width=80), text)

    first = "[red]x[/red] <b>y</b> l (http://z) !i (http://j) [r]"
    assert emulator.lines == [first, "", "[r]: http://k", "", "<div>"]


def test_reasoning_is_shown_and_folds_when_the_answer_begins() -> None:
    emulator = Emulator(color_system="standard")
    thought = StreamChunk(kind=ChunkKind.REASONING, reasoning="one\ntwo\n[red]three\nfour")

    def look() -> None:
        assert emulator.visible == ["two", "[red]three", "four"]

    show(emulator, thought, look=look)
    assert emulator.lines == ["(23 characters of reasoning)"]
    assert "\x1b[2mfour" in emulator.raw

    emulator = show(Emulator(), thought, thought, "The ", "answer")
    assert emulator.lines == ["(46 characters of reasoning)", "", "The answer"]


def test_reasoning_amid_the_answer_does_not_tear_it() -> None:
    emulator = show(Emulator(), "one ", StreamChunk(reasoning="hm"), "word")

    assert emulator.lines == ["one word", "", "(2 characters of reasoning)"]


def test_reasoning_can_be_hidden() -> None:
    emulator = show(Emulator(), StreamChunk(reasoning="hm"), "answer", reasoning=False)

    assert emulator.lines == ["answer"]
    assert "hm" not in emulator.raw


def test_a_refusal_is_text_and_further_choices_are_not_shown() -> None:
    refusal = StreamChunk(kind=ChunkKind.REFUSAL, text="I will not.")
    emulator = show(Emulator(), refusal, StreamChunk(text="other", choice=1))

    assert emulator.lines == ["I will not."]


def test_an_error_leaves_what_had_come_and_says_how_it_ended() -> None:
    emulator = Emulator(width=60, color_system="standard")
    show(emulator, "some *tex", error=OSError("[red]reset[/red]\nby peer"))

    assert emulator.lines == ["some *tex", "", "(OSError: [red]reset[/red])"]
    assert "\x1b[2m(OSError" in emulator.raw
    assert emulator.cursor_is_shown


def test_an_error_before_the_first_item_is_said() -> None:
    emulator = show(Emulator(width=400), error=OSError("x" * 1000))

    assert emulator.lines == [f"(OSError: {'x' * 200})"]


def test_a_cancelled_answer_says_so() -> None:
    assert show(Emulator(), "so", error=asyncio.CancelledError()).lines == ["so", "", "(cancelled)"]


def test_nothing_written_is_nothing_shown() -> None:
    assert show(Emulator(), StreamChunk(kind=ChunkKind.START)).raw == ""


@pytest.mark.parametrize(
    "again",
    [
        [StreamChunk(text="new", epoch=1)],
        [StreamChunk(kind=ChunkKind.RETRACT), StreamChunk(text="new")],
        [StreamChunk(kind=ChunkKind.RETRACT, epoch=1), StreamChunk(text="new", epoch=1)],
    ],
)
@pytest.mark.parametrize("markdown", [True, False])
def test_an_answer_begun_anew_is_set_off(again: list[StreamChunk], markdown: bool) -> None:
    emulator = show(Emulator(width=60), "old\n\n# not\nyet\n", *again, markdown=markdown)

    said = "(starting anew; the above no longer counts)"
    kept = ["old"] if markdown else ["old", "", "# not", "yet"]
    gap = [""] if markdown else []
    assert emulator.lines[: len(kept)] == kept
    assert emulator.lines[-3 if markdown else -2 :] == [said, *gap, "new"]


def test_what_still_grows_is_taken_away_without_a_word() -> None:
    start, retract = StreamChunk(kind=ChunkKind.START), StreamChunk(kind=ChunkKind.RETRACT, epoch=1)
    thought = StreamChunk(kind=ChunkKind.REASONING, reasoning="hm")
    new = StreamChunk(text="new", epoch=1)

    assert show(Emulator(), start, "old", retract, new).lines == ["new"]
    assert show(Emulator(), start, thought, retract, new).lines == ["new"]
    assert show(Emulator(), start, "old", start, StreamChunk(text="new")).lines == ["new"]


def test_the_retracted_text_is_gone_before_the_new_one_comes() -> None:
    async def run() -> None:
        emulator = Emulator()
        terminal = Terminal(emulator.console)
        await terminal.write(StreamChunk(text="old"))
        assert emulator.visible == ["old"]
        await terminal.write(StreamChunk(kind=ChunkKind.RETRACT, epoch=1))
        await asyncio.sleep(1)

        assert not any(emulator.visible)
        await terminal.close()

    run_in_virtual_time(run())


def test_an_answer_begun_anew_before_anything_was_shown_needs_no_words() -> None:
    assert show(Emulator(), StreamChunk(), StreamChunk(text="new", epoch=2)).lines == ["new"]


def test_what_comes_late_of_an_older_epoch_is_not_shown() -> None:
    emulator = show(Emulator(), StreamChunk(text="new", epoch=1), StreamChunk(text="old"))

    assert emulator.lines == ["new"]


def test_drawing_keeps_to_its_rate_and_misses_nothing() -> None:
    async def run() -> None:
        emulator = Emulator()
        terminal = Terminal(emulator.console, refresh_per_second=10)
        await terminal.write("x")
        assert emulator.visible == ["x"]

        before = len(emulator.frames)
        for _ in range(100):
            await asyncio.sleep(0.01)
            await terminal.write("x")
        assert len(emulator.frames) - before <= 10

        await asyncio.sleep(0.1)
        assert "".join(emulator.visible) == "x" * 101
        await terminal.close()

    run_in_virtual_time(run())


def test_a_producer_that_never_waits_is_drawn_all_the_same() -> None:
    async def run() -> None:
        emulator = Emulator()
        terminal = Terminal(emulator.console, refresh_per_second=10)
        await terminal.write("a")
        await terminal.write("b")
        await asyncio.sleep(1)
        await terminal.write("c")
        assert emulator.visible == ["abc"]
        await terminal.close()

    run_in_virtual_time(run())


def test_no_timer_is_left_after_close() -> None:
    async def run() -> None:
        emulator = Emulator()
        terminal = Terminal(emulator.console, refresh_per_second=10)
        await terminal.write("a")
        await terminal.write("b")
        await terminal.close()
        await terminal.close()
        before = emulator.raw
        await asyncio.sleep(10)
        assert emulator.raw == before
        assert emulator.lines == ["ab"]

    run_in_virtual_time(run())


def test_slow_drawings_are_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        emulator = Emulator()
        terminal = Terminal(emulator.console, refresh_per_second=10)
        drawn: list[float] = []

        def draw() -> None:
            drawn.append(loop.time())
            loop._jump(1.0)

        monkeypatch.setattr(terminal._screen, "draw", draw)
        while loop.time() < 35:
            await terminal.write("a")
            await asyncio.sleep(0.25)
        assert drawn == [0.0, 10.0, 20.0, 30.0]
        await terminal.close()

    run_in_virtual_time(run())


class Piped(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str, /) -> int:
        self.pieces.append(text)
        return len(text)


async def test_what_is_no_terminal_gets_the_text_as_it_is() -> None:
    file = Piped()
    terminal = Terminal(Console(file=file, width=10))
    for piece in ("# A \x1b[31m", "very long line\r\n", "\ttab"):
        await terminal.write(StreamChunk(text=piece, reasoning="hm"))
    await terminal.close()

    assert file.pieces == ["# A \x1b[31m", "very long line\r\n", "\ttab"]


async def test_what_is_no_terminal_is_told_how_it_ended() -> None:
    file = Piped()
    terminal = Terminal(Console(file=file))
    await terminal.write("so far")
    await terminal.close(OSError("reset"))

    assert "".join(file.pieces) == "so far\n(OSError: reset)\n"


async def test_a_terminal_that_cannot_move_its_cursor_gets_plain_text() -> None:
    file = Piped()
    console = Console(file=file, force_terminal=True, _environ={"TERM": "dumb"})
    terminal = Terminal(console)
    await terminal.write("*a*\x1b[2J")
    await terminal.close()

    assert "".join(file.pieces) == "*a*[2J\n"


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_without_rich_it_is_plain_text(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    file = Piped()
    monkeypatch.setattr(file, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()
    await terminal.write("*a*")
    await terminal.close()

    assert "".join(file.pieces) == ("*a*\n" if is_terminal else "*a*")


async def test_the_standard_output_is_where_it_goes_by_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal()
    await terminal.write("*a*")
    await terminal.close()

    assert capsys.readouterr().out == "*a*"


class Gone(Emulator):
    """A terminal that hangs up."""

    error: BaseException | None = None

    def write(self, text: str, /) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("markdown", [True, False])
async def test_a_terminal_that_is_gone_is_a_sink_error(markdown: bool) -> None:
    emulator = Gone()
    emulator.error = OSError("hung up")
    terminal = Terminal(emulator.console, markdown=markdown)
    with pytest.raises(SinkError, match="cannot be written to: hung up") as caught:
        await terminal.write("a")
    assert caught.value.__cause__ is emulator.error

    await terminal.close(caught.value)
    assert emulator.console._live_stack == []


async def test_a_broken_pipe_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave() -> None:
        raise SystemExit(1)

    emulator = Gone()
    emulator.error = BrokenPipeError("nobody reads")
    monkeypatch.setattr(emulator.console, "on_broken_pipe", leave)
    terminal = Terminal(emulator.console)
    with pytest.raises(SinkError, match="nobody reads"):
        await terminal.write("a")
    await terminal.close(OSError())


def test_a_drawing_that_failed_on_its_own_is_told_by_the_next_write() -> None:
    async def run() -> None:
        emulator = Gone()
        terminal = Terminal(emulator.console, refresh_per_second=10)
        await terminal.write("a")
        await terminal.write("b")
        emulator.error = OSError("hung up")
        await asyncio.sleep(1)
        emulator.error = None
        with pytest.raises(SinkError, match="hung up"):
            await terminal.write("c")

        await terminal.close(OSError("of another"))
        assert emulator.cursor_is_shown

    run_in_virtual_time(run())


async def test_a_failure_at_the_end_is_a_sink_error_of_close() -> None:
    emulator = Gone()
    terminal = Terminal(emulator.console)
    await terminal.write("a")
    emulator.error = OSError("hung up")
    with pytest.raises(SinkError, match="hung up"):
        await terminal.close()
    await terminal.close()


async def test_nothing_is_shown_after_close() -> None:
    terminal = Terminal(Emulator().console)
    await terminal.close()
    with pytest.raises(SinkError, match="closed"):
        await terminal.write("a")


@pytest.mark.parametrize("rate", [0, -1, math.nan])
def test_a_rate_is_above_0(rate: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Terminal(refresh_per_second=rate)
