"""No secret is in a recording, wherever it stood and however it was cut."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from amazon import chunks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from rxwizard import AuthenticationError, DecodeError, NetworkError
from rxwizard.providers import WireRequest
from rxwizard.recording import load
from rxwizard.recording.secrets import Secrets
from rxwizard.recording.sieve import Pattern, Sieve, clean
from rxwizard.testing import run_in_virtual_time

from .kit import (
    DONE,
    KEY,
    Got,
    Scripted,
    ScriptedWire,
    config_of,
    event,
    every,
    lines_of,
    read,
    record,
    slices,
)

if TYPE_CHECKING:
    from pathlib import Path

FORMS = {
    "as it is": KEY,
    "in JSON": KEY.replace("/", "\\/"),
    "in a URL": quote(KEY, safe=""),
    "cut off": KEY[:12],
    "in base64": b64encode(f"the key {KEY} is wrong".encode()).decode(),
    "in base64, shifted": b64encode(f"a key {KEY}".encode()).decode(),
    "in base64, shifted again": b64encode(f"my key {KEY}".encode()).decode(),
}


def hidden(path: Path, key: str = KEY) -> str:
    """Give the text of a recording in which there is no key, in no form and not the half of it."""
    text = path.read_text()
    shown = "".join(
        str(line.get("text", "")) for line in lines_of(path)
    )  # also not over the bounds of two lines
    for part in (key, key[:8], key[4:], quote(key, safe="")):
        assert part not in text
        assert part not in shown
    for before in range(3):
        assert b64encode(b"x" * before + key.encode()).decode()[4:-4] not in text + shown
    return text


@pytest.mark.parametrize("form", FORMS)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 1 << 16), max_size=30))
def test_an_echoed_key_is_hidden_at_any_split(form: str, cuts: list[int], tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    body = event("Before. ") + b'data: {"echo": "' + FORMS[form].encode() + b'"}\n\n'
    body += event("After.") + DONE
    script = Scripted(every(0.1, slices(body, cuts)))

    async def both() -> tuple[Got, Got]:
        return await record(path, ScriptedWire(script)), await read(load(path).stream())

    live, replayed = run_in_virtual_time(both())

    assert "***" in hidden(path)
    assert live.text == replayed.text == "Before. After."


@pytest.mark.parametrize("split", range(1, len(KEY)))
def test_a_key_over_two_reads(split: int, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    body = event(f"It is {KEY}, I think.") + DONE
    at = body.index(KEY.encode()) + split
    run_in_virtual_time(record(path, ScriptedWire(Scripted([(0.1, body[:at]), (0.9, body[at:])]))))
    reads = load(path).exchange().reads

    hidden(path)
    # Fewer than four characters may be the beginning of anything, and pass.
    before = KEY[:split] if split < 4 else ""
    whole = b"".join(one.data for one in reads)
    assert whole == body.replace(KEY.encode(), f"{before}***".encode())
    assert [one.at for one in reads] == [0.1, 0.9]


def test_everything_else_is_exact_and_in_time(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    # Ends like the beginning of the key, and is none: it comes a read late, and comes whole.
    parts = [b": sk-", b"very ", b"much\n\n", event("a"), DONE]
    live = run_in_virtual_time(record(path, ScriptedWire(Scripted(every(1.0, parts)))))

    assert live.error is None
    reads = [(one.at, one.data) for one in load(path).exchange().reads]
    assert reads == [
        (1.0, b": sk-"),
        (2.0, b"very "),
        (3.0, b"much\n\n"),
        (4.0, parts[3]),
        (5.0, DONE),
    ]


def test_what_is_held_back_comes_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    run_in_virtual_time(record(path, ScriptedWire(Scripted([(1.0, b": sk-ver")]))))

    assert [one.data for one in load(path).exchange().reads] == [b": ", b"sk-ver"]


def test_a_key_in_a_binary_body_damages_its_event(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    block = {"type": "content_block_delta", "index": 0}
    body = chunks({**block, "delta": {"type": "text_delta", "text": f"It is {KEY}."}}) * 2

    async def both() -> tuple[Got, Got]:
        wire = ScriptedWire(Scripted(every(0.1, slices(body, range(0, len(body), 50)))))
        live = await record(path, wire, config_of("bedrock-anthropic"))
        return live, await read(load(path).stream())

    live, replayed = run_in_virtual_time(both())

    hidden(path)
    recorded = b"".join(one.data for one in load(path).exchange().reads)
    assert b"***" in recorded
    assert KEY in live.text
    assert type(replayed.error) is DecodeError


def test_nothing_of_a_request_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    config = config_of(
        endpoint="https://me:pass-word-1@x.example/v1?api-key=query-secret-1&v=2",
        headers={"X-Auth-Thing": "header-secret-1", "X-Plain": "plain"},
    )
    echoed = "pass-word-1 query-secret-1 header-secret-1"
    script = Scripted(
        [(0.1, event(echoed) + DONE)],
        headers={
            "set-cookie": "session=cookie-secret-1",
            "x-request-id": f"r-{KEY}",
            "x-ratelimit-remaining-tokens": "17",
        },
    )
    run_in_virtual_time(record(path, ScriptedWire(script), config, prompt=f"My key is {KEY}."))
    request, response = lines_of(path)[1:3]

    text = hidden(path)
    for secret in (*echoed.split(), "cookie-secret-1", "me:"):
        assert secret not in text
    assert request["url"] == "https://***@x.example/v1/chat/completions?api-key=***&v=2"
    assert request["headers"] == {"X-Auth-Thing": "***", "X-Plain": "plain", "Authorization": "***"}
    assert request["body"]["messages"] == [{"role": "user", "content": "My key is ***."}]
    assert response["headers"] == {
        "set-cookie": "***",
        "x-request-id": "r-***",
        "x-ratelimit-remaining-tokens": "17",
    }


@pytest.mark.parametrize("shown", [KEY, f"{KEY[:8]}***{KEY[-4:]}"], ids=["whole", "cut off"])
def test_an_error_that_echoes_it_has_the_same_words(shown: str, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    body = json.dumps({"error": {"message": f"The key {shown} is wrong."}}).encode()

    async def both() -> tuple[Got, Got]:
        live = await record(path, ScriptedWire(Scripted([(0.1, body)], status=401)))
        return live, await read(load(path).stream())

    live, replayed = run_in_virtual_time(both())

    assert type(replayed.error) is AuthenticationError
    assert "The key ***" in str(replayed.error)
    assert replayed.told == live.told
    assert KEY[:8] not in path.read_text()


def test_an_error_of_the_wire_that_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    script = Scripted(refused=NetworkError(f"Nobody answers to {KEY}."))
    run_in_virtual_time(record(path, ScriptedWire(script)))

    hidden(path)
    assert lines_of(path)[-1]["error"]["message"] == "Nobody answers to ***."


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text("from before")
    path.chmod(0o644)
    run_in_virtual_time(record(path, ScriptedWire(Scripted([(0.1, event("a") + DONE)]))))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "from before" not in path.read_text()


# -- what is a secret ------------------------------------------------------------------------------

SIGNATURE = "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/bedrock/aws4_request, "
    f"SignedHeaders=content-type;host;x-amz-date, Signature={SIGNATURE}"
)


def secrets_of(config: Any = None, **secrets: str) -> Secrets:
    headers = {name: SecretStr(value) for name, value in secrets.items()}
    config = config or config_of("ollama", api_key=None)
    return Secrets(WireRequest("http://x.example", {}, secrets=headers), config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"signed {SIGNED}", "signed ***"),
        (f"it is {SIGNATURE[:20]}", "it is ***"),
        ("of AKIDEXAMPLE/20260131/us-east-1/bedrock/aws4_request", "of ***"),
        ("a Signature of the content-type;host, AWS4-HMAC-SHA256 Credential=?", None),
    ],
    ids=["whole", "signature", "account", "its words"],
)
def test_a_signature_is_a_secret_and_its_words_are_none(text: str, expected: str | None) -> None:
    assert secrets_of(Authorization=SIGNED).clean(text) == (expected or text)


def test_the_scheme_of_a_header_is_no_secret() -> None:
    secrets = secrets_of(Authorization="Bearer test-key")

    assert secrets.clean("Bearer tests pass: Bearer test-key, test-key.") == (
        "Bearer tests pass: ***, ***."
    )


def test_what_is_too_short_is_no_secret() -> None:
    assert secrets_of(Authorization="a").clean("banana") == "banana"


# -- the sieve -------------------------------------------------------------------------------------

#: Letters that make beginnings, repetitions and overlaps likely.
words = st.text("ab", min_size=4, max_size=14).map(str.encode)


@given(
    secrets=st.lists(words, min_size=1, max_size=3),
    parts=st.lists(st.text("abc", max_size=12).map(str.encode), max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_no_secret_passes_a_sieve_and_it_holds_no_more_than_one(
    secrets: list[bytes], parts: list[bytes]
) -> None:
    patterns = [Pattern(secret) for secret in secrets]
    sieve = Sieve(patterns)
    given_parts = []
    for part in parts:
        given_parts.append(sieve.feed(part))
        assert len(sieve._data) <= max(map(len, secrets))
    whole = b"".join([*given_parts, sieve.finish()])

    for secret in secrets:
        assert secret not in whole
        # Nor what is left of one that was cut off after its telling part.
        assert secret[:8] not in whole
    data = b"".join(parts)
    if not any(pattern.head in data for pattern in patterns):
        assert whole == data


@given(text=st.text("xyz *", max_size=30), cuts=st.lists(st.integers(0, 80), max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_sieve_gives_the_same_at_any_split_but_for_three_bytes(
    text: str, cuts: list[int]
) -> None:
    pattern = Pattern(b"key-0123456789")
    data = f"{text}{pattern.whole.decode()}{text}".encode()
    sieve = Sieve([pattern])
    parts = [sieve.feed(part) for part in slices(data, cuts)]
    whole = b"".join([*parts, sieve.finish()]).decode()

    assert clean(data.decode(), [pattern]) == f"{text}***{text}"
    assert whole in {f"{text}{some}***{text}" for some in ("", "k", "ke", "key")}


def test_a_pattern_does_not_show_what_it_is() -> None:
    assert "0123" not in repr(Pattern(b"0123456789"))
