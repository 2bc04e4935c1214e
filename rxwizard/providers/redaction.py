"""Taking secrets out of texts that are going to be shown: servers echo what they were sent."""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import SecretStr

#: What names of headers and of query fields have in them whose values are secrets.
SECRET_NAMES = re.compile(
    "auth|key|token|secret|cookie|session|signature|credential", re.IGNORECASE
)

#: A secret shorter than this is none, and hiding it would hide half of every message.
_SHORTEST = 4

#: Characters of a secret that tell too much by themselves: messages are shortened, and the cut may
#: fall into an echoed key.
_TELLING = 8

#: What all keys of a vendor begin with, and as many characters after it as make it one's own.
_VENDORS = re.compile(r"sk-(proj|svcacct|admin|or-v\d|ant-(api|admin|oat)\d\d)-")
_OWN = 4


def telling(secret: str) -> int:
    """Count the characters at the beginning of a secret that tell too much by themselves."""
    common = _VENDORS.match(secret)
    return max(_TELLING, common.end() + _OWN if common else 0)


def redactor(*secrets: SecretStr) -> Callable[[str], str]:
    """Make the function that takes these secrets out of a text, whole or cut off."""

    def redact(text: str) -> str:
        for secret in secrets:
            plain = secret.get_secret_value()
            if len(plain) >= _SHORTEST:
                text = _without(text, plain)
        return text

    return redact


def _without(text: str, plain: str) -> str:
    head = plain[: telling(plain)]
    start = text.find(head)
    while start >= 0:
        end = start + len(head)
        while end - start < len(plain) and text[end : end + 1] == plain[end - start]:
            end += 1
        text = f"{text[:start]}***{text[end:]}"
        start = text.find(head, start + 3)
    return text
