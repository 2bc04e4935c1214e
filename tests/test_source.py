"""The source of one request: what it waits for, and for how long, over real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from streaming import read_on, settle, until

from rxwizard import (
    ChunkKind,
    DeadlineConfig,
    HeadersDeadlineError,
    IdleDeadlineError,
    StreamChunk,
    StreamingConfig,
    StreamInterruptedError,
    WizardConfig,
)
from rxwizard import operators as ops
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.source import Source
from rxwizard.testing import (
    Close,
    Finish,
    Hold,
    HttpError,
    KeepAlive,
    Pause,
    Reasoning,
    Repeat,
    Script,
    Simulator,
    Text,
    ToolCall,
)
from rxwizard.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rxwizard import Stream

#: Longer than anything takes that does come, and short enough to wait for.
SHORT = 0.2


def asked(
    simulator: Simulator,
    protocol: str = "openai",
    streaming: StreamingConfig | None = None,
    **deadlines: float | None,
) -> Stream[StreamChunk]:
    """The stream of a single request."""
    config = WizardConfig(
        model=f"{protocol}:m",
        api_key="test-key",
        endpoint=simulator.endpoint(protocol),
        deadlines=DeadlineConfig(**deadlines),
    )

    @asynccontextmanager
    async def endpoint() -> AsyncGenerator[WizardConfig]:
        yield config

    source = Source(config, streaming or StreamingConfig(), Transport(), endpoint)
    return source.stream(Prompt("Hi"))


# -- the headers of the response -------------------------------------------------------------

NO_HEADERS = Script(Hold(), HttpError(500))


async def test_headers_that_do_not_come_are_given_up_and_the_connection_is_closed() -> None:
    async with Simulator(NO_HEADERS) as simulator:
        with pytest.raises(HeadersDeadlineError, match=r"within 0\.05 seconds.*headers") as caught:
            await read_on(aiter(asked(simulator, headers=0.05)), [])
        await simulator.requests[0].gone()

    assert (caught.value.seconds, caught.value.retryable) == (0.05, True)
    assert caught.value.partial is None


@pytest.mark.parametrize(("configured", "below"), [(0.05, 60), (60, 0.05), (None, 0.05)])
async def test_of_two_deadlines_for_a_request_the_shorter_one_holds(
    configured: float | None, below: float
) -> None:
    async with Simulator(NO_HEADERS) as simulator:
        stream = asked(simulator, headers=configured).pipe(
            ops.deadline(headers=below), ops.deadline(headers=600)
        )
        with pytest.raises(HeadersDeadlineError, match=r"within 0\.05 seconds"):
            await read_on(aiter(stream), [])
        await simulator.requests[0].gone()


async def test_a_deadline_for_the_headers_is_none_for_the_body() -> None:
    async with Simulator(Script(Text("a b"), Pause(0.06), Text("c"))) as simulator:
        chunks: list[StreamChunk] = []
        await read_on(aiter(asked(simulator, headers=0.05)), chunks)

    assert chunks[-1].complete


async def test_who_cancels_while_there_are_no_headers_gets_no_deadline_for_it() -> None:
    async with Simulator(NO_HEADERS) as simulator:
        tasks = asyncio.all_tasks()
        asking = asyncio.create_task(read_on(aiter(asked(simulator, headers=60)), []))
        await until(lambda: simulator.requests)
        await simulator.requests[0].held()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await simulator.requests[0].gone()
        await settle()
        assert asyncio.all_tasks() == tasks


# -- what follows the terminal signal --------------------------------------------------------


async def answered(script: Script, protocol: str, operator: Any, **settings: Any) -> list[Any]:
    """Read the answer of a server that then goes on holding the connection."""
    async with Simulator(script) as simulator:
        stream = asked(simulator, protocol, **settings)
        chunks: list[StreamChunk] = []
        await read_on(aiter(stream.pipe(operator) if operator else stream), chunks)
        await simulator.requests[0].gone()
    return chunks


@pytest.mark.parametrize(
    ("operator", "settings"),
    [
        (ops.deadline(idle=SHORT), {}),
        (None, {"idle": SHORT}),
        (ops.deadline(idle=SHORT), {"idle": None}),
        (ops.deadline(min_rate=1, window=SHORT), {}),
    ],
    ids=["operator", "settings", "operator alone", "rate"],
)
@pytest.mark.parametrize("protocol", ["openai", "gemini"])
async def test_an_answer_that_is_complete_ends_well_although_its_body_does_not_end(
    protocol: str, operator: Any, settings: dict[str, Any]
) -> None:
    chunks = await answered(Script(Text("a b c"), Finish(), Hold()), protocol, operator, **settings)

    assert [chunk.kind for chunk in chunks[-2:]] == [ChunkKind.WARNING, ChunkKind.FINAL]
    assert chunks[-2].data == "after the answer's end: nothing more came within 0.1 seconds"
    assert (chunks[-1].complete, chunks[-1].finish_reason) == (True, "stop")
    assert [chunk.seq for chunk in chunks] == [*range(len(chunks))]
    assert "".join(chunk.text for chunk in chunks) == "a b c"


async def test_signs_of_life_do_not_keep_a_complete_answer_from_its_end() -> None:
    drip = Script(Text("a"), Finish(), Repeat((KeepAlive(),)), pace=0.01)
    chunks = await answered(
        drip,
        "openai",
        ops.deadline(idle=SHORT),
        streaming=StreamingConfig(heartbeats=True),
    )

    assert chunks[-1].complete


async def test_an_answer_that_is_not_complete_does_not_end_well() -> None:
    async with Simulator(Script(Text("a b"), Hold())) as simulator:
        with pytest.raises(IdleDeadlineError) as caught:
            await read_on(aiter(asked(simulator).pipe(ops.deadline(idle=0.05))), [])
        await simulator.requests[0].gone()

    assert caught.value.partial is not None
    assert caught.value.partial.text == "a b"


async def test_a_reader_that_holds_is_not_waited_for_in_vain() -> None:
    async with Simulator(Script(Text("a b c d e f"), Finish(), Hold())) as simulator:
        chunks: list[StreamChunk] = []
        held_at: list[float] = []
        now = asyncio.get_running_loop().time
        async for chunk in asked(simulator, idle=0.1).pipe(ops.deadline(idle=0.1)).bounded(2):
            chunks.append(chunk)
            if len(chunks) == 3:
                await simulator.requests[0].held()
                held_at.append(now())
                await until(lambda: now() > held_at[0] + 0.1)

    assert "".join(chunk.text for chunk in chunks) == "a b c d e f"
    assert chunks[-1].complete


# -- the partial -----------------------------------------------------------------------------

PARTS = Script(Reasoning("hm"), Text("Let me see."), ToolCall("look", {"at": "this"}), Hold())


@pytest.mark.parametrize("stands_between", [False, True])
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini", "ollama"])
async def test_the_partial_of_a_deadline_is_the_fold_of_what_passed(
    protocol: str, stands_between: bool
) -> None:
    async with Simulator(PARTS) as simulator:
        stream = asked(simulator, protocol)
        if stands_between:
            stream = stream.filter(lambda chunk: chunk.kind is not ChunkKind.REASONING)
        chunks: list[StreamChunk] = []
        with pytest.raises(IdleDeadlineError) as caught:
            await read_on(aiter(stream.pipe(ops.deadline(idle=0.05))), chunks)

    folded = ResponseBuilder().add_all(chunks).build()
    assert caught.value.partial is not None
    # The reader of the wire has seen reads in which there was nothing to pass on.
    times = {"metadata": {"duration"}}
    assert caught.value.partial.model_dump(exclude=times) == folded.model_dump(exclude=times)
    assert bool(folded.reasoning) is not stands_between
    assert folded.tool_calls[0].arguments == {"at": "this"}


async def test_a_deadline_keeps_nothing_where_the_wire_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[object] = []
    monkeypatch.setattr("rxwizard.operators.arrived.ResponseBuilder", lambda: kept.append(1))
    async with Simulator(PARTS) as simulator:
        with pytest.raises(IdleDeadlineError) as caught:
            await read_on(aiter(asked(simulator).pipe(ops.deadline(idle=0.05))), [])

    assert kept == []
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Let me see."


async def test_a_stream_that_is_cut_is_no_matter_of_time() -> None:
    async with Simulator(Script(Text("a b"), Close())) as simulator:
        with pytest.raises(StreamInterruptedError):
            await read_on(aiter(asked(simulator).pipe(ops.deadline(idle=60))), [])
