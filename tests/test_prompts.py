from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from rxwizard import Image, InvalidPromptError, Message, Prompt, Role, Tool

TURN = {"role": "user", "content": "Hello."}


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_a_prompt_without_words_is_refused(text: str) -> None:
    with pytest.raises(InvalidPromptError, match="nothing to ask"):
        Prompt(text)


@pytest.mark.parametrize("text", [None, 7, ["list"]])
def test_a_prompt_that_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(InvalidPromptError, match="text"):
        Prompt(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("history", [{"role": "stranger", "content": "x"}]),
        ("history", [{"content": "x"}]),
        ("tools", [7]),
        ("images", ["x.png"]),
        ("extra", "x"),
        ("system", 7),
        ("no_such_field", 1),
    ],
)
def test_a_part_of_the_wrong_form_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidPromptError, match=field):
        Prompt("Hello?", **{field: value})


def test_a_plain_text_is_a_prompt() -> None:
    prompt = Prompt("Hello?")

    assert Prompt.of("Hello?") == prompt
    assert Prompt.of(prompt) is prompt
    assert (prompt.text, prompt.system, prompt.history, prompt.tools) == ("Hello?", None, (), ())


def test_each_with_gives_a_new_prompt_and_leaves_the_old() -> None:
    plain = Prompt("Hello?", extra={"user": "u"})
    system = plain.with_system("Be brief.")
    talk = system.with_message("user", "Hi.").with_message(Role.ASSISTANT, "Ho.")
    other = talk.with_history([TURN])

    assert (plain.system, plain.history) == (None, ())
    assert (system.system, system.history) == ("Be brief.", ())
    assert [(m.role, m.content) for m in talk.history] == [("user", "Hi."), ("assistant", "Ho.")]
    assert (other.system, other.history) == ("Be brief.", (Message.model_validate(TURN),))
    assert other.extra == {"user": "u"}
    assert other.with_system(None).system is None


def test_a_message_may_be_the_result_of_a_tool() -> None:
    (message,) = Prompt("And?").with_message("tool", "noon", tool_call_id="call_1").history

    assert (message.role, message.tool_call_id) == (Role.TOOL, "call_1")


def test_a_message_of_the_wrong_form_is_refused() -> None:
    with pytest.raises(InvalidPromptError, match="message's role"):
        Prompt("Hello?").with_message("stranger", "x")
    with pytest.raises(InvalidPromptError, match="history"):
        Prompt("Hello?").with_history([{"role": "stranger"}])


def test_a_prompt_is_frozen_and_can_be_pickled() -> None:
    prompt = Prompt("Hello?").with_system("Be brief.").with_message("user", "Hi.")
    with pytest.raises(ValidationError):
        prompt.text = "x"  # type: ignore[misc]

    assert pickle.loads(pickle.dumps(prompt)) == prompt


def test_a_prompt_can_be_written_as_json_and_read_again() -> None:
    prompt = Prompt(
        "Hello?",
        history=(Message.model_validate(TURN),),
        tools=(Tool(name="now"),),
        images=(Image.from_bytes(b"hi"),),
    )

    assert Prompt.model_validate_json(prompt.model_dump_json()) == prompt


def test_an_image_is_a_url_or_holds_itself() -> None:
    assert Image.from_url("https://x.example/a.png").data_url == "https://x.example/a.png"
    assert Image.from_bytes(b"hi", "image/gif").data_url == "data:image/gif;base64,aGk="
    assert Image.from_bytes(b"hi").media_type == "image/png"


def test_a_tool_without_parameters_takes_none() -> None:
    assert Tool(name="now").parameters == {"type": "object", "properties": {}}
