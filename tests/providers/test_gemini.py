"""Gemini: small wires by hand, each showing one thing its events do."""

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
    StreamInterruptedError,
)
from rxwizard.providers.gemini_calls import PartialArguments

from .reader_kit import Reading, check_laws, check_reader, cut_at, read, sse

GEMINI = "gemini"
SIGNED = {"thoughtSignature": "c2ln"}


def event(*parts: Any, **candidate: Any) -> dict[str, Any]:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return {
        "candidates": [{**content, **candidate}],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }


def said(text: str, usage: object = None, **candidate: Any) -> dict[str, Any]:
    told = {} if usage is None else {"usageMetadata": usage}
    return {**event({"text": text}, **candidate), **told}


def call(name: str, args: object = None, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args}), **fields}}


STOP = event(finishReason="STOP")


def answer(*events: dict[str, Any], **options: bool) -> Reading:
    return check_reader(GEMINI, sse(*events), **options)


def final_of(*events: dict[str, Any]) -> tuple[FinishReason | None, object]:
    final = answer(*events).final
    return final.finish_reason, final.raw_finish_reason


# -- text and thoughts -----------------------------------------------------------------------


def test_text_is_that_of_the_parts() -> None:
    reading = answer(said("Hel"), said(""), said("lo"), STOP)

    assert reading.text == "Hello"
    assert reading.kinds == ["start", "text", "text", "final"]
    assert (reading.final.source.model, reading.final.source.response_id) == (
        "gemini-2.5-flash",
        "r1",
    )


def test_the_last_event_may_bring_text() -> None:
    assert answer(said("Hel"), said("lo", finishReason="STOP")).text == "Hello"


def test_several_parts_of_one_event_are_several_chunks() -> None:
    reading = answer(
        event({"text": "Hm", "thought": True}, {"text": "Hel"}, {"text": "lo"}, finishReason="STOP")
    )

    assert reading.kinds == ["start", "reasoning", "text", "text", "final"]
    assert (reading.response.reasoning, reading.text) == ("Hm", "Hello")


def test_a_part_that_says_it_is_no_thought_is_text() -> None:
    assert answer(event({"text": "Hi", "thought": False}), STOP).text == "Hi"


def test_signatures_are_at_hand_with_the_part_they_came_with() -> None:
    reading = answer(
        event({"text": "Hm", "thought": True, **SIGNED}),
        event({"text": "Hi", **SIGNED}),
        event({**call("now"), **SIGNED}),
        event({"text": "", **SIGNED}, finishReason="STOP"),
    )

    assert reading.kinds == ["start", "reasoning", "text", "tool_call", "other", "final"]
    assert [chunk.data for chunk in reading.chunks[1:5]] == [SIGNED] * 4
    assert reading.text == "Hi"


@pytest.mark.parametrize("content", [None, {}, {"role": "model"}, {"parts": None}, {"parts": []}])
def test_content_may_be_missing(content: object) -> None:
    assert answer(said("Hi"), event(content=content), STOP).text == "Hi"


@pytest.mark.parametrize(
    "part",
    [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"toolCall": {"toolType": "FILE_SEARCH", "id": "t1"}, **SIGNED},
        {"brandNew": {"text": "no text of the answer"}},
        {"text": 7},
        {"functionCall": None},
        {},
        "words",
        None,
    ],
)
def test_parts_that_are_neither_text_nor_calls_are_shown(part: object) -> None:
    reading = answer(said("Hi"), event(part), said(" there"), STOP)

    assert reading.of_kind("other") == [part]
    assert reading.text == "Hi there"
    assert reading.calls == []


@pytest.mark.parametrize("candidates", [None, [], {}, "x", [None], [7]])
def test_events_without_candidates_bring_nothing(candidates: object) -> None:
    assert answer(said("Hi"), {"candidates": candidates}, STOP).kinds == ["start", "text", "final"]


# -- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", FinishReason.ERROR),
        ("UNEXPECTED_TOOL_CALL", FinishReason.ERROR),
        ("OTHER", FinishReason.OTHER),
        ("BRAND_NEW", FinishReason.OTHER),
        (1, FinishReason.STOP),
        (2, FinishReason.LENGTH),
        (3, FinishReason.CONTENT_FILTER),
        (4, FinishReason.CONTENT_FILTER),
        (5, FinishReason.OTHER),
        (8, FinishReason.CONTENT_FILTER),
        (99, FinishReason.OTHER),
    ],
)
def test_finish_reasons_are_unified_and_stay_as_sent(raw: object, unified: FinishReason) -> None:
    assert final_of(said("Hi"), event(finishReason=raw)) == (unified, raw)


@pytest.mark.parametrize("raw", [None, "", 0, "FINISH_REASON_UNSPECIFIED"])
def test_an_unspecified_reason_ends_nothing(raw: object) -> None:
    assert type(answer(said("Hi", finishReason=raw)).failure) is StreamInterruptedError


@pytest.mark.parametrize("raw", [[], {"a": 1}, True, 1.5])
def test_a_reason_of_unknown_shape_is_one_all_the_same(raw: object) -> None:
    reading = answer(said("Hi", finishReason=raw))

    assert (reading.text, reading.final.complete) == ("Hi", True)


def test_text_after_a_finish_reason_is_read_and_the_last_reason_counts() -> None:
    assert final_of(
        said("a", finishReason="STOP"), said("b"), event(finishReason="MAX_TOKENS")
    ) == (
        FinishReason.LENGTH,
        "MAX_TOKENS",
    )
    assert answer(said("a", finishReason="STOP"), said("b"), said("c")).text == "abc"


def test_an_error_after_a_finish_reason_is_a_warning() -> None:
    reading = answer(said("a", finishReason="STOP"), {"error": {"code": 499, "message": "Bye"}})

    assert reading.kinds == ["start", "text", "warning", "final"]
    assert reading.final.complete is True


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "BRAND_NEW", 2])
def test_a_blocked_prompt_is_a_complete_answer_without_text(reason: object) -> None:
    feedback = {"promptFeedback": {"blockReason": reason, "safetyRatings": []}}
    reading = answer(feedback)

    assert reading.kinds == ["start", "final"]
    assert final_of(feedback) == (FinishReason.CONTENT_FILTER, reason)
    assert answer(said("Hi"), feedback).final.raw_finish_reason == reason


def test_feedback_that_blocks_nothing_ends_nothing() -> None:
    feedback = {"promptFeedback": {"safetyRatings": []}}

    assert answer({**said("Hi"), **feedback}, STOP).text == "Hi"
    assert type(answer(feedback).failure) is StreamInterruptedError


def test_several_candidates_are_read_apart() -> None:
    reading = answer(
        {
            "candidates": [
                said("a0", index=0)["candidates"][0],
                said("a1", index=1)["candidates"][0],
            ]
        },
        said("b1", index=1),
        said("b0", index=0, finishReason="STOP"),
        event(index=1, finishReason="MAX_TOKENS"),
        event(index=1, finishReason="MAX_TOKENS"),
    )
    (other,) = reading.response.choices

    assert (reading.text, other.index, other.text) == ("a0b0", 1, "a1b1")
    assert (other.finish_reason, other.raw_finish_reason) == (FinishReason.LENGTH, "MAX_TOKENS")
    assert reading.kinds.count("other") == 1


def test_a_candidate_that_is_not_finished_leaves_the_answer_unfinished() -> None:
    failure = answer(said("a", index=1), said("b", index=0, finishReason="STOP")).failure

    assert type(failure) is StreamInterruptedError


def test_endless_candidates_are_refused() -> None:
    body = sse(*({"candidates": [{"index": index}]} for index in range(1100)))

    assert type(read(GEMINI, body.encode()).failure) is DecodeError


# -- tool calls ------------------------------------------------------------------------------


def test_calls_come_whole_with_an_id_or_without() -> None:
    reading = answer(
        event(call("weather", {"city": "Tōkyō"}), call("weather", {"city": "Rome"}, id="c2")),
        event(call("now", {}), finishReason="STOP"),
    )

    assert reading.calls == [
        (None, "weather", {"city": "Tōkyō"}),
        ("c2", "weather", {"city": "Rome"}),
        (None, "now", {}),
    ]
    assert [made.index for made in reading.response.tool_calls] == [0, 1, 2]
    assert reading.response.tool_calls[0].arguments_raw == '{"city":"Tōkyō"}'
    assert (reading.final.finish_reason, reading.final.raw_finish_reason) == (
        FinishReason.TOOL_CALLS,
        "STOP",
    )


@pytest.mark.parametrize("args", [None, {}])
def test_no_arguments_are_an_empty_object(args: object) -> None:
    (made,) = answer(event(call("now", args)), STOP).response.tool_calls

    assert (made.arguments, made.valid) == ({}, True)


def part_of(path: str, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value}


def piece(*parts: dict[str, Any], goes_on: bool = True) -> dict[str, Any]:
    fields: dict[str, Any] = {"partialArgs": list(parts)} if parts else {}
    return event({"functionCall": {**fields, **({"willContinue": True} if goes_on else {})}})


BEGIN = event({**call("weather", willContinue=True), **SIGNED})
END = piece(goes_on=False)


def test_partial_arguments_become_one_valid_call_and_stream() -> None:
    reading = answer(
        BEGIN,
        piece(part_of("$.city", stringValue="Bos", willContinue=True)),
        piece(part_of("$.city", stringValue='ton "MA"\n')),
        piece(part_of("$.days", numberValue=2), part_of("$.metric", boolValue=False)),
        piece(part_of("$.note", nullValue="NULL_VALUE")),
        END,
        STOP,
    )

    assert reading.calls == [
        (
            None,
            "weather",
            {"city": 'Boston "MA"\n', "days": 2, "metric": False, "note": None},
        )
    ]
    assert reading.chunks[1].data == SIGNED
    fragments = [chunk.tool_call.arguments for chunk in reading.chunks if chunk.tool_call]
    assert fragments[:3] == ["{", '"city":"Bos', 'ton \\"MA\\"\\n']


def test_partial_arguments_nest() -> None:
    reading = answer(
        BEGIN,
        piece(
            part_of("$.places[0].name", stringValue="Rome"),
            part_of("$.places[0]['zip code']", numberValue=0.5),
            part_of('$.places[1]["a.b"][0]', stringValue=""),
            part_of("$.places[1]['a.b'][1]", stringValue="x"),
            part_of("$.last.deep.er", stringValue="]"),
        ),
        END,
        STOP,
    )

    assert reading.calls[0][2] == {
        "places": [{"name": "Rome", "zip code": 0.5}, {"a.b": ["", "x"]}],
        "last": {"deep": {"er": "]"}},
    }


def test_the_last_piece_may_end_the_call_itself() -> None:
    assert answer(BEGIN, piece(part_of("$.a", numberValue=1), goes_on=False), STOP).calls == [
        (None, "weather", {"a": 1})
    ]


def test_another_call_ends_the_one_before() -> None:
    reading = answer(
        BEGIN,
        piece(part_of("$.a", stringValue="x")),
        event(call("now", {})),
        BEGIN,
        END,
        STOP,
    )

    assert [arguments for _, _, arguments in reading.calls] == [{"a": "x"}, {}, {}]


def test_a_call_may_begin_with_its_first_pieces() -> None:
    begin = event(call("weather", partialArgs=[part_of("$.a", numberValue=1)]))

    assert answer(begin, STOP).calls == [(None, "weather", {"a": 1})]


def test_a_call_cut_by_the_token_limit_is_marked_invalid() -> None:
    for pieces, raw in (
        ([], "{"),
        ([piece(part_of("$.city", stringValue="Bos", willContinue=True))], '{"city":"Bos'),
    ):
        reading = answer(BEGIN, *pieces, event(finishReason="MAX_TOKENS"))
        (made,) = reading.response.tool_calls

        assert (made.valid, made.arguments, made.arguments_raw) == (False, raw, raw)
        assert reading.final.finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    "bad",
    [
        part_of("$.a.b", numberValue=1),
        part_of("$.l[0]", numberValue=1),
        part_of("$.o", numberValue=1),
        part_of("$.o.x", numberValue=1),
        part_of("$.o.y.z", numberValue=1),
        part_of("$.o[0]", numberValue=1),
        part_of("$.new[1]", numberValue=1),
        part_of("$.new"),
        part_of("$", numberValue=1),
        part_of("$..", numberValue=1),
        part_of("new", numberValue=1),
        part_of("$" + ".a" * 200, numberValue=1),
        part_of(None, numberValue=1),  # type: ignore[arg-type]
        {},
    ],
    ids=str,
)
def test_a_piece_that_belongs_nowhere_is_shown_and_the_call_never_called_valid(bad: Any) -> None:
    reading = answer(
        BEGIN,
        piece(part_of("$.a", numberValue=1), part_of("$.l[0].x", numberValue=1)),
        piece(part_of("$.l[1]", numberValue=1), part_of("$.o.x", numberValue=1)),
        piece(part_of("$.o.y", numberValue=1)),
        piece(bad),
        piece(part_of("$.later", numberValue=1)),
        END,
        STOP,
    )
    (made,) = reading.response.tool_calls

    assert made.valid is False
    assert reading.of_kind("other") == [bad, part_of("$.later", numberValue=1)]


def test_an_end_without_a_call_is_shown() -> None:
    assert answer(END, STOP).of_kind("other") == [{"functionCall": {}}]


json_objects = st.dictionaries(
    st.text(st.characters(exclude_characters="'\"[]", exclude_categories=["Cs"]), max_size=4),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3)
            | st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def paths(value: Any, path: str = "$") -> list[dict[str, Any]]:
    """Write a value as Vertex does, leaf by leaf."""
    match value:
        case dict():
            return [
                leaf for name, item in value.items() for leaf in paths(item, f"{path}['{name}']")
            ]
        case list():
            return [leaf for at, item in enumerate(value) for leaf in paths(item, f"{path}[{at}]")]
        case None:
            return [part_of(path, nullValue="NULL_VALUE")]
        case bool():
            return [part_of(path, boolValue=value)]
        case str():
            return [part_of(path, stringValue=char) for char in value or [""]]
        case _:
            return [part_of(path, numberValue=value)]


@given(json_objects)
def test_any_arguments_come_out_of_their_paths(value: dict[str, Any]) -> None:
    arguments = PartialArguments()
    text = arguments.begin() + "".join(arguments.add(leaf) for leaf in paths(value))

    assert json.loads(text + arguments.end()) == value


# -- usage -----------------------------------------------------------------------------------


def counted(prompt: int, total: int, **more: int) -> dict[str, int]:
    return {"promptTokenCount": prompt, "totalTokenCount": total, **more}


def usage_of(*events: dict[str, Any]) -> dict[str, Any]:
    usage = answer(*events).final.usage
    return {} if usage is None else usage.model_dump(exclude_none=True, exclude={"raw", "source"})


def test_usage_is_in_our_terms() -> None:
    usage = counted(
        10, 157, candidatesTokenCount=20, thoughtsTokenCount=30, toolUsePromptTokenCount=97
    )

    assert usage_of(said("Hi", {**usage, "cachedContentTokenCount": 4}), STOP) == {
        "prompt_tokens": 107,
        "completion_tokens": 50,
        "total_tokens": 157,
        "reasoning_tokens": 30,
        "cached_tokens": 4,
    }


def test_what_is_not_reported_is_none() -> None:
    assert usage_of(said("Hi", counted(3, 3)), STOP) == {"prompt_tokens": 3, "total_tokens": 3}
    assert usage_of(said("Hi", {"thoughtsTokenCount": 3}), STOP) == {
        "completion_tokens": 3,
        "reasoning_tokens": 3,
    }
    assert usage_of(said("Hi"), STOP) == {}


def test_a_newer_total_replaces_the_older_object_whole() -> None:
    assert usage_of(
        said("a", counted(169, 1226, candidatesTokenCount=57, thoughtsTokenCount=1000)),
        said("b", counted(79, 91)),
        STOP,
    ) == {"prompt_tokens": 79, "total_tokens": 91}


def test_an_object_without_a_total_is_merged_and_one_without_counts_changes_nothing() -> None:
    assert usage_of(
        said("a", counted(7, 9)),
        said("b", {"trafficType": "ON_DEMAND"}),
        said("c", {"candidatesTokenCount": 2, "promptTokenCount": None}),
        said("d", {}),
        said("e", {"trafficType": "ON_DEMAND"}),
        STOP,
    ) == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@pytest.mark.parametrize("usage", [7, "x", [], None, {"totalTokenCount": "9"}])
def test_usage_of_unknown_shape_is_no_usage(usage: object) -> None:
    reading = answer(said("a"), {**said("b"), "usageMetadata": usage}, STOP)

    assert reading.text == "ab"
    assert reading.final.usage is None


def test_the_partial_of_an_error_has_the_newest_usage() -> None:
    body = sse(said("a", counted(7, 8)), said("b", counted(7, 9)), said("c", counted(7, 10)))
    broken = check_reader(GEMINI, body + sse({"error": {"code": 503, "message": "Sorry"}}))
    reset = read(GEMINI, body.encode(), cut=StreamInterruptedError("reset"))
    check_laws(reset, GEMINI)

    for reading in (broken, check_reader(GEMINI, body), reset):
        partial = reading.failure.partial
        assert partial is not None
        assert partial.usage is not None
        assert partial.usage.total_tokens == 10


def test_what_a_chunk_holds_does_not_depend_on_the_way_it_was_read() -> None:
    events = [
        said("a", counted(7, 8)),
        event({"text": "Hm", "thought": True}),
        said("b", counted(7, 9)),
        said("c", counted(7, 10), safetyRatings=[{"category": 8, "probability": 1}]),
        said("d", {"candidatesTokenCount": 2}),
        said("e", counted(7, 11), finishReason="STOP"),
    ]
    plain, raw = (answer(*events, raw=raw) for raw in (False, True))

    assert [chunk.model_copy(update={"raw": None}) for chunk in raw.chunks] == plain.chunks


def test_who_answers_may_be_told_late() -> None:
    nameless = {"candidates": said("a")["candidates"]}
    reading = answer(nameless, nameless, said("b"), said("c"), nameless, STOP)

    assert [chunk.source.response_id for chunk in reading.chunks] == [None] * 3 + ["r1"] * 4


# -- citations and other things that come with a candidate ------------------------------------


def test_citations_are_told_once_though_servers_repeat_them() -> None:
    one, two = {"uri": "https://a.example", "startIndex": 1}, {"uri": "https://b.example"}
    web = {"web": {"uri": "https://c.example", "title": "C"}}
    reading = answer(
        said("a", citationMetadata={"citations": [one]}),
        said("b", citationMetadata={"citations": [one, two]}),
        said("c", citationMetadata={"citationSources": [two]}),
        said("d", groundingMetadata={"groundingChunks": [web], "webSearchQueries": ["c?"]}),
        STOP,
    )

    assert reading.of_kind("citation") == [one, two, web]
    assert reading.response.citations == (one, two, web)
    assert reading.of_kind("other") == [
        {"groundingMetadata": {"groundingChunks": [web], "webSearchQueries": ["c?"]}}
    ]


def test_log_probabilities_and_messages_are_shown() -> None:
    logprobs = {"chosenCandidates": [{"token": "Hi", "logProbability": -0.1}]}
    reading = answer(
        said("Hi", logprobsResult=logprobs, groundingMetadata={}),
        event(finishReason="MALFORMED_FUNCTION_CALL", finishMessage="print(x)"),
    )

    assert reading.of_kind("other") == [{"logprobsResult": logprobs}, {"finishMessage": "print(x)"}]


# -- the other framing, and errors -----------------------------------------------------------


def array(*elements: dict[str, Any]) -> str:
    return "[" + "\n,\r\n".join(json.dumps(e, indent=2) + "\n" for e in elements) + "]\n"


ARRAY = array(said("Hel", counted(7, 8)), said("lo", counted(7, 9)), said("!", finishReason=1))


def test_a_json_array_is_read_as_events_are() -> None:
    reading = check_reader(GEMINI, ARRAY)

    assert (reading.text, reading.final.raw_finish_reason) == ("Hello!", 1)
    assert reading.final.usage is not None
    assert reading.final.usage.total_tokens == 9


def test_an_array_that_ends_anywhere_before_its_signal_is_interrupted() -> None:
    body = ARRAY.encode()
    for end in range(len(body)):
        reading = read(GEMINI, body[:end])
        check_laws(reading, GEMINI)

        if reading.error is None:
            assert reading.text == "Hello!"
            assert end >= body.rindex(b"}") + 1
        else:
            assert type(reading.failure) is StreamInterruptedError


ERROR = {"error": {"code": 503, "message": "Sorry, M", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "body",
    [
        sse(ERROR),
        json.dumps(ERROR),
        json.dumps(ERROR, indent=2),
        json.dumps([ERROR]),
        json.dumps([ERROR], indent=2) + "\r\n",
        sse(said("Hel")).replace("\n", "\r\n") + json.dumps(ERROR, indent=2) + "\n",
        array(said("Hel"), ERROR),
        array(said("Hel"))[:-2] + ",\r\n" + json.dumps(ERROR),
    ],
)
def test_an_error_raises_in_every_framing(body: str) -> None:
    failure = check_reader(GEMINI, body).failure

    assert (type(failure), failure.status) == (OverloadedError, 503)
    assert "Sorry, M" in str(failure)


def test_a_spent_quota_says_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}]
    error = {"code": 429, "message": "M", "status": "RESOURCE_EXHAUSTED", "details": details}
    failure = answer(said("Hi"), {"error": error}).failure

    assert (type(failure), failure.retry_after) == (RateLimitError, 31.0)


def test_an_element_that_is_no_json_is_a_decode_error() -> None:
    failure = check_reader(GEMINI, array(said("Hi"))[:-2] + ',{"a" 1}\n]').failure

    assert type(failure) is DecodeError
    assert failure.text == '{"a" 1}'


def test_a_page_in_the_middle_of_an_array_is_a_provider_error() -> None:
    failure = check_reader(GEMINI, array(said("Hi"))[:-2] + "\n<html><p>502</p></html>\n").failure

    assert type(failure) is ProviderError
    assert "HTML page" in str(failure)


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6)


@given(texts, st.data())
def test_any_array_at_any_cuts_is_read_the_same(texts: list[str], data: st.DataObject) -> None:
    body = array(*(said(text, counted(3, 3)) for text in texts), STOP).encode()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))

    assert check_reader(GEMINI, body, [cut_at(body, cuts)]).text == "".join(texts)
