"""What a client's settings do about failures, over real HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rxwizard import (
    ChunkKind,
    CircuitConfig,
    CircuitOpenError,
    ConfigError,
    DeadlineConfig,
    FallbackConfig,
    FallbackError,
    FallbackModel,
    FirstTokenDeadlineError,
    HedgeConfig,
    IdleDeadlineError,
    OverloadedError,
    Prompt,
    RateLimitConfig,
    RateLimitError,
    RequestError,
    RetryConfig,
    StreamingClient,
    StreamingConfig,
    StreamInterruptedError,
    TotalDeadlineError,
    WizardConfig,
    WizardError,
)
from rxwizard.admission import forget_all
from rxwizard.cache import MemoryCache
from rxwizard.testing import (
    Cut,
    Hold,
    HttpError,
    KeepAlive,
    Reasoning,
    Script,
    Text,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxwizard.testing import Simulator
    from rxwizard.testing.plugin import SimulatorFactory

WHOLE = "One two three four five."
#: Retries without a wait worth naming.
QUICK = RetryConfig(base=0.001)
RESTART = RetryConfig(base=0.001, after_first_token="restart")
CONTINUE = RetryConfig(base=0.001, after_first_token="continue")


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


def config(sim: Simulator, model: str = "openai:any", **settings: Any) -> WizardConfig:
    provider = model.partition(":")[0]
    given = {"api_key": "test", "endpoint": sim.endpoint(provider), "retry": QUICK, **settings}
    return WizardConfig(model, **given)


async def test_a_request_that_was_refused_is_sent_again(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(HttpError(529)), Script(HttpError(500)), Script(Text(WHOLE))])
    chunks = [chunk async for chunk in StreamingClient(config(sim)).generate_stream("Hi")]

    assert len(sim.requests) == 3
    assert [chunk.kind for chunk in chunks[:3]] == ["warning", "warning", "start"]
    assert "".join(chunk.text for chunk in chunks) == WHOLE
    assert [chunk.seq for chunk in chunks] == [*range(len(chunks))]
    assert chunks[-1].source.attempt == 2


async def test_it_is_sent_three_times_and_no_more(simulator: SimulatorFactory) -> None:
    sim = await simulator(HttpError(529))
    with pytest.raises(OverloadedError) as caught:
        await StreamingClient(config(sim)).generate_complete("Hi")

    assert len(sim.requests) == caught.value.attempts == 3


async def test_it_is_sent_once_where_nothing_else_is_wanted(simulator: SimulatorFactory) -> None:
    sim = await simulator(HttpError(529))
    with pytest.raises(OverloadedError):
        await StreamingClient(config(sim, retry=RetryConfig(retries=0))).generate_complete("Hi")

    assert len(sim.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 501])
async def test_it_is_sent_once_where_that_cannot_help(
    simulator: SimulatorFactory, status: int
) -> None:
    sim = await simulator(HttpError(status))
    with pytest.raises(WizardError):
        await StreamingClient(config(sim)).generate_complete("Hi")

    assert len(sim.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_it_is_sent_again_where_that_may_help(
    simulator: SimulatorFactory, status: int
) -> None:
    sim = await simulator([Script(HttpError(status)), Script(Text(WHOLE))])
    response = await StreamingClient(config(sim)).generate_complete("Hi")

    assert (response.text, len(sim.requests)) == (WHOLE, 2)


async def test_who_asks_for_too_long_a_wait_is_not_waited_for(simulator: SimulatorFactory) -> None:
    sim = await simulator(HttpError(429, headers={"retry-after": "3600"}))
    with pytest.raises(RateLimitError) as caught:
        await StreamingClient(config(sim)).generate_complete("Hi")

    assert (len(sim.requests), caught.value.retry_after) == (1, 3600)


async def test_half_an_answer_is_an_error_with_all_that_had_arrived(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Text("One two"), Cut())
    with pytest.raises(StreamInterruptedError) as caught:
        await StreamingClient(config(sim)).generate_complete("Hi")

    assert len(sim.requests) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.text == "One two"


async def test_half_an_answer_can_be_asked_for_anew(simulator: SimulatorFactory) -> None:
    spent = Usage(prompt_tokens=10, completion_tokens=5, usage_at="every_chunk")
    sim = await simulator(
        [Script(Text("One two"), Cut(), usage=spent), Script(Text(WHOLE), usage=spent)]
    )
    client = StreamingClient(config(sim, retry=RESTART))
    chunks = [chunk async for chunk in client.generate_stream("Hi")]
    retract = next(chunk for chunk in chunks if chunk.kind is ChunkKind.RETRACT)
    usage = chunks[-1].usage

    assert retract.data == {"epoch": 0, "characters": 7}
    assert "".join(chunk.text for chunk in chunks if chunk.epoch == 1) == WHOLE
    assert usage is not None
    assert usage.wasted is not None
    assert (usage.prompt_tokens, usage.wasted.prompt_tokens) == (20, 10)


async def test_generate_complete_has_the_answer_once(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Text("One two"), Cut()), Script(Text(WHOLE))])
    response = await StreamingClient(config(sim, retry=RESTART)).generate_complete("Hi")

    assert (response.text, response.complete) == (WHOLE, True)
    assert response.metadata.attempt == 1


async def test_the_model_is_told_to_go_on(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Text("One two"), Cut()), Script(Text("two three four five."))])
    response = await StreamingClient(config(sim, retry=CONTINUE)).generate_complete("Hi")
    said = sim.requests[1].json["messages"]

    assert response.text == WHOLE
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == "One two"


async def test_the_model_goes_on_by_itself_where_it_can(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Text("One two "), Cut()), Script(Text("three four five."))])
    settings = config(sim, "anthropic:claude-sonnet-4-5", retry=CONTINUE, max_tokens=99)
    response = await StreamingClient(settings).generate_complete("Hi")
    said = sim.requests[1].json["messages"]

    assert response.text == WHOLE
    assert said[-1] == {"role": "assistant", "content": "One two"}


@pytest.mark.parametrize("step", [ToolCall("now", '{"place": "Oslo"}'), Reasoning("Let me think")])
async def test_it_begins_anew_inside_a_call_and_inside_reasoning(
    simulator: SimulatorFactory, step: Any
) -> None:
    sim = await simulator([Script(Text("One two"), step, Cut()), Script(Text(WHOLE))])
    response = await StreamingClient(config(sim, retry=CONTINUE)).generate_complete("Hi")

    assert (response.text, response.reasoning, response.tool_calls) == (WHOLE, "", ())
    assert len(sim.requests[1].json["messages"]) == 1


async def test_another_model_is_asked(simulator: SimulatorFactory) -> None:
    sim = await simulator(lambda exchange: _by_path(exchange.path))
    other = FallbackModel("anthropic:claude", api_key="test", endpoint=sim.endpoint("anthropic"))
    settings = config(sim, fallback=FallbackConfig(other), retry=RetryConfig(retries=0))
    chunks = [chunk async for chunk in StreamingClient(settings).generate_stream("Hi")]

    assert "Falling back to anthropic:claude." in next(c.data for c in chunks if c.data)
    assert "".join(chunk.text for chunk in chunks if chunk.epoch == chunks[-1].epoch) == WHOLE
    assert chunks[-1].source.provider == "anthropic"


def _by_path(path: str) -> Script:
    return Script(Text(WHOLE)) if "messages" in path else Script(Text("One"), Cut())


async def test_a_model_is_asked_for_its_errors_only(simulator: SimulatorFactory) -> None:
    sim = await simulator(HttpError(400))
    other = FallbackModel("openai:larger", on=("TokenLimitError",))
    with pytest.raises(RequestError):
        await StreamingClient(config(sim, fallback=[other])).generate_complete("Hi")

    assert [exchange.json["model"] for exchange in sim.requests] == ["any"]


async def test_when_all_have_failed_each_one_says_why(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(HttpError(401)), Script(HttpError(400))])
    settings = config(sim, fallback="openai:other")
    with pytest.raises(FallbackError) as caught:
        await StreamingClient(settings).generate_complete("Hi")

    kinds = [type(error).__name__ for error in caught.value.exceptions]
    assert kinds == ["AuthenticationError", "RequestError"]
    assert [exchange.json["model"] for exchange in sim.requests] == ["any", "other"]


async def test_a_fallback_without_a_key_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    settings = WizardConfig("openai:any", api_key="test", fallback="anthropic:claude")
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        StreamingClient(settings)


async def test_a_dead_endpoint_is_not_asked_for_a_while_by_any_client(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(HttpError(503))
    settings = config(sim, retry=RetryConfig(retries=0), circuit=CircuitConfig(failures=2))
    for _ in range(2):
        with pytest.raises(OverloadedError):
            await StreamingClient(settings).generate_complete("Hi")
    with pytest.raises(CircuitOpenError) as caught:
        await StreamingClient(settings).generate_complete("Hi")

    assert len(sim.requests) == 2
    assert 0 < (caught.value.retry_after or 0) <= 30


async def test_streams_wait_for_their_turn(simulator: SimulatorFactory) -> None:
    sim = await simulator(Text(WHOLE))
    limit = RateLimitConfig(requests_per_minute=60_000, burst=0.001)
    client = StreamingClient(config(sim, rate_limit=limit))
    responses = await asyncio.gather(*(client.generate_complete("Hi") for _ in range(5)))

    assert [response.text for response in responses] == [WHOLE] * 5


async def test_a_slow_request_is_hedged_and_its_connection_closed(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator([Script(Hold(), Text("slow")), Script(Text(WHOLE))])
    client = StreamingClient(config(sim, hedge=HedgeConfig(after=0.01)))
    response = await client.generate_complete("Hi")

    assert response.text == WHOLE
    await sim.requests[0].gone()


async def test_an_answer_comes_from_the_cache_the_second_time(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Text(WHOLE))
    client = StreamingClient(config(sim), cache=MemoryCache())
    first = await client.generate_complete("Hi")
    again = await client.generate_complete(Prompt("Hi"))
    other = await client.generate_complete("Hi there")

    assert len(sim.requests) == 2
    assert (first.text, again.text, other.text) == (WHOLE,) * 3
    assert [each.metadata.from_cache for each in (first, again, other)] == [False, True, False]
    assert again.usage == first.usage


async def test_the_cache_has_the_answer_and_not_how_it_came(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Text("One two"), Cut()), Script(Text(WHOLE))])
    client = StreamingClient(config(sim, retry=RESTART), cache=MemoryCache())
    await client.generate_complete("Hi")
    chunks = [chunk async for chunk in client.generate_stream("Hi")]

    assert len(sim.requests) == 2
    assert {chunk.kind for chunk in chunks} <= {"start", "text", "usage", "final"}
    assert "".join(chunk.text for chunk in chunks) == WHOLE


@pytest.mark.parametrize(
    ("deadlines", "steps", "kind"),
    [
        (DeadlineConfig(first_token=0.03), (Hold(),), FirstTokenDeadlineError),
        (DeadlineConfig(idle=0.03), (Text("One"), KeepAlive(), Hold()), IdleDeadlineError),
        (DeadlineConfig(total=0.03), (Text("One"), Hold()), TotalDeadlineError),
    ],
    ids=["first token", "idle", "total"],
)
async def test_who_takes_too_long_is_given_up(
    simulator: SimulatorFactory, deadlines: DeadlineConfig, steps: Any, kind: type[Exception]
) -> None:
    sim = await simulator(*steps)
    settings = config(sim, deadlines=deadlines, retry=RetryConfig(retries=0))
    with pytest.raises(kind):
        await StreamingClient(settings).generate_complete("Hi")

    await sim.requests[0].gone()


async def test_a_provider_that_is_silent_is_asked_again(simulator: SimulatorFactory) -> None:
    sim = await simulator([Script(Hold()), Script(Text(WHOLE))])
    settings = config(sim, deadlines=DeadlineConfig(first_token=0.03))
    response = await StreamingClient(settings).generate_complete("Hi")

    assert response.text == WHOLE


async def test_heartbeats_that_the_clock_counts_are_seen_by_nobody_else(
    simulator: SimulatorFactory,
) -> None:
    sim = await simulator(Text("One "), KeepAlive(), Text("two"))
    settings = config(sim, deadlines=DeadlineConfig(heartbeats=True))
    quiet = [c async for c in StreamingClient(settings).generate_stream("Hi")]
    wants = StreamingConfig(heartbeats=True)
    loud = [c async for c in StreamingClient(settings, streaming=wants).generate_stream("Hi")]

    assert ChunkKind.HEARTBEAT not in {chunk.kind for chunk in quiet}
    assert [chunk.seq for chunk in quiet] == [*range(len(quiet))]
    assert ChunkKind.HEARTBEAT in {chunk.kind for chunk in loud}
