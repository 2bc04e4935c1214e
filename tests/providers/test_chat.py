"""Chat completions and their dialects: small wires by hand, each showing one thing vendors do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    DecodeError,
    FinishReason,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
    StreamInterruptedError,
    TokenUsage,
)

from .reader_kit import Reading, check_laws, check_reader, cut_at, read, sse

OPENAI = "openai"
COMPATIBLE = "openai-compatible"


def event(delta: object = None, finish: object = None, index: int = 0, **more: Any) -> dict:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [choice], **more}


def say(text: str, **more: Any) -> dict:
    return event({"content": text}, **more)


def call(*fragments: dict) -> dict:
    return event({"tool_calls": list(fragments)})


def function(
    arguments: object = "", name: object = None, call_id: object = None, index: object = None
) -> dict:
    made: dict[str, Any] = {"function": {"arguments": arguments}}
    if name is not None:
        made["function"]["name"] = name
    if call_id is not None:
        made["id"] = call_id
    if index is not None:
        made["index"] = index
    return made


STOP = event(finish="stop")
CALLS = event(finish="tool_calls")
DONE = "[DONE]"


def usage_event(**usage: Any) -> dict:
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [], "usage": usage}


def answer(*events: object, vendor: str = OPENAI, **options: bool) -> Reading:
    return check_reader(vendor, sse(*events), **options)


# -- tool calls ------------------------------------------------------------------------------

WEATHER = ("call_1", "weather", {"city": "Tokyo"})
TIME = ("call_2", "time", {})

ONE_CALL = {
    "in fragments by index": [
        function(name="weather", call_id="call_1", index=0),
        function('{"city":', index=0),
        function(' "Tokyo"}', index=0),
    ],
    "whole": [function('{"city": "Tokyo"}', "weather", "call_1", 0)],
    "whole, without an index": [function('{"city": "Tokyo"}', "weather", "call_1")],
    "in fragments without an index": [
        function('{"city":', "weather", "call_1"),
        function(' "Tokyo"}'),
    ],
    "in fragments that repeat the id": [
        function('{"city":', "weather", "call_1"),
        function(' "Tokyo"}', call_id="call_1"),
    ],
    "with the name repeated": [
        function("", "weather", "call_1", 0),
        function('{"city":', "weather", "call_1", 0),
        function(' "Tokyo"}', "weather", "call_1", 0),
    ],
    "with the name repeated and nothing else": [
        function("", "weather", "call_1"),
        function('{"city":', "weather"),
        function(' "Tokyo"}', "weather"),
    ],
    "with index 1 first": [
        function('{"city":', "weather", "call_1", 1),
        function(' "Tokyo"}', index=1),
    ],
    "with the id later than the name": [
        function("", "weather", None, 0),
        function('{"city":', None, "call_1", 0),
        function(' "Tokyo"}', None, None, 0),
    ],
    "with empty ids on its fragments": [
        function('{"city":', "weather", "call_1", 0),
        function(' "Tokyo"}', "", "", 0),
    ],
    "with null arguments between": [
        function(None, "weather", "call_1", 0),
        function('{"city": "Tokyo"}', None, None, 0),
        function(None, None, None, 0),
    ],
    "with arguments as an object": [function({"city": "Tokyo"}, "weather", "call_1", 0)],
}


@pytest.mark.parametrize("fragments", ONE_CALL.values(), ids=ONE_CALL.keys())
def test_one_tool_call_is_put_together(fragments: list[dict]) -> None:
    reading = answer(*(call(fragment) for fragment in fragments), CALLS, DONE)

    assert reading.calls == [WEATHER]
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS
    assert reading.text == ""


@pytest.mark.parametrize("fragments", ONE_CALL.values(), ids=ONE_CALL.keys())
def test_fragments_in_one_event_are_the_same_as_in_several(fragments: list[dict]) -> None:
    assert answer(call(*fragments), CALLS, DONE).calls == [WEATHER]


TWO_CALLS = {
    "by index": [
        function('{"city":', "weather", "call_1", 0),
        function(' "Tokyo"}', index=0),
        function("", "time", "call_2", 1),
        function("{}", index=1),
    ],
    "by index, interleaved": [
        function("", "weather", "call_1", 0),
        function("", "time", "call_2", 1),
        function('{"city":', index=0),
        function("{}", index=1),
        function(' "Tokyo"}', index=0),
    ],
    "all with index 0 and different ids": [
        function('{"city":', "weather", "call_1", 0),
        function(' "Tokyo"}', None, "call_1", 0),
        function("", "time", "call_2", 0),
        function("{}", None, "call_2", 0),
    ],
    "all with index 0, ids on the first fragments only": [
        function('{"city":', "weather", "call_1", 0),
        function(' "Tokyo"}', index=0),
        function("", "time", "call_2", 0),
        function("{}", index=0),
    ],
    "from index 1": [
        function('{"city": "Tokyo"}', "weather", "call_1", 1),
        function("{}", "time", "call_2", 2),
    ],
    "without an index": [
        function('{"city": "Tokyo"}', "weather", "call_1"),
        function("{}", "time", "call_2"),
    ],
    "without an index, interleaved by id": [
        function('{"city":', "weather", "call_1"),
        function("", "time", "call_2"),
        function(' "Tokyo"}', call_id="call_1"),
        function("{}", call_id="call_2"),
    ],
}


@pytest.mark.parametrize("fragments", TWO_CALLS.values(), ids=TWO_CALLS.keys())
def test_two_tool_calls_are_kept_apart(fragments: list[dict]) -> None:
    reading = answer(*(call(fragment) for fragment in fragments), CALLS, DONE)

    assert reading.calls == [WEATHER, TIME]
    assert [c.index for c in reading.response.tool_calls] == [0, 1]


def test_without_index_and_id_a_name_after_whole_arguments_begins_the_next_call() -> None:
    fragments = [
        function('{"city":', "weather"),
        function(' "Tokyo"}'),
        function("{}", "weather"),
        function("{}", "time"),
    ]
    reading = answer(*(call(fragment) for fragment in fragments), CALLS, DONE)

    assert [(name, arguments) for _, name, arguments in reading.calls] == [
        ("weather", {"city": "Tokyo"}),
        ("weather", {}),
        ("time", {}),
    ]


@pytest.mark.parametrize("arguments", ["", None, "null", "{}", "  ", {}])
def test_no_arguments_are_an_empty_object(arguments: object) -> None:
    (made,) = answer(call(function(arguments, "now", "call_1", 0)), CALLS, DONE).response.tool_calls

    assert (made.arguments, made.valid) == ({}, True)


def test_absent_arguments_are_an_empty_object() -> None:
    fragment = {"index": 0, "id": "call_1", "function": {"name": "now"}}
    (made,) = answer(call(fragment), CALLS, DONE).response.tool_calls

    assert (made.arguments, made.arguments_raw, made.valid) == ({}, "", True)


def test_arguments_that_the_limit_cut_stay_as_text() -> None:
    reading = answer(
        call(function('{"city": "To', "weather", "call_1", 0)), event(finish="length"), DONE
    )
    (made,) = reading.response.tool_calls

    assert (made.arguments, made.arguments_raw, made.valid) == ('{"city": "To',) * 2 + (False,)
    assert reading.final.finish_reason is FinishReason.LENGTH


def test_tool_call_chunks_carry_id_and_name_once() -> None:
    fragments = [function("{", "weather", "call_1", 0), function("}", "weather", "call_1", 0)]
    deltas = [
        chunk.tool_call
        for chunk in answer(*(call(f) for f in fragments), CALLS, DONE).chunks
        if chunk.tool_call
    ]

    assert [(d.id, d.name, d.arguments) for d in deltas] == [
        ("call_1", "weather", "{"),
        (None, None, "}"),
    ]


def test_a_plain_stop_after_tool_calls_is_tool_calls() -> None:
    final = answer(call(function("{}", "now", "call_1", 0)), STOP, DONE).final

    assert (final.finish_reason, final.raw_finish_reason) == (FinishReason.TOOL_CALLS, "stop")


def test_the_legacy_function_call_is_a_tool_call() -> None:
    first = event({"function_call": {"name": "weather", "arguments": '{"city":'}})
    second = event({"function_call": {"arguments": ' "Tokyo"}'}})
    reading = answer(first, second, event(finish="function_call"), DONE)

    assert reading.calls == [(None, "weather", {"city": "Tokyo"})]
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS


def test_a_custom_tool_gets_its_input_as_raw_text() -> None:
    fragment = {"index": 0, "id": "call_1", "type": "custom"}
    reading = answer(
        call({**fragment, "custom": {"name": "sql", "input": "SELECT"}}),
        call({"index": 0, "custom": {"input": " 1"}}),
        CALLS,
        DONE,
    )
    (made,) = reading.response.tool_calls

    assert (made.name, made.arguments_raw) == ("sql", "SELECT 1")


def test_endless_new_tool_calls_are_refused() -> None:
    many = [function("{}", "now", f"call_{number}") for number in range(10_001)]
    failure = read(OPENAI, sse(call(*many)).encode()).failure

    assert isinstance(failure, DecodeError)
    assert "10,000 tool calls" in str(failure)


# -- deltas that say nothing -----------------------------------------------------------------

NOTHING = {
    "choices null": {"choices": None},
    "choices empty": {"choices": []},
    "choices of nothing": {"choices": [None]},
    "delta null": {"choices": [{"index": 0, "delta": None}]},
    "no delta": {"choices": [{"index": 0, "content_filter_offsets": {"start": 0}}]},
    "delta empty": {"choices": [{"index": 0, "delta": {}}]},
    "content null": {"choices": [{"index": 0, "delta": {"content": None, "role": None}}]},
    "content empty": {"choices": [{"index": 0, "delta": {"content": "", "refusal": ""}}]},
    "tool calls null": {"choices": [{"delta": {"tool_calls": None, "function_call": None}}]},
    "tool calls empty": {"choices": [{"delta": {"tool_calls": []}}]},
    "tool calls of nothing": {"choices": [{"delta": {"tool_calls": [None]}}]},
    "usage null": {"choices": [], "usage": None},
    "a finish reason that is empty": {"choices": [{"delta": {}, "finish_reason": ""}]},
}


@pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING.keys())
def test_an_event_that_says_nothing_is_passed_over(nothing: dict) -> None:
    reading = answer(nothing, say("Hel"), nothing, say("lo"), STOP, nothing, DONE)

    assert reading.kinds == ["start", "text", "text", "final"]
    assert reading.text == "Hello"


def test_the_first_event_of_azure_does_not_hide_who_answers() -> None:
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
    }
    reading = answer(first, say("Hi"), STOP, DONE)

    assert reading.kinds == ["start", "text", "final"]
    assert reading.final.source.response_id == "chatcmpl-1"
    assert reading.final.source.model == "m-1"


def test_until_the_provider_names_the_model_it_is_the_one_asked_for() -> None:
    assert answer({"choices": []}, STOP, DONE).chunks[0].source.model == "asked"


def test_a_message_beside_the_delta_is_not_read_twice() -> None:
    def perplexity(delta: str, so_far: str) -> dict:
        made = say(delta)
        made["choices"][0]["message"] = {"role": "assistant", "content": so_far}
        return made

    reading = answer(perplexity("Hel", "Hel"), perplexity("lo", "Hello"), STOP, vendor="perplexity")

    assert reading.text == "Hello"


def test_padding_is_not_read() -> None:
    reading = answer(say("Hel", obfuscation="aB3", p="abc"), say("lo", obfuscation="x"), STOP, DONE)

    assert reading.kinds == ["start", "text", "text", "final"]


# -- reasoning, refusal, content parts -------------------------------------------------------

THOUGHTS = {
    "reasoning_content": {"reasoning_content": "Hm"},
    "reasoning": {"reasoning": "Hm"},
    "both, the same": {"reasoning_content": "Hm", "reasoning": "Hm"},
    "reasoning and its details": {
        "reasoning": "Hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}],
    },
    "details alone": {"reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
    "details of a summary": {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}]},
    "Mistral's list": {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]
    },
    "empty beside it": {"reasoning_content": "", "reasoning": "Hm", "content": ""},
    "null beside it": {"reasoning_content": None, "reasoning": "Hm", "content": None},
}


@pytest.mark.parametrize("delta", THOUGHTS.values(), ids=THOUGHTS.keys())
def test_reasoning_is_read_once_and_is_no_text(delta: dict) -> None:
    reading = answer(event(delta), event(delta), say("Hi"), STOP, DONE)

    assert reading.response.reasoning == "HmHm"
    assert reading.text == "Hi"
    assert reading.kinds == ["start", "reasoning", "reasoning", "text", "final"]


def test_reasoning_and_text_in_one_delta_are_two_chunks() -> None:
    reading = answer(event({"reasoning": "Hm", "content": "Hi"}), STOP, DONE)

    assert reading.kinds == ["start", "reasoning", "text", "final"]


def test_encrypted_reasoning_is_no_reasoning() -> None:
    delta = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]}

    assert answer(event(delta), say("Hi"), STOP, DONE).response.reasoning == ""


def test_content_in_parts_is_text_thought_and_citation() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
        {"type": "text", "text": "Hel"},
        "lo",
        reference,
        {"type": "image_url", "image_url": "x"},
        {"type": "text", "text": ""},
        7,
    ]
    reading = answer(event({"content": parts}), STOP, DONE, vendor="mistral")

    assert (reading.text, reading.response.reasoning) == ("Hello", "Hm")
    assert reading.of_kind("citation") == [reference]
    assert reading.of_kind("other") == [{"type": "image_url", "image_url": "x"}, 7]
    assert reading.response.citations == (reference,)


def test_a_refusal_is_text_and_a_plain_stop_is_a_refusal() -> None:
    reading = answer(event({"refusal": "I can"}), event({"refusal": "not."}), STOP, DONE)

    assert reading.text == reading.response.text == "I cannot."
    assert reading.kinds == ["start", "refusal", "refusal", "final"]
    assert (reading.final.finish_reason, reading.final.raw_finish_reason) == (
        FinishReason.REFUSAL,
        "stop",
    )


def test_log_probabilities_come_with_their_text() -> None:
    logprobs = {"content": [{"token": "Hi", "logprob": -0.1}]}
    with_them = say("Hi")
    with_them["choices"][0]["logprobs"] = logprobs
    empty = say("!")
    empty["choices"][0]["logprobs"] = {"content": None}
    reading = answer(say("A"), with_them, empty, STOP, DONE)

    assert [chunk.data for chunk in reading.chunks if chunk.text] == [
        None,
        {"logprobs": logprobs},
        None,
    ]


def test_server_side_tools_and_media_are_shown_and_are_no_calls() -> None:
    delta = {"executed_tools": [{"name": "search"}], "content": "Hi"}
    reading = answer(event(delta), STOP, DONE, vendor="groq")

    assert reading.of_kind("other") == [{"executed_tools": [{"name": "search"}]}]
    assert reading.calls == []
    assert reading.text == "Hi"


def test_citations_that_are_repeated_with_every_event_come_once() -> None:
    reading = answer(
        say("A", citations=["u1"]),
        say("B", citations=["u1"]),
        say("C", citations=["u1", "u2"]),
        event(finish="stop", citations=["u1", "u2"]),
        vendor="perplexity",
    )

    assert reading.of_kind("citation") == ["u1", "u2"]
    assert reading.text == "ABC"


def test_annotations_are_citations() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u1"}}

    assert answer(event({"annotations": [note]}), STOP, DONE).response.citations == (note,)


# -- usage -----------------------------------------------------------------------------------

COUNTS = {"prompt_tokens": 13, "completion_tokens": 8, "total_tokens": 21}

PLACES = {
    "after the finish, without choices": [say("Hi"), STOP, usage_event(**COUNTS)],
    "with the finish": [say("Hi"), event(finish="stop", usage=COUNTS)],
    "before the finish": [say("Hi"), usage_event(**COUNTS), STOP],
    "with the first event": [say("Hi", usage=COUNTS), STOP],
    "on every event, cumulative": [
        say("Hi", usage={**COUNTS, "completion_tokens": 1, "total_tokens": 14}),
        say("!", usage={**COUNTS, "completion_tokens": 5, "total_tokens": 18}),
        event(finish="stop", usage=COUNTS),
    ],
    "with the finish repeated": [
        say("Hi"),
        STOP,
        event({"content": ""}, finish="stop", usage=COUNTS),
    ],
    "null afterwards": [say("Hi", usage=COUNTS), event(finish="stop", usage=None)],
    "without counts afterwards": [say("Hi", usage=COUNTS), STOP, usage_event()],
    "with null counts afterwards": [
        say("Hi"),
        STOP,
        usage_event(**COUNTS),
        usage_event(**dict.fromkeys(COUNTS)),
    ],
    "three times the same": [say("Hi"), STOP, *[usage_event(**COUNTS)] * 3],
    "in x_groq alone": [say("Hi"), event(finish="stop", x_groq={"id": "1", "usage": COUNTS})],
    "in x_groq and at the top": [
        say("Hi"),
        event(finish="stop", usage=COUNTS, x_groq={"usage": COUNTS}),
        usage_event(**COUNTS),
    ],
    "after [DONE] there is nothing": [say("Hi"), STOP, usage_event(**COUNTS), DONE],
}


@pytest.mark.parametrize("events", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("done", [True, False], ids=["[DONE]", "no [DONE]"])
def test_usage_is_found_wherever_it_stands(events: list, done: bool) -> None:
    usage = answer(*events, *([DONE] if done else [])).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (13, 8, 21)
    assert usage.source == "reported"
    assert usage.raw == COUNTS


def test_usage_comes_on_a_chunk_of_its_own_where_no_other_brings_it() -> None:
    chunks = answer(say("Hi"), STOP, usage_event(**COUNTS), DONE).chunks

    assert [chunk.kind.value for chunk in chunks] == ["start", "text", "usage", "final"]
    assert chunks[2].usage == chunks[3].usage


def test_usage_that_nobody_reports_is_none() -> None:
    assert answer(say("Hi"), STOP, DONE).final.usage is None


def test_counts_that_were_not_reported_are_none_and_not_zero() -> None:
    usage = answer(say("Hi"), STOP, usage_event(prompt_tokens=3), DONE).final.usage

    assert usage == TokenUsage(prompt_tokens=3, raw={"prompt_tokens": 3})


def test_a_total_that_was_not_reported_is_the_sum() -> None:
    usage = answer(STOP, usage_event(prompt_tokens=3, completion_tokens=4), DONE).final.usage

    assert usage is not None
    assert usage.total_tokens == 7


def test_reasoning_and_cached_tokens_are_parts() -> None:
    usage = answer(
        STOP,
        usage_event(
            **COUNTS,
            prompt_tokens_details={"cached_tokens": 5, "cache_write_tokens": 2},
            completion_tokens_details={"reasoning_tokens": 6},
        ),
        DONE,
    ).final.usage

    assert usage is not None
    assert (usage.reasoning_tokens, usage.cached_tokens, usage.cache_write_tokens) == (6, 5, 2)
    assert (usage.prompt_tokens, usage.completion_tokens) == (13, 8)


def test_reasoning_that_is_counted_apart_is_added_to_the_output() -> None:
    usage = answer(
        STOP,
        usage_event(
            prompt_tokens=26,
            completion_tokens=235,
            total_tokens=622,
            completion_tokens_details={"reasoning_tokens": 361},
        ),
        vendor="xai",
    ).final.usage

    assert usage is not None
    assert (usage.completion_tokens, usage.reasoning_tokens, usage.total_tokens) == (596, 361, 622)


def test_the_places_of_deepseek_are_read() -> None:
    usage = answer(
        STOP, usage_event(**COUNTS, prompt_cache_hit_tokens=4, reasoning_tokens=3)
    ).final.usage

    assert usage is not None
    assert (usage.cached_tokens, usage.reasoning_tokens) == (4, 3)


def test_usage_is_merged_by_field() -> None:
    usage = answer(
        say("Hi", usage={"prompt_tokens": 13, "prompt_tokens_details": {"cached_tokens": 5}}),
        event(finish="stop", usage={"completion_tokens": 8, "prompt_tokens": None}),
    ).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens, usage.total_tokens) == (13, 5, 21)


@pytest.mark.parametrize("usage", ["many", [1], 7, True])
def test_usage_of_an_unknown_form_is_no_usage(usage: object) -> None:
    assert answer(say("Hi", usage=usage), STOP, DONE).final.usage is None


# -- how it ends -----------------------------------------------------------------------------

REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "error": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
    "brand_new": FinishReason.OTHER,
    3: FinishReason.OTHER,
}


@pytest.mark.parametrize(("raw", "unified"), REASONS.items())
def test_finish_reasons_are_unified_and_kept_as_sent(raw: object, unified: FinishReason) -> None:
    final = answer(say("Hi"), event(finish=raw), DONE).final

    assert (final.finish_reason, final.raw_finish_reason) == (unified, raw)
    assert type(final.raw_finish_reason) is type(raw)


def test_the_last_finish_reason_counts() -> None:
    final = answer(say("Hi"), STOP, event(finish="length"), DONE).final

    assert final.raw_finish_reason == "length"


def test_a_finish_reason_is_the_signal_without_done() -> None:
    assert answer(say("Hi"), STOP).final.complete is True


@pytest.mark.parametrize("vendor", ["openai", "groq", "perplexity"])
def test_done_alone_is_no_signal_where_finish_reasons_are_sent(vendor: str) -> None:
    failure = answer(say("Hi"), DONE, vendor=vendor).failure

    assert type(failure) is StreamInterruptedError
    assert failure.partial is not None
    assert (failure.partial.text, failure.partial.complete) == ("Hi", False)


@pytest.mark.parametrize("vendor", ["openai-compatible", "snowflake"])
def test_done_alone_is_the_signal_where_no_finish_reason_is_ever_sent(vendor: str) -> None:
    final = answer(say("Hi"), DONE, vendor=vendor).final

    assert (final.complete, final.finish_reason, final.raw_finish_reason) == (True, None, None)


def test_nothing_after_done_is_read() -> None:
    reading = answer(say("Hi"), STOP, DONE, say("!"), {"error": {"message": "late"}})

    assert reading.text == "Hi"
    assert reading.kinds == ["start", "text", "final"]


def test_text_after_the_finish_reason_is_text() -> None:
    assert answer(say("Hi"), STOP, say("!"), DONE).text == "Hi!"


LATE = {
    "an error event": sse({"error": {"message": "Sorry, M", "code": 500}}),
    "an error in a chunk": sse(say("", error={"code": 400, "message": "Sorry, M"})),
    "invalid JSON": "data: {Sorry, M}\n\n",
    "half a document": 'data: {"Sorry, M": ',
    "a field named error": "error: Sorry, M\n\n",
    "an HTML page": "data: <html>Sorry, M</html>\n\n",
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())
def test_what_goes_wrong_after_the_signal_is_a_warning_and_the_answer_is_complete(
    late: str,
) -> None:
    reading = check_reader(OPENAI, sse(say("Hi"), STOP) + late)

    assert reading.kinds == ["start", "text", "warning", "final"]
    assert "Sorry, M" in reading.of_kind("warning")[0]
    assert (reading.final.complete, reading.final.finish_reason) == (True, FinishReason.STOP)


def test_usage_beside_a_late_error_is_usage() -> None:
    late = say("", error={"code": 400, "message": "Token limit reached"}, usage=COUNTS)
    usage = answer(say("Hi"), event(finish="length"), late, DONE, vendor="openrouter").final.usage

    assert usage is not None
    assert usage.total_tokens == 21


# -- several choices -------------------------------------------------------------------------


def test_choices_are_read_apart() -> None:
    reading = answer(
        event({"content": "Hel"}, index=0),
        event({"content": "Bon"}, index=1),
        event({"content": "lo"}, index=0),
        event({"content": "jour"}, index=1),
        event(finish="stop", index=0),
        event(finish="length", index=1),
        usage_event(**COUNTS),
        DONE,
    )
    (second,) = reading.response.choices

    assert reading.text == reading.response.text == "Hello"
    assert (second.index, second.text) == (1, "Bonjour")
    assert (second.finish_reason, second.raw_finish_reason) == (FinishReason.LENGTH, "length")
    assert reading.final.finish_reason is FinishReason.STOP


def test_choices_in_one_event_are_read_apart() -> None:
    both = event({"content": "Hello"})
    both["choices"].append({"index": 1, "delta": {"content": "Bonjour"}, "finish_reason": "stop"})
    reading = answer(both, STOP, DONE)

    assert (reading.text, reading.response.choices[0].text) == ("Hello", "Bonjour")


def test_tool_calls_of_choices_are_kept_apart() -> None:
    fragment = {"tool_calls": [function("{}", "now", "call_1", 0)]}
    reading = answer(event(fragment, index=1), say("Hi"), STOP, event(finish="stop", index=1), DONE)

    assert reading.calls == []
    assert [c.name for c in reading.response.choices[0].tool_calls] == ["now"]
    assert reading.final.finish_reason is FinishReason.STOP


def test_the_answer_is_not_over_before_every_choice_is() -> None:
    events = [event({"content": "Hello"}, index=0), event({"content": "Bon"}, index=1), STOP]

    assert type(answer(*events).failure) is StreamInterruptedError


def test_done_closes_the_choices_that_a_proxy_leaves_open() -> None:
    events = [event({"content": "Hello"}, index=0), event({"content": "Bon"}, index=1), STOP]
    reading = answer(*events, DONE)

    assert reading.final.finish_reason is FinishReason.STOP
    assert reading.response.choices[0].finish_reason is None


def test_endless_new_choices_are_refused() -> None:
    many = event()
    many["choices"] = [{"index": number, "delta": {"content": "x"}} for number in range(3_000)]
    failure = read(OPENAI, sse(many).encode()).failure

    assert isinstance(failure, DecodeError)


# -- errors in the stream, as vendors send them ----------------------------------------------


def test_the_error_of_openai() -> None:
    error = {"message": "Sorry, M", "type": "server_error", "param": None, "code": None}
    failure = answer(say("Hi"), {"error": error}).failure

    assert (type(failure), failure.status, failure.code) == (ProviderError, 500, "server_error")


def test_the_error_of_groq() -> None:
    error = {
        "message": "Tool choice is required",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": "",
        "status_code": 400,
    }
    wire = sse(say("Hi")) + f"event: error\ndata: {json.dumps({'error': error})}\n\n"
    failure = check_reader("groq", wire).failure

    assert (type(failure), failure.status, failure.code) == (RequestError, 400, "tool_use_failed")


def test_the_error_of_openrouter() -> None:
    failed = event({"content": ""}, finish="error")
    failed["error"] = {"code": 502, "message": "Provider disconnected"}
    failure = answer(say("Hi"), failed, vendor="openrouter").failure

    assert (type(failure), failure.status) == (ProviderError, 502)


def test_the_error_of_gpustack() -> None:
    line = 'error: {"detail": "x", "error": {"code": 503, "message": "Sorry, M"}}\n\n'
    failure = check_reader(COMPATIBLE, sse(say("Hi")) + line).failure

    assert (type(failure), failure.status) == (OverloadedError, 503)


def test_the_error_of_vllm() -> None:
    error = {"object": "error", "message": "Sorry, M", "type": "RateLimit", "code": 429}
    failure = answer(say("Hi"), error, vendor="vllm").failure

    assert (type(failure), failure.status) == (RateLimitError, 429)


def test_an_error_before_the_first_chunk_has_no_partial() -> None:
    assert answer({"error": {"message": "Sorry, M"}}).failure.partial is None


def test_the_partial_has_everything_that_came() -> None:
    partial = answer(
        event({"reasoning": "Hm"}),
        say("Hi", usage=COUNTS),
        call(function('{"a', "now", "call_1", 0)),
        {"error": "Sorry, M"},
    ).failure.partial

    assert partial is not None
    assert (partial.text, partial.reasoning, partial.model) == ("Hi", "Hm", "m-1")
    assert [(c.name, c.valid) for c in partial.tool_calls] == [("now", False)]
    assert partial.usage is not None
    assert partial.usage.total_tokens == 21
    assert partial.metadata.response_id == "chatcmpl-1"
    assert partial.metadata.request_id == "req-1"


# -- for any answer --------------------------------------------------------------------------

deltas = st.one_of(
    st.fixed_dictionaries({"content": st.sampled_from(["", "a", "é\u2028", "😀", None])}),
    st.fixed_dictionaries({"reasoning": st.sampled_from(["", "h", "m"])}),
    st.fixed_dictionaries({"refusal": st.sampled_from(["", "no"])}),
    st.builds(
        lambda index, arguments: {"tool_calls": [function(arguments, "f", f"c{index}", index)]},
        st.integers(0, 2),
        st.sampled_from(["", "{", "}", None]),
    ),
    st.just({}),
    st.none(),
)
events = st.builds(
    lambda delta, index, usage: event(delta, index=index, **({"usage": usage} if usage else {})),
    deltas,
    st.integers(0, 1),
    st.sampled_from([None, COUNTS]),
)


@given(st.lists(events, max_size=12), st.lists(st.integers(0, 5_000), max_size=6))
def test_any_events_at_any_cuts_give_the_same_chunks(made: list, cuts: list[int]) -> None:
    ends = [event(finish="stop", index=0), event(finish="stop", index=1), DONE]
    body = sse(*made, *ends).encode()
    reading = check_reader(OPENAI, body, [cut_at(body, [min(cut, len(body)) for cut in cuts])])
    said = [e["choices"][0] for e in made]
    texts = [
        (choice["delta"] or {}).get(name) or ""
        for choice in said
        if choice["index"] == 0
        for name in ("content", "refusal")
    ]

    assert reading.text == "".join(texts)
    assert reading.final.complete is True


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "content",
                        "index",
                        "tool_calls",
                        "function",
                        "name",
                        "arguments",
                        "usage",
                        "prompt_tokens",
                        "finish_reason",
                        "id",
                        "model",
                        "x_groq",
                        "citations",
                        "reasoning_details",
                        "text",
                        "type",
                        "logprobs",
                        "custom",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_event_of_any_shape_is_an_exception_of_python(document: object) -> None:
    reading = read(OPENAI, sse(say("Hi"), json.dumps(document), STOP, DONE).encode())
    check_laws(reading, OPENAI)
