"""What a provider cannot do is a ConfigError that says so, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from rxwizard import Image, Message, Prompt, Role

from .mocked_http import config_of, refusal_of

ANTHROPIC = ("anthropic", "bedrock-anthropic", "vertex-anthropic")
BEDROCK = ("bedrock", "bedrock-nova")
RESPONSES = ("openai-responses", "azure-responses", "xai-responses", "deepseek-responses")

HELLO = Prompt("Hello?")
JSON = Prompt("Hello?", json_mode=True)
BY_URL = Prompt("What?", images=(Image.from_url("https://x.example/a.png"),))
TIFF = Prompt("What?", images=(Image.from_bytes(b"hi", "image/tiff"),))
NOBODYS_RESULT = Prompt("And?", history=(Message(role=Role.TOOL, content="noon"),))

#: Who, what is asked, with which settings, and the words that the refusal has to have.
REFUSED: list[tuple[tuple[str, ...], Prompt, dict[str, Any], tuple[str, ...]]] = [
    ((*ANTHROPIC, *BEDROCK, *RESPONSES), HELLO, {"seed": 0}, ("seed",)),
    (RESPONSES, HELLO, {"stop": "END"}, ("stop",)),
    ((*ANTHROPIC, *BEDROCK), JSON, {}, ("JSON", "json_schema=")),
    (("ollama", *BEDROCK, *ANTHROPIC[1:]), BY_URL, {}, ("URL", "bytes")),
    (BEDROCK, TIFF, {}, ("image/tiff", "image/png")),
    (("gemini", "vertex"), NOBODYS_RESULT, {}, ("tool_call_id",)),
    *(
        ((*ANTHROPIC, *BEDROCK), HELLO, {"reasoning_effort": effort}, (f"'{effort}'", "'low'"))
        for effort in ("none", "minimal")
    ),
    (("gemini", "vertex"), HELLO, {"reasoning_effort": "xhigh"}, ("'xhigh'", "'high'")),
    *(
        (("cohere",), HELLO, {"reasoning_effort": effort}, (f"'{effort}'", "token_budget"))
        for effort in ("minimal", "low", "medium", "high", "xhigh")
    ),
]
CASES = [
    pytest.param(vendor, prompt, settings, words, id=f"{vendor}-{words[0]}")
    for vendors, prompt, settings, words in REFUSED
    for vendor in vendors
]


@pytest.mark.parametrize(("vendor", "prompt", "settings", "words"), CASES)
async def test_it_is_refused_before_anything_is_sent(
    vendor: str, prompt: Prompt, settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    config = config_of(f"{vendor}:m", endpoint="https://x.example", **settings)
    said = await refusal_of(config, prompt)

    assert [word for word in words if word not in said] == []
    assert "\n" not in said
