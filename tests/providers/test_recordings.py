"""Every recording of the APIs we speak, against what its sidecar expects, at random splits.

The sidecars were made by the vendors' own SDKs. Where we mean another thing, or hold one to be
wrong, it stands in `DEVIATIONS` with the reason, and both sides are checked.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rxwizard import (
    DecodeError,
    OverloadedError,
    ProviderError,
    RequestError,
    StreamInterruptedError,
    TokenUsage,
    WizardError,
)

from .reader_kit import Reading, check_reader, cut_at

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
HERE = FIXTURES.is_dir()
pytestmark = pytest.mark.skipif(not HERE, reason=f"there are no recordings in {FIXTURES}")

#: The vendors that read an API's recordings. What OpenAI's own rule for the end would call cut
#: (no finish reason at all) is read by the rule for unknown servers, where [DONE] alone counts.
VENDORS = {
    "chat": ("openai-compatible", "openai"),
    "messages": ("anthropic",),
    "ollama": ("ollama",),
}

#: Recordings that have [DONE] and no finish reason: complete for `openai-compatible` only.
NO_FINISH_REASON = {"pydantic-ai/snowflake/test_snowflake.test_snowflake_thinking_streaming.sse"}

#: What the stream raises, by recording: the type and status of the same error over HTTP.
ERRORS: dict[str, tuple[type[WizardError], int | None]] = {
    "derived/anthropic/midstream-overloaded.sse": (OverloadedError, 529),
    "derived/anthropic/truncated-no-message-stop.sse": (StreamInterruptedError, None),
    "derived/mistral/midstream-error-object.sse": (ProviderError, None),
    "derived/mistral/truncated-no-done.sse": (StreamInterruptedError, None),
    "derived/ollama/midstream-error-line.ndjson": (ProviderError, None),
    "derived/ollama/truncated-no-done.ndjson": (StreamInterruptedError, None),
    "derived/openai/malformed-json-mid.sse": (DecodeError, None),
    "derived/openai/midstream-error-object.sse": (ProviderError, 500),
    "derived/openrouter/midstream-finish-error.sse": (ProviderError, 500),
    "pydantic-ai/groq/test_groq.test_tool_use_failed_error_streaming_with_text.0.sse": (
        RequestError,
        400,
    ),
}

_XAI = "xAI counts reasoning apart from the completion; completion_tokens is all output (contract)"
_OLLAMA_ID = "the SDK has no field for a call's id; the wire has it"
#: (recording, what) -> (the sidecar's, ours, why)
DEVIATIONS: dict[tuple[str, str], tuple[Any, Any, str]] = {
    (
        "fantasy/xai/TestOpenAICompatibleCommon.xai-grok-4-fast.simple_streaming.sse",
        "output",
    ): (2, 131, _XAI),
    (
        "fantasy/xai/TestOpenAICompatibleCommon.xai-grok-4-fast.tool_streaming.0.sse",
        "output",
    ): (26, 261, _XAI),
    (
        "fantasy/xai/TestOpenAICompatibleCommon.xai-grok-code-fast.multi_tool_streaming.0.sse",
        "output",
    ): (68, 334, _XAI),
    ("rig/ollama/ollama.reasoning_tool_roundtrip.streaming.0.ndjson", "ids"): (
        [None],
        ["call_REDACTED_1"],
        _OLLAMA_ID,
    ),
    ("rig/ollama/ollama.streaming_grammar.parallel_tool_calls.ndjson", "ids"): (
        [None, None],
        ["call_REDACTED_1", "call_REDACTED_2"],
        _OLLAMA_ID,
    ),
    ("pydantic-ai/openrouter/test_openrouter.test_openrouter_stream_error.sse", "error"): (
        "Token limit reached",
        None,
        "it comes after the finish reason, where nothing is an error any more (law 4)",
    ),
}


@cache
def recordings() -> dict[str, str]:
    """The API of every recording, by file."""
    if not HERE:
        return {}
    index = json.loads(FIXTURES.joinpath("index.json").read_text(encoding="utf-8"))
    return {
        entry["file"]: entry["api"]
        for entry in index
        if entry["api"] in VENDORS and entry["status"] == 200
    }


def cases() -> list[Any]:
    return [
        pytest.param(file, vendor, id=f"{file}-{vendor}")
        for file, api in recordings().items()
        for vendor in VENDORS[api]
        if vendor != "openai" or file not in NO_FINISH_REASON
    ]


def random_splits(file: str, body: bytes) -> list[list[bytes]]:
    rng = random.Random(file)
    counts = (1, 5, min(50, len(body)))
    return [cut_at(body, sorted(rng.randrange(len(body) + 1) for _ in range(n))) for n in counts]


def expected_of(file: str) -> dict[str, Any]:
    sidecar = FIXTURES / f"{file.rpartition('.')[0]}.json"
    expected: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))["expected"]
    return expected


def ours(file: str, what: str, theirs: Any) -> Any:
    """Give what we expect: the sidecar's, unless the table says otherwise."""
    if (file, what) not in DEVIATIONS:
        return theirs
    listed, our_own, _ = DEVIATIONS[file, what]

    assert theirs == listed, "the table of deviations is out of date"
    return our_own


def check_usage(file: str, usage: TokenUsage | None, expected: dict[str, Any]) -> None:
    told = expected.get("usage_normalised")
    if not told:
        assert usage is None or file in USAGE_THE_SDK_DROPS
        return
    assert usage is not None
    assert usage.prompt_tokens == told.get("input")
    assert usage.completion_tokens == ours(file, "output", told.get("output"))
    for name, value in (
        ("total", usage.total_tokens),
        ("reasoning", usage.reasoning_tokens),
        ("cached", usage.cached_tokens),
    ):
        if told.get(name) is not None:
            # The sidecars say 0 where nothing was reported.
            assert value == told[name] or (told[name] == 0 and value is None), name


#: The SDK's state drops the usage of an event that also holds an error; the wire has it.
USAGE_THE_SDK_DROPS = {"pydantic-ai/openrouter/test_openrouter.test_openrouter_stream_error.sse"}


@pytest.mark.parametrize(("file", "vendor"), cases())
def test_a_recording_is_read_as_its_sidecar_expects(file: str, vendor: str) -> None:
    body = FIXTURES.joinpath(file).read_bytes()
    reading: Reading = check_reader(vendor, body, random_splits(file, body))
    expected = expected_of(file)
    response = reading.response

    # Law 2: the words of a refusal are text.
    assert response.text == (expected.get("text") or "") + (expected.get("refusal") or "")
    assert response.reasoning == (expected.get("reasoning") or "")
    calls = expected.get("tool_calls") or []
    assert [(c.name, c.arguments) for c in response.tool_calls] == [
        (call["name"], call["arguments"]) for call in calls
    ]
    assert [c.id for c in response.tool_calls] == ours(file, "ids", [c.get("id") for c in calls])
    if file in ERRORS:
        kind, status = ERRORS[file]

        assert (type(reading.failure), reading.failure.status) == (kind, status)
        assert reading.failure.partial is not None
        return
    theirs = expected.get("error")
    assert ours(file, "error", theirs and theirs["message"]) is None
    assert reading.final.complete is True
    assert reading.final.raw_finish_reason == expected.get("finish_reason")
    check_usage(file, reading.final.usage, expected)


@pytest.mark.parametrize("file", sorted(ERRORS))
def test_an_error_says_the_providers_own_words(file: str) -> None:
    theirs = expected_of(file).get("error") or {}
    reading = check_reader(VENDORS[recordings()[file]][0], FIXTURES.joinpath(file).read_bytes(), [])
    body = theirs.get("body")
    words = body.get("error", body).get("message") if isinstance(body, dict) else None

    assert str(reading.failure)
    if words:
        assert words in str(reading.failure)


def test_every_listed_recording_is_there() -> None:
    listed = {*ERRORS, *(file for file, _ in DEVIATIONS), *NO_FINISH_REASON, *USAGE_THE_SDK_DROPS}

    assert listed <= recordings().keys()
    assert len(recordings()) >= 90
