"""Words replaced, masked and taken out, by the marbles and for any cut."""

from __future__ import annotations

import re
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from kit import (
    check_dispose,
    check_empty,
    check_error,
    check_linear,
    check_two_subscribers,
    pieces,
    results,
)

from rxwizard import (
    ChunkKind,
    ConfigError,
    FallbackError,
    FinishReason,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    ToolCallDelta,
    WizardResponse,
)
from rxwizard import operators as ops
from rxwizard.chunks import Choice
from rxwizard.fold import ResponseBuilder
from rxwizard.testing import assert_marbles, play

START = StreamChunk(kind=ChunkKind.START)
FINAL = StreamChunk(
    kind=ChunkKind.FINAL, is_final=True, complete=True, finish_reason=FinishReason.STOP
)
CUT = FINAL.model_copy(update={"finish_reason": FinishReason.LENGTH})
USAGE = StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(completion_tokens=3))
CALL = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(name="f"))

KEY = r"sk-[a-z]{4}"


def said(text: str, **fields: Any) -> StreamChunk:
    return StreamChunk(text=text, **fields)


def thought(text: str, **fields: Any) -> StreamChunk:
    return StreamChunk(kind=ChunkKind.REASONING, reasoning=text, **fields)


def numbered(*chunks: StreamChunk) -> list[StreamChunk]:
    return [chunk.model_copy(update={"seq": seq}) for seq, chunk in enumerate(chunks)]


def given_out(operator: Any, *chunks: StreamChunk) -> list[StreamChunk]:
    """Give what comes out, having seen that it is numbered without gaps."""
    out = results(operator, numbered(*chunks))

    assert [chunk.seq for chunk in out] == list(range(len(out)))
    return out


def words(chunks: list[StreamChunk]) -> list[tuple[str, str]]:
    return [(chunk.kind.value, chunk.text or chunk.reasoning) for chunk in chunks]


# -- the same for all ------------------------------------------------------------------------

OPERATORS = {
    "replace": (lambda: ops.replace("bc", "x"), ["a", "b", "c"]),
    "redact": (lambda: ops.redact("bc+"), ["a", "b", "c"]),
    "strip_fences": (lambda: ops.strip_fences(), ["```py\n", "x", "\n```"]),
    "split_think_tags": (lambda: ops.split_think_tags(), ["<think>", "Hm</think>", "a"]),
}
every = pytest.mark.parametrize(("make", "texts"), OPERATORS.values(), ids=OPERATORS.keys())


def named(texts: list[str]) -> dict[str, Any]:
    return dict(zip("abc", map(said, texts), strict=True))


@every
def test_an_empty_source(make, texts) -> None:
    check_empty(make())


@every
def test_an_error_comes_after_what_is_held(make, texts) -> None:
    check_error(make(), "-a-b-c-", **named(texts))


@every
def test_disposing_frees_the_source_and_drops_what_is_held(make, texts) -> None:
    check_dispose(make(), **named(texts))


@every
def test_two_subscribers_share_nothing(make, texts) -> None:
    check_two_subscribers(make(), **named(texts))


@every
def test_work_is_linear(make, texts) -> None:
    chunks = [said(text) for text in texts]
    check_linear(make, lambda count: chunks * count, 300)


@every
def test_what_has_no_such_words_stays_as_it_is(make, texts) -> None:
    chunks = numbered(START, said("Hi "), thought("hm "), USAGE, CALL, said("you "), FINAL)

    assert all(a is b for a, b in zip(results(make(), chunks), chunks, strict=True))


# -- replace ---------------------------------------------------------------------------------


def test_replace_holds_back_what_may_become_a_match() -> None:
    assert_marbles(
        ops.replace("bc", "x"),
        "-a-b-c-b-d-b-|",
        "-a---x---y---(b,|)",
        x="x",
        y="bd",
    )


def test_replace_gives_back_what_it_held_before_an_error() -> None:
    assert_marbles(ops.replace("bc", "x"), "-a-b-#", "-a---(b,#)", error=OSError("reset"))


@given(st.text(alphabet="abc1 \n", max_size=30), st.lists(st.integers(0, 30), max_size=30))
@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"(a)(b+)", r"<\2\1>"),
        (r"(?P<letter>[a-c])\s", r"\g<letter>_"),
        (r"\bab?\b", "\\n"),
        (re.compile("A|bc", re.IGNORECASE), lambda match: match[0].upper() * 2),
        (r"(a)\Z|(a)b?", r"[\1\2]"),
        (r"(?<![ab])b(?=c|\Z)", "_"),
    ],
)
def test_replace_is_what_re_sub_does_with_the_whole(pattern, replacement, text, cuts) -> None:
    operator = ops.replace(pattern, replacement)

    assert "".join(results(operator, pieces(text, cuts))) == re.sub(pattern, replacement, text)
    out = results(operator, [said(piece) for piece in pieces(text, cuts)])
    assert "".join(chunk.text for chunk in out) == re.sub(pattern, replacement, text)


def test_replace_can_mean_characters() -> None:
    assert results(ops.replace("a.$", r"\1", literal=True), ["aa.$ab$"]) == [r"a\1ab$"]


def test_replace_ends_with_the_error_of_its_function_after_what_was_certain() -> None:
    def fail(match: re.Match[str]) -> str:
        raise OSError(match[0])

    for item, values in (("a b", ["a b"]), (said("a b"), [said("a "), said("b", seq=1)])):
        messages = play(ops.replace("b", fail), "-a-|", a=item).messages
        text = "".join(getattr(m.value, "text", m.value) for m in messages[:-1])

        assert (text, messages[-1].what, str(messages[-1].value)) == ("a b", "error", "b"), values


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("text", [("text", "x"), ("reasoning", "b"), ("refusal", "x")]),
        ("reasoning", [("text", "b"), ("reasoning", "x"), ("refusal", "b")]),
        ("both", [("text", "x"), ("reasoning", "x"), ("refusal", "x")]),
    ],
)
def test_replace_of(of, expected) -> None:
    chunks = [said("b"), thought("b"), said("b", kind=ChunkKind.REFUSAL)]

    assert words(given_out(ops.replace("b", "x", of=of), *chunks)) == expected


def test_replace_keeps_what_comes_behind_held_text_in_its_place() -> None:
    out = given_out(
        ops.replace("abc", "x"),
        said("1a"),
        USAGE,
        said("b"),
        CALL,
        said("c2"),
        thought("hm"),
        said("3ab"),
        USAGE,
        said("4"),
        FINAL,
    )

    assert words(out) == [
        ("text", "1"),
        ("text", "x"),  # where its first character stood
        ("usage", ""),
        ("tool_call", ""),
        ("text", "2"),
        ("reasoning", "hm"),
        ("text", "3"),
        ("text", "ab"),
        ("usage", ""),
        ("text", "4"),
        ("final", ""),
    ]


kinds = st.lists(st.tuples(st.sampled_from("trucx"), st.text(alphabet="abcd", max_size=3)))


@given(kinds)
def test_replace_changes_no_order_where_nothing_matches(made: list[tuple[str, str]]) -> None:
    chunks = [interleaved(kind, text) for kind, text in made]
    out = given_out(ops.replace("abcdabcdabcd", "x", of="both"), *chunks, FINAL)

    assert spelled_out(out) == spelled_out([*chunks, FINAL])


@given(kinds)
def test_replace_finds_all_whatever_comes_in_between(made: list[tuple[str, str]]) -> None:
    chunks = [interleaved(kind, text) for kind, text in made]
    out = given_out(ops.replace("ab+c?", "x", of="both"), *chunks, FINAL)

    for field in ("text", "reasoning"):
        for choice in (0, 1):
            before, after = (
                "".join(getattr(chunk, field) for chunk in some if chunk.choice == choice)
                for some in (chunks, out)
            )
            assert after == re.sub("ab+c?", "x", before)
    others = [[c.kind for c in some if not c.text + c.reasoning] for some in (chunks, out[:-1])]
    assert [k for k in others[0] if k not in TALK] == [k for k in others[1] if k not in TALK]


TALK = {ChunkKind.TEXT, ChunkKind.REASONING}


def interleaved(kind: str, text: str) -> StreamChunk:
    makers = {"t": said, "r": thought, "x": lambda words: said(words, choice=1)}
    return {"u": USAGE, "c": CALL}.get(kind) or makers[kind](text)


def spelled_out(chunks: list[StreamChunk]) -> list[tuple[int, str]]:
    """Give what the chunks of choice 0 bring, and then those of choice 1, letter by letter."""
    spelled = [
        (chunk.choice, f"{chunk.kind}{letter}")
        for chunk in chunks
        for letter in (chunk.text + chunk.reasoning or ("" if chunk.kind in TALK else "!"))
    ]
    return sorted(spelled, key=lambda pair: pair[0])


def test_replace_gives_an_untouched_chunk_whole_though_it_was_held() -> None:
    first, second = numbered(said("a", data={"logprobs": [1]}), said("d"))

    assert results(ops.replace("abc", "x"), [first, second]) == [first, second]


def test_replace_takes_words_from_one_chunk_and_leaves_what_else_it_brings() -> None:
    usage = TokenUsage(completion_tokens=1)
    data = {"logprobs": [1], "thoughtSignature": "s"}
    (out,) = given_out(ops.replace("ab", ""), said("ab", usage=usage, data=data, raw={"x": "ab"}))

    assert (out.text, out.usage, out.data, out.raw) == ("", usage, {"thoughtSignature": "s"}, None)


def test_replace_flushes_before_the_final_chunk() -> None:
    assert words(given_out(ops.replace("abc", "x"), said("ab"), FINAL)) == [
        ("text", "ab"),
        ("final", ""),
    ]
    assert words(given_out(ops.replace("a+", "x"), said("aa"), FINAL)) == [
        ("text", "x"),
        ("final", ""),
    ]


def test_replace_reads_each_choice_apart() -> None:
    out = given_out(
        ops.replace("ab", "x"),
        said("a"),
        said("a", choice=1),
        said("c"),
        said("b", choice=1),
        said("a", choice=1),
        StreamChunk(kind=ChunkKind.OTHER, choice=1, finish_reason=FinishReason.STOP),
        FINAL,
    )
    response = ResponseBuilder().add_all(out).build()

    assert (response.text, response.choices[0].text) == ("ac", "xa")
    assert words(out)[-3:] == [("text", "a"), ("other", ""), ("final", "")]


@pytest.mark.parametrize(
    "anew",
    [
        StreamChunk(kind=ChunkKind.RETRACT),
        StreamChunk(kind=ChunkKind.START, epoch=1),
        StreamChunk(text="", epoch=1),
    ],
    ids=["retraction", "newer start", "newer epoch"],
)
def test_replace_drops_held_text_that_no_longer_counts(anew: StreamChunk) -> None:
    after = said("bc", epoch=anew.epoch)
    out = given_out(ops.replace("abc", "x"), START, said("1a"), USAGE, anew, after)

    assert "".join(chunk.text for chunk in out) == "1bc"
    assert [chunk for chunk in out if chunk.kind is ChunkKind.USAGE]


def test_replace_has_a_retraction_name_the_characters_that_came_out() -> None:
    retract = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, data={"epoch": 0, "characters": 6})
    more = StreamChunk(kind=ChunkKind.RETRACT, epoch=2, data={"epoch": 1, "characters": 2})
    out = given_out(
        *(ops.replace("abc", "x"), START, said("1abcz"), said("a"), retract),
        *(said("ab", epoch=1), more),
    )

    erased = [chunk.data["characters"] for chunk in out if chunk.kind is ChunkKind.RETRACT]
    assert erased == [len("1xz"), 0]


def test_replace_starts_anew_with_a_second_start_and_its_numbers() -> None:
    once = numbered(START, said("xa"))
    out = results(ops.replace("ab", ""), [*once, *numbered(START, said("b"), FINAL)])

    assert words(out) == [("start", ""), ("text", "x"), ("start", ""), ("text", "b"), ("final", "")]
    assert [chunk.seq for chunk in out] == [0, 1, 0, 1, 2]


def test_replace_lets_no_more_than_a_bound_of_chunks_wait() -> None:
    played = given_out(ops.replace("ab", "x"), said("a"), *[USAGE] * 300, said("b"))

    assert words(played) == [("text", "a"), *[("usage", "")] * 300, ("text", "b")]


# -- redact ----------------------------------------------------------------------------------


def test_redact_masks_and_holds_back_what_may_become_a_match() -> None:
    assert_marbles(ops.redact("bc"), "-a-b-c-|", "-a---x-|", x="[redacted]")


def test_redact_masks_several_patterns() -> None:
    operator = ops.redact(["a+", re.compile("X", re.IGNORECASE)], "_")

    assert "".join(results(operator, "aa b x")) == "_ b _"


@given(st.text(alphabet="sk-abcd ", max_size=40), st.lists(st.integers(0, 40), max_size=40))
def test_redact_lets_no_character_out_for_any_cut(text: str, cuts: list[int]) -> None:
    expected = re.sub(KEY, "[redacted]", text)
    parts = pieces(text, cuts)
    out = results(ops.redact(KEY), [said(part) for part in parts])

    assert "".join(results(ops.redact(KEY), parts)) == expected
    assert "".join(chunk.text for chunk in out) == expected
    assert not re.search(KEY, repr(out))


def test_redact_is_not_fooled_by_what_comes_in_between() -> None:
    secret = "sk-abcd"
    between = [thought("hm"), USAGE, CALL, StreamChunk(kind=ChunkKind.HEARTBEAT)]
    chunks = [one for letter in secret for one in (said(letter), *between)]

    out = given_out(ops.redact(KEY), *chunks, said("!"), FINAL)

    assert "".join(chunk.text for chunk in out) == "[redacted]!"
    assert "".join(chunk.reasoning for chunk in out) == "hm" * len(secret)
    assert len(out) == 1 + 4 * len(secret) + 2


def test_redact_masks_where_too_much_waits_behind_it() -> None:
    out = given_out(ops.redact(KEY), said("a sk-ab"), *[USAGE] * 300, said("c"), said("d e"))

    assert words(out) == [
        ("text", "a "),
        ("text", "[redacted]"),
        *[("usage", "")] * 300,
        ("text", " e"),  # and what comes of it later
    ]


def test_redact_reads_reasoning_too() -> None:
    out = given_out(ops.redact(KEY, "_"), thought("sk-"), said("Hi sk"), thought("abcd"), said("!"))

    assert words(out) == [("reasoning", "_"), ("text", "Hi "), ("text", "sk!")]


def test_redact_masks_half_a_secret_before_an_error() -> None:
    assert_marbles(
        ops.redact(KEY),
        "-a-#",
        "-b-(m,#)",
        a="Hi sk-a",
        b="Hi ",
        m="[redacted]",
        error=OSError("no"),
    )


def test_redact_masks_half_a_secret_where_the_answer_was_cut() -> None:
    assert words(given_out(ops.redact(KEY), said("sk-ab"), CUT))[0] == ("text", "[redacted]")
    assert words(given_out(ops.redact(KEY), said("sk-ab"), FINAL))[0] == ("text", "sk-ab")


def test_redact_gives_what_is_no_match_at_completion() -> None:
    assert_marbles(ops.redact(KEY), "-a-|", "---(a,|)", a="sk-a")


def test_redact_masks_what_an_error_carries() -> None:
    partial = WizardResponse(
        text="Hi sk-abcd sk-a", reasoning="sk-abcd", choices=(Choice(index=1, text="sk-abcd"),)
    )
    inner = StreamInterruptedError("cut", partial=partial)
    messages = play(ops.redact(KEY, "_"), "-#", error=FallbackError("", [inner])).messages
    error = messages[-1].value

    assert error.exceptions == (inner,)
    assert inner.partial is not None
    assert error.partial is not None
    for masked in (inner.partial, error.partial):
        assert (masked.text, masked.reasoning) == ("Hi _ _", "_")
        assert masked.choices[0].text == "_"


def test_redact_lets_no_words_out_by_another_way() -> None:
    spelled = {"logprobs": [{"token": "sk-abcd"}]}
    raw = {"delta": "sk-abcd"}
    out = given_out(
        ops.redact(KEY),
        said("sk-ab", data=spelled, raw=raw),
        said("", data=spelled, raw=raw),  # as think tags leave it
        said("cd!", data=spelled, raw=raw),
        FINAL.model_copy(update={"raw": raw}),
    )

    assert "sk-abcd" not in repr([chunk.__dict__ for chunk in out])
    assert "".join(chunk.text for chunk in out) == "[redacted]!"


def test_redact_masks_what_is_longer_than_what_can_be_held() -> None:
    secret = "<" + "x" * 5000 + ">"

    assert "".join(results(ops.redact("<[^>]*>"), f"a {secret} b")) == "a [redacted] b"
    assert "".join(results(ops.redact("<[^>]*>"), [f"a {secret} b"])) == "a [redacted] b"


def test_redact_may_leave_nothing_instead() -> None:
    assert words(given_out(ops.redact(KEY, ""), said("sk-"), said("abcd"), FINAL)) == [
        ("final", "")
    ]


# -- strip_fences ----------------------------------------------------------------------------


def test_strip_fences_gives_what_is_within() -> None:
    assert_marbles(
        ops.strip_fences(),
        "-a-b-c-d-|",
        "---x-y---|",
        a="```js",
        b="on\n{",
        c="}\n``",
        d="`\n",
        x="{",
        y="}",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ("```\na\nb\n```\n", "a\nb"),
        ("\n\n  ```py\na\n```  \n\n", "a"),
        ("~~~\na\n~~~", "a"),
        ("````md\n```\na\n```\n````", "```\na\n```"),
        ("```md\n# A\n```py\nx\n```\nmore\n```", "# A\n```py\nx\n```\nmore"),
        ("```\r\na\r\n```\r\n", "a"),
        ("```\n```", ""),
        ("```\n\n```", ""),
        ("```json\n{", "{"),  # cut
        ("```json\n{}\n``", "{}\n``"),
        ("~~~\na\n```", "a\n```"),
        ("````\na\n```", "a\n```"),
        ("```json\n{}\n```\nThere!", "{}\n```\nThere!"),
        ("Here:\n```\na\n```", "Here:\n```\na\n```"),
        ("```a``` is code", "```a``` is code"),
        ("```a```", "```a```"),
        ("```json", "```json"),
        ("``", "``"),
        ("", ""),
        ("  a\n", "  a\n"),
        ("`a`\n```", "`a`\n```"),
        (f"```{'x' * 300}\na\n```", f"```{'x' * 300}\na\n```"),
        (f"```\na\n```{' ' * 300}", f"a\n```{' ' * 300}"),
    ],
)
def test_strip_fences_takes_them_off_an_answer_that_is_one_block(text: str, expected: str) -> None:
    for parts in ([text], list(text), [text[:4], text[4:]], [text[:-3], text[-3:]]):
        assert "".join(results(ops.strip_fences(), parts)) == expected


@given(
    st.lists(st.sampled_from(["```", "`", "~~~", "\n", " ", "a", "py", "\r\n"]), max_size=16),
    st.lists(st.integers(0, 40), max_size=20),
)
def test_strip_fences_takes_nothing_else(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    out = "".join(results(ops.strip_fences(), pieces(text, cuts)))
    chunks = results(ops.strip_fences(), [said(piece) for piece in pieces(text, cuts)])
    block = re.match(r"\s*(`{3,}(?=[^`\n]*\n)|~{3,})[^\n]*\n", text)
    expected = text
    if block:
        fence = block[1]
        closing = rf"(?:\A|\r?\n)[ \t]*{fence[0]}{{{len(fence)},}}\s*\Z"
        expected = re.sub(closing, "", text[block.end() :])

    assert out == "".join(chunk.text for chunk in chunks) == expected


def test_strip_fences_holds_nothing_where_there_is_none() -> None:
    assert_marbles(ops.strip_fences(), "-a-b-c-|", "-a-b-c-|", a="Hi", b="\n", c="```")


# -- split_think_tags ------------------------------------------------------------------------


def test_split_think_tags_makes_reasoning_of_what_is_between() -> None:
    played = play(
        ops.split_think_tags(),
        "-a-b-c-d-|",
        a=said("<th"),
        b=said("ink>Hm", seq=1),
        c=said("m</think>", seq=2),
        d=said("Yes", seq=3),
    )

    assert [(m.tick, words([m.value])[0]) for m in played.messages[:-1]] == [
        (3, ("reasoning", "Hm")),
        (5, ("reasoning", "m")),
        (7, ("text", "Yes")),
    ]
    assert [chunk.seq for chunk in played.values] == [0, 1, 2]


TEXT = "<think>Is 1 < 2? </thin</think>\nYes: 1 <thin 2.<think>!</think> <"


@given(st.lists(st.integers(0, len(TEXT))))
def test_split_think_tags_does_not_depend_on_the_cuts(cuts: list[int]) -> None:
    out = given_out(ops.split_think_tags(), START, *map(said, pieces(TEXT, cuts)), FINAL)
    response = ResponseBuilder().add_all(out).build()

    assert (response.text, response.reasoning) == ("\nYes: 1 <thin 2. <", "Is 1 < 2? </thin!")
    assert all(not (chunk.text and chunk.reasoning) for chunk in out)


def test_split_think_tags_splits_one_chunk_and_keeps_what_it_brings() -> None:
    usage = TokenUsage(completion_tokens=1)
    out = given_out(ops.split_think_tags(), said("a<think>b</think>c<think>d", usage=usage, at=2.5))

    assert words(out) == [
        ("text", "a"),
        ("reasoning", "b"),
        ("text", "c"),
        ("reasoning", "d"),
        ("text", ""),
    ]
    assert [chunk.usage for chunk in out] == [None, None, None, None, usage]
    assert {chunk.at for chunk in out} == {2.5}


def test_split_think_tags_takes_other_tags_and_an_answer_that_begins_inside() -> None:
    operator = ops.split_think_tags(("[[", "]]"), is_inside=True)

    assert words(given_out(operator, said("a]"), said("]b[[c"))) == [
        ("reasoning", "a"),
        ("text", "b"),
        ("reasoning", "c"),
    ]


def test_split_think_tags_lets_the_words_of_a_refusal_be() -> None:
    refusal = said("<think>", kind=ChunkKind.REFUSAL)

    assert given_out(ops.split_think_tags(), refusal) == [refusal]


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.replace("", "x"),
        lambda: ops.replace("a*", "x"),
        lambda: ops.replace("(a+)+$", "x"),
        lambda: ops.replace("(a+)+b", "x"),
        lambda: ops.replace("a", r"\1"),
        lambda: ops.replace("a", r"\g<n>"),
        lambda: ops.replace("(", "x"),
        lambda: ops.replace("a", "x", max_match=0),
        lambda: ops.replace("a", "x", max_match=True),
        lambda: ops.replace("a", "x", of="all"),
        lambda: ops.replace("", "x", literal=True),
        lambda: ops.redact(""),
        lambda: ops.redact([]),
        lambda: ops.redact(["a", ""]),
        lambda: ops.redact("a", max_match=-1),
        lambda: ops.redact("(a|a)+b"),
        lambda: ops.split_think_tags(("", "x")),
        lambda: ops.split_think_tags(("x",)),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(make) -> None:
    with pytest.raises(ConfigError):
        make()


def test_all_of_them_compose() -> None:
    text = "```\n<think>sk-abcd</think>cats sk-abcd\n```"
    out = rx.from_iterable(map(said, text)).pipe(
        ops.strip_fences(), ops.split_think_tags(), ops.replace("cat", "dog"), ops.redact(KEY, "_")
    )
    chunks: list[StreamChunk] = []
    out.subscribe(chunks.append)

    assert "".join(chunk.text for chunk in chunks) == "dogs _"
    assert "".join(chunk.reasoning for chunk in chunks) == "_"


@pytest.mark.parametrize("mask", [None, 5])
def test_redact_refuses_a_mask_that_is_none(mask: object) -> None:
    with pytest.raises(ConfigError, match="mask must be a string"):
        ops.redact("secret", mask=mask)  # type: ignore[arg-type]


def test_replace_refuses_a_replacement_that_is_none() -> None:
    with pytest.raises(ConfigError, match="neither a string nor a function"):
        ops.replace("a", None)  # type: ignore[arg-type]


def test_replace_by_a_function_that_gives_no_string_is_an_error() -> None:
    errors: list[Exception] = []
    rx.of("a b").pipe(ops.replace("a", lambda _: None)).subscribe(  # type: ignore[arg-type,return-value]
        on_error=errors.append
    )

    assert "no string" in str(errors[0])
