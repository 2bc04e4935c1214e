# ruff: noqa: RUF001 -- the punctuation of other scripts is meant as it stands

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import (
    check_dispose,
    check_empty,
    check_error,
    check_linear,
    check_two_subscribers,
    pieces,
    results,
)
from reactivex.disposable import Disposable
from reactivex.subject import Subject
from reactivex.testing import TestScheduler

from rxwizard import ChunkKind, ConfigError, StreamChunk, ToolCallDelta
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import assert_marbles, play, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable


def words_of(text: str) -> int:
    return len(text.split())


OVER_TEXT: dict[str, Callable[[], Any]] = {
    "words": lambda: ops.buffer_words(2),
    "lines": lambda: ops.buffer_lines(),
    "paragraphs": lambda: ops.buffer_paragraphs(),
    "characters": lambda: ops.buffer_characters(3),
    "until": lambda: ops.buffer_until(";"),
    "tokens": lambda: ops.buffer_tokens(2, words_of),
}
OVER_ANY: dict[str, Callable[[], Any]] = {
    "count": lambda: ops.buffer(count=2),
    "characters of items": lambda: ops.buffer(characters=4),
    "seconds": lambda: ops.buffer(seconds=3),
    "all three": lambda: ops.buffer(count=2, characters=100, seconds=3),
}
EVERY = {**OVER_TEXT, **OVER_ANY}
every_operator = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
every_over_text = pytest.mark.parametrize("make", OVER_TEXT.values(), ids=OVER_TEXT)

#: Something ends, and something is left, whatever is being looked for.
TEXT = {"a": "one two; ", "b": "three\n\nfour ", "c": "five"}


# -- all of them -----------------------------------------------------------------------------


@every_operator
def test_an_empty_source_gives_nothing(make) -> None:
    check_empty(make())


@every_operator
def test_what_is_held_comes_at_completion_and_before_an_error(make) -> None:
    check_error(make(), "-a-b-c-", **TEXT)


@every_operator
def test_who_has_gone_gets_nothing_and_the_source_is_free(make) -> None:
    check_dispose(make(), **TEXT)
    check_dispose(make(), until=6, **TEXT)


@every_operator
def test_two_subscribers_share_nothing(make) -> None:
    check_two_subscribers(make(), **TEXT)


@every_over_text
def test_who_has_enough_lets_go_in_the_middle_of_a_batch(make) -> None:
    def first(source: Observable[str]) -> Observable[str]:
        return source.pipe(make(), rx.operators.take(1))

    played = play(first, "-a-|", a="a b c;\n\nd;\n\n")

    assert (len(played.values), played.held) == (1, [(0, 1)])


# -- any items -------------------------------------------------------------------------------


def test_buffer_gives_lists_of_so_many() -> None:
    assert_marbles(ops.buffer(count=2), "-a-b-c-|", "---x---(y,|)", x=["a", "b"], y=["c"])


def test_buffer_gives_what_came_in_the_time_since_a_list_began() -> None:
    assert_marbles(
        ops.buffer(count=2, seconds=3),
        "-a-b-c----d-----|",
        "---x----y----z--|",
        x=["a", "b"],
        y=["c"],
        z=["d"],
    )


def test_buffer_by_time_alone_takes_all_that_comes() -> None:
    assert_marbles(
        ops.buffer(seconds=4),
        "-a-b--c-----d-|",
        "-----x----y---(z,|)",
        x=["a", "b"],
        y=["c"],
        z=["d"],
    )


def test_buffer_begins_a_new_time_with_each_list() -> None:
    # The list of a and b is full at 3. The time of c ends at 8, not that of a at 6.
    assert_marbles(
        ops.buffer(count=2, seconds=5),
        "-a-b--c---------|",
        "---x-------y----|",
        x=["a", "b"],
        y=["c"],
    )


def test_buffer_by_size_ends_with_the_item_that_reaches_it() -> None:
    chunk = StreamChunk(text="ab", reasoning="c", tool_call=ToolCallDelta(arguments="{}"))

    assert results(ops.buffer(characters=5), ["abc", "d", "efgh", "i", chunk, 7, "ab"]) == [
        ["abc", "d", "efgh"],
        ["i", chunk],
        [7, "ab"],
    ]


@pytest.mark.parametrize(
    ("item", "expected"),
    [("a", [["a", "a", "a"], ["a"]]), ("abcd", [["abcd", "abcd"], ["abcd", "abcd"]])],
    ids=["by number", "by size"],
)
def test_buffer_takes_the_first_bound_that_is_reached(item: str, expected: list[str]) -> None:
    assert results(ops.buffer(count=3, characters=8), [item] * 4) == expected


@pytest.mark.parametrize("end", ["|", "#"])
def test_buffer_flushes_and_puts_its_clock_away_at_the_end(end: str) -> None:
    played = play(ops.buffer(seconds=50), f"-a-b-{end}")

    assert [(m.tick, m.what) for m in played.messages[:1]] == [(5, "next")]
    assert len(played.messages) == 2


class _Watched(TestScheduler):
    """Knows how many of its timers may still ring."""

    def __init__(self) -> None:
        super().__init__()
        self.ringing = 0

    def schedule_relative(self, duetime, action, state=None):
        self.ringing += 1
        timer = super().schedule_relative(duetime, action, state)
        gone: list[bool] = []

        def stop() -> None:
            timer.dispose()
            if not gone:
                gone.append(True)
                self.ringing -= 1

        return Disposable(stop)


@pytest.mark.parametrize("ending", ["on_completed", "on_error", "dispose"])
def test_buffer_leaves_no_timer_behind(ending: str) -> None:
    scheduler = _Watched()
    source: Subject[str] = Subject()
    lists: list[list[str]] = []
    subscription = source.pipe(ops.buffer(count=2, seconds=9)).subscribe(
        lists.append, lambda _: None, scheduler=scheduler
    )
    source.on_next("a")
    assert scheduler.ringing == 1
    source.on_next("b")
    assert scheduler.ringing == 0
    source.on_next("c")
    if ending == "dispose":
        subscription.dispose()
    elif ending == "on_error":
        source.on_error(OSError("reset"))
    else:
        source.on_completed()

    assert scheduler.ringing == 0
    assert lists == [["a", "b"]] + ([] if ending == "dispose" else [["c"]])


def test_buffer_gives_lists_that_stay_as_they_are() -> None:
    lists = results(ops.buffer(count=2), range(5))

    assert lists == [[0, 1], [2, 3], [4]]


def test_buffer_keeps_time_on_the_running_loop() -> None:
    async def times() -> list[tuple[float, list[str]]]:
        loop = asyncio.get_running_loop()
        source: Subject[str] = Subject()
        seen: list[tuple[float, list[str]]] = []
        source.pipe(ops.buffer(seconds=3600)).subscribe(
            lambda gathered: seen.append((loop.time(), gathered))
        )
        source.on_next("a")
        await asyncio.sleep(60)
        source.on_next("b")
        await asyncio.sleep(3600)
        return seen

    assert run_in_virtual_time(times()) == [(3600, ["a", "b"])]


def test_buffer_is_at_most_one_list_beyond_a_reader_that_is_full() -> None:
    async def waiting() -> int:
        source: Subject[int] = Subject()
        reader: BoundedSubscriber[list[int]] = BoundedSubscriber(2)
        reader.attach(source.pipe(ops.buffer(count=2, seconds=1)))
        for number in range(5):
            source.on_next(number)
        await asyncio.sleep(10)
        waits = len(reader.ring.queue)
        reader.cancel()
        return waits

    assert run_in_virtual_time(waiting()) == 3


@pytest.mark.parametrize(
    "options",
    [
        {},
        *({name: bad} for name in ("count", "characters") for bad in (0, -1, True, 1.5, "2")),
        *({"seconds": bad} for bad in (0, -1, float("nan"), float("inf"), True)),
        {"count": 1, "seconds": 0},
    ],
    ids=str,
)
def test_buffer_refuses_what_cannot_work(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="buffer"):
        ops.buffer(**options)


# -- words -----------------------------------------------------------------------------------


def test_buffer_words_gives_a_word_when_the_next_one_begins() -> None:
    assert_marbles(
        ops.buffer_words(),
        "-a-b-c-d-|",
        "-----x---(y,|)",
        a="Hi",
        b=". ",
        c="You",
        d="!",
        x="Hi. ",
        y="You!",
    )


@pytest.mark.parametrize(
    "expected",
    [
        ["Hello  ", "world"],
        ["  Hello\n", "world \t\n\n"],
        ["it's ", "(well-known) ", "3.14"],
        ["我", "用", "Python", "写", "代", "码。"],
        ["好，", "“你", "好”", "（世", "界）！"],
        ["カーテン", "の", "中、", "人々"],
        ["Ünïcode ", "naïve ", "слово ", "كلمة"],
        ["🎉🎉 ", "party"],
        ["   "],
    ],
    ids="|".join,
)
def test_a_word_ends_here(expected: list[str]) -> None:
    assert results(ops.buffer_words(), ["".join(expected)]) == expected
    assert results(ops.buffer_words(), "".join(expected)) == expected


def test_buffer_words_gives_several_at_a_time() -> None:
    assert results(ops.buffer_words(2), ["a b c d e"]) == ["a b ", "c d ", "e"]


def test_fewer_words_come_where_more_would_be_too_long() -> None:
    operator = ops.buffer_words(3, max_characters=8)

    assert results(operator, ["one two three abcdefghijkl m"]) == [
        "one two ",
        "three ",
        "abcdefgh",
        "ijkl m",
    ]


# -- lines -----------------------------------------------------------------------------------


def test_buffer_lines_gives_a_line_when_it_ends() -> None:
    assert_marbles(
        ops.buffer_lines(),
        "-a-b-c-|",
        "---x---(y,|)",
        a="o",
        b="ne\nt",
        c="wo",
        x="one\n",
        y="two",
    )


def test_buffer_lines_keeps_each_line_end_as_it_is() -> None:
    text = "a\r\nb\n\n\nc\rd\u2028e\x0bf"

    assert results(ops.buffer_lines(), [text]) == ["a\r\n", "b\n", "\n", "\n", "c\rd\u2028e\x0bf"]


def test_buffer_lines_gives_several_at_a_time() -> None:
    assert results(ops.buffer_lines(2), ["a\nb\nc\n"]) == ["a\nb\n", "c\n"]


def test_a_long_line_is_cut_after_white_space() -> None:
    operator = ops.buffer_lines(2, max_characters=6)

    assert results(operator, ["a\none two\nabcdef\nabcdefg"]) == [
        *("a\n", "one ", "two\n", "abcdef", "\n", "abcdef", "g"),
    ]


# -- paragraphs ------------------------------------------------------------------------------


def test_buffer_paragraphs_gives_one_when_the_next_one_begins() -> None:
    assert_marbles(
        ops.buffer_paragraphs(),
        "-a-b-c-d-|",
        "-------x-(y,|)",
        a="One",
        b=".\n",
        c="\n",
        d="Two",
        x="One.\n\n",
        y="Two",
    )


@pytest.mark.parametrize(
    "expected",
    [
        ["a\nb\n\n", "c"],
        ["\n\na\n \t\n\n", "    b\r\n\r\n", "c\n\n"],
        ["a \n\n\n\n", " b"],
        ["\n \n"],
    ],
    ids=repr,
)
def test_a_paragraph_ends_here(expected: list[str]) -> None:
    assert results(ops.buffer_paragraphs(), ["".join(expected)]) == expected
    assert results(ops.buffer_paragraphs(), "".join(expected)) == expected


def test_a_long_paragraph_is_cut_after_white_space() -> None:
    operator = ops.buffer_paragraphs(max_characters=5)

    assert results(operator, ["one two\n\nabcdefg"]) == ["one ", "two\n\n", "abcde", "fg"]


# -- characters ------------------------------------------------------------------------------


def test_buffer_characters_gives_pieces_of_one_size() -> None:
    assert_marbles(
        ops.buffer_characters(2),
        "-a-b-c-d---|",
        "---x-y-----(z,|)",
        a="a",
        b="bcd",
        c="e",
        d="f",
        x="ab",
        y="cd",
        z="ef",
    )


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, ["a", "e\u0301", "b"]),
        (3, ["e\u0301a", "bc"]),
        (3, ["a", "👩\u200d🚀", "b"]),
        (2, ["👍🏽", "👍🏽"]),
        (3, ["🇩🇪", "🇫🇷", "🇩🇪"]),
        (3, ["x🇩🇪", "🇫🇷"]),
        (2, ["a", "\r\n", "b"]),
        (2, ["a", "\ud83d\ude00", "b"]),
        (1, ["a", "\ud83d\ude00", "b"]),
        (2, ["नि", "ए"]),
        (3, ["\u1112\u1161\u11ab", "\u1100\u1173\u11af"]),
        (2, ["e\u0301", "\u0302\u0303", "\u0304a"]),
        (1, ["e", "\u0301"]),
    ],
)
def test_what_is_seen_as_one_character_stays_whole_where_it_fits(
    count: int, expected: list[str]
) -> None:
    assert results(ops.buffer_characters(count), ["".join(expected)]) == expected
    assert results(ops.buffer_characters(count), "".join(expected)) == expected


# -- a regular expression --------------------------------------------------------------------


def test_buffer_until_gives_a_piece_when_its_match_can_change_no_more() -> None:
    assert_marbles(
        ops.buffer_until(r";|\n+"),
        "-a-b-c-d-|",
        "---x---y-(z,|)",
        a="one",
        b=";two",
        c="\n",
        d="\nx",
        x="one;",
        y="two\n\n",
        z="x",
    )


PATTERNS = [
    *(r"\n\n", r"\n+", r"[.!?]\s+", r"a(?:bb)?", r"\bab\b", r"(?m)^a$", r"a+?b*", r"(?i)AB"),
    *(r"(?:a|ab)(?:c|bcd)?", r"\n(?=#)", r"[^a]b{1,3}", r"(?<!a)b", r"a(?:.*b)?", r"b(?=\s|\Z)"),
]


@given(
    st.sampled_from(PATTERNS), st.text(alphabet="aabB c\n#.d", max_size=24), st.lists(st.integers())
)
def test_buffer_until_ends_pieces_where_a_search_of_the_whole_text_does(
    pattern: str, text: str, cuts: list[int]
) -> None:
    expected: list[str] = []
    rest = text
    while match := re.search(pattern, rest):
        expected.append(rest[: match.end()])
        rest = rest[match.end() :]

    operator = ops.buffer_until(pattern)
    assert results(operator, pieces(text, [abs(cut) % 25 for cut in cuts])) == [
        *expected,
        *([rest] if rest else []),
    ]


def test_buffer_until_takes_a_compiled_pattern_with_its_flags() -> None:
    assert results(ops.buffer_until(re.compile("END", re.IGNORECASE)), "1 end2 End") == [
        "1 end",
        "2 End",
    ]


def test_a_match_that_is_too_far_away_is_not_waited_for() -> None:
    operator = ops.buffer_until(";", max_characters=6)

    assert results(operator, ["one two;abcdefgh;"]) == ["one ", "two;", "abcdef", "gh;"]


def test_a_match_that_could_go_on_for_ever_ends_at_the_bound() -> None:
    operator = ops.buffer_until("(?s)a(?:.*b)?", max_characters=4)

    assert results(operator, ["acccccccc"]) == ["a", "cccc", "cccc"]


@pytest.mark.parametrize(
    "pattern",
    ["", "a*", "(", "a|", r"(a)\1", "(?=a)", r"\b", "(a+)+b", "a$", "a++", "[a-z]{5000}", b"a", 7],
    ids=repr,
)
def test_buffer_until_refuses_a_pattern_that_cannot_work(pattern: Any) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        ops.buffer_until(pattern)


# -- tokens ----------------------------------------------------------------------------------


def test_buffer_tokens_gives_a_piece_when_the_next_word_does_not_fit() -> None:
    assert_marbles(
        ops.buffer_tokens(2, words_of),
        "-a-b-c-d-|",
        "-------x-(y,|)",
        a="one",
        b=" two",
        c=" thr",
        d="ee ",
        x="one two",
        y=" three ",
    )


def test_buffer_tokens_halves_a_word_that_has_too_many() -> None:
    assert results(ops.buffer_tokens(3, len), ["a bcdefgh 你好你好"]) == [
        *("a", " b", "cd", "ef", "gh", " 你", "好你好"),
    ]


def test_a_single_character_is_not_divided() -> None:
    assert results(ops.buffer_tokens(1, lambda text: 4 * len(text)), ["ab c"]) == [*"ab c"]


def test_white_space_without_tokens_is_bounded_all_the_same() -> None:
    given_out = results(ops.buffer_tokens(1, words_of, max_characters=40), [" "] * 100)

    assert [len(piece) for piece in given_out] == [32, 32, 36]


@given(st.text(alphabet="ab 你.\n", max_size=200), st.integers(1, 9))
def test_no_piece_has_more_tokens_than_asked_for(text: str, count: int) -> None:
    def tokens(piece: str) -> int:
        return len(re.findall(r"\s?\w{1,3}|\W", piece))

    given_out = results(ops.buffer_tokens(count, tokens), text)

    assert "".join(given_out) == text
    assert all(tokens(piece) <= count for piece in given_out)


def test_buffer_tokens_estimates_where_nobody_counts() -> None:
    given_out = results(ops.buffer_tokens(10), ["The quick brown fox jumps. "] * 20)

    assert 8 < len(given_out) < 40


# -- what they take --------------------------------------------------------------------------


@every_over_text
def test_they_read_the_visible_text_of_chunks(make) -> None:
    text = "One two; three\n\nfour; five"
    chunks = [
        StreamChunk(kind=ChunkKind.START),
        *(StreamChunk(text=piece, seq=n) for n, piece in enumerate(text, 1)),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm;\n\n", seq=50),
        StreamChunk(text="Otra; \n\ncosa", choice=1, seq=51),
        StreamChunk(text="", seq=52),
    ]

    assert results(make(), chunks) == results(make(), [text])


@pytest.mark.parametrize(
    "anew",
    [
        StreamChunk(epoch=1),
        StreamChunk(kind=ChunkKind.START),
        StreamChunk(kind=ChunkKind.RETRACT),
    ],
    ids=["newer epoch", "second start", "retraction"],
)
@every_over_text
def test_what_is_held_of_a_text_that_no_longer_counts_is_dropped(make, anew: StreamChunk) -> None:
    held, after = StreamChunk(text="b"), StreamChunk(text="c", epoch=anew.epoch)

    assert results(make(), [held, anew, after]) == ["c"]


@every_over_text
def test_empty_pieces_are_nothing(make) -> None:
    assert results(make(), ["", "a", "", "b", ""]) == ["ab"]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (ops.buffer_words, "count"),
        (ops.buffer_words, "max_characters"),
        (ops.buffer_lines, "count"),
        (ops.buffer_lines, "max_characters"),
        (ops.buffer_paragraphs, "max_characters"),
        (ops.buffer_characters, "count"),
        (ops.buffer_tokens, "count"),
        (lambda **bad: ops.buffer_tokens(1, **bad), "max_characters"),
        (lambda **bad: ops.buffer_until(";", **bad), "max_characters"),
    ],
)
@pytest.mark.parametrize("bad", [0, -1, True, 2.0, float("nan"), "3", None], ids=repr)
def test_a_number_that_cannot_work_is_refused(make, name: str, bad: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}=.* must be 1 or more"):
        make(**{name: bad})


# -- for any text and any cuts ---------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [
        *(
            "a",
            "b;",
            "word",
            "\n",
            "\n\n",
            " ",
            "  ",
            "你",
            "。",
            "“",
            "é",
            "e\u0301",
            "👩\u200d🚀",
        ),
        *("\r\n", "\t", "🇩🇪", "\ud83d\ude00", ".", "ー", "(", ";;"),
    ]
)
texts = st.lists(SNIPPETS, max_size=30).map("".join) | st.text(max_size=60)
bounds = st.sampled_from([1, 2, 3, 5, 8, 20, 1000])
BOUNDED: dict[str, Callable[[int, int], Any]] = {
    "words": lambda count, most: ops.buffer_words(count, max_characters=most),
    "lines": lambda count, most: ops.buffer_lines(count, max_characters=most),
    "paragraphs": lambda _, most: ops.buffer_paragraphs(max_characters=most),
    "characters": lambda _, most: ops.buffer_characters(most),
    "until": lambda _, most: ops.buffer_until(r";+| a|\n(?:.*e)?", max_characters=most),
    "tokens": lambda count, most: ops.buffer_tokens(count, len, max_characters=most),
    "estimated": lambda count, most: ops.buffer_tokens(count, max_characters=most),
}


@pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED)
@settings(max_examples=60)
@given(texts, st.lists(st.integers(0, 120)), st.integers(1, 4), bounds)
def test_joining_gives_the_text_and_cuts_change_nothing(
    make, text: str, cuts: list[int], count: int, most: int
) -> None:
    operator = make(count, most)
    given_out = results(operator, pieces(text, cuts))

    assert "".join(given_out) == text
    assert given_out == results(operator, [text])
    assert given_out == results(operator, text)
    # A pair of surrogates is never divided.
    assert all(0 < len(piece) <= max(most, 1 + (piece[0] == "\ud83d")) for piece in given_out)


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("unit", ["word ", ";", " ", "\n", "x", "你", "\u0301"], ids=ascii)
def test_work_is_linear_whatever_the_text(name: str, unit: str) -> None:
    # As long as the text, so that all of it waits where nothing ends.
    check_linear(lambda: BOUNDED[name](3, 10_000_000), lambda n: [unit] * n, few=1_000)
