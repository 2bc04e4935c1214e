"""Ollama's own API: small wires by hand, each showing one thing its lines do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import FinishReason, ProviderError, StreamInterruptedError

from .reader_kit import Reading, check_reader, cut_at, lines

OLLAMA = "ollama"


def line(content: object = "", done: bool = False, **message: Any) -> dict:
    said = {"role": "assistant", "content": content, **message}
    return {
        "model": "qwen3:4b",
        "created_at": "2026-08-04T19:58:19Z",
        "message": said,
        "done": done,
    }


def last(reason: object = "stop", content: str = "", **fields: Any) -> dict:
    return {**line(content, done=True), "done_reason": reason, **fields}


def call(name: object, arguments: object, **fields: Any) -> dict:
    return {"function": {"name": name, "arguments": arguments}, **fields}


def answer(*documents: dict, **options: bool) -> Reading:
    return check_reader(OLLAMA, lines(*documents), **options)


def test_text_is_the_content_of_the_lines() -> None:
    reading = answer(line("Hel"), line(""), line("lo"), last())

    assert reading.text == "Hello"
    assert reading.kinds == ["start", "text", "text", "final"]
    assert reading.final.source.model == "qwen3:4b"


def test_the_last_line_may_bring_text() -> None:
    assert answer(line("Hel"), last(content="lo")).text == "Hello"


def test_thinking_is_reasoning() -> None:
    reading = answer(line("", thinking="Ok"), line("", thinking="ay"), line("Hi"), last())

    assert (reading.response.reasoning, reading.text) == ("Okay", "Hi")


def test_thinking_and_text_in_one_line_are_two_chunks() -> None:
    assert answer(line("Hi", thinking="Hm"), last()).kinds == [
        "start",
        "reasoning",
        "text",
        "final",
    ]


@pytest.mark.parametrize(
    "arguments", [{"city": "Tōkyō"}, '{"city": "Tōkyō"}'], ids=["object", "text"]
)
def test_a_tool_call_comes_whole(arguments: object) -> None:
    reading = answer(line(tool_calls=[call("weather", arguments, id="call_1")]), last())

    assert reading.calls == [("call_1", "weather", {"city": "Tōkyō"})]
    assert (reading.final.finish_reason, reading.final.raw_finish_reason) == (
        FinishReason.TOOL_CALLS,
        "stop",
    )


def test_a_tool_call_may_have_neither_id_nor_index() -> None:
    assert answer(line(tool_calls=[call("now", {})]), last()).calls == [(None, "now", {})]


def test_calls_one_a_line_are_several_though_each_says_index_0() -> None:
    def numbered(name: str) -> dict:
        return {"function": {"index": 0, "name": name, "arguments": {}}}

    reading = answer(
        line(tool_calls=[numbered("a")]), line(tool_calls=[numbered("a"), numbered("b")]), last()
    )

    assert [name for _, name, _ in reading.calls] == ["a", "a", "b"]
    assert [made.index for made in reading.response.tool_calls] == [0, 1, 2]


@pytest.mark.parametrize("arguments", [None, {}, ""])
def test_no_arguments_are_an_empty_object(arguments: object) -> None:
    (made,) = answer(line(tool_calls=[call("now", arguments)]), last()).response.tool_calls

    assert (made.arguments, made.valid) == ({}, True)


@pytest.mark.parametrize("calls", [None, [], [{}], [{"function": None}]])
def test_text_beside_tool_calls_that_say_nothing_is_text(calls: object) -> None:
    assert answer(line("Hi", tool_calls=calls), last()).text == "Hi"


def test_images_are_shown() -> None:
    assert answer(line("", images=["aGk="]), last()).of_kind("other") == [{"images": ["aGk="]}]


def test_usage_comes_with_the_last_line() -> None:
    usage = answer(
        line("Hi"), last(prompt_eval_count=307, eval_count=308, total_duration=5)
    ).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (307, 308, 615)
    assert usage.raw == {"prompt_eval_count": 307, "eval_count": 308, "total_duration": 5}


def test_a_prompt_count_that_is_not_reported_is_none() -> None:
    usage = answer(line("Hi"), last(eval_count=2)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, 2, None)


def test_durations_alone_are_no_usage() -> None:
    assert answer(line("Hi"), last(total_duration=5)).final.usage is None


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("load", FinishReason.OTHER),
        ("unload", FinishReason.OTHER),
        (None, None),
    ],
)
def test_done_reasons_are_unified_and_kept_as_sent(
    raw: object, unified: FinishReason | None
) -> None:
    final = answer(line("Hi"), last(raw)).final

    assert (final.finish_reason, final.raw_finish_reason) == (unified, raw)


def test_the_last_line_may_have_no_message() -> None:
    assert answer(line("Hi"), {"model": "m", "done": True, "done_reason": "stop"}).final.complete


def test_nothing_after_the_last_line_is_read() -> None:
    assert answer(line("Hi"), last(), line("!"), {"error": "late"}).text == "Hi"


def test_without_a_last_line_it_is_interrupted() -> None:
    failure = answer(line("Hi")).failure

    assert type(failure) is StreamInterruptedError
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


def test_an_error_line_raises_with_its_words_and_no_status() -> None:
    words = "an error was encountered while running the model: CUDA error"
    failure = answer(line("Hi"), {"error": words}).failure

    assert (type(failure), failure.status, str(failure)) == (ProviderError, None, words)


@pytest.mark.parametrize("message", [None, "words", [], {"content": None}, {"content": 7}, {}])
def test_a_message_that_says_nothing_is_no_exception(message: object) -> None:
    reading = answer({"model": "m", "message": message, "done": False}, line("Hi"), last())

    assert reading.text == "Hi"


@given(
    st.lists(
        st.fixed_dictionaries(
            {"content": st.text(st.characters(exclude_categories=["Cs"]), max_size=4)},
            optional={"thinking": st.text(st.sampled_from("hm"), max_size=3)},
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 2_000), max_size=6),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_any_lines_at_any_cuts_are_read_the_same(
    said: list[dict], cuts: list[int], ending: str
) -> None:
    documents = [*(line(**message) for message in said), last()]
    written = [json.dumps(document, ensure_ascii=False) + ending for document in documents]
    body = "".join(written).encode()
    reading = check_reader(OLLAMA, body, [cut_at(body, [min(cut, len(body)) for cut in cuts])])

    assert reading.text == "".join(message["content"] for message in said)
    assert reading.response.reasoning == "".join(m.get("thinking", "") for m in said)
