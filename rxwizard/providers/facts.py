"""What a provider's error reply says, in every shape that one of them is known to send."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from rxwizard.providers.shape import as_object, is_list, is_object, objects

#: Characters of a provider's words that an error keeps: enough for any sentence, not for a page.
MAX_MESSAGE = 2000

#: A code that is a status.
HTTP_STATUS = re.compile(r"[45]\d\d")


@dataclass(slots=True)
class Facts:
    """What a provider's error body says.

    Attributes:
        words: Its sentences, in order, without repeats.
        codes: Its codes and type names, as text.
        status: A number between 400 and 599 that it names.
        details: The ``details`` list of a Google error.
        request_id: The id inside the body.
    """

    words: list[str] = field(default_factory=list[str])
    codes: list[str] = field(default_factory=list[str])
    status: int | None = None
    details: list[Any] = field(default_factory=list[Any])
    request_id: str | None = None

    @property
    def message(self) -> str:
        """The words on one line, shortened."""
        text = " ".join(": ".join(self.words).split())
        return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"


def parse_document(body: bytes) -> object:
    """Read a whole body: its JSON (also inside ``data:`` lines), a page's words, or its text."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        return from_json(text)
    except ValueError:
        pass
    data = "\n".join(line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    if data:
        try:
            return from_json(data)
        except ValueError:
            text = data
    return html_words(text) if looks_like_html(text) else text


def looks_like_html(text: str) -> bool:
    """Tell whether a text begins as a page does."""
    return re.match(r"\s*<(?:!doctype|html|head|body|\?xml)", text, re.IGNORECASE) is not None


def html_words(text: str) -> str:
    """Give the words of an HTML page without its tags, styles and scripts."""
    # The bound keeps a hostile page of unclosed tags from costing quadratic time.
    text = re.sub(
        r"<(style|script)\b[^>]*>.*?</\1>", " ", text[:8192], flags=re.IGNORECASE | re.DOTALL
    )
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def read_facts(payload: object) -> Facts:
    """Read every error shape that providers are known to send."""
    facts = Facts()
    for part in _parts(payload):
        if isinstance(part, str):
            _say(facts, part)
        else:
            _read_object(facts, part)
    return facts


def _parts(payload: object, depth: int = 0) -> Iterator[str | Mapping[str, Any]]:
    """Walk to the objects that tell of the error, the innermost first."""
    if depth > 4:
        return
    if isinstance(payload, str):
        yield payload
    elif is_object(payload):
        # "detail" is a string, a list of complaints (FastAPI) or an object, by vendor
        for name in ("error", "errors", "detail"):
            yield from _parts(payload.get(name), depth + 1)
        yield payload
    elif is_list(payload):
        for item in payload[:8]:
            yield from _parts(item, depth + 1)


def _say(facts: Facts, words: object) -> None:
    if isinstance(words, str) and (words := words.strip()):
        short = words[: MAX_MESSAGE * 2]
        if not any(short in said or said in short for said in facts.words):
            facts.words.append(short)


def _read_object(facts: Facts, part: Mapping[str, Any]) -> None:
    for name in ("message", "Message", "msg", "originalMessage"):
        _say(facts, part.get(name))
    details = part.get("details")
    if is_list(details):
        facts.details.extend(details)
    else:
        _say(facts, details)
    # OpenRouter says "Provider returned error" and hides that provider's words in here
    _say(facts, as_object(part.get("metadata")).get("raw"))
    for name in ("code", "type", "status", "error_type", "reason", "status_code"):
        _read_code(facts, part.get(name), names_status=name != "type")
    _read_code(facts, part.get("raw_status_code"), names_status=True)
    for detail in objects(details):
        _read_code(facts, detail.get("reason"), names_status=False)
    if facts.request_id is None and isinstance(own_id := part.get("request_id"), str):
        facts.request_id = own_id


def _read_code(facts: Facts, code: object, *, names_status: bool) -> None:
    if isinstance(code, str | int) and not isinstance(code, bool) and code != "":
        text = str(code)[:200]
        if text != "error" and text not in facts.codes:
            facts.codes.append(text)
        if names_status and facts.status is None and HTTP_STATUS.fullmatch(text):
            facts.status = int(text)
