"""What was recorded is replayed: the same chunks, errors and times, at any split and any pace."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxwizard import (
    ConfigError,
    HeadersDeadlineError,
    NetworkError,
    OverloadedError,
    RateLimitError,
    StreamingClient,
    StreamingConfig,
    StreamInterruptedError,
    WizardConfig,
)
from rxwizard.prompts import Prompt
from rxwizard.providers import VENDORS
from rxwizard.recording import Recorder, RecordingWire, ReplayWire, load
from rxwizard.testing import Reset, Script, Text, run_in_virtual_time
from rxwizard.testing.protocols import PROTOCOLS

from .kit import (
    DONE,
    PROVIDERS,
    Got,
    Scripted,
    ScriptedWire,
    body_of,
    config_of,
    event,
    every,
    lines_of,
    read,
    record,
    slices,
    source_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rxwizard import StreamChunk
    from rxwizard.testing.plugin import SimulatorFactory

cuts = st.lists(st.integers(0, 1 << 16), max_size=8)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(as_read=cuts, as_replayed=cuts, size=st.integers(1, 60))
def test_any_split_of_a_recording_gives_the_same_chunks(
    protocol: str, tmp_path: Path, as_read: list[int], as_replayed: list[int], size: int
) -> None:
    body = body_of(protocol)
    path = tmp_path / "recording.jsonl"

    async def both() -> tuple[Got, list[Got]]:
        wire = ScriptedWire(Scripted(every(0.01, slices(body, as_read))))
        live = await record(path, wire, config_of(PROVIDERS[protocol]))
        recording = load(path)
        splits: Sequence[Any] = (None, size, lambda whole: slices(whole, as_replayed))
        return live, [await read(recording.stream(split=split)) for split in splits]

    live, replayed = run_in_virtual_time(both())

    assert live.error is None
    assert "世界" in live.text
    assert [one.told for one in replayed] == [live.told] * 3
    kept = b"".join(one.data for one in load(path).exchange().reads)
    assert body.startswith(kept)  # what stands behind the end is not read
    assert len(kept) > len(body) * 2 // 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_body_that_breaks_anywhere_breaks_again(protocol: str, tmp_path: Path) -> None:
    body = body_of(protocol)
    path = tmp_path / "recording.jsonl"
    draw = random.Random(protocol)

    async def both(end: int, error: Exception | None) -> tuple[Got, Got]:
        script = Scripted(every(0.01, [body[: end // 2], body[end // 2 : end]]), error=error)
        live = await record(path, ScriptedWire(script), config_of(PROVIDERS[protocol]))
        return live, await read(load(path).stream(split=7))

    for end in draw.sample(range(len(body) - 1), 4):
        for error in (None, StreamInterruptedError("It broke.")):
            live, replayed = run_in_virtual_time(both(end, error))

            assert replayed.told == live.told
            if live.error is not None and live.error.partial is not None:
                assert replayed.error is not None
                assert replayed.error.partial is not None
                assert replayed.error.partial.text == live.error.partial.text


@pytest.mark.parametrize("protocol", ["openai", "bedrock"])
async def test_over_http(protocol: str, simulator: SimulatorFactory, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    sim = await simulator(Script(Text("Hello there, 世界.")))
    config = config_of(PROVIDERS[protocol], endpoint=sim.endpoint(protocol))
    live = await read(StreamingClient(config, record=path).generate_stream("Hi"))
    replayed = await read(load(path).stream(speed=None, split=3))

    assert (live.text, live.error) == ("Hello there, 世界.", None)
    assert replayed.told == live.told
    assert ("base64" in path.read_text()) == (protocol == "bedrock")


async def test_a_reset_over_http(simulator: SimulatorFactory, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    sim = await simulator(Script(Text("Half an"), Reset()))
    config = config_of(endpoint=sim.endpoint("openai"))
    live = await read(StreamingClient(config, record=path).generate_stream("Hi"))
    replayed = await read(load(path).stream(speed=None))

    assert type(live.error) is StreamInterruptedError
    assert load(path).exchange().end == "error"
    assert replayed.told == live.told


async def test_the_built_in_simulator_is_recorded_too(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    client = StreamingClient(WizardConfig("simulator:default"), record=path)
    live = await read(client.with_streaming_config(StreamingConfig(3)).generate_stream("Why?"))

    assert "Why?" in live.text
    assert (await read(load(path).stream(speed=None))).told == live.told


# -- errors ----------------------------------------------------------------------------------------

BUSY = b'{"error": {"message": "Too many of you.", "type": "busy"}}'


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_status_is_the_same_error_to_the_word(vendor: str, tmp_path: Path) -> None:
    """Its words have the URL where there are no others, so that has to be the same."""
    path = tmp_path / "recording.jsonl"

    async def both(script: Scripted, endpoint: str) -> tuple[Got, Got]:
        live = await record(path, ScriptedWire(script), config_of(vendor, endpoint=endpoint))
        return live, await read(load(path).stream(speed=None))

    headers = {"retry-after": "7", "x-request-id": "r1", "x-ratelimit-remaining-tokens": "0"}
    for script, endpoint in (
        (Scripted([(0.1, BUSY)], status=429, headers=headers), "https://x.example"),
        (Scripted(status=404), "https://x.example"),
        (Scripted(status=404), "https://x.example/a/b"),
        (Scripted(status=529), "http://x.example/?v=1"),
    ):
        live, replayed = run_in_virtual_time(both(script, endpoint))

        assert live.error is not None
        assert replayed.told == live.told


@pytest.mark.parametrize(
    "error",
    [
        NetworkError("Nobody answers."),
        NetworkError("No TLS there.", retryable=False),
        HeadersDeadlineError("No headers within 3 seconds.", seconds=3.0),
        ConfigError("It is no URL."),
    ],
    ids=lambda error: str(error),
)
def test_no_response_is_the_same_error(error: Exception, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def both() -> tuple[Got, Got, float]:
        live = await record(path, ScriptedWire(Scripted(at=3.0, refused=error)))
        begun = asyncio.get_running_loop().time()
        replayed = await read(load(path).stream())
        return live, replayed, asyncio.get_running_loop().time() - begun

    live, replayed, seconds = run_in_virtual_time(both())

    assert type(replayed.error) is type(error)
    assert replayed.told == live.told
    assert seconds == pytest.approx(3.0)


def test_an_error_that_is_none_of_ours_becomes_one(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def both() -> Got:
        for script in (Scripted(refused=RuntimeError("closed")), Scripted(error=OSError("gone"))):
            with pytest.raises((RuntimeError, OSError)):
                await record(path, ScriptedWire(script))
        return await read(load(path).stream())

    assert type(run_in_virtual_time(both()).error) is StreamInterruptedError


def test_an_error_event_is_an_error_again(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    body = (
        event("Half") + b'data: {"error": {"message": "Full.", "code": "server_is_overloaded"}}\n\n'
    )

    async def both() -> tuple[Got, Got]:
        live = await record(path, ScriptedWire(Scripted([(0.1, body)])))
        return live, await read(load(path).stream())

    live, replayed = run_in_virtual_time(both())

    assert type(live.error) is OverloadedError
    assert replayed.told == live.told


# -- leaving, retries, several at a time -----------------------------------------------------------


def test_an_answer_that_was_left_is_cut_off_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def leave() -> Got:
        config = config_of()
        wire = ScriptedWire(Scripted([(0.1, event("Hello")), (0.2, event(" there"))], lasts=True))
        recorded = RecordingWire(wire, Recorder(path), config)
        async with source_of(recorded, config).stream(Prompt("Hi")).open() as reader:
            async for chunk in reader:
                if chunk.text == " there":
                    break
        return await read(load(path).stream())

    got = run_in_virtual_time(leave())

    assert lines_of(path)[-1] == {"exchange": 0, "at": 0.2, "end": "closed by us"}
    assert got.text == "Hello there"
    assert type(got.error) is StreamInterruptedError
    assert not got.error.retryable


def test_one_that_was_left_because_nothing_came_is_left_again(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    body = event("Hello") + event("", finish_reason="stop")

    async def both() -> tuple[Got, Got]:
        live = await record(path, ScriptedWire(Scripted([(0.1, body)], lasts=True)))
        return live, await read(load(path).stream())

    live, replayed = run_in_virtual_time(both())

    assert live.chunks[-1].is_final
    assert lines_of(path)[-1]["end"] == "closed by us"
    assert replayed.told == live.told


def test_attempts_interleave_and_each_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def ask_three() -> list[Got]:
        config = config_of()
        wire = ScriptedWire(
            Scripted([(0.1, BUSY)], status=429),
            Scripted([(0.2, event("one")), (0.4, DONE)]),
            Scripted([(0.1, event("two")), (0.3, DONE)]),
        )
        source = source_of(RecordingWire(wire, Recorder(path), config), config)
        live = await asyncio.gather(*(read(source.stream(Prompt("Hi"))) for _ in range(3)))
        recording = load(path)
        replayed = [await read(recording.stream(n)) for n in range(3)]
        assert [one.told for one in replayed] == [one.told for one in live]
        return [*replayed, await read(recording.stream())]

    first, one, two, last = run_in_virtual_time(ask_three())

    assert type(first.error) is RateLimitError
    assert (one.text, two.text, last.text) == ("one", "two", "two")
    order = [line["exchange"] for line in lines_of(path)[1:] if "text" in line]
    assert order == [0, 2, 1, 2, 1]


def test_a_wire_gives_one_exchange_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def again() -> list[Got]:
        config = config_of()
        wire = ScriptedWire(
            Scripted([(0.1, BUSY)], status=429), Scripted([(0.2, event("one") + DONE)])
        )
        source = source_of(RecordingWire(wire, Recorder(path), config), config)
        for _ in range(2):
            await read(source.stream(Prompt("Hi")))
        replay = source_of(ReplayWire(load(path).exchanges), config)
        return [await read(replay.stream(Prompt("Anything"))) for _ in range(3)]

    refused, answered, over = run_in_virtual_time(again())

    assert type(refused.error) is RateLimitError
    assert (answered.text, answered.error) == ("one", None)
    assert type(over.error) is NetworkError
    assert "2 exchanges" in str(over.error)


# -- time ------------------------------------------------------------------------------------------

TIMES = [0.5, 0.75, 3.0, 10.0]
WORDS = ["a ", "b ", "c ", "d "]


def timed(speed: float | None, path: Path, pause: float = 0.0) -> list[float]:
    """When the words of a replay came, in virtual seconds; the reader may pause after the first."""

    async def replay() -> list[float]:
        reads = [(at, event(word)) for at, word in zip(TIMES, WORDS, strict=True)]
        await record(path, ScriptedWire(Scripted([*reads, (11.0, DONE)], at=0.25)))
        clock = asyncio.get_running_loop().time
        begun = clock()
        times = []
        async with load(path).stream(speed=speed, streaming=StreamingConfig(1)).open() as reader:
            async for chunk in reader:
                if chunk.text:
                    times.append(round(clock() - begun, 4))
                    await asyncio.sleep(pause if len(times) == 1 else 0.0)
        return times

    return run_in_virtual_time(replay())


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (1.0, TIMES),
        (2.0, [0.25, 0.375, 1.5, 5.0]),
        (0.5, [1.0, 1.5, 6.0, 20.0]),
        (None, [0.0] * 4),
    ],
)
def test_the_pace_is_that_of_the_recording(
    speed: float | None, expected: list[float], tmp_path: Path
) -> None:
    assert timed(speed, tmp_path / "recording.jsonl") == expected


def test_a_reader_that_pauses_pauses_the_replay(tmp_path: Path) -> None:
    # One chunk waits for the reader, and one read behind it; what comes then keeps its distance.
    times = timed(1.0, tmp_path / "recording.jsonl", pause=100.0)

    assert times[0] == 0.5
    assert times[1] == 100.5
    assert times[3] - times[2] == pytest.approx(7.0)
    assert times[2] >= 100.5


def test_a_replay_is_cold_and_disposable(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"

    async def twice() -> tuple[list[Got], float, int]:
        reads = every(1.0, [event("a"), event("b"), DONE])
        await record(path, ScriptedWire(Scripted(reads)))
        stream = load(path).stream()
        got = [await read(stream), await read(stream)]
        clock, tasks = asyncio.get_running_loop().time, len(asyncio.all_tasks())
        begun = clock()
        async with stream.open() as reader:
            await anext(reader)
        return got, clock() - begun, len(asyncio.all_tasks()) - tasks

    got, seconds, left = run_in_virtual_time(twice())

    assert [one.text for one in got] == ["ab", "ab"]
    assert seconds == pytest.approx(1.0)
    assert left == 0


async def test_a_replay_at_once_lets_others_run(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    await record(path, ScriptedWire(Scripted([(0.0, event("a") * 20 + DONE)])))
    order: list[str] = []
    over = asyncio.Event()

    def take(chunk: StreamChunk) -> None:
        order.append("chunk")

    load(path).stream(speed=None, split=1).subscribe(take, on_completed=over.set)
    while not over.is_set():
        order.append("turn")
        await asyncio.sleep(0)

    assert order.count("turn") > 20 * len(event("a"))


# -- options ---------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "recording.jsonl"
    run_in_virtual_time(record(path, ScriptedWire(Scripted([(0.1, event("a") + DONE)]))))
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"speed": 0.0}, "speed"),
        ({"speed": -1.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"split": 0}, "split"),
        ({"exchange": 3}, "no exchange 3: there are 0"),
        ({"exchange": -2}, "no exchange -2"),
    ],
)
def test_options_that_cannot_be(recorded: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(recorded).stream(**options)


@pytest.mark.parametrize(
    "split",
    [lambda body: [body[1:]], lambda body: [body[:9]], lambda body: [b"more", body], lambda _: []],
    ids=["without the first byte", "without its end", "with more", "nothing"],
)
def test_a_split_that_is_not_the_body_is_told(recorded: Path, split: Any) -> None:
    got = run_in_virtual_time(read(load(recorded).stream(split=split)))

    assert type(got.error) is ConfigError
    assert "split" in str(got.error)


def test_a_provider_that_is_not_known_here(recorded: Path) -> None:
    recorded.write_text(recorded.read_text().replace('"provider":"openai"', '"provider":"acme"'))

    with pytest.raises(ConfigError, match='"acme"'):
        load(recorded).stream()


def test_no_key_is_needed_and_none_is_read(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "\n")  # one that could not be used
    monkeypatch.setenv("OPENAI_ENDPOINT", "no url")

    assert run_in_virtual_time(read(load(recorded).stream())).text == "a"
