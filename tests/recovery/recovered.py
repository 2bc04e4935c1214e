"""Streams that took several attempts, made by the laws that hold for them and by no operator.

An answer is drawn and cut into chunks; attempts before it are drawn, cut, and lost after a chunk;
`Recovered` tells all of them as one stream, as ``retry_stream(after_first_token="restart")`` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from hypothesis import strategies as st

from rxwizard import (
    ChunkKind,
    ChunkSource,
    FinishReason,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
    WizardResponse,
)
from rxwizard.fold import ResponseBuilder

#: What passes without leaving anything that would have to be erased.
PASSING = {ChunkKind.START, ChunkKind.USAGE, ChunkKind.FINAL, ChunkKind.WARNING}


def fold(chunks: list[StreamChunk]) -> WizardResponse:
    """Make the response of some chunks."""
    return ResponseBuilder().add_all(chunks).build()


@dataclass(frozen=True)
class Recovered:
    """An answer that came at the last of several attempts.

    Attributes:
        attempts: The chunks of each, as its provider sent them; all but the last one are cut.
        chunks: All of them, told as one stream.
    """

    attempts: list[list[StreamChunk]]
    chunks: list[StreamChunk]

    @property
    def clean(self) -> list[StreamChunk]:
        """The final answer by itself."""
        return self.attempts[-1]

    @property
    def last_retract(self) -> int:
        """The place of the last retraction among the chunks; 0: there is none."""
        places = [n for n, c in enumerate(self.chunks) if c.kind is ChunkKind.RETRACT]
        return places[-1] if places else 0

    @property
    def used(self) -> list[TokenUsage]:
        """What each attempt has reported last, of those that have."""
        reported = [[c.usage for c in chunks if c.usage is not None] for chunks in self.attempts]
        return [usages[-1] for usages in reported if usages]


def recovered(attempts: list[list[StreamChunk]]) -> Recovered:
    """Tell attempts as one stream."""
    chunks: list[StreamChunk] = []
    epoch = characters = 0
    has_content = False
    spent: TokenUsage | None = None

    def put(chunk: StreamChunk, **changes: Any) -> None:
        changes = {"seq": len(chunks), "epoch": epoch, **changes}
        chunks.append(chunk.model_copy(update=changes))

    for number, attempt in enumerate(attempts):
        own: TokenUsage | None = None
        is_anew = number > 0
        if is_anew:
            before = chunks[-1]
            warning = StreamChunk(kind=ChunkKind.WARNING, data="cut", source=before.source)
            put(warning, at=before.at)
        for chunk in attempt:
            own = chunk.usage or own
            if chunk.kind is ChunkKind.START and chunks:
                continue
            if is_anew and (chunk.kind not in PASSING or chunk.is_final):
                is_anew = False
                if has_content:
                    erased = {"epoch": epoch, "characters": characters}
                    epoch, characters = epoch + 1, 0
                    retract = StreamChunk(kind=ChunkKind.RETRACT, data=erased, at=chunk.at)
                    put(retract, source=chunk.source)
                    spent = spent and spent.model_copy(update={"wasted": _plain(spent)})
            usage = chunk.usage
            if spent is not None and (usage is not None or chunk.is_final):
                latest = own or TokenUsage()
                usage = (spent + latest).model_copy(update={"latest": latest})
            put(chunk, usage=usage)
            has_content = has_content or chunk.kind not in PASSING
            characters += 0 if chunk.choice else len(chunk.text)
        if own is not None:
            spent = _plain(own) if spent is None else spent + own
    return Recovered(attempts, chunks)


def _plain(usage: TokenUsage) -> TokenUsage:
    return usage.model_copy(update={"latest": None, "wasted": None, "raw": None})


# -- drawing ---------------------------------------------------------------------------------

#: Pieces of prose at which one or the other operator looks twice.
_WORDS = [
    *("Hello ", "wor", "ld. ", "Dr. ", "No? ", "\n", "\n\n", "- x\n", "# y\n", "ab", "a", "b", '"'),
    *("```\n", "```", "<think>", "</thi", "nk>", "é", "👩\u200d", "😀", "中。", "\\u00e9"),
]

Texts = Callable[[Random], str]


def _prose(random: Random) -> str:
    return "".join(random.choices(_WORDS, k=random.randrange(9)))


def _document(random: Random) -> str:
    items = random.choices(["x", "longer", 'q"'], k=random.randrange(4))
    return json.dumps({"items": items, "n": len(items)})


def _attempt(number: int, texts: Texts, random: Random) -> list[StreamChunk]:
    """Make one whole attempt."""
    source = ChunkSource(
        provider="fake",
        model="m",
        response_id=f"r{number}",
        attempt=number,
        requested_at=100.0 * number,
    )
    usage: TokenUsage | None = None
    chunks = [StreamChunk(kind=ChunkKind.START)]
    if random.random() < 0.5:
        usage = TokenUsage(prompt_tokens=10 + number, completion_tokens=1)
        chunks.append(StreamChunk(kind=ChunkKind.USAGE, usage=usage))
    if random.random() < 0.5:
        thought = _pieces(_prose(random), random)
        chunks += [StreamChunk(kind=ChunkKind.REASONING, reasoning=piece) for piece in thought]
    text = [StreamChunk(text=piece) for piece in _pieces(texts(random), random)]
    for _ in range(random.randrange(3)):
        further = StreamChunk(text=random.choice(_WORDS), choice=1)
        text.insert(random.randint(0, len(text)), further)
    chunks += text
    if random.random() < 0.5:
        chunks.append(StreamChunk(kind=ChunkKind.CITATION, data={"url": f"u{number}"}))
    for index in range(random.randrange(3)):
        arguments = json.dumps({"a": random.randrange(99), "b": number})
        first, *more = _pieces(arguments, random)
        begin = ToolCallDelta(index=index, id=f"c{number}", name="save", arguments=first)
        deltas = [begin, *(ToolCallDelta(index=index, arguments=piece) for piece in more)]
        chunks += [StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=delta) for delta in deltas]
    if random.random() < 0.7:
        usage = TokenUsage(prompt_tokens=10 + number, completion_tokens=random.randint(1, 99))
    chunks.append(
        StreamChunk(
            kind=ChunkKind.FINAL,
            is_final=True,
            complete=True,
            finish_reason=FinishReason.STOP,
            usage=usage,  # all that was said
        )
    )
    return [
        chunk.model_copy(update={"seq": seq, "source": source, "at": 100.0 * number + seq + 1})
        for seq, chunk in enumerate(chunks)
    ]


def _pieces(text: str, random: Random) -> list[str]:
    pieces: list[str] = []
    while text:
        size = random.randint(1, 6)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def _streams(texts: Texts) -> st.SearchStrategy[Recovered]:
    # By a seed each: to draw each piece takes ten times as long as all that is done with it.
    seeds = st.lists(st.integers(0, 2**16), min_size=2, max_size=4)
    return st.builds(partial(_lost_and_won, texts), seeds, st.lists(st.integers(1, 30), min_size=3))


def _lost_and_won(texts: Texts, seeds: list[int], cuts: list[int]) -> Recovered:
    *lost, won = (_attempt(number, texts, Random(seed)) for number, seed in enumerate(seeds))
    # Modulo, so that the short ones are cut anywhere as well.
    halves = [
        chunks[: 1 + cut % (len(chunks) - 1)] for chunks, cut in zip(lost, cuts, strict=False)
    ]
    return recovered([*halves, won])


def streams() -> st.SearchStrategy[Recovered]:
    """Draw answers of prose that took two to four attempts, cut after any chunk."""
    return _streams(_prose)


def json_streams() -> st.SearchStrategy[Recovered]:
    """Draw the same of answers whose text is a JSON document."""
    return _streams(_document)
