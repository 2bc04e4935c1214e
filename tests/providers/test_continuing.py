"""The beginning of an answer: who goes on from it, how it is sent, and what is asked elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from rxwizard import ConfigError, Image, Message, Prompt, Role, WizardConfig
from rxwizard.providers import PROTOCOLS, VENDORS
from rxwizard.providers.continuing import GO_ON, Continuation, continuation
from rxwizard.providers.prefill import can_prefill

ENDPOINT = "https://x.example"
TALK = (
    Prompt("And now?")
    .with_system("Be brief.")
    .with_message("user", "Hello.")
    .with_message("assistant", "Hi.")
)
PICTURE = Prompt("What is it?", images=(Image.from_bytes(b"hi"),))
SCHEMA = {"type": "object"}

CLAUDE = "claude-haiku-4-5"
#: A model of each provider that goes on from the beginning of an answer.
GOES_ON = {
    "anthropic": CLAUDE,
    "bedrock": f"us.anthropic.{CLAUDE}-20251001-v1:0",
    "bedrock-anthropic": f"us.anthropic.{CLAUDE}-20251001-v1:0",
    "vertex-anthropic": f"{CLAUDE}@20251001",
    "ollama": "qwen3:4b",
    "alibaba": "qwen-plus",
    "groq": "llama-3.3-70b-versatile",
    "llamacpp": "any",
    "mistral": "mistral-small-latest",
    "moonshot": "kimi-k2-0905-preview",
    "openrouter": "anthropic/claude-haiku-4.5",
    "vllm": "any",
}
every_vendor = pytest.mark.parametrize("vendor", GOES_ON)


def config_of(vendor: str, model: str = "", **settings: Any) -> WizardConfig:
    name = model or GOES_ON.get(vendor, "m")
    return WizardConfig(f"{vendor}:{name}", api_key="k", endpoint=ENDPOINT, **settings)


def body_of(prompt: Prompt, config: WizardConfig) -> Any:
    vendor = config.vendor
    return PROTOCOLS[vendor.protocol].request(prompt, config, vendor).body


def refusal_of(prompt: Prompt, config: WizardConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        body_of(prompt, config)
    return str(caught.value)


def made(prompt: Prompt, said: str, config: WizardConfig, **how: bool) -> Continuation:
    found = continuation(prompt, said, config, **how)
    assert found is not None
    return found


# -- the prompt ------------------------------------------------------------------------------


def test_a_prompt_takes_the_beginning_of_its_answer() -> None:
    begun = TALK.with_prefill("Now")

    assert (begun.prefill, TALK.prefill) == ("Now", None)
    assert Prompt("And now?", prefill="Now").prefill == "Now"
    assert begun.with_history([]).prefill == "Now"
    assert begun.with_prefill(None) == TALK


# -- the request -----------------------------------------------------------------------------

BEGUN = {"role": "assistant", "content": "Once upon"}
SENT = {
    "anthropic": BEGUN,
    "bedrock": {"role": "assistant", "content": [{"text": "Once upon"}]},
    "bedrock-anthropic": BEGUN,
    "vertex-anthropic": BEGUN,
    "mistral": {**BEGUN, "prefix": True},
    "alibaba": {**BEGUN, "partial": True},
    "moonshot": {**BEGUN, "partial": True},
}


@every_vendor
def test_the_beginning_is_the_last_message(vendor: str) -> None:
    config = config_of(vendor)
    plain, begun = body_of(TALK, config), body_of(TALK.with_prefill("Once upon"), config)

    assert begun["messages"] == [*plain["messages"], SENT.get(vendor, BEGUN)]
    others = {name: value for name, value in begun.items() if plain.get(name) != value}
    others.pop("messages")
    expected = {"continue_final_message": True, "add_generation_prompt": False}
    assert others == (expected if vendor == "vllm" else {})


def test_the_table_names_all_who_go_on() -> None:
    assert {name for name, vendor in VENDORS.items() if vendor.prefill} == {*GOES_ON}
    assert [name for name, vendor in VENDORS.items() if vendor.prefill_echoed] == ["mistral"]


@every_vendor
def test_where_there_is_no_beginning_nothing_is_sent_of_it(vendor: str) -> None:
    config = config_of(vendor)

    assert body_of(TALK.with_prefill(""), config) == body_of(TALK, config)


@pytest.mark.parametrize("vendor", ["anthropic", "bedrock", "bedrock-anthropic"])
def test_claude_gets_no_white_space_at_the_end(vendor: str) -> None:
    config = config_of(vendor)

    assert body_of(TALK.with_prefill("Once upon \n"), config)["messages"][-1] == SENT[vendor]
    assert body_of(TALK.with_prefill(" \n"), config) == body_of(TALK, config)


def test_others_get_the_beginning_as_it_is() -> None:
    last = body_of(TALK.with_prefill("```json\n"), config_of("groq"))["messages"][-1]

    assert last["content"] == "```json\n"


def test_extra_fields_are_merged_over_it() -> None:
    prompt = Prompt("Hello?", prefill="Hi", extra={"add_generation_prompt": True})

    assert body_of(prompt, config_of("vllm"))["add_generation_prompt"] is True


# -- who refuses it --------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", sorted(VENDORS.keys() - GOES_ON.keys() - {"simulator"}))
def test_a_provider_that_goes_on_from_nothing_refuses_it(vendor: str) -> None:
    said = refusal_of(Prompt("Hello?", prefill="Hi"), config_of(vendor))

    assert f'"{vendor}"' in said
    assert "prefill=" in said


OLD = [
    "claude-2.1",
    "claude-instant-1.2",
    "anthropic.claude-v2:1",
    "claude-3-haiku-20240307",
    "claude-3-5-sonnet-20241022",
    "claude-3-7-sonnet-latest",
    "claude-opus-4-20250514",
    "claude-opus-4-1@20250805",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic/claude-sonnet-4.5",
    "Claude-Haiku-4-5",
]
NEW = [
    "claude-opus-4-6",
    "global.anthropic.claude-opus-4-6-v1",
    "anthropic/claude-sonnet-4.6",
    "claude-opus-4-10",
    "claude-sonnet-5-5",
    "claude-mythos-5@20260601",
    "claude-mythos-preview",
    "anthropic/claude-sonnet-latest",
]


@pytest.mark.parametrize("model", OLD)
def test_claude_before_4_6_goes_on(model: str) -> None:
    config = config_of("anthropic", model)

    assert can_prefill(config, config.vendor)
    assert body_of(TALK.with_prefill("Once upon"), config)["messages"][-1] == BEGUN


@pytest.mark.parametrize("vendor", ["anthropic", "bedrock", "vertex-anthropic", "openrouter"])
@pytest.mark.parametrize("model", NEW)
def test_claude_from_4_6_refuses_it(vendor: str, model: str) -> None:
    config = config_of(vendor, model)

    assert not can_prefill(config, config.vendor)
    assert model in refusal_of(TALK.with_prefill("Once upon"), config)


def test_a_model_that_is_named_after_claude_is_not_one() -> None:
    config = config_of("ollama", "someone/llama3.1-claude")

    assert can_prefill(config, config.vendor)


@pytest.mark.parametrize("json", [{"json_mode": True}, {"json_schema": SCHEMA}])
def test_a_beginning_does_not_go_with_enforced_json(json: dict[str, Any]) -> None:
    prompt = Prompt("Hello?", prefill="{", **json)

    assert "JSON" in refusal_of(prompt, config_of("ollama"))


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("bedrock", "us.amazon.nova-2-lite-v1:0"),
        ("groq", "openai/gpt-oss-120b"),
        ("openrouter", "openai/gpt-5.2"),
        ("openrouter", "openrouter/auto"),
        ("alibaba", "deepseek-r1"),
        ("anthropic", "another"),
    ],
)
def test_a_model_that_may_go_on_is_sent_a_beginning_only_by_its_user(
    vendor: str, model: str
) -> None:
    config = config_of(vendor, model)

    assert not can_prefill(config, config.vendor)
    assert body_of(TALK.with_prefill("Once upon"), config)["messages"][-1]["role"] == "assistant"


@every_vendor
def test_a_model_that_is_told_to_think_goes_on_from_nothing(vendor: str) -> None:
    told, plain = config_of(vendor, reasoning_effort="low"), config_of(vendor)

    assert can_prefill(plain, plain.vendor)
    assert not can_prefill(told, told.vendor)


# -- continuations ---------------------------------------------------------------------------


@every_vendor
def test_an_answer_goes_on_from_what_was_said_where_that_can_be(vendor: str) -> None:
    found = made(TALK, "Once upon a ", config_of(vendor))

    # The white space at its end is left to the model.
    assert found == Continuation(TALK.with_prefill("Once upon a"), True, vendor == "mistral")


@pytest.mark.parametrize(
    ("vendor", "model", "settings"),
    [
        ("openai", "gpt-4.1-mini", {}),
        ("gemini", "gemini-2.5-flash", {}),
        ("cohere", "command-a-03-2025", {}),
        ("openai-responses", "gpt-5.4-mini", {}),
        ("deepseek", "deepseek-chat", {}),
        ("anthropic", "claude-sonnet-5-5", {}),
        ("anthropic", CLAUDE, {"reasoning_effort": "low"}),
        ("openrouter", "openai/gpt-5.2", {}),
    ],
)
def test_elsewhere_the_model_is_told_to_go_on(
    vendor: str, model: str, settings: dict[str, Any]
) -> None:
    config = config_of(vendor, model, **settings)
    found = made(TALK, "Once upon a ", config)

    assert (found.is_exact, found.is_echoed) == (False, False)
    assert (found.prompt.text, found.prompt.prefill) == (GO_ON, None)
    assert found.prompt.system == TALK.system
    assert found.prompt.history == (
        *TALK.history,
        Message(role=Role.USER, content="And now?"),
        Message(role=Role.ASSISTANT, content="Once upon a"),
    )
    body_of(found.prompt, config)


def test_a_model_that_has_thought_is_told_to_go_on() -> None:
    found = made(TALK, "Once upon", config_of("ollama"), has_thought=True)

    assert found.prompt.text == GO_ON


def test_tools_and_extra_fields_go_along() -> None:
    prompt = Prompt("Weather?", tools=({"type": "x"},), extra={"user": "u1"})
    for vendor in ("openai", "vllm"):
        found = made(prompt, "It is", config_of(vendor)).prompt

        assert (found.tools, found.extra) == (prompt.tools, prompt.extra)


def test_a_second_cut_takes_the_same_prompt_again() -> None:
    config = config_of("openai")
    second = made(TALK, "Once upon a time", config).prompt

    assert len(second.history) == len(TALK.history) + 2
    assert second.history[-1].content == "Once upon a time"


def test_what_began_with_a_prefill_goes_on_from_it_and_what_came() -> None:
    prompt = TALK.with_prefill("Once")

    assert made(prompt, " upon", config_of("vllm")).prompt.prefill == "Once upon"
    # Who asked for it knows the model.
    found = made(prompt, " upon", config_of("openrouter", "meta-llama/llama-4"), has_thought=True)
    assert (found.prompt.prefill, found.is_exact) == ("Once upon", True)


def test_mistral_gives_back_the_prefill_so_it_is_in_what_came() -> None:
    prompt = TALK.with_prefill("Once")

    assert made(prompt, "Once upon", config_of("mistral")).prompt.prefill == "Once upon"
    assert made(prompt, " upon", config_of("mistral")).prompt.prefill == "Once upon"


@pytest.mark.parametrize("vendor", ["openai", "gemini", "vllm"])
@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("Hello?", json_mode=True),
        Prompt("Hello?", json_schema=SCHEMA),
        Prompt("Hello?", extra={"response_format": {"type": "json_object"}}),
        Prompt("Hello?", extra={"generationConfig": {"responseMimeType": "application/json"}}),
        Prompt("Hello?", extra={"messages": []}),
        Prompt("Hello?", extra={"contents": []}),
    ],
)
def test_what_cannot_go_on_is_asked_anew(vendor: str, prompt: Prompt) -> None:
    assert continuation(prompt, "Once", config_of(vendor)) is None


@pytest.mark.parametrize("said", ["", " \n"])
@pytest.mark.parametrize("vendor", ["openai", "vllm"])
def test_where_nothing_was_said_nothing_goes_on(vendor: str, said: str) -> None:
    assert continuation(TALK, said, config_of(vendor)) is None


def test_images_go_along_only_with_a_prefill() -> None:
    assert made(PICTURE, "A cat", config_of("anthropic")).prompt.images == PICTURE.images
    assert continuation(PICTURE, "A cat", config_of("openai")) is None


def test_other_settings_of_gemini_do_not_keep_it_from_going_on() -> None:
    prompt = Prompt("Hello?", extra={"generationConfig": {"topK": 40}})

    assert made(prompt, "Once", config_of("gemini")).prompt.text == GO_ON
