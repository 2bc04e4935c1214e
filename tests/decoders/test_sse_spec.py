"""The conformance cases: WHATWG's examples, WPT's tests, and shapes seen in recordings."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from rxwizard.decoders import Comment, Frame, ServerSentEvent, SSEDecoder, UnknownLines
from rxwizard.errors import DecodeError

from .slicing import every_split, feed_all, in_steps

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "sse_spec_cases.json"
SPEC: dict[str, Any] = json.loads(FIXTURE.read_text("utf-8")) if FIXTURE.exists() else {}
CASES: list[dict[str, Any]] = SPEC.get("cases", [])

pytestmark = pytest.mark.skipif(not SPEC, reason=f"needs {FIXTURE}, which is not in this checkout")

# The standard drops the block that the end of the stream leaves open. We deliver it, marked, since
# the last event of real streams holds the usage and real errors are not closed (law 5).
LEFT_OPEN: dict[str, Frame] = {
    "data-before-final-empty-line": ServerSentEvent(b"test2", id="test", complete=False),
    "whatwg-2-unterminated": ServerSentEvent(b" third event", complete=False),
    "whatwg-3": ServerSentEvent(b"", complete=False),
    "no-terminator-at-all": ServerSentEvent(b"x", complete=False),
    "one-newline-only": ServerSentEvent(b"x", complete=False),
    "unterminated-after-good": ServerSentEvent(b"b", complete=False),
    "final-single-cr": ServerSentEvent(b"a", complete=False),
    "google-bare-json-error": UnknownLines(
        b'{\n  "error": {\n    "code": 503,\n    "message": "x",\n'
        b'    "status": "UNAVAILABLE"\n  }\n}',
        complete=False,
    ),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_standard_for_every_split(case: dict[str, Any]) -> None:
    expected = [(e["event"], e["data"], e["id"], e["retry"]) for e in case["expected"]]

    for parts in every_split(base64.b64decode(case["input_base64"])):
        decoder = SSEDecoder()
        frames = [frame for part in parts for frame in decoder.feed(part)]
        rest = decoder.finish()
        events = [f for f in frames if isinstance(f, ServerSentEvent)]

        assert [(e.event, e.text, e.id, e.retry) for e in events] == expected
        assert rest == ([LEFT_OPEN[case["name"]]] if case["name"] in LEFT_OPEN else [])
        assert all(isinstance(f, ServerSentEvent | Comment) or f.complete for f in frames)
        if "final" in case:
            final = case["final"]
            assert decoder.last_event_id == final["last_event_id"]
            assert decoder.retry == final["retry"]


def test_each_deviation_is_a_case() -> None:
    assert LEFT_OPEN.keys() <= {case["name"] for case in CASES}


def generated(name: str) -> tuple[dict[str, Any], bytes]:
    case = next(case for case in SPEC["generated"] if case["name"] == name)
    parts = case["generator"]
    return case, (parts["prefix"] + parts["repeat"] * parts["times"] + parts["suffix"]).encode()


@pytest.mark.parametrize("step", [1 << 10, 1 << 16])
def test_a_line_of_eight_mebibytes(step: int) -> None:
    case, wire = generated("huge-line-8MiB")
    decoder = SSEDecoder()
    frames = [frame for part in in_steps(wire, step) for frame in decoder.feed(part)]

    assert len(frames) == case["expected_events"]
    assert isinstance(frames[0], ServerSentEvent)
    assert len(frames[0].data) == case["expected_data_length"]


def test_a_line_that_does_not_end_is_an_error() -> None:
    _, wire = generated("unbounded-line-no-newline")
    decoder = SSEDecoder()

    with pytest.raises(DecodeError):
        feed_all(decoder, in_steps(wire, 1 << 16))


@pytest.mark.parametrize("step", [7, 1 << 10, 1 << 16, 1 << 30])
def test_many_small_events(step: int) -> None:
    case, wire = generated("100k-small-events")
    decoder = SSEDecoder()

    assert sum(len(decoder.feed(part)) for part in in_steps(wire, step)) == case["expected_events"]
