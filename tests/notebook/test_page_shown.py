"""The page around an answer: what it says, and that whatever comes from outside is text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    Choice,
    FinishReason,
    RateLimitError,
    ResponseMetadata,
    TokenUsage,
    ToolCall,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.notebook import page
from rxwizard.notebook.answer import Answer, State, View, view_of

from .answers import chunks
from .harmless import bundle_text, text_of
from .test_markdown_shown import TEXTS


def view(**fields: Any) -> View:
    return View(**{"state": State.STREAMING, "response": WizardResponse(), **fields})


@given(TEXTS, st.sampled_from([*State]))
def test_whatever_comes_from_outside_is_text(text: str, state: State) -> None:
    call = ToolCall(name=text, id=text, arguments={text: [text]}, arguments_raw=text)
    bad = call.model_copy(update={"valid": False, "arguments": text})
    response = WizardResponse(
        text=text,
        reasoning=text,
        model=text,
        tool_calls=(call, bad),
        choices=(Choice(index=1, text=text, tool_calls=(call,)),),
        citations=({text: text},),
        metadata=ResponseMetadata(provider=text),
    )
    shown = view_of(response)
    fields = {name: getattr(shown, name) for name in ("text", "reasoning", "thoughts")}
    seen = View(
        state=state,
        response=response,
        warnings=(text,),
        items=(text,),
        count=3,
        error=ValueError(text),
        **fields,
    )

    assert bundle_text(page.joined(page.heading(text or "x"), page.whole(seen, "open")))
    assert bundle_text(page.columns([seen, seen], [text, text], "folded"))
    assert bundle_text(page.note(text)) == text_of(page.note(text)["text/html"])


def test_a_tool_call_is_a_block_with_pretty_arguments() -> None:
    call = ToolCall(name="get_weather", arguments={"city": "Köln"}, arguments_raw="...")
    bundle = page.answer(view(response=WizardResponse(tool_calls=(call,))))

    assert bundle_text(bundle) == 'Tool call get_weather{\n  "city": "Köln"\n}\n'
    assert bundle["text/plain"] == 'Tool call get_weather: {\n  "city": "Köln"\n}'


def test_a_tool_call_that_is_not_whole_is_shown_as_it_came() -> None:
    call = ToolCall(name="f", arguments='{"a', arguments_raw='{"a', valid=False)

    assert '{"a' in bundle_text(page.answer(view(response=WizardResponse(tool_calls=(call,)))))


def test_reasoning_is_folded_away_open_or_hidden() -> None:
    seen = view(reasoning="<p>hm</p>", thoughts=2)
    folded, unfolded = page.reasoning(seen), page.reasoning(seen, "open")

    assert folded is not None
    assert folded["text/html"].count("<details>") == 1
    assert unfolded is not None
    assert "<details open>" in unfolded["text/html"]
    assert page.reasoning(seen, "hidden") is None
    assert page.reasoning(view()) is None


def test_the_line_says_who_how_much_and_how_it_ended() -> None:
    answer = Answer(ops.Price(input=1, output=2))
    usage = TokenUsage(prompt_tokens=1_000_000, completion_tokens=500_000)
    ending = {"kind": "final", "is_final": True, "complete": True, "usage": usage}
    for chunk in chunks(
        (1.0, {"kind": "start"}),
        (1.0, {"text": "Hi"}),
        (2.0, {**ending, "finish_reason": FinishReason.STOP}),
    ):
        answer.take(chunk)
    answer.end(State.ENDED)

    assert page.status_line(answer.view()) == (
        "openai:gpt-test · 500,000 tokens · 250,000 tokens/s · 2.0 s · $2.000000 · ended: stop"
    )


def test_an_estimate_says_so() -> None:
    answer = Answer(ops.Price(input=1, output=1_000_000))
    for chunk in chunks((1.0, {"kind": "start"}), (2.0, {"text": "Hello there"})):
        answer.take(chunk)
    cost = answer.view().cost

    assert cost is not None
    assert cost.usd == Decimal(3)
    assert page.status_line(answer.view()) == (
        "openai:gpt-test · about 3 tokens · 2 tokens/s · 2.0 s · at least $3.000000 · streaming"
    )


def test_without_a_known_price_there_is_none() -> None:
    answer = Answer()
    for chunk in chunks((1.0, {"kind": "start"}), (2.0, {"text": "Hello"})):
        answer.take(chunk)

    assert "$" not in page.status_line(answer.view())


def test_an_error_is_said_with_what_had_arrived() -> None:
    error = RateLimitError("Slow down.")
    seen = view(state=State.FAILED, error=error, response=WizardResponse(text="Half"), text="Half")
    said = bundle_text(page.whole(seen))

    assert "Half" in said
    assert "RateLimitError: Slow down. (retryable) The above had arrived." in said
    assert "failed: RateLimitError" in said


@pytest.mark.parametrize("kind", ["start", "retract", "epoch"])
def test_what_no_longer_counts_disappears(kind: str) -> None:
    anew = {"text": "new", "epoch": 1} if kind == "epoch" else {"kind": kind}
    answer = Answer()
    for chunk in chunks(
        (0, {"kind": "start"}), (0, {"text": "old"}), (0, {"reasoning": "old"}), (0, anew)
    ):
        answer.take(chunk)

    assert "old" not in page.whole(answer.view())["text/html"]
    assert answer.response().reasoning == ""


def test_of_items_that_are_no_text_the_last_are_listed() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise OSError

    answer = Answer()
    for number in range(60):
        answer.take({"number": number})
    answer.take(Broken())
    seen = answer.view()

    assert seen.count == 61
    assert seen.items[0] == "{'number': 11}"
    assert seen.items[-1] == "<Broken, whose repr() raises OSError>"
    assert '<ol start="12">' in page.answer(seen)["text/html"]
    assert "61 items" in page.status_line(seen)
