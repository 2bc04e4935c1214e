from __future__ import annotations

import reactivex as rx
from reactivex import operators as rx_ops

from rxwizard import (
    ChunkKind,
    FinishReason,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.testing import assert_marbles, play

HEL = StreamChunk(text="Hel")
LO = StreamChunk(text="lo", seq=1)
ANEW = StreamChunk(text="Hi", epoch=1, seq=2)
USAGE = TokenUsage(completion_tokens=2)
FINAL = StreamChunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    usage=USAGE,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="end_turn",
    seq=3,
)
HELLO = WizardResponse(
    text="Hello",
    usage=USAGE,
    finish_reason=FinishReason.STOP,
    raw_finish_reason="end_turn",
    complete=True,
)


def test_to_response_gives_one_response_at_completion() -> None:
    whole = play(ops.to_response(), "-a-b-f-|", a=HEL, b=LO, f=FINAL)

    assert [(m.tick, m.what) for m in whole.messages] == [(7, "next"), (7, "completed")]
    assert whole.values[0].model_copy(update={"metadata": HELLO.metadata}) == HELLO


def test_to_response_starts_anew_with_a_newer_epoch() -> None:
    (response,) = play(ops.to_response(), "-a-b-n-|", a=HEL, b=LO, n=ANEW).values

    assert (response.text, response.complete) == ("Hi", False)


def test_to_response_of_an_empty_source_is_empty_and_not_complete() -> None:
    assert_marbles(ops.to_response(), "--|", "--(r,|)", r=WizardResponse())


def test_to_response_passes_the_error_on_alone() -> None:
    assert_marbles(ops.to_response(), "-a-#", "---#", a=HEL, error=StreamInterruptedError("cut"))


def test_to_response_is_not_given_to_who_has_gone() -> None:
    played = play(ops.to_response(), "-a-b-|", until=2, a=HEL, b=LO)

    assert (played.messages, played.held) == ([], [(0, 2)])


def test_to_response_shares_no_state_between_subscribers() -> None:
    stream = rx.of(HEL, LO).pipe(ops.to_response(), rx_ops.map(lambda response: response.text))
    texts: list[str] = []
    stream.subscribe(texts.append)
    stream.subscribe(texts.append)

    assert texts == ["Hello", "Hello"]
