# ruff: noqa: RUF001 -- the punctuation of other scripts is meant as it stands

from __future__ import annotations

import random
import time
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import pieces

from rxwizard import ConfigError
from rxwizard.operators.token_estimate import EstimatedCount
from rxwizard.operators.tokenizers import ExactCount, counting_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# How the vocabularies of GPT-2, GPT-4 and GPT-4o divide a text before they merge.
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = (
    "The quick brown fox jumps over the lazy dog, and the dog's friend doesn't mind it at all.\n"
    "def the_function(the_argument):\n    return the_argument + 1  # the answer\n\n"
    "你好，世界。今天天气很好，我们去公园吧！ 12345 6789 'll 've //!\n"
) * 3
SENTENCE = "The dog's friend doesn't mind it, and the fox jumps over 12345 lazy functions. "


def trained(corpus: str, merges: int) -> dict[bytes, int]:
    """Learn so many merges, as byte-pair encoding does."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    words = [
        [bytes([byte]) for byte in word.encode()] for word in corpus.replace(" ", "\0 ").split("\0")
    ]
    for _ in range(merges):
        pairs: dict[bytes, int] = {}
        for word in words:
            for first, second in pairwise(word):
                pairs[first + second] = pairs.get(first + second, 0) + 1
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        ranks[best] = len(ranks)
        for number, word in enumerate(words):
            merged: list[bytes] = []
            for part in word:
                if merged and merged[-1] + part == best:
                    merged[-1] = best
                else:
                    merged.append(part)
            words[number] = merged
    return ranks


@cache
def gpt(pattern: str) -> tiktoken.Encoding:
    return tiktoken.Encoding(
        "tiny", pat_str=pattern, mergeable_ranks=trained(CORPUS, 150), special_tokens={}
    )


def trained_hugging_face(before: object, model: object, trainer: object) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = before
    tokenizer.train_from_iterator([CORPUS], trainer)
    return tokenizer


@cache
def byte_level() -> tokenizers.Tokenizer:
    made = trained_hugging_face(
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        tokenizers.models.BPE(),
        tokenizers.trainers.BpeTrainer(
            vocab_size=400,
            show_progress=False,
            special_tokens=["<s>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    # It puts a token in front of each text, as Llama's does: no part of an answer.
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return made


@cache
def metaspace() -> tokenizers.Tokenizer:
    """Spaces are letters, and one is put in front of each text: like SentencePiece's."""
    return trained_hugging_face(
        tokenizers.pre_tokenizers.Metaspace(),
        tokenizers.models.Unigram(),
        tokenizers.trainers.UnigramTrainer(
            vocab_size=120, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
        ),
    )


def length(encode: Callable[[str], object]) -> Callable[[str], int]:
    return lambda text: len(encode(text))  # type: ignore[arg-type]


COUNTERS: dict[str, Callable[[], Callable[[str], int]]] = {
    "gpt2": lambda: length(gpt(GPT2).encode_ordinary),
    "cl100k": lambda: length(gpt(CL100K).encode_ordinary),
    "o200k": lambda: length(gpt(O200K).encode_ordinary),
    "byte level": lambda: length(lambda text: byte_level().encode(text, add_special_tokens=False)),
    "metaspace": lambda: length(lambda text: metaspace().encode(text)),
    # Not how tokenizers divide a text: found out, and counted whole.
    "every four": lambda: lambda text: len(text) // 4,
    "every 3.5": lambda: lambda text: -(-2 * len(text) // 7),
    "words": lambda: lambda text: len(text.split()),
}
each_counter = pytest.mark.parametrize("name", COUNTERS)


def assert_exact(count: Callable[[str], int], parts: Iterable[str]) -> ExactCount:
    """Compare each count with that of the whole text so far."""
    running = ExactCount(count)
    so_far = ""
    for part in parts:
        before = running.tokens
        so_far += part
        grown = running.add(part)
        assert running.tokens == before + grown
        if so_far and running.exact:
            assert running.tokens == count(so_far), so_far
    running.finish()
    assert running.exact
    assert not so_far or running.tokens == count(so_far)
    return running


# -- for any text and any cuts -------------------------------------------------------------------

words = st.sampled_from(
    [
        "the",
        "dog's",
        "doesn't",
        "foxes",
        "Jumps",
        "12",
        "12345",
        "a",
        "'ll",
        "//",
        "!",
        "?!\n/",
        "_x",
        "\n",
        "\n\n  ",
        "   ",
        "\t",
        "，",
        "你好",
        "世界。",
        "é\u0301",
        "😀\u200d",
        "\u00a0",
        ".",
        ", ",
    ]
)
texts = st.lists(st.one_of(words, words.map(" ".__add__)), max_size=90).map("".join)


@each_counter
@settings(max_examples=25, deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 400), max_size=60))
def test_the_count_is_that_of_the_whole_text(name: str, text: str, cuts: list[int]) -> None:
    assert_exact(COUNTERS[name](), pieces(text, cuts))


@each_counter
@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=300))
def test_the_count_is_that_of_any_text(name: str, text: str) -> None:
    assert_exact(COUNTERS[name](), [text[at : at + 5] for at in range(0, len(text), 5)])


@each_counter
def test_a_long_text_is_counted_right_to_the_end(name: str) -> None:
    chosen = random.Random(5)
    text = "".join(
        chosen.choice([" ", " ", "\n", ", ", " (", "。"])
        + chosen.choice(["the", "dog's", "你好", "functions", "12345", "x_1", "DOESN'T"])
        for _ in range(500)
    )
    cuts = sorted(chosen.choices(range(len(text)), k=400))

    assert_exact(COUNTERS[name](), pieces(text, cuts))


# -- what it costs ---------------------------------------------------------------------------------


class Counted:
    """Counts a text, and the characters it was asked to count."""

    def __init__(self, count: Callable[[str], int]) -> None:
        self.count = count
        self.characters = 0
        self.longest = 0

    def __call__(self, text: str) -> int:
        self.characters += len(text)
        self.longest = max(self.longest, len(text))
        return self.count(text)


@pytest.mark.parametrize("name", ["gpt2", "cl100k", "o200k", "byte level", "metaspace", "words"])
def test_only_the_last_words_are_counted_again(name: str) -> None:
    counted = Counted(COUNTERS[name]())
    running = ExactCount(counted)
    for word in (SENTENCE * 60).split(" "):
        running.add(f" {word}")

    assert counted.longest < 300
    assert counted.characters < 100 * len(SENTENCE) * 60


def test_a_stretch_without_words_is_counted_when_it_has_doubled() -> None:
    counted = Counted(lambda text: -(-len(text) // 8))
    running = ExactCount(counted)
    said = [(running.add("a"), running.exact, running.tokens)[1:] for _ in range(50_000)]

    assert [size for size, (exact, _) in enumerate(said, 1) if exact] == [
        *range(1, 1025),
        *(1024 * 2**doubled for doubled in range(1, 6)),
    ]
    assert all(tokens == -(-size // 8) for size, (exact, tokens) in enumerate(said, 1) if exact)
    assert counted.characters < 30 * 50_000
    running.finish()
    assert (running.exact, running.tokens) == (True, 6250)


def test_after_a_stretch_without_words_it_is_exact_again() -> None:
    count = COUNTERS["o200k"]()
    text = "x1" * 1000 + SENTENCE * 40
    running = ExactCount(count)
    exact = [running.add(character) is not None and running.exact for character in text]

    assert not exact[1990]
    assert all(exact[4096:])
    assert running.tokens == count(text)


def test_what_is_kept_is_bounded() -> None:
    counted = Counted(len)
    running = ExactCount(counted)
    for _ in range(40):
        running.add("a" * 100_000)

    assert counted.longest < 2_200_000
    assert not running.exact  # and it says so
    assert 3_000_000 < running.tokens < 4_500_000


@pytest.mark.parametrize("unit", ["word ", "a", "\n", "1", "你"])
def test_work_is_linear_whatever_the_text(unit: str) -> None:
    count = COUNTERS["cl100k"]()

    def cpu_seconds(number: int) -> float:
        running = ExactCount(count)
        began = time.process_time()
        for _ in range(number):
            running.add(unit)
        return time.process_time() - began

    few = min(cpu_seconds(2_000) for _ in range(3))

    assert min(cpu_seconds(8_000) for _ in range(2)) < 9 * few + 0.02


def test_a_large_piece_is_counted_a_few_times_at_most() -> None:
    counted = Counted(COUNTERS["words"]())
    running = ExactCount(counted)
    text = SENTENCE * 2000
    running.add(text)
    running.add("more words")

    assert counted.characters < 3 * len(text)
    assert running.tokens == len((text + "more words").split())


# -- what is a tokenizer ---------------------------------------------------------------------------


class Encoder:
    """Neither of tiktoken nor of Hugging Face."""

    def encode(self, text: str) -> list[str]:
        return text.split()


def tokens(tokenizer: object, text: str) -> int:
    running = counting_with(tokenizer)()  # type: ignore[arg-type]
    running.add(text)
    return running.tokens


def test_none_is_an_estimate() -> None:
    assert counting_with(None) is EstimatedCount
    assert not counting_with(None)().exact


def test_whatever_encodes_or_counts_is_a_tokenizer() -> None:
    assert tokens(Encoder(), "one two three") == 3
    assert tokens(len, "one two three") == 13
    assert tokens(gpt(CL100K), SENTENCE) == len(gpt(CL100K).encode(SENTENCE))


def test_the_name_of_a_special_token_is_text() -> None:
    special = tiktoken.Encoding(
        "tiny", pat_str=CL100K, mergeable_ranks=trained(CORPUS, 9), special_tokens={"<|end|>": 999}
    )

    assert tokens(special, "<|end|>") == len(special.encode_ordinary("<|end|>")) > 1


def test_special_tokens_of_hugging_face_are_not_counted() -> None:
    assert len(byte_level().encode("the dog")) == tokens(byte_level(), "the dog") + 1


def test_half_a_surrogate_pair_is_a_character_too() -> None:
    running = counting_with(byte_level())()
    running.add("the dog \ud83d")
    running.add("\ude00")

    assert running.tokens == tokens(byte_level(), "the dog 😀")


def test_a_name_is_looked_up_in_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: asked.append(name) or gpt(O200K))

    assert (
        tokens("o200k_base", SENTENCE) == tokens("gpt-4o", SENTENCE) == tokens(gpt(O200K), SENTENCE)
    )
    assert asked == ["o200k_base", "o200k_base"]


def test_a_table_that_cannot_be_loaded_is_the_settings_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(tiktoken, "get_encoding", unreachable)
    with pytest.raises(ConfigError, match="TIKTOKEN_CACHE_DIR"):
        counting_with("o200k_base")


def test_without_tiktoken_a_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tiktoken", None)
    with pytest.raises(ConfigError, match=r"pip install 'rxwizard\[tokens\]'"):
        counting_with("o200k_base")


def test_a_tokenizer_that_truncates_is_refused() -> None:
    cutting = tokenizers.Tokenizer(tokenizers.models.BPE())
    cutting.enable_truncation(8)

    with pytest.raises(ConfigError, match="no_truncation"):
        counting_with(cutting)


class NeedsMore:
    def encode(self, text: str, bos: bool, eos: bool) -> list[str]:
        return [text] * (bos + eos)


@pytest.mark.parametrize(
    "wrong",
    [3, object(), "no-such-model", NeedsMore(), str.upper],
    ids=["a number", "an object", "an unknown name", "one that needs more", "a function of text"],
)
def test_what_is_no_tokenizer_is_refused_when_it_is_given(wrong: object) -> None:
    with pytest.raises(ConfigError):
        counting_with(wrong)  # type: ignore[arg-type]
