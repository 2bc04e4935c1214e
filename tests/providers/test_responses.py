"""What the events of OpenAI's Responses API mean, in all its dialects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    FinishReason,
    OverloadedError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    WizardError,
)
from rxwizard.providers import thoughts

from .reader_kit import Reading, check_reader, cut_at, sse

VENDOR = "openai-responses"
TOLD = {"id": "resp_1", "model": "gpt-5"}
CREATED = {"type": "response.created", "response": {**TOLD, "status": "in_progress"}}


def ending(status: str = "completed", **response: Any) -> dict:
    return {"type": f"response.{status}", "response": {**TOLD, "status": status, **response}}


def at(index: int = 0, content: int | None = 0) -> dict[str, Any]:
    place: dict[str, Any] = {"item_id": f"item_{index}", "output_index": index}
    return place if content is None else {**place, "content_index": content}


def text(*pieces: str, index: int = 0, content: int = 0) -> list[dict]:
    place = at(index, content)
    return [
        *({"type": "response.output_text.delta", **place, "delta": piece} for piece in pieces),
        {"type": "response.output_text.done", **place, "text": "".join(pieces)},
    ]


def item(action: str, index: int = 0, **fields: Any) -> dict:
    return {"type": f"response.output_item.{action}", "output_index": index, "item": fields}


def call(name: str, *pieces: str, index: int = 0, call_id: str = "call_1") -> list[dict]:
    kind = "response.function_call_arguments"
    whole = {"type": "function_call", "call_id": call_id, "name": name}
    return [
        item("added", index, **whole, arguments=""),
        *({"type": f"{kind}.delta", **at(index, None), "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", **at(index, None), "arguments": "".join(pieces)},
        item("done", index, **whole, arguments="".join(pieces)),
    ]


def answer(*events: object, named: bool = True, **options: bool) -> Reading:
    return check_reader(VENDOR, sse(*events, named=named), **options)


def whole(*events: object, **options: bool) -> Reading:
    return answer(CREATED, *events, ending(), **options)


# -- text and reasoning ----------------------------------------------------------------------


def test_text_is_told_once_and_knows_its_content_part() -> None:
    reading = whole(*text("Hel", "lo"), *text(", ", "you", content=2), *text("!", index=1))

    assert reading.text == "Hello, you!"
    assert [chunk.index for chunk in reading.chunks if chunk.text] == [0, 0, 2, 2, 0]
    assert reading.final.source.response_id == "resp_1"
    assert reading.final.source.model == "gpt-5"


def test_the_type_in_the_data_rules_and_not_the_name_of_the_event() -> None:
    events = [CREATED, *text("Hi"), *call("now", "{}", index=1), ending()]

    assert answer(*events, named=False).chunks == answer(*events).chunks


def test_sequence_numbers_are_not_looked_at() -> None:
    events = [CREATED, *text("Hi"), ending()]
    numbered = [{**event, "sequence_number": 9 - n} for n, event in enumerate(events)]

    assert answer(*numbered).chunks == answer(*events).chunks


def test_log_probabilities_come_with_their_text() -> None:
    told = [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": []}]
    first, second = text("Hi", " you")[:2]
    reading = whole({**first, "logprobs": told}, {**second, "logprobs": []})

    assert [c.data for c in reading.chunks if c.text] == [{"logprobs": told}, None]


def reasoning(form: str, *pieces: str, index: int = 0) -> list[dict]:
    kind, place = f"response.{form}", at(index)
    return [
        *({"type": f"{kind}.delta", **place, "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", **place, "text": "".join(pieces)},
    ]


FORMS = ["reasoning_text", "reasoning_summary_text"]


@pytest.mark.parametrize("form", FORMS)
def test_reasoning_is_reasoning_in_either_form(form: str) -> None:
    reading = whole(*reasoning(form, "Let me", " see."), *text("Hi", index=1))

    assert (reading.response.reasoning, reading.text) == ("Let me see.", "Hi")


def test_reasoning_sent_in_both_forms_is_told_once() -> None:
    full, summary = (reasoning(form, "Let me", " see.") for form in FORMS)
    other = reasoning(FORMS[1], "L", "et m", "e see.")
    mixed = [event for pair in zip(full, summary, strict=True) for event in pair]

    for events in (full + summary, summary + full, full + other, mixed):
        assert whole(*events).response.reasoning == "Let me see."


def test_a_summary_with_words_of_its_own_is_told_whole() -> None:
    events = reasoning(FORMS[0], "The user", " asks.") + reasoning(FORMS[1], "The", " model asks.")

    assert whole(*events).response.reasoning == "The user asks.The model asks."


def test_each_item_reasons_for_itself() -> None:
    events = reasoning(FORMS[0], "Hm.") + reasoning(FORMS[1], "Hm.", index=1)

    assert whole(*events).response.reasoning == "Hm.Hm."


def test_what_is_kept_to_know_reasoning_again_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thoughts, "MAX_ECHO", 4)
    told = thoughts.Thoughts()

    assert [told.news(0, "a", "1234"), told.news(0, "a", "5678")] == ["1234", "5678"]
    assert [told.news(0, "b", "12345"), told.news(0, "b", "678")] == ["", ""]


def test_encrypted_reasoning_is_at_hand() -> None:
    done = item("done", type="reasoning", summary=[], encrypted_content="gAAA")
    reading = whole(item("added", type="reasoning", encrypted_content="g"), done, *text("Hi"))

    assert reading.of_kind("other") == [done]


# -- what comes only whole -------------------------------------------------------------------


def test_text_that_comes_only_whole_is_told_once() -> None:
    message = item("done", type="message", content=[{"type": "output_text", "text": "Hello"}])
    done = text("Hello")[-1]

    for events in ([done, message], [message], [done]):
        assert whole(*events).text == "Hello"


def test_streamed_text_is_never_replaced_by_the_whole() -> None:
    message = item("done", type="message", content=[{"type": "output_text", "text": "Other"}])
    done = {**text("Hello")[-1], "text": "Other"}

    assert whole(*text("Hello")[:-1], done, message).text == "Hello"


@pytest.mark.parametrize("field", ["summary", "content"])
def test_reasoning_that_comes_only_whole_is_told_once(field: str) -> None:
    done = item("done", type="reasoning", **{field: [{"text": "Hm."}]})

    assert whole(done).response.reasoning == "Hm."
    assert whole(*reasoning(FORMS[0], "Hm!"), done).response.reasoning == "Hm!"


def test_a_gateway_that_does_not_stream_is_read_too() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "call_id": "call_1", "name": "now", "arguments": "{}"},
    ]
    reading = answer(CREATED, ending(output=output))

    assert (reading.text, reading.response.reasoning) == ("Hello", "Hm.")
    assert reading.calls == [("call_1", "now", {})]


def test_the_output_of_the_end_is_not_read_where_something_was_streamed() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Other"}]}]

    assert answer(CREATED, *text("Hi"), ending(output=output)).text == "Hi"
    assert answer(CREATED, *text("Hi"), ending(output=[])).text == "Hi"


# -- calls -----------------------------------------------------------------------------------


def test_arguments_are_joined_and_told_once() -> None:
    reading = whole(*call("weather", "", '{"city"', ': "Oslo"}'))

    assert reading.calls == [("call_1", "weather", {"city": "Oslo"})]
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS
    assert reading.final.raw_finish_reason == "completed"


def test_parallel_calls_may_interleave() -> None:
    first = call("a", '{"n"', ": 1}", index=1)
    second = call("b", '{"n"', ": 2}", index=2, call_id="call_2")
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]

    assert whole(*mixed).calls == [("call_1", "a", {"n": 1}), ("call_2", "b", {"n": 2})]


def test_ids_of_items_may_change_from_event_to_event() -> None:
    events = call("a", '{"n"', ": 1}") + call("b", "{}", index=1, call_id="call_2")
    rotated = [{**event, "item_id": f"item_{n}"} for n, event in enumerate(events)]

    assert whole(*rotated).calls == [("call_1", "a", {"n": 1}), ("call_2", "b", {})]


def test_arguments_may_come_only_at_the_end_or_with_the_whole_call() -> None:
    added, _, ended, done = call("now", '{"zone": "UTC"}')
    expected = [("call_1", "now", {"zone": "UTC"})]

    for events in ([added, ended], [added, ended, done], [added, done], [done]):
        assert whole(*events).calls == expected


def test_no_arguments_are_an_empty_object() -> None:
    assert whole(*call("now")).calls == [("call_1", "now", {})]


def test_arguments_that_the_limit_cut_stay_as_text() -> None:
    details = {"reason": "max_output_tokens"}
    reading = answer(
        CREATED, *call("add", '{"x":4'), ending("incomplete", incomplete_details=details)
    )
    (made,) = reading.response.tool_calls

    assert (made.arguments, made.valid) == ('{"x":4', False)
    assert reading.final.finish_reason is FinishReason.LENGTH


def custom(name: str, *pieces: str) -> list[dict]:
    kind = "response.custom_tool_call_input"
    made = {"type": "custom_tool_call", "call_id": "call_1", "name": name}
    return [
        item("added", **made, input=""),
        *({"type": f"{kind}.delta", **at(0, None), "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", **at(0, None), "input": "".join(pieces)},
        item("done", **made, input="".join(pieces)),
    ]


def test_the_input_of_a_custom_tool_is_raw_text() -> None:
    events = custom("sql", "SELECT", " 1")

    for sent in (events, [events[0], *events[3:]], events[-1:]):
        (made,) = whole(*sent).response.tool_calls

        assert (made.id, made.name, made.arguments_raw) == ("call_1", "sql", "SELECT 1")


def test_custom_calls_that_the_server_answers_itself_are_shown_and_are_no_calls() -> None:
    events = custom("x_keyword_search", '{"query"', ': "x"}')
    created = {**CREATED, "response": {**TOLD, "tools": [{"type": "x_search"}]}}
    reading = answer(created, *events, *text("Hi", index=1), ending())

    assert reading.of_kind("other") == events
    assert (reading.text, reading.calls) == ("Hi", [])
    assert reading.final.finish_reason is FinishReason.STOP


def test_custom_calls_of_a_declared_tool_are_calls() -> None:
    created = {**CREATED, "response": {**TOLD, "tools": [{"type": "custom", "name": "sql"}]}}

    assert answer(created, *custom("sql", "{}"), ending()).calls == [("call_1", "sql", {})]


SERVER_SIDE = [
    item("added", type="web_search_call", id="ws_1", status="in_progress"),
    {"type": "response.web_search_call.searching", **at(0, None)},
    {"type": "response.code_interpreter_call_code.delta", **at(0, None), "delta": "print(1)"},
    {"type": "response.mcp_call_arguments.delta", **at(0, None), "delta": "{}"},
    {"type": "response.image_generation_call.partial_image", "partial_image_b64": "aGk="},
    item("done", type="image_generation_call", result="aGk="),
    item("done", type="mcp_list_tools", tools=[]),
    item("done", type="compaction", encrypted_content="gAAA"),
    {"type": "response.content_part.added", **at(), "part": {"type": "output_audio"}},
    {"type": "response.brand_new", "text": "no text of the answer"},
]


@pytest.mark.parametrize("event", SERVER_SIDE, ids=lambda event: event["type"])
def test_what_the_server_does_itself_is_shown_and_is_neither_text_nor_call(event: dict) -> None:
    reading = whole(event, *text("Hi", index=1))

    assert reading.of_kind("other") == [event]
    assert (reading.text, reading.calls) == ("Hi", [])
    assert reading.final.finish_reason is FinishReason.STOP


BOOKKEEPING = [
    {"type": "response.queued", "response": TOLD},
    {"type": "response.in_progress", "response": TOLD},
    item("added", type="message", content=[]),
    item("added", type="reasoning", summary=[]),
    {"type": "response.content_part.added", **at(), "part": {"type": "output_text", "text": ""}},
    {"type": "response.content_part.done", **at(), "part": {"type": "refusal"}},
    {"type": "response.reasoning_summary_part.added", **at(), "part": {"type": "summary_text"}},
    {"type": "response.reasoning_part.added", **at(), "part": {"type": "reasoning_text"}},
    {"type": "keepalive", "sequence_number": 3},
]


@pytest.mark.parametrize("event", BOOKKEEPING, ids=lambda event: event["type"])
def test_what_says_nothing_new_is_passed_over(event: dict) -> None:
    assert whole(event, *text("Hi")).chunks == whole(*text("Hi")).chunks


def test_a_keepalive_is_a_heartbeat_when_asked_for() -> None:
    assert whole(BOOKKEEPING[-1], heartbeats=True).of_kind("heartbeat") == ["keepalive"]


BROKEN = [
    {"type": "response.output_text.delta", **at()},
    {"type": "response.output_text.delta", **at(), "delta": {"text": "Hi"}},
    {"type": "response.output_item.added"},
    {"type": "response.reasoning_text.delta", **at(), "delta": 7},
    {"type": "response.function_call_arguments.delta", "output_index": [], "delta": "{}"},
    {"type": "response.content_part.added", **at()},
]


@pytest.mark.parametrize("event", BROKEN)
def test_known_events_of_unknown_shape_are_shown(event: dict) -> None:
    reading = whole(event, *text("Hi"))

    assert reading.of_kind("other") == [event]
    assert reading.text == "Hi"


# -- refusals and citations ------------------------------------------------------------------


def test_a_refusal_is_text_and_the_reason() -> None:
    pieces = ("I'm sorry", ", no.")
    events = [{"type": "response.refusal.delta", **at(), "delta": piece} for piece in pieces]
    done = {"type": "response.refusal.done", **at(), "refusal": "I'm sorry, no."}

    for sent in ([*events, done], [done]):
        reading = whole(*sent)

        assert reading.text == "I'm sorry, no."
        assert {c.kind.value for c in reading.chunks if c.text} == {"refusal"}
        assert reading.final.finish_reason is FinishReason.REFUSAL
        assert reading.final.raw_finish_reason == "completed"


CITATION = {"type": "url_citation", "url": "https://x.example", "start_index": 0, "end_index": 2}


def test_citations_are_told_once() -> None:
    added = {"type": "response.output_text.annotation.added", **at(), "annotation": CITATION}
    part = {"type": "output_text", "text": "Hi", "annotations": [CITATION]}
    later = [
        {"type": "response.content_part.done", **at(), "part": part},
        item("done", type="message", content=[part]),
    ]

    for sent in ([added, *later], [added], later, later[1:]):
        assert whole(*text("Hi"), *sent).response.citations == (CITATION,)


# -- usage and the end -----------------------------------------------------------------------


def test_usage_comes_with_the_end() -> None:
    raw = {
        "input_tokens": 366,
        "input_tokens_details": {"cached_tokens": 256, "cache_write_tokens": 8},
        "output_tokens": 59,
        "output_tokens_details": {"reasoning_tokens": 14},
        "total_tokens": 425,
        "cost": 0.1,
    }
    usage = answer(CREATED, *text("Hi"), ending(usage=raw)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (366, 256, 8)
    assert (usage.completion_tokens, usage.reasoning_tokens) == (59, 14)
    assert (usage.total_tokens, usage.raw) == (425, raw)


def test_without_usage_there_is_none() -> None:
    assert answer(CREATED, *text("Hi"), ending(usage=None)).final.usage is None


INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "brand_new": FinishReason.OTHER,
    None: FinishReason.OTHER,
}


@pytest.mark.parametrize("reason", INCOMPLETE)
@pytest.mark.parametrize("kind", ["response.incomplete", "response.completed"])
def test_an_incomplete_answer_says_why(kind: str, reason: str | None) -> None:
    details = {"reason": reason} if reason else None
    event = {**ending("incomplete", incomplete_details=details), "type": kind}
    final = answer(CREATED, *text("Hi"), event).final

    assert (final.finish_reason, final.raw_finish_reason) == (INCOMPLETE[reason], "incomplete")
    assert final.complete is True


@pytest.mark.parametrize("response", [{}, {"response": None}, {"response": {}}])
def test_the_terminal_event_alone_is_the_signal(response: dict) -> None:
    final = answer(CREATED, *text("Hi"), {"type": "response.completed", **response}).final

    assert (final.complete, final.raw_finish_reason) == (True, "completed")


@pytest.mark.parametrize("after", ["data: [DONE]\n\n", "data: nonsense\n\n", "data: {"])
def test_nothing_after_the_end_is_read(after: str) -> None:
    wire = sse(CREATED, *text("Hi"), ending()) + after

    assert check_reader(VENDOR, wire).kinds == ["start", "text", "final"]


def test_done_is_no_signal() -> None:
    failure = answer(CREATED, *text("Hi"), "[DONE]").failure

    assert type(failure) is StreamInterruptedError
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


# -- errors ----------------------------------------------------------------------------------

FACTS: dict[str, tuple[type[WizardError], int | None]] = {
    "server_is_overloaded": (OverloadedError, 503),
    "rate_limit_exceeded": (RateLimitError, 429),
    "insufficient_quota": (RateLimitError, 429),
    "server_error": (ProviderError, 500),
    "brand_new": (ProviderError, None),
}


def shapes(code: str) -> dict[str, dict]:
    facts = {"code": code, "message": "Sorry, M", "param": None}
    return {
        "nested": {"type": "error", "sequence_number": 2, "error": facts},
        "flat": {"type": "error", "sequence_number": 2, **facts},
        "failed": ending("failed", error=facts),
        "failed under another name": {
            **ending("failed", error=facts),
            "type": "response.completed",
        },
    }


@pytest.mark.parametrize("code", FACTS)
@pytest.mark.parametrize("shape", shapes(""))
@pytest.mark.parametrize("named", [True, False], ids=["with event:", "data alone"])
def test_errors_have_the_type_and_status_of_http(code: str, shape: str, named: bool) -> None:
    later = ending("failed", error={"code": "later", "message": "later"})
    failure = answer(CREATED, *text("Hi"), shapes(code)[shape], later, named=named).failure

    assert (type(failure), failure.status, failure.code) == (*FACTS[code], code)
    assert "Sorry, M" in str(failure)
    assert failure.retryable == (code != "insufficient_quota")
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


def test_a_failure_without_a_reason_says_so() -> None:
    failure = answer(CREATED, ending("failed", error=None)).failure

    assert type(failure) is ProviderError
    assert "no reason" in str(failure)


def test_too_long_a_prompt_is_known_by_its_code() -> None:
    facts = {"code": "context_length_exceeded", "message": "Sorry"}

    assert type(answer(ending("failed", error=facts)).failure).__name__ == "TokenLimitError"


# -- for any answer --------------------------------------------------------------------------

pieces = st.lists(st.sampled_from(["", "a", "\u2028", "😀", '"', "\\"]), max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from(["text", "reasoning", "call"]), pieces), max_size=4),
    st.lists(st.integers(0, 3_000), max_size=6),
)
def test_any_output_at_any_cuts_is_read_the_same(
    said: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    events: list[dict] = []
    for index, (kind, parts) in enumerate(said):
        if kind == "text":
            events += text(*parts, index=index)
        elif kind == "call":
            events += call("f", *parts, index=index, call_id=f"call_{index}")
        else:
            events += reasoning("reasoning_text", *parts, index=index)
    body = sse(CREATED, *events, ending(), named=True).encode()
    reading = check_reader(VENDOR, body, [cut_at(body, [min(cut, len(body)) for cut in cuts])])

    def joined(kind: str) -> str:
        return "".join("".join(parts) for name, parts in said if name == kind)

    assert (reading.text, reading.response.reasoning) == (joined("text"), joined("reasoning"))
    assert "".join(c.arguments_raw for c in reading.response.tool_calls) == joined("call")
