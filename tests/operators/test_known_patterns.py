from __future__ import annotations

import pytest
from kit import results

from rxwizard import operators as ops
from rxwizard.operators import known_patterns as known

LETTERS = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4bC6d"
KEYS = [
    *(f"sk-{LETTERS}", f"sk-proj-{LETTERS}", f"sk-ant-api03-{LETTERS}_-x", f"AIza{LETTERS[:35]}"),
    *("AKIAIOSFODNN7EXAMPLE", f"ghp_{LETTERS[:36]}", f"github_pat_{LETTERS}", f"hf_{LETTERS}"),
    *(f"xoxb-1234567890-{LETTERS}", f"gsk_{LETTERS}", f"xai-{LETTERS}"),
]
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{(LETTERS + chr(10)) * 60}-----END RSA PRIVATE KEY-----"
SECRETS = [
    *((known.API_KEY, key) for key in KEYS),
    *((known.EMAIL, mail) for mail in ("a@b.co", "Jo.Do+x@mail.example.org", "jörg@müller.de")),
    *((known.CARD_NUMBER, card) for card in ("4111111111111111", "4111 1111 1111 1111")),
    *((known.CARD_NUMBER, card) for card in ("3782-822463-10005", "6011000990139424")),
    (known.PRIVATE_KEY, PEM),
    (known.PRIVATE_KEY, PEM.replace("RSA ", "")),
]


@pytest.mark.parametrize(("pattern", "secret"), SECRETS, ids=lambda value: str(value)[:16])
def test_no_cut_lets_any_of_it_out(pattern, secret: str) -> None:
    text = f"So: {secret}, keep it."

    for at in range(0, len(text), max(1, len(text) // 60)):
        assert "".join(results(ops.redact(pattern), [text[:at], text[at:]])) == (
            "So: [redacted], keep it."
        )
    assert "".join(results(ops.redact(pattern), text)) == "So: [redacted], keep it."


@pytest.mark.parametrize(
    "text",
    [
        "It is an ask-me-anything, a task-force-of-the-highest-order, and sk-8 of course.",
        "Write to @jo or jo@ or jo@home, a@b.c",
        "In 2024, 1234567890 of 123 4567 8901 came.",
        "12345678901234567890123 has too many digits",
        "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
        f"{'x' * 2000} is long",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    known_ones = [known.EMAIL, known.API_KEY, known.CARD_NUMBER, known.PRIVATE_KEY]

    assert "".join(results(ops.redact(known_ones), text)) == text
