"""What one mostly does not want to show, for `redact`.

They tell by the look: a number of sixteen digits is a card's here, and a word with an @ in it an
address. What is secret in your house has a pattern of its own.
"""

from __future__ import annotations

import re
from typing import Final

#: An address for mail: at most 64 characters before the @, as the standard has it.
EMAIL: Final = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,}", re.IGNORECASE
)

#: A key of OpenAI, Anthropic and many others (sk-), Google, AWS, GitHub, Slack, Hugging Face, Groq
#: or xAI, known by how it begins.
API_KEY: Final = re.compile(
    r"\b(?:"
    r"sk-[A-Za-z0-9_-]{16,}"
    r"|AIza[A-Za-z0-9_-]{35,}"
    r"|A(?:KI|SI)A[A-Z0-9]{16,}"
    r"|gh[oprsu]_[A-Za-z0-9]{36,}"
    r"|github_pat_[A-Za-z0-9_]{22,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?:hf_|gsk_|xai-)[A-Za-z0-9]{20,}"
    r")"
)

#: A private key in PEM, from its first line to its last, of any length.
PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----"
)

#: The number of a card: 13 to 19 digits, also in groups. Its check digit is not looked at.
CARD_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
