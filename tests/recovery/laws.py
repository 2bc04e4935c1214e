"""What must be true of any run, whatever its schedule: the laws, and what recovery adds to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rxwizard import (
    ChunkKind,
    StreamChunk,
    TokenUsage,
    WizardError,
)
from rxwizard.chunks import ANSWERING
from rxwizard.errors import (
    FallbackError,
    FirstTokenDeadlineError,
    IdleDeadlineError,
    NetworkError,
    ProviderError,
    RequestError,
    TotalDeadlineError,
)
from rxwizard.fold import ResponseBuilder

from .chaos import Asked
from .running import (
    BASE,
    BOUND,
    COOL_DOWN,
    FAILURES,
    MAX_DELAY,
    MAX_RETRY_AFTER,
    SPACING,
    Run,
)
from .schedules import NoTerminal

#: Chunks of one push: a retraction, what was held back at a seam, and the chunk itself.
EXPANSION = 3

#: Seconds until the loser of two requests is closed.
CLOSED_WITHIN = 0.05

#: What the clock's floating point may be off by, in seconds.
EPSILON = 1e-3


def check(run: Run) -> None:
    """Hold a run to every law."""
    _nothing_is_left(run)
    _closing_ends_it(run)
    _it_ends_once(run)
    _memory_is_bounded(run)
    screen = _fold(run)
    if not run.left:
        _the_answer_is_the_oracle(run, screen)
    if run.schedule.guard == "hedge":
        _the_loser_is_closed(run)
        return
    _every_attempt_ends_as_it_must(run)
    _requests_are_due(run)
    _the_circuit_is_heeded(run)
    if not run.left and not run.was_closed:
        _giving_up_has_a_reason(run)
        _usage_is_the_sum(run)


def _nothing_is_left(run: Run) -> None:
    assert not run.leftovers, f"left behind: {run.leftovers}"
    assert run.wire.open_replies == 0, "a connection is open"
    assert not run.wire.complaints, run.wire.complaints
    assert all(asked.ended_at is not None for asked in run.wire.asked)
    if run.left_at is not None:
        assert len(run.chunks) == run.left_with, "a chunk after the reader had left"
        late = [asked for asked in run.wire.asked if asked.at > run.left_at]
        assert not late, f"asked after the reader had left: {late}"
        took = run.ended_at - run.left_at
        assert took <= run.schedule.pace + EPSILON, f"leaving took {took} s"


def _closing_ends_it(run: Run) -> None:
    """A closed client asks nobody any more; what waits is delivered, and the error says so."""
    closed_at, schedule = run.closed_at, run.schedule
    if closed_at is None:
        return
    late = [asked for asked in run.wire.asked if asked.at > closed_at]
    assert not late, f"asked after the client was closed: {late}"
    most = (schedule.capacity + EXPANSION) * schedule.pace
    assert run.ended_at - closed_at <= most + EPSILON, f"it took {run.ended_at - closed_at} s"


def _it_ends_once(run: Run) -> None:
    chunks, error = run.chunks, run.error
    places = [chunk.seq for chunk in chunks]
    if run.schedule.merges:
        assert all(first < second for first, second in itertools.pairwise(places))
    else:
        assert places == list(range(len(chunks)))
    assert not any(chunk.is_final for chunk in chunks[:-1]), "a chunk after the final one"
    [record] = run.records
    if run.left:
        # It may have ended by itself in the same moment.
        assert record.outcome in {"disposed", "completed", "failed"}
        assert error is None or (record.outcome == "failed" and record.error is error)
        return
    assert run.completed != (error is not None), (run.completed, error)
    assert record.outcome == ("completed" if run.completed else "failed")
    assert record.error is error
    beats = sum(chunk.kind is ChunkKind.HEARTBEAT for chunk in chunks)
    assert run.schedule.heartbeats or not beats
    assert record.chunks == len(chunks) - beats or run.schedule.merges
    if run.completed:
        assert chunks[-1].complete is True
        reason = "tool_calls" if run.schedule.oracle.has_tool else "stop"
        # An answer that `[DONE]` alone has ended has none.
        assert chunks[-1].finish_reason in {reason, None}
        if chunks[-1].finish_reason is None:
            assert any(isinstance(asked.attempt.fault, NoTerminal) for asked in run.wire.asked)


def _memory_is_bounded(run: Run) -> None:
    assert run.statistics is not None
    # What merges pauses only where merging ends.
    most = run.schedule.capacity - 1 + EXPANSION + run.schedule.merges
    if run.schedule.guard == "hedge":
        # What it holds until the first token comes in one go.
        most += sum(chunk.kind not in ANSWERING for chunk in run.chunks)
    assert run.statistics.peak <= most, run.statistics
    assert run.statistics.dropped == 0


def _fold(run: Run) -> str:
    """Fold the chunks as a display does that can erase; give what it shows in the end."""
    screen, epoch, starts, attempt = "", 0, 0, 0
    brought = 0
    for chunk in run.chunks:
        if chunk.kind is ChunkKind.RETRACT:
            assert chunk.text == "", chunk
            assert chunk.epoch == epoch + 1, f"epoch {chunk.epoch} after {epoch}"
            assert chunk.data == {"epoch": epoch, "characters": brought}, (chunk.data, brought)
            screen = screen[: len(screen) - brought]
            epoch, brought = chunk.epoch, 0
        assert chunk.epoch == epoch, f"epoch {chunk.epoch} in {epoch}: {chunk!r}"
        assert chunk.source.attempt >= attempt or chunk.kind is ChunkKind.WARNING, chunk
        attempt = max(attempt, chunk.source.attempt)
        starts += chunk.kind is ChunkKind.START
        screen += chunk.text
        brought += len(chunk.text)
    assert starts <= 1, "it started twice"
    assert attempt < max(len(run.wire.asked), 1) or run.schedule.guard == "circuit"
    assert run.schedule.oracle.text.startswith(screen), f"not what was meant: {screen!r}"
    return screen


def _the_answer_is_the_oracle(run: Run, screen: str) -> None:
    oracle = run.schedule.oracle
    folded = ResponseBuilder().add_all(run.chunks).build()
    if run.completed:
        assert screen == oracle.text
    else:
        assert run.error is not None
        partial = run.error.partial
        if partial is None:
            assert not any(chunk.kind in ANSWERING for chunk in run.chunks), "where is the partial?"
            return
        assert partial.complete is False or run.was_closed
        if run.was_closed:
            # It may have read a little more than could be delivered, even to the end.
            assert partial.text.startswith(screen), (partial.text, screen)
            assert oracle.text.startswith(partial.text)
        else:
            assert partial.text == screen, (partial.text, screen)
            assert partial.reasoning == folded.reasoning
            assert partial.tool_calls == folded.tool_calls
    assert folded.text == screen
    assert folded.complete is run.completed
    assert oracle.reasoning.startswith(folded.reasoning), folded.reasoning
    if run.completed:
        assert folded.reasoning == oracle.reasoning
        calls = [(call.name, call.arguments, call.valid) for call in folded.tool_calls]
        tool = oracle.tool
        assert calls == ([(tool.name, tool.arguments, True)] if tool is not None else [])


def _every_attempt_ends_as_it_must(run: Run) -> None:
    """Hold the attempts, one by one, to what their faults stand for."""
    for asked in run.wire.asked:
        is_last = asked is run.wire.asked[-1]
        is_over = run.left or run.was_closed
        if is_last and (is_over or isinstance(_last_error(run.error), TotalDeadlineError)):
            continue
        fates = asked.fates
        if not asked.was_abandoned:
            kind = None if asked.error is None else type(asked.error)
            assert kind in fates, f"{asked.number}: {asked.error!r}, not one of {fates}"
            continue
        clocks = fates & {FirstTokenDeadlineError, IdleDeadlineError}
        assert clocks or (is_last and run.completed), f"{asked.number} abandoned: {fates}"
        _the_clock_is_exact(run, asked)


def _the_clock_is_exact(run: Run, asked: Asked) -> None:
    """A deadline comes when it is due, neither sooner nor later."""
    schedule, answer = run.schedule, asked.answer
    if run.was_paused or schedule.oracle.has_tool or asked.has_token is None:
        return
    assert asked.ended_at is not None
    late = 0.0
    if asked.has_token:
        assert asked.content_at is not None
        silent, limit = asked.ended_at - asked.content_at, schedule.deadline("idle")
        # What closes a thought may be content, too.
        late = len(asked.attempt.slices) * asked.attempt.pause if schedule.oracle.reasoning else 0.0
        heeds_pings = dict(schedule.deadlines).get("heartbeats")
        has_pings = answer is not None and answer.ending == "pings" and answer.provider != "ollama"
        assert not (heeds_pings and has_pings)
    else:
        silent, limit = asked.ended_at - asked.at, schedule.deadline("first_token")
    assert limit - EPSILON < silent < limit + late + EPSILON, f"{silent} s, not {limit}"


def _last_error(error: WizardError | None) -> BaseException | None:
    return error.exceptions[-1] if isinstance(error, FallbackError) else error


def _pairs(run: Run) -> Iterator[tuple[int, Asked, Asked]]:
    """Give each request with the one after it, and the retry which that is, from 0."""
    for _host, group in itertools.groupby(run.wire.asked, lambda asked: asked.host):
        yield from ((n, *pair) for n, pair in enumerate(itertools.pairwise(list(group))))


def _requests_are_due(run: Run) -> None:
    """Nothing is asked again that must not be, too often, or too soon."""
    schedule = run.schedule
    hosts = [host for host, _ in itertools.groupby(run.wire.asked, lambda asked: asked.host)]
    assert hosts in ([], ["first"], ["first", "second"]), hosts
    assert len(hosts) < 2 or schedule.fallback is not None
    for host in hosts:
        count = sum(asked.host == host for asked in run.wire.asked)
        assert count <= schedule.retries + 1, f"{count} requests"
    for asked, following in itertools.pairwise(run.wire.asked):
        assert asked.ended_at is not None
        assert asked.error is not None, "asked again after a good answer"
        assert following.at >= asked.ended_at - EPSILON, "two at a time"
        if schedule.guard == "limits" and asked.host == following.host:
            assert following.at - asked.at >= SPACING - EPSILON, "sooner than its turn"
    for number, asked, following in _pairs(run):
        assert asked.ended_at is not None
        error, wait = asked.error, following.at - asked.ended_at
        least, most = 0.0, min(MAX_DELAY, BASE * 2**number)
        if isinstance(error, WizardError):
            # Not every model goes on from a partial answer; one that refuses is asked anew at once.
            refused = asked.said is not None and not error.retryable
            refused = refused and isinstance(error, RequestError)
            assert error.retryable or refused, f"asked again after {error!r}"
            least = 0.0 if refused else error.retry_after or 0.0
            assert least <= MAX_RETRY_AFTER
        most = max(least, most) + {"limits": SPACING, "circuit": BOUND}.get(schedule.guard, 0.0)
        assert least - EPSILON <= wait <= most + EPSILON, (least, wait, most)
        if schedule.max_elapsed is not None and schedule.guard == "none":
            since = _last_answer(run, asked)
            assert following.at - since <= schedule.max_elapsed + EPSILON, "asked too late"
        if schedule.mode == "raise":
            assert asked.has_token is not True, "asked again after the first token"
    warnings = sum(chunk.kind is ChunkKind.WARNING for chunk in run.chunks)
    assert run.left or warnings >= len(run.wire.asked) - 1, "asked again without a word"


def _last_answer(run: Run, until: Asked) -> float:
    """Give since when nothing has come: the first request, or the end of one that brought it."""
    mine = [each for each in run.wire.asked if each.host == until.host]
    ends = [each.ended_at for each in mine[: mine.index(until) + 1] if each.has_token is not False]
    return max((end for end in ends if end is not None), default=mine[0].at)


def _the_circuit_is_heeded(run: Run) -> None:
    """Who fails often is not asked again for a while."""
    if run.schedule.guard != "circuit":
        return
    failed: dict[str, int] = {}
    for asked, following in itertools.pairwise(run.wire.asked):
        # One that has brought something is a sign of life.
        counts = asked.has_token is False and (
            asked.was_abandoned or isinstance(asked.error, ProviderError | NetworkError)
        )
        failed[asked.host] = failed.get(asked.host, 0) + 1 if counts else 0
        if asked.host == following.host and failed[asked.host] >= FAILURES:
            assert asked.ended_at is not None
            assert following.at - asked.ended_at >= COOL_DOWN - EPSILON, "asked while it is open"


def _the_loser_is_closed(run: Run) -> None:
    """Of two requests for the same, only the one that answers first goes on."""
    schedule, asked = run.schedule, run.wire.asked
    assert run.wire.most_open <= 2
    for host in {each.host for each in asked}:
        count = sum(each.host == host for each in asked)
        assert count <= 2 * (schedule.retries + 1), f"{count} requests"
    if schedule.oracle.has_tool or run.was_paused:
        # When its first token comes is the protocol's own, or the reader's.
        return
    for winner, loser in itertools.permutations(asked, 2):
        assert winner.ended_at is not None
        assert loser.ended_at is not None
        if winner.token_at is None or not loser.at <= winner.token_at < loser.ended_at:
            continue
        if winner.ended_at <= loser.at:
            continue
        if loser.token_at is not None and loser.token_at <= winner.token_at:
            continue
        assert loser.ended_at - winner.token_at <= CLOSED_WITHIN, "the loser goes on"


def _giving_up_has_a_reason(run: Run) -> None:
    """Where it failed, there was nothing left to try."""
    if run.completed:
        return
    schedule, asked = run.schedule, run.wire.asked
    error = run.error
    assert error is not None
    if isinstance(_last_error(error), TotalDeadlineError):
        total = run.ended_at - run.begun
        assert run.was_paused or abs(total - schedule.deadline("total")) < EPSILON, total
        assert not isinstance(error, FallbackError)
        return
    if schedule.guard == "circuit":
        # A circuit that is open is an attempt, and no request.
        assert error.attempts >= len(asked), (error.attempts, len(asked))
        return
    assert error.attempts == len(asked), (error.attempts, len(asked))
    assert run.was_paused or run.ended_at - run.begun <= schedule.deadline("total") + EPSILON
    if schedule.fallback is not None:
        assert asked[-1].host == "second", f"the other one was not asked after {error!r}"
        assert isinstance(error, FallbackError), repr(error)
        assert len(error.exceptions) == 2, error.exceptions
    own = _last_error(error)
    last = asked[-1]
    if isinstance(last.error, WizardError):
        assert own is last.error, (own, last.error)
    mine = [each for each in asked if each.host == last.host]
    reasons = [
        not own.retryable,  # type: ignore[union-attr]
        len(mine) == schedule.retries + 1,
        (own.retry_after or 0) > MAX_RETRY_AFTER,  # type: ignore[union-attr]
        schedule.mode == "raise" and last.has_token is not False,
        schedule.max_elapsed is not None,
    ]
    assert any(reasons), f"it gave up after {len(mine)}: {own!r}"


# -- usage ---------------------------------------------------------------------------------------


def _usage_is_the_sum(run: Run) -> None:
    options = [asked.reported for asked in run.wire.asked]
    if any(len(each) > 1 for each in options) or not run.completed:
        return
    told = [next(iter(each)) for each in options]
    final = run.chunks[-1]
    usage = final.usage
    assert _counts(usage) == _sum(told), (_counts(usage), told)
    if usage is None:
        return
    if any(told[:-1]):
        assert usage.latest is not None
        assert _counts(usage.latest) == told[-1], (usage.latest, told)
    else:
        assert usage.latest is None or _counts(usage.latest) == told[-1]
    if run.schedule.guard == "circuit":
        # A circuit that is open is an attempt, and no request.
        return
    # An attempt whose text was all said before may count as either.
    brought = {c.source.attempt for c in run.chunks if c.epoch == final.epoch and _brings(c)}
    brought.add(len(told) - 1)
    said = {asked.number for asked in run.wire.asked if asked.said is not None and asked.has_token}
    options = [brought, brought | said]
    wasted = [_sum([each for n, each in enumerate(told) if n not in used]) for used in options]
    assert _counts(usage.wasted) in wasted, (usage.wasted, told, brought)


def _brings(chunk: StreamChunk) -> bool:
    return bool(chunk.text or chunk.reasoning or chunk.tool_call)


def _counts(usage: TokenUsage | None) -> tuple[int, int] | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return usage.prompt_tokens, usage.completion_tokens


def _sum(told: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [each for each in told if each is not None]
    return (sum(each[0] for each in known), sum(each[1] for each in known)) if known else None
