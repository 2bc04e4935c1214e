"""Bedrock's streams: small wires by hand, each showing one thing; and the laws, on binary wires.

The wires of `test_laws.py` are text; these are not, so the checks that every protocol has to pass
are here once more, for Converse and for Anthropic's events in Bedrock's envelope.
"""

from __future__ import annotations

import base64
import gc
import json
from dataclasses import dataclass
from typing import Any

import pytest
from amazon import chunks, converse, event, exception, message
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    AuthenticationError,
    DecodeError,
    FinishReason,
    NetworkError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RequestError,
    StreamInterruptedError,
    TokenLimitError,
    TokenUsage,
    WizardError,
)

from .reader_kit import Reading, check_laws, check_reader, cut_at, read

BEDROCK = "bedrock"
KEY = "bedrock-api-key-very-secret"
START = {"messageStart": {"role": "assistant"}}


def delta(index: int = 0, **member: Any) -> dict:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": member, "p": "abcd"}}


def text(words: str, index: int = 0) -> dict:
    return delta(index, text=words)


def tool(name: str, index: int, **fields: Any) -> dict:
    start = {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name, **fields}}
    return {"contentBlockStart": {"contentBlockIndex": index, "start": start}}


def arguments(piece: object, index: int) -> dict:
    return delta(index, toolUse={"input": piece})


def stop(reason: object = "end_turn") -> dict:
    return {"messageStop": {"stopReason": reason, "p": "abc"}}


def metadata(**usage: object) -> dict:
    counted = {"inputTokens": 8, "outputTokens": 10, "totalTokens": 18, **usage}
    return {"metadata": {"usage": counted, "metrics": {"latencyMs": 5}}}


def answer(*members: dict, **options: bool) -> Reading:
    return check_reader(BEDROCK, converse(*members), **options)


# -- what the events mean --------------------------------------------------------------------


def test_text_is_one_chunk_an_event() -> None:
    reading = answer(START, text("Hel"), text(""), text("lo"), stop(), metadata())

    assert reading.kinds == ["start", "text", "text", "final"]
    assert (reading.text, reading.final.finish_reason) == ("Hello", FinishReason.STOP)
    assert reading.final.raw_finish_reason == "end_turn"


def test_blocks_of_text_are_told_apart_by_their_index() -> None:
    reading = answer(START, text("a", 0), text("b", 1), text("c", 1), text("d", 0), stop())

    assert [chunk.index for chunk in reading.chunks if chunk.text] == [0, 1, 1, 0]
    assert reading.text == "abcd"


def test_reasoning_is_reasoning_and_its_signature_is_shown() -> None:
    signed = {"reasoningContent": {"signature": "c2ln"}}
    hidden = {"reasoningContent": {"redactedContent": "aGlkZGVu"}}
    reading = answer(
        START,
        delta(reasoningContent={"text": "I"}),
        delta(reasoningContent={"text": ""}),
        delta(reasoningContent={"text": " see"}),
        delta(**signed),
        delta(**hidden),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        text("Hi", 1),
        stop(),
    )

    assert (reading.response.reasoning, reading.text) == ("I see", "Hi")
    assert reading.of_kind("other") == [signed, hidden]


def test_tool_calls_are_put_together() -> None:
    reading = answer(
        START,
        text("Let me see."),
        tool("weather", 1),
        arguments("", 1),
        arguments('{"ci', 1),
        arguments('ty": "Rome"}', 1),
        {"contentBlockStop": {"contentBlockIndex": 1}},
        stop("tool_use"),
        metadata(),
    )

    assert reading.calls == [("tooluse_1", "weather", {"city": "Rome"})]
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS
    assert reading.text == "Let me see."


def test_tool_calls_may_interleave() -> None:
    reading = answer(
        START,
        tool("a", 1),
        tool("a", 2),
        arguments('{"x"', 1),
        arguments('{"y"', 2),
        text("meanwhile"),
        arguments(": 1}", 1),
        arguments(": 2}", 2),
        stop("tool_use"),
    )

    assert reading.calls == [("tooluse_1", "a", {"x": 1}), ("tooluse_2", "a", {"y": 2})]
    assert [call.index for call in reading.response.tool_calls] == [0, 1]


@pytest.mark.parametrize("pieces", [[], [""], ["{}"], ["{", "}"]])
def test_a_tool_without_arguments_is_called_with_none(pieces: list[str]) -> None:
    sent = [arguments(piece, 0) for piece in pieces]
    reading = answer(START, tool("now", 0), *sent, stop("tool_use"))

    assert reading.calls == [("tooluse_0", "now", {})]
    assert reading.response.tool_calls[0].valid


def test_arguments_that_the_limit_has_cut_stay_raw() -> None:
    reading = answer(START, tool("now", 0), arguments('{"zone": "U', 0), stop("max_tokens"))
    (call,) = reading.response.tool_calls

    assert (call.arguments, call.valid) == ('{"zone": "U', False)
    assert reading.final.finish_reason is FinishReason.LENGTH


def test_tools_that_the_service_runs_itself_are_shown_and_are_no_calls() -> None:
    used = tool("nova_grounding", 0, type="server_tool_use")
    result = {"toolResult": {"toolUseId": "tooluse_0", "status": "success"}}
    reading = answer(
        START,
        used,
        arguments('{"query": "x"}', 0),
        {"contentBlockStart": {"contentBlockIndex": 1, "start": result}},
        delta(1, toolResult=[{"json": {"a": 1}}]),
        {"contentBlockStart": {"contentBlockIndex": 2, "start": {"image": {"format": "png"}}}},
        delta(2, image={"source": {"bytes": "aGk="}}),
        text("Hi", 3),
        stop(),
    )

    assert (reading.calls, reading.text) == ([], "Hi")
    assert len(reading.of_kind("other")) == 6
    assert reading.final.finish_reason is FinishReason.STOP


def test_citations_are_shown() -> None:
    citation = {"title": "T", "location": {"web": {"url": "https://x.example"}}}
    reading = answer(START, text("Hi"), delta(citation=citation), stop())

    assert reading.of_kind("citation") == [citation]


def test_events_and_deltas_of_tomorrow_are_shown() -> None:
    new = {"brandNew": {"text": "no text of the answer"}}
    reading = answer(START, new, delta(telepathy={"text": "nor this"}), text("Hi"), stop())

    assert reading.text == "Hi"
    assert reading.of_kind("other") == [new, {"telepathy": {"text": "nor this"}}]


@pytest.mark.parametrize("wrong", [None, [], "words", 7, {}, {"delta": None}, {"delta": []}])
def test_an_event_of_another_shape_is_shown(wrong: object) -> None:
    reading = answer(START, {"contentBlockDelta": wrong}, text("Hi"), stop())

    assert (reading.text, len(reading.of_kind("other"))) == ("Hi", 1)


REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "malformed_tool_use": FinishReason.ERROR,
    "malformed_model_output": FinishReason.ERROR,
    "brand_new": FinishReason.OTHER,
}


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_are_unified(reason: str) -> None:
    final = answer(START, text("Hi"), stop(reason), metadata()).final

    assert (final.raw_finish_reason, final.finish_reason) == (reason, REASONS[reason])


# -- usage -----------------------------------------------------------------------------------


def test_usage_comes_after_the_signal_and_before_the_final_chunk() -> None:
    final = answer(START, text("Hi"), stop(), metadata(serverToolUsage={})).final

    assert final.usage == TokenUsage(
        prompt_tokens=8,
        completion_tokens=10,
        total_tokens=18,
        raw={"inputTokens": 8, "outputTokens": 10, "totalTokens": 18, "serverToolUsage": {}},
    )


def test_usage_may_come_before_the_signal() -> None:
    final = answer(START, text("Hi"), metadata(), stop()).final

    assert final.usage is not None
    assert final.usage.total_tokens == 18


@pytest.mark.parametrize("what", ["Tokens", "TokenCount"])
def test_what_the_cache_gave_and_took_is_a_part_of_the_prompt(what: str) -> None:
    cached = {f"cacheReadInput{what}": 100, f"cacheWriteInput{what}": 20}
    usage = answer(START, stop(), metadata(**cached, totalTokens=138)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (128, 100, 20)
    assert usage.total_tokens == 138


def test_what_the_total_shows_to_be_counted_already_is_not_counted_twice() -> None:
    cached = {"inputTokens": 128, "cacheReadInputTokens": 100, "totalTokens": 138}
    usage = answer(START, stop(), metadata(**cached)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.cached_tokens, usage.total_tokens) == (128, 100, 138)


@pytest.mark.parametrize("event", [{"metadata": {"metrics": {}}}, {"metadata": {"usage": None}}])
def test_metadata_without_usage_says_nothing_of_it(event: dict) -> None:
    assert answer(START, text("Hi"), stop(), event).final.usage is None


# -- exceptions ------------------------------------------------------------------------------

EXCEPTIONS: dict[str, tuple[type[WizardError], int | None, bool]] = {
    "internalServerException": (ProviderError, 500, True),
    "modelStreamErrorException": (ProviderError, 424, True),
    "modelTimeoutException": (ProviderError, 408, True),
    "serviceUnavailableException": (OverloadedError, 503, True),
    "throttlingException": (RateLimitError, 429, True),
    "validationException": (RequestError, 400, False),
    "accessDeniedException": (PermissionDeniedError, 403, False),
    "resourceNotFoundException": (NotFoundError, 404, False),
    "expiredTokenException": (ProviderError, None, True),
    "ExpiredTokenException": (AuthenticationError, None, False),
    "ThrottlingException": (RateLimitError, 429, True),
    "brandNewException": (ProviderError, None, True),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_is_the_error_it_would_be_over_http(name: str) -> None:
    body = converse(START, text("Hello")) + exception(name, {"message": "Sorry, M"})
    failure = check_reader(BEDROCK, body + converse(text("late"))).failure

    assert (type(failure), failure.status, failure.retryable) == EXCEPTIONS[name]
    assert "Sorry, M" in str(failure)
    assert failure.code == name
    assert failure.partial is not None
    assert failure.partial.text == "Hello"


def test_an_exception_may_come_as_an_event() -> None:
    failure = answer(START, {"throttlingException": {"message": "Sorry, M"}}).failure

    assert (type(failure), failure.status) == (RateLimitError, 429)
    assert "Sorry, M" in str(failure)


def test_an_exception_says_what_the_model_has_said_as_well() -> None:
    said = {"message": "M", "originalMessage": "out of memory", "originalStatusCode": 500}
    failure = check_reader(BEDROCK, exception("modelStreamErrorException", said)).failure

    assert (type(failure), failure.status) == (ProviderError, 424)
    assert "M: out of memory" in str(failure)


def test_a_prompt_that_is_too_long_is_a_token_limit() -> None:
    said = {"message": "Input is too long for requested model."}
    failure = check_reader(BEDROCK, exception("validationException", said)).failure

    assert type(failure) is TokenLimitError


@pytest.mark.parametrize("payload", [b"", b"Sorry, M", b"[1]", b'{"a"'])
def test_an_exception_needs_no_json(payload: bytes) -> None:
    failure = check_reader(BEDROCK, exception("throttlingException", payload)).failure

    assert type(failure) is RateLimitError
    assert payload != b"Sorry, M" or "Sorry, M" in str(failure)


def test_an_error_without_a_model_has_its_words_in_its_headers() -> None:
    said = {":error-code": "InternalServerException", ":error-message": "Sorry, M"}
    failure = check_reader(BEDROCK, message(b"", {":message-type": "error", **said})).failure

    assert (type(failure), failure.status) == (ProviderError, 500)
    assert "Sorry, M" in str(failure)


def test_an_exception_after_the_signal_is_a_warning() -> None:
    body = converse(START, text("Hi"), stop()) + exception("throttlingException", {"message": "M"})
    reading = check_reader(BEDROCK, body)

    assert reading.kinds[-2:] == ["warning", "final"]
    assert reading.final.complete is True


# -- Anthropic's events in Bedrock's envelope ------------------------------------------------


def block_delta(words: str) -> dict:
    inner = {"type": "text_delta", "text": words}
    return {"type": "content_block_delta", "index": 0, "delta": inner}


ANTHROPIC = [
    {"type": "message_start", "message": {"id": "m1", "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    block_delta("Hello"),
]
STOPPED = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 99},
    },
]


def test_events_of_the_model_are_unwrapped_and_the_metrics_do_not_disturb() -> None:
    reading = check_reader("bedrock-anthropic", chunks(*ANTHROPIC, block_delta("!"), *STOPPED))

    assert (reading.text, reading.final.raw_finish_reason) == ("Hello!", "end_turn")
    assert reading.final.usage is not None
    assert (reading.final.usage.prompt_tokens, reading.final.usage.completion_tokens) == (3, 2)
    assert reading.of_kind("other") == []


def test_an_error_of_the_model_raises() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Sorry, M"}}
    failure = check_reader("bedrock-anthropic", chunks(*ANTHROPIC, error)).failure

    assert (type(failure), failure.status) == (OverloadedError, 529)


@pytest.mark.parametrize(
    "payload",
    [b"nonsense", {"bytes": "no base64!"}, {"bytes": base64.b64encode(b"{'a'").decode()}],
    ids=["no JSON", "no base64", "no JSON inside"],
)
def test_what_cannot_be_unwrapped_is_a_decode_error(payload: Any) -> None:
    body = chunks(*ANTHROPIC) + event("chunk", payload)

    assert type(check_reader("bedrock-anthropic", body).failure) is DecodeError


@pytest.mark.parametrize("payload", [{"p": "abc"}, {"bytes": None}, [1], {"bytes": "e30="}])
def test_a_chunk_of_another_shape_is_shown(payload: Any) -> None:
    body = chunks(*ANTHROPIC) + event("chunk", payload) + chunks(*STOPPED)
    reading = check_reader("bedrock-anthropic", body)

    assert (reading.text, len(reading.of_kind("other"))) == ("Hello", 1)


# -- the laws --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    """One whole answer that says "Hello there"; `after` is what may be missing behind it."""

    vendor: str
    begin: bytes
    middle: bytes
    terminal: bytes
    after: bytes = b""

    @property
    def whole(self) -> bytes:
        return self.begin + self.middle + self.terminal + self.after

    def event(self, document: object) -> bytes:
        if self.vendor == BEDROCK:
            return event("brandNew", document)
        return chunks(document)


WIRES = {
    "converse": Wire(
        BEDROCK,
        begin=converse(START, text("Hello")),
        middle=converse(text(" there"), {"contentBlockStop": {"contentBlockIndex": 0}}),
        terminal=converse(stop()),
        after=converse(metadata()),
    ),
    "bedrock-messages": Wire(
        "bedrock-anthropic",
        begin=chunks(*ANTHROPIC),
        middle=chunks(block_delta(" there"), {"type": "content_block_stop", "index": 0}),
        terminal=chunks(*STOPPED),
    ),
}
every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())


@every_wire
def test_a_whole_wire_gives_its_text_and_one_final_chunk(wire: Wire) -> None:
    reading = check_reader(wire.vendor, wire.whole)

    assert reading.text == "Hello there"
    assert reading.kinds[:3] == ["start", "text", "text"]
    assert (reading.final.finish_reason, reading.final.complete) == (FinishReason.STOP, True)


@every_wire
def test_raw_shows_the_whole_event_and_changes_nothing_else(wire: Wire) -> None:
    plain, raw = (check_reader(wire.vendor, wire.whole, raw=raw) for raw in (False, True))

    assert all(isinstance(chunk.raw, dict) for chunk in raw.chunks[:-1])
    assert [c.model_copy(update={"raw": None}) for c in raw.chunks] == plain.chunks


@every_wire
def test_without_what_may_be_missing_after_the_signal_it_is_still_complete(wire: Wire) -> None:
    assert check_reader(wire.vendor, wire.begin + wire.terminal).final.complete is True


@every_wire
def test_a_body_cut_at_any_byte_is_complete_only_after_the_signal(wire: Wire) -> None:
    before = len(wire.begin + wire.middle)
    signal = before + len(wire.terminal)
    for end in range(len(wire.whole) + 1):
        reading = read(wire.vendor, wire.whole[:end])
        check_laws(reading, wire.vendor)

        assert "Hello there".startswith(reading.text)
        if end < signal:
            assert type(reading.failure) is StreamInterruptedError
            assert reading.failure.retryable
        else:
            assert (reading.text, reading.final.complete) == ("Hello there", True)


@every_wire
def test_a_damaged_byte_is_never_a_success_before_the_signal(wire: Wire) -> None:
    before = wire.begin + wire.middle
    for at in range(len(before)):
        bad = bytearray(wire.whole)
        bad[at] ^= 0x10
        reading = read(wire.vendor, bytes(bad))
        check_laws(reading, wire.vendor)

        assert type(reading.failure) in (DecodeError, StreamInterruptedError)
        assert "Hello there".startswith(reading.text)


@every_wire
def test_a_damaged_byte_gives_the_same_at_any_split(wire: Wire) -> None:
    bad = bytearray(wire.whole)
    bad[len(wire.begin) + 20] ^= 1
    reading = check_reader(wire.vendor, bytes(bad))

    assert type(reading.failure) is DecodeError
    assert reading.failure.partial is not None
    assert reading.failure.partial.text == "Hello"


def test_damage_after_the_signal_is_a_warning() -> None:
    wire = WIRES["converse"]
    bad = bytearray(wire.whole)
    bad[-1] ^= 1
    reading = check_reader(wire.vendor, bytes(bad))

    assert reading.kinds[-2:] == ["warning", "final"]
    assert (reading.final.complete, reading.final.usage) == (True, None)


@every_wire
def test_a_connection_that_breaks_before_the_signal_raises_with_the_partial(wire: Wire) -> None:
    reading = read(wire.vendor, wire.begin, cut=StreamInterruptedError("reset"))
    check_laws(reading, wire.vendor)

    assert str(reading.failure) == "reset"
    assert reading.failure.partial is not None
    assert reading.failure.partial.text == "Hello"
    assert read(wire.vendor, cut=NetworkError("lost")).failure.partial is None


@every_wire
@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n\n\n\n"])
def test_an_empty_body_is_interrupted(wire: Wire, body: bytes) -> None:
    failure = check_reader(wire.vendor, body).failure

    assert type(failure) is StreamInterruptedError
    assert "empty" in str(failure)


HTML = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body>Proxy</body></html>\n"


@every_wire
@pytest.mark.parametrize("body", [HTML, "upstream connect error\n", '{"id": "1"}\n', "no"])
def test_text_instead_of_a_stream_is_never_a_success(wire: Wire, body: str) -> None:
    failure = check_reader(wire.vendor, body).failure

    if body == "no":  # too short to tell
        assert type(failure) is StreamInterruptedError
        return
    assert (type(failure), failure.retryable) == (ProviderError, False)
    assert "instead of a stream" in str(failure)
    assert "endpoint" in str(failure)


@every_wire
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_error_body_with_status_200_is_that_error(wire: Wire, indent: int | None) -> None:
    body = {"error": {"code": 503, "message": "Overloaded, sorry"}}
    failure = check_reader(wire.vendor, json.dumps(body, indent=indent) + "\n").failure

    assert (type(failure), failure.status) == (OverloadedError, 503)
    assert "Overloaded, sorry" in str(failure)


def test_amazons_error_body_with_status_200_is_an_error_in_its_words() -> None:
    for name in ("message", "Message"):
        failure = check_reader(BEDROCK, json.dumps({name: "Sorry, M"})).failure

        assert type(failure) is ProviderError
        assert "Sorry, M" in str(failure)


def test_a_text_without_end_is_not_kept() -> None:
    failure = read(BEDROCK, *[b"x" * 100_000] * 3).failure

    assert type(failure) is ProviderError
    assert len(str(failure)) < 1000


@every_wire
@pytest.mark.parametrize("bad", ["{'a': 1}", '{"a"', "nonsense"])
def test_a_payload_that_is_no_json_is_a_decode_error(wire: Wire, bad: str) -> None:
    kind = "contentBlockDelta" if wire.vendor == BEDROCK else "chunk"
    body = wire.begin + event(kind, bad.encode()) + wire.middle
    failure = check_reader(wire.vendor, body).failure

    assert isinstance(failure, DecodeError)
    assert failure.text is not None
    assert bad in failure.text
    assert failure.partial is not None


@every_wire
def test_errors_in_the_stream_raise_whatever_their_shape(wire: Wire) -> None:
    inner = {"type": "overloaded_error", "message": "Sorry, M"}
    shapes = [
        exception("serviceUnavailableException", {"message": "Sorry, M"}),
        message({"message": "Sorry, M"}, {":message-type": "error", ":error-code": "x"}),
        event("error", {"message": "Sorry, M"}),
    ]
    if wire.vendor != BEDROCK:
        shapes = [*shapes[:2], chunks({"error": inner}), chunks({"error": "Sorry, M"})]
    for shape in shapes:
        failure = check_reader(wire.vendor, wire.begin + shape).failure

        assert "Sorry, M" in str(failure)
        assert failure.partial is not None
        assert failure.partial.text == "Hello"


@every_wire
def test_a_key_that_the_server_echoes_is_taken_out(wire: Wire) -> None:
    bodies = [
        exception("throttlingException", {"message": f"bad key {KEY}"}),
        wire.begin + event("chunk", f"bad {KEY}".encode()),
        wire.begin + event("chunk", f"bad {KEY}".encode())[:-3],
        HTML.replace("Proxy", KEY).encode(),
    ]
    for body in bodies:
        failure = read(wire.vendor, body, redact=lambda words: words.replace(KEY, "***")).failure

        for shown in (str(failure), repr(failure), repr(vars(failure))):
            assert KEY not in shown


@every_wire
def test_a_failure_leaves_nothing_to_collect(wire: Wire) -> None:
    bad = bytearray(wire.whole)
    bad[-1] ^= 1
    bodies = [
        wire.begin,
        wire.begin + exception("x", b""),
        bytes(bad),
        b"no stream",
        wire.whole[:9],
    ]
    gc.collect()
    gc.disable()
    try:
        for body in bodies:
            read(wire.vendor, body)
            read(wire.vendor, wire.begin, cut=StreamInterruptedError("reset"))

        assert gc.collect() == 0
    finally:
        gc.enable()


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6)


@every_wire
@given(texts=texts, data=st.data())
def test_any_answer_at_any_cuts_is_read_the_same(
    wire: Wire, texts: list[str], data: st.DataObject
) -> None:
    said = (
        converse(*map(text, texts)) if wire.vendor == BEDROCK else chunks(*map(block_delta, texts))
    )
    body = wire.begin + said + wire.terminal
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    reading = check_reader(wire.vendor, body, [cut_at(body, cuts)])

    assert reading.text == "Hello" + "".join(texts)


@every_wire
@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_end_in_a_typed_error_and_never_in_a_success(
    wire: Wire, body: bytes, cuts: list[int]
) -> None:
    reading = check_reader(wire.vendor, body, [cut_at(body, [min(c, len(body)) for c in cuts])])

    assert reading.error is not None
