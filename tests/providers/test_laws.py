"""What holds for every protocol: one line in `WIRES`, and all of this is checked for it."""

from __future__ import annotations

import gc
import json
import traceback
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    DecodeError,
    FinishReason,
    NetworkError,
    OverloadedError,
    ProviderError,
    StreamInterruptedError,
    WizardError,
)

from .reader_kit import Reading, check_laws, check_reader, cut_at, lines, read, sse

KEY = "sk-very-secret"


@dataclass(frozen=True)
class Wire:
    """One whole answer that says "Hello there", and pieces to make others of.

    `terminal` is what ends the answer; `after` is what may be missing behind it. `model` is "asked"
    where the protocol does not say who answers.
    """

    vendor: str
    begin: str
    middle: str
    terminal: str
    after: str = ""
    is_sse: bool = True
    model: str = "m-1"

    @property
    def whole(self) -> str:
        return self.begin + self.middle + self.terminal + self.after

    def event(self, document: object, name: str = "") -> str:
        """One more event of this wire."""
        if not self.is_sse:
            return lines(document)
        return (f"event: {name}\n" if name else "") + sse(document)


def chat_event(text: str, **choice: object) -> dict[str, object]:
    delta = {"content": text} if text else {}
    return {
        "id": "c1",
        "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}],
    }


def ollama_line(text: str, **fields: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {"model": "m-1", "message": message, "done": False, **fields}


def gemini_event(text: str, **candidate: object) -> dict[str, object]:
    content = {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "index": 0, **candidate}],
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3 + len(text)},
        "modelVersion": "m-1",
        "responseId": "r1",
    }


def block_delta(text: str) -> dict[str, object]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def output_text(text: str) -> dict[str, object]:
    place = {"item_id": "i1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **place, "delta": text}


def content_delta(text: str) -> dict[str, object]:
    delta = {"message": {"content": {"text": text}}}
    return {"type": "content-delta", "index": 0, "delta": delta}


WIRES = {
    "chat": Wire(
        "openai",
        begin=sse(chat_event("Hello")),
        middle=sse(chat_event(" there")),
        terminal=sse(chat_event("", finish_reason="stop")),
        after=sse("[DONE]"),
    ),
    "messages": Wire(
        "anthropic",
        begin=sse(
            {
                "type": "message_start",
                "message": {"id": "m1", "model": "m-1", "usage": {"input_tokens": 3}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
            block_delta("Hello"),
            named=True,
        ),
        middle=sse(block_delta(" there"), {"type": "content_block_stop", "index": 0}, named=True),
        terminal=sse(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 2},
            },
            {"type": "message_stop"},
            named=True,
        ),
    ),
    "gemini": Wire(
        "gemini",
        begin=sse(gemini_event("Hello")),
        middle=sse(gemini_event(" there")),
        terminal=sse(gemini_event("", finishReason="STOP")),
    ),
    "ollama": Wire(
        "ollama",
        begin=lines(ollama_line("Hello")),
        middle=lines(ollama_line(" there")),
        terminal=lines(ollama_line("", done=True, done_reason="stop")),
        is_sse=False,
    ),
    "responses": Wire(
        "openai-responses",
        begin=sse(
            {"type": "response.created", "response": {"id": "r1", "model": "m-1"}},
            {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}},
            output_text("Hello"),
            named=True,
        ),
        middle=sse(
            output_text(" there"),
            {"type": "response.output_text.done", "output_index": 0, "text": "Hello there"},
            named=True,
        ),
        terminal=sse(
            {"type": "response.completed", "response": {"id": "r1", "status": "completed"}},
            named=True,
        ),
    ),
    "cohere": Wire(
        "cohere",
        begin=sse(
            {"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant"}}},
            content_delta("Hello"),
            named=True,
        ),
        middle=sse(content_delta(" there"), {"type": "content-end", "index": 0}, named=True),
        terminal=sse(
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
            named=True,
        ),
        after=sse("[DONE]"),
        model="asked",
    ),
}

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
every_sse_wire = pytest.mark.parametrize(
    "wire", [w for w in WIRES.values() if w.is_sse], ids=[k for k, w in WIRES.items() if w.is_sse]
)


# -- whole -----------------------------------------------------------------------------------


@every_wire
def test_a_whole_wire_gives_its_text_and_one_final_chunk(wire: Wire) -> None:
    reading = check_reader(wire.vendor, wire.whole)

    assert reading.text == "Hello there"
    assert reading.kinds == ["start", "text", "text", *reading.kinds[3:]]
    assert (reading.final.finish_reason, reading.final.complete) == (FinishReason.STOP, True)
    assert reading.final.source.model == wire.model


@every_wire
def test_text_pieces_come_one_chunk_an_event_and_share_their_source(wire: Wire) -> None:
    first, second = (c for c in read(wire.vendor, wire.whole.encode()).chunks if c.text)

    assert (first.text, second.text) == ("Hello", " there")
    assert first.source is second.source


@every_wire
def test_raw_shows_the_whole_event_and_changes_nothing_else(wire: Wire) -> None:
    plain, raw = (check_reader(wire.vendor, wire.whole, raw=raw) for raw in (False, True))

    assert all(chunk.raw is None for chunk in plain.chunks)
    assert all(isinstance(chunk.raw, dict) for chunk in raw.chunks[:-1])
    assert [c.model_copy(update={"raw": None}) for c in raw.chunks] == plain.chunks


@every_wire
def test_without_what_may_be_missing_after_the_signal_it_is_still_complete(wire: Wire) -> None:
    assert check_reader(wire.vendor, wire.begin + wire.terminal).final.complete is True


@every_wire
@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"], ids=["CRLF", "CR", "LF"])
def test_line_ends_do_not_matter(wire: Wire, ending: str) -> None:
    if ending == "\r" and not wire.is_sse:
        pytest.skip("CR alone ends no line of JSON lines")

    assert check_reader(wire.vendor, wire.whole.replace("\n", ending)).text == "Hello there"


@every_wire
def test_a_byte_order_mark_does_not_matter(wire: Wire) -> None:
    reading = check_reader(wire.vendor, "\ufeff" + wire.whole)

    assert reading.told == read(wire.vendor, wire.whole.encode()).told


@every_wire
def test_blank_lines_do_not_matter(wire: Wire) -> None:
    reading = check_reader(wire.vendor, "\n\n" + wire.whole.replace("\n\n", "\n\n\n"))

    assert reading.text == "Hello there"


@every_sse_wire
def test_no_space_after_data_does_not_matter(wire: Wire) -> None:
    assert check_reader(wire.vendor, wire.whole.replace("data: ", "data:")).text == "Hello there"


@every_sse_wire
def test_empty_data_ids_and_retries_do_not_matter(wire: Wire) -> None:
    noise = "retry: 10\n\nid: 7\n\ndata:\n\ndata: \n\nevent: x\n\n"
    reading = check_reader(wire.vendor, noise + wire.begin + noise + wire.middle + wire.terminal)

    assert reading.text == "Hello there"


@every_sse_wire
def test_comments_are_heartbeats_only_when_asked_for(wire: Wire) -> None:
    body = wire.begin + ": keep-alive\n\n" + wire.middle + wire.terminal
    silent = check_reader(wire.vendor, body)
    asked = check_reader(wire.vendor, body, heartbeats=True)

    assert silent.of_kind("heartbeat") == []
    assert asked.of_kind("heartbeat") == ["keep-alive"]
    assert silent.text == asked.text == "Hello there"


@every_wire
def test_an_unterminated_last_line_is_read_where_it_is_whole(wire: Wire) -> None:
    body = (wire.begin + wire.middle + wire.terminal).rstrip("\n")

    assert check_reader(wire.vendor, body).text == "Hello there"


@every_wire
def test_line_and_paragraph_separators_inside_json_are_text(wire: Wire) -> None:
    body = wire.whole.replace("Hello", "He\u2028l\u2029l\u0085o")

    assert check_reader(wire.vendor, body).text == "He\u2028l\u2029l\u0085o there"


@every_wire
@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ud83dx"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(wire: Wire, half: str) -> None:
    text = check_reader(wire.vendor, wire.whole.replace("Hello", half)).text

    assert text == half.replace(half[:6], "\ufffd") + " there"
    assert text.encode()


@every_wire
def test_bytes_that_are_no_utf_8_do_not_end_the_stream(wire: Wire) -> None:
    body = wire.whole.encode().replace(b"Hello", b"H\xffllo")

    assert read(wire.vendor, body).text == "H\ufffdllo there"


@every_wire
def test_three_hundred_equal_chunks_are_three_hundred_chunks(wire: Wire) -> None:
    reading = read(wire.vendor, (wire.begin + wire.middle * 300 + wire.terminal).encode())

    assert reading.text == "Hello" + " there" * 300
    assert len([chunk for chunk in reading.chunks if chunk.text]) == 301


@every_wire
def test_two_readers_share_no_state(wire: Wire) -> None:
    assert (
        read(wire.vendor, wire.whole.encode()).told == read(wire.vendor, wire.whole.encode()).told
    )


# -- cut -------------------------------------------------------------------------------------


@every_wire
def test_a_wire_that_ends_anywhere_before_its_signal_is_interrupted_and_never_a_success(
    wire: Wire,
) -> None:
    before = len((wire.begin + wire.middle).encode())
    for end in range(len(wire.whole.encode()) + 1):
        reading = read(wire.vendor, wire.whole.encode()[:end])
        check_laws(reading, wire.vendor)

        assert "Hello there".startswith(reading.text)
        if end <= before:
            assert type(reading.failure) is StreamInterruptedError
        if reading.error is None:
            assert (reading.text, reading.final.complete) == ("Hello there", True)
        else:
            assert reading.failure.retryable


@every_wire
def test_a_connection_that_breaks_before_the_signal_raises_with_the_partial(wire: Wire) -> None:
    reading = read(wire.vendor, wire.begin.encode(), cut=StreamInterruptedError("reset"))
    check_laws(reading, wire.vendor)

    assert str(reading.failure) == "reset"
    assert reading.failure.partial is not None
    assert reading.failure.partial.text == "Hello"


def test_a_connection_that_breaks_after_the_signal_is_a_warning() -> None:
    wire = WIRES["chat"]
    body = wire.begin + wire.terminal
    reading = read(wire.vendor, body.encode(), cut=StreamInterruptedError("reset"))
    check_laws(reading, wire.vendor)

    assert reading.kinds[-2:] == ["warning", "final"]
    assert "reset" in reading.of_kind("warning")[0]


@every_wire
def test_a_connection_that_breaks_before_the_first_chunk_has_no_partial(wire: Wire) -> None:
    assert read(wire.vendor, cut=NetworkError("lost")).failure.partial is None


@every_wire
@pytest.mark.parametrize("body", ["", "\n", "\n\n\n", "\ufeff"])
def test_an_empty_body_is_interrupted(wire: Wire, body: str) -> None:
    failure = check_reader(wire.vendor, body).failure

    assert type(failure) is StreamInterruptedError
    assert "empty" in str(failure)
    assert failure.partial is None


# -- what is no stream, or no longer one -----------------------------------------------------

HTML = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body>Proxy</body></html>\n"


@every_wire
def test_an_html_page_is_a_provider_error_that_points_at_the_endpoint(wire: Wire) -> None:
    failure = check_reader(wire.vendor, HTML).failure

    assert type(failure) is ProviderError
    assert (failure.status, failure.retryable) == (None, False)
    assert "HTML page" in str(failure)
    assert "endpoint" in str(failure)


@every_wire
def test_an_html_page_in_the_middle_is_never_a_success(wire: Wire) -> None:
    failure = check_reader(wire.vendor, wire.begin + "<html><body>502</body></html>\n\n").failure

    assert failure.partial is not None
    assert failure.partial.text == "Hello"


@every_sse_wire
def test_plain_text_is_a_provider_error_with_its_words(wire: Wire) -> None:
    failure = check_reader(wire.vendor, "upstream connect error\n").failure

    assert type(failure) is ProviderError
    assert "upstream connect error" in str(failure)


@every_wire
def test_a_json_error_body_with_status_200_is_that_error(wire: Wire) -> None:
    body = {"error": {"type": "overloaded_error", "message": "Overloaded, sorry"}}
    for written in (json.dumps(body), json.dumps(body) + "\n"):
        failure = check_reader(wire.vendor, written).failure

        assert (type(failure), failure.status) == (OverloadedError, 529)
        assert "Overloaded, sorry" in str(failure)


@every_wire
def test_a_pretty_printed_error_body_with_status_200_is_that_error(wire: Wire) -> None:
    body = {"error": {"code": 503, "message": "Overloaded, sorry"}}
    # Between JSON lines, a line is what it says it is.
    for begin in ("", wire.begin) if wire.is_sse else ("",):
        failure = check_reader(wire.vendor, begin + json.dumps(body, indent=2) + "\n").failure

        assert (type(failure), failure.status) == (OverloadedError, 503)
        assert "Overloaded, sorry" in str(failure)


@every_sse_wire
def test_a_whole_json_answer_instead_of_a_stream_is_a_provider_error(wire: Wire) -> None:
    failure = check_reader(wire.vendor, '{"id": "1", "output": "Hello"}\n').failure

    assert type(failure) is ProviderError
    assert "instead of a stream" in str(failure)


# -- invalid JSON ----------------------------------------------------------------------------


@every_wire
@pytest.mark.parametrize("bad", ['{"choices": [{]}', "{'a': 1}", '{"a"', "nonsense", "{" * 50])
def test_an_event_that_is_closed_and_no_json_is_a_decode_error(wire: Wire, bad: str) -> None:
    data = f"data: {bad}\n\n" if wire.is_sse else f"{bad}\n"
    failure = check_reader(wire.vendor, wire.begin + data + wire.middle).failure

    assert type(failure) is DecodeError
    assert failure.text == bad
    assert bad in str(failure)
    assert failure.partial is not None
    assert failure.partial.text == "Hello"


@every_wire
def test_a_decode_error_says_how_far_it_had_read(wire: Wire) -> None:
    begin = wire.begin.encode()
    data = b"data: nonsense\n\n" if wire.is_sse else b"nonsense\n"
    failure = read(wire.vendor, begin, data).failure

    assert isinstance(failure, DecodeError)
    assert failure.position == len(begin) + len(data)


@every_wire
def test_a_decode_error_shortens_a_long_text(wire: Wire) -> None:
    data = f"data: {'x' * 9999}\n\n" if wire.is_sse else "x" * 9999 + "\n"
    failure = read(wire.vendor, data.encode()).failure

    assert isinstance(failure, DecodeError)
    assert failure.text is not None
    assert len(failure.text) < 500
    assert len(str(failure)) < 1000


@every_wire
def test_half_a_document_at_the_end_is_an_interruption(wire: Wire) -> None:
    half = 'data: {"choices": [{"de' if wire.is_sse else '{"message": {"con'
    for end in ("", "\n"):
        if end and not wire.is_sse:
            continue
        failure = check_reader(wire.vendor, wire.begin + half + end).failure

        assert type(failure) is StreamInterruptedError
        assert "in the middle of an event" in str(failure)


@every_wire
def test_json_nested_beyond_reason_is_a_decode_error(wire: Wire) -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    data = f"data: {deep}\n\n" if wire.is_sse else f"{deep}\n"
    reading = read(wire.vendor, (wire.begin + data).encode())

    assert type(reading.failure) is DecodeError


@every_wire
@pytest.mark.parametrize("event", [[], [1, {}], 7, "words", None, True, 1.5])
def test_an_event_that_is_no_object_is_shown_and_not_read(wire: Wire, event: object) -> None:
    body = wire.begin + wire.event(json.loads(json.dumps(event))) + wire.middle + wire.terminal
    if isinstance(event, str):
        body = body.replace("data: words", 'data: "words"')
    reading = check_reader(wire.vendor, body)

    assert reading.text == "Hello there"
    assert reading.of_kind("other") == [event]


@every_wire
def test_an_event_this_library_does_not_know_is_shown_and_not_read(wire: Wire) -> None:
    unknown = {"type": "brand_new", "text": "no text of the answer", "x": 1}
    reading = check_reader(wire.vendor, wire.begin + wire.event(unknown) + wire.terminal)

    assert reading.text == "Hello"
    assert reading.of_kind("other") == [unknown]


# -- errors in the stream --------------------------------------------------------------------

ERRORS = {
    "an object": ({"error": {"type": "server_error", "message": "Sorry, M"}}, "", 500),
    "a string": ({"error": "Sorry, M"}, "", None),
    "an event named error": ({"message": "Sorry, M"}, "error", None),
    "a string in an event named error": ("Sorry, M", "error", None),
    "a typed object in an event named error": (
        {"type": "overloaded_error", "message": "Sorry, M"},
        "error",
        529,
    ),
    "a numeric code": ({"error": {"code": 429, "message": "Sorry, M"}}, "", 429),
    "a numeric code as text": ({"error": {"code": "429", "message": "Sorry, M"}}, "", 429),
    "an object called error": ({"object": "error", "message": "Sorry, M"}, "", None),
    "a type called error": ({"type": "error", "error": {"message": "Sorry, M"}}, "error", None),
}


@every_wire
@pytest.mark.parametrize("shape", ERRORS)
def test_an_error_in_the_stream_raises_whatever_its_shape(wire: Wire, shape: str) -> None:
    payload, name, status = ERRORS[shape]
    if name and not wire.is_sse:
        pytest.skip("JSON lines have no event names")
    event = wire.event(json.dumps(payload) if isinstance(payload, str) else payload, name)
    if isinstance(payload, str):
        event = f"event: {name}\ndata: {json.dumps(payload)}\n\n"
    later = wire.event({"error": {"message": "a later one"}})
    failure = check_reader(wire.vendor, wire.begin + event + later).failure

    assert isinstance(failure, WizardError)
    assert failure.status == status
    assert "Sorry, M" in str(failure)
    assert "later" not in str(failure)
    assert failure.partial is not None
    assert failure.partial.text == "Hello"


@every_sse_wire
@pytest.mark.parametrize(
    "block",
    [
        'error: {"error": {"code": 503, "message": "Sorry, M"}}\n\n',
        "error: Sorry, M\n\n",
        '{"error": {"code": 503, "message": "Sorry, M"}}\n\n',
        "event: error\ndata: Sorry, M\n\n",
    ],
    ids=["a field named error", "a field with words", "bare JSON", "words in an event named error"],
)
def test_an_error_that_is_no_event_raises_too(wire: Wire, block: str) -> None:
    failure = check_reader(wire.vendor, wire.begin + block).failure

    assert "Sorry, M" in str(failure)
    assert failure.status in {503, None}


@every_wire
def test_an_error_inside_a_chunk_raises(wire: Wire) -> None:
    document = json.loads(wire.begin.strip().splitlines()[-1].removeprefix("data: "))
    document["error"] = {"code": "server_error", "message": "Sorry, M"}
    failure = check_reader(wire.vendor, wire.begin + wire.event(document)).failure

    assert (type(failure), failure.status) == (ProviderError, 500)


@every_wire
def test_an_empty_error_field_is_no_error(wire: Wire) -> None:
    document = json.loads(wire.begin.strip().splitlines()[-1].removeprefix("data: "))
    document["error"] = None
    reading = check_reader(wire.vendor, wire.begin + wire.event(document) + wire.terminal)

    assert reading.text == "HelloHello"


@every_wire
def test_a_key_that_the_server_echoes_is_taken_out(wire: Wire) -> None:
    bodies = [
        wire.event({"error": {"message": f"bad key {KEY}", "type": "server_error"}}),
        HTML.replace("Proxy", KEY),
        ("data: " if wire.is_sse else "") + f"bad {KEY}\n\n",
        ("data: " if wire.is_sse else "") + f'{{"half {KEY}',
    ]
    for body in bodies:
        failure = read(
            wire.vendor, body.encode(), redact=lambda text: text.replace(KEY, "***")
        ).failure

        assert KEY not in str(failure)
        assert KEY not in repr(failure)
        assert KEY not in repr(vars(failure))


@every_wire
def test_a_failure_leaves_nothing_to_collect(wire: Wire) -> None:
    bodies = [wire.begin, wire.begin + wire.event({"error": "Sorry"}), wire.begin + "data: {x\n\n"]
    gc.collect()
    gc.disable()
    try:
        for body in bodies:
            read(wire.vendor, body.encode())
            read(wire.vendor, wire.begin.encode(), cut=StreamInterruptedError("reset"))

        assert gc.collect() == 0
    finally:
        gc.enable()


@every_wire
def test_a_traceback_holds_nothing_of_what_was_read(wire: Wire) -> None:
    bad = wire.begin + wire.event({"error": {"message": KEY}})
    half = wire.begin + (f'data: {{"{KEY}' if wire.is_sse else f'{{"{KEY}')
    for body in (bad, half, KEY):
        error = read(
            wire.vendor, body.encode(), redact=lambda text: text.replace(KEY, "***")
        ).failure
        frames = [
            frame
            for frame, _ in traceback.walk_tb(error.__traceback__)
            if "reader.py" in str(frame)
        ]

        assert frames
        assert all(KEY not in repr(frame.f_locals) for frame in frames)


# -- for any answer and any cuts -------------------------------------------------------------

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6)


@every_wire
@given(texts=texts, data=st.data())
def test_any_answer_at_any_cuts_is_read_the_same(
    wire: Wire, texts: list[str], data: st.DataObject
) -> None:
    event = {"chat": chat_event, "messages": block_delta, "ollama": ollama_line}
    event |= {"responses": output_text, "cohere": content_delta, "gemini": gemini_event}
    of = next(event[name] for name, known in WIRES.items() if known is wire)
    begin = wire.begin if wire.vendor == "anthropic" else ""
    body = (begin + "".join(wire.event(of(text)) for text in texts) + wire.terminal).encode()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    reading: Reading = check_reader(wire.vendor, body, [cut_at(body, cuts)])

    assert reading.text == ("Hello" if begin else "") + "".join(texts)


@every_wire
@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_end_in_a_typed_error_and_never_in_a_success(
    wire: Wire, body: bytes, cuts: list[int]
) -> None:
    reading = check_reader(wire.vendor, body, [cut_at(body, [min(c, len(body)) for c in cuts])])

    assert reading.error is not None
