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
    RateLimitError,
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
    "responses": ("openai-responses",),
    "cohere": ("cohere",),
    "bedrock-converse": ("bedrock",),
    "bedrock-invoke": ("bedrock-anthropic",),
    "completions-legacy": ("openai",),
    "ollama-generate": ("ollama",),
    "gemini": ("gemini", "vertex"),
    "gemini-jsonarray": ("gemini",),
}

#: Recordings that have [DONE] and no finish reason: complete for `openai-compatible` only.
NO_FINISH_REASON = {"pydantic-ai/snowflake/test_snowflake.test_snowflake_thinking_streaming.sse"}

#: Recordings of InvokeModel with Amazon's own models: Converse's events in the other envelope.
NOVA = {
    (
        "openinference/bedrock/openinference.bedrock.TestNovaInvokeModelWithResponseStream"
        ".test_nova_micro_streaming.eventstream"
    ),
    (
        "otel-contrib/bedrock/try-instrumentation-botocore"
        ".test_invoke_model_with_response_stream_close_before_consumption-amazon.eventstream"
    ),
}

#: What the stream raises, by recording: the type and status of the same error over HTTP.
ERRORS: dict[str, tuple[type[WizardError], int | None]] = {
    "derived/anthropic/midstream-overloaded.sse": (OverloadedError, 529),
    "derived/anthropic/truncated-no-message-stop.sse": (StreamInterruptedError, None),
    "derived/bedrock/bad-message-crc.eventstream": (DecodeError, None),
    "derived/bedrock/midstream-throttlingException.eventstream": (RateLimitError, 429),
    "derived/bedrock/truncated-mid-frame.eventstream": (StreamInterruptedError, None),
    "derived/cohere/message-end-error.sse": (ProviderError, None),
    "derived/gemini/midstream-error-bare-json.sse": (OverloadedError, 503),
    "derived/gemini/truncated-no-finish-reason.sse": (StreamInterruptedError, None),
    "derived/mistral/midstream-error-object.sse": (ProviderError, None),
    "derived/mistral/truncated-no-done.sse": (StreamInterruptedError, None),
    "derived/ollama/midstream-error-line.ndjson": (ProviderError, None),
    "derived/ollama/truncated-no-done.ndjson": (StreamInterruptedError, None),
    "derived/openai/malformed-json-mid.sse": (DecodeError, None),
    "derived/openai/midstream-error-object.sse": (ProviderError, 500),
    "derived/openai/midstream-error-nested.sse": (OverloadedError, 503),
    "derived/openai/midstream-response-failed.sse": (ProviderError, 500),
    "derived/openai/truncated-no-terminal.sse": (StreamInterruptedError, None),
    "langchain-cohere/cohere/cohere.integration_tests.test_sql_agent.1.sse": (ProviderError, None),
    "derived/openrouter/midstream-finish-error.sse": (ProviderError, 500),
    "pydantic-ai/groq/test_groq.test_tool_use_failed_error_streaming_with_text.0.sse": (
        RequestError,
        400,
    ),
}

_XAI = "xAI counts reasoning apart from the completion; completion_tokens is all output (contract)"
_GEMINI = "Gemini counts thoughts apart from the answer; completion_tokens is all output (contract)"
_NO_ARGUMENTS = "the SDK gives an empty text; absent arguments are {} (contract)"
_GROUNDED = (
    "pydantic-ai/gemini/test_google.test_google_model_file_search_grounding_gemini_3-True.3.sse"
)
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
    ("fantasy/gemini/TestGoogleThinking.gemini-2.5-pro.thinking-streaming.0.sse", "output"): (
        14,
        78,
        _GEMINI,
    ),
    (
        "fantasy/vertex/TestGoogleCommon.vertex-gemini-2-5-flash.multi_tool_streaming.0.sse",
        "output",
    ): (10, 52, _GEMINI),
    ("llm-gemini/gemini/test_gemini.test_tools.0.jsonarray", "output"): (12, 54, _GEMINI),
    ("mirascope/gemini/test_max_tokens.google_gemini_2_5_flash.stream.sse", "output"): (
        10,
        48,
        _GEMINI,
    ),
    (
        (
            "openinference/gemini/nce-instrumentation-google-genai"
            ".test_instrumentation.test_generate_content_with_file_uri_image-True.sse"
        ),
        "output",
    ): (23, 90, _GEMINI),
    (_GROUNDED, "output"): (122, 569, _GEMINI),
    (_GROUNDED, "input"): (
        427,
        1198,
        "what server-side tools read is input (contract): total holds",
    ),
    (
        (
            "ruby_llm/vertex/chat_with_extended_thinking_vertexai_gemini-3-flash-preview"
            "_streams_thinking_content_when_available.1.sse"
        ),
        "output",
    ): (618, 1375, _GEMINI),
    ("vercel-ai/gemini/google-stream-tool-call-arguments.sse", "output"): (23, 155, _GEMINI),
    ("google-test-data/vertex/streaming-failure-error-mid-stream.sse", "error"): (
        (
            "499 CANCELLED. {'error': {'code': 499, 'message': 'The operation was cancelled.', "
            "'status': 'CANCELLED', 'details': [{'@type': "
            "'type.googleapis.com/google.rpc.DebugInfo', "
            "'detail': '[ORIGINAL ERROR] generic::cancelled: '}]}}"
        ),
        None,
        "it comes after a finish reason, where nothing is an error any more (law 4)",
    ),
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
    (
        (
            "ruby_llm/cohere/ion_calling_cohere_command-a-03-2025"
            "_can_use_tools_without_parameters_in_multi-turn_streaming_conver.2.sse"
        ),
        "arguments",
    ): ([""], [{}], _NO_ARGUMENTS),
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
    return {entry["file"]: entry["api"] for entry in index if entry["status"] == 200}


def vendors_of(file: str) -> tuple[str, ...]:
    return ("bedrock-nova",) if file in NOVA else VENDORS[recordings()[file]]


def cases() -> list[Any]:
    return [
        pytest.param(file, vendor, id=f"{file}-{vendor}")
        for file in recordings()
        for vendor in vendors_of(file)
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
    assert usage.prompt_tokens == ours(file, "input", told.get("input"))
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
    assert [c.name for c in response.tool_calls] == [call["name"] for call in calls]
    assert [c.arguments for c in response.tool_calls] == ours(
        file, "arguments", [call["arguments"] for call in calls]
    )
    assert [c.id for c in response.tool_calls] == ours(file, "ids", [c.get("id") for c in calls])
    if file in ERRORS:
        kind, status = ERRORS[file]

        assert (type(reading.failure), reading.failure.status) == (kind, status)
        assert reading.failure.partial is not None
        return
    theirs = expected.get("error")
    assert ours(file, "error", theirs and theirs["message"]) is None
    assert reading.final.complete is True
    theirs = expected.get("finish_reason") or expected.get("block_reason")
    assert reading.final.raw_finish_reason == theirs
    check_usage(file, reading.final.usage, expected)


@pytest.mark.parametrize("file", sorted(ERRORS))
def test_an_error_says_the_providers_own_words(file: str) -> None:
    theirs = expected_of(file).get("error") or {}
    theirs = {"body": {"message": theirs}} if isinstance(theirs, str) else theirs
    reading = check_reader(vendors_of(file)[0], FIXTURES.joinpath(file).read_bytes(), [])
    body = theirs.get("body")
    words = body.get("error", body).get("message") if isinstance(body, dict) else None

    assert str(reading.failure)
    if words:
        assert words in str(reading.failure)


#: Recordings with citations, which the sidecars do not have, and how many there are on the wire.
CITATIONS = {
    _GROUNDED: 1,
    "google-test-data/vertex/streaming-failure-recitation-no-content.sse": 1,
    (
        "pydantic-ai/openai/test_openai_responses"
        ".test_openai_include_raw_annotations_streaming.1.sse"
    ): 1,
    (
        "ruby_llm/cohere/chat_function_calling_cohere_command-a-03-2025"
        "_can_use_tools_with_multi-turn_streaming_conversations.1.sse"
    ): 1,
}


@pytest.mark.parametrize("file", CITATIONS)
def test_citations_are_told_once(file: str) -> None:
    body = FIXTURES.joinpath(file).read_bytes()
    reading = check_reader(vendors_of(file)[0], body, random_splits(file, body))

    assert len(reading.response.citations) == CITATIONS[file]


def test_every_listed_recording_is_there() -> None:
    listed = {*ERRORS, *(file for file, _ in DEVIATIONS), *NO_FINISH_REASON, *USAGE_THE_SDK_DROPS}

    assert listed <= recordings().keys()
    assert recordings().keys() >= NOVA
    assert {*recordings().values()} == VENDORS.keys()
    assert len(recordings()) >= 90
