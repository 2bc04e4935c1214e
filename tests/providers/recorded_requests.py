"""What real clients sent for the recordings, in our terms: the prompt and settings that say it.

It goes through our own fields wherever there is one (tools become a `Tool`, one part of text a
text), because what passes untouched shows nothing; only what has no field goes into ``extra``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rxwizard import Image, Message, Prompt, Tool
from rxwizard.providers import VENDORS

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"

#: The form of the request, by the API the index names; what is not here, we do not speak.
FORMS = {
    "chat": "chat",
    "messages": "messages",
    "ollama": "ollama",
    "responses": "responses",
    "cohere": "cohere",
    "gemini": "gemini",
    "gemini-jsonarray": "gemini",
    "bedrock-converse": "converse",
    "bedrock-invoke": "messages",
}
#: Vendors that the index calls otherwise than our table.
RENAMED = {"vercel-gateway": "vercel"}

#: Where a form has the sampling settings (None: in the body itself), and what it calls them where
#: it does not call them as we do.
SAMPLING: dict[str, tuple[str | None, dict[str, str]]] = {
    "chat": (None, {"max_completion_tokens": "max_tokens", "random_seed": "seed"}),
    "messages": (None, {"stop_sequences": "stop"}),
    "responses": (None, {"max_output_tokens": "max_tokens"}),
    "cohere": (None, {"p": "top_p", "stop_sequences": "stop"}),
    "ollama": ("options", {"num_predict": "max_tokens"}),
    "gemini": (
        "generationConfig",
        {"topP": "top_p", "maxOutputTokens": "max_tokens", "stopSequences": "stop"},
    ),
    "converse": (
        "inferenceConfig",
        {
            "topP": "top_p",
            "maxTokens": "max_tokens",
            "max_new_tokens": "max_tokens",
            "stopSequences": "stop",
        },
    ),
}
OWN = ("temperature", "top_p", "max_tokens", "stop", "seed", "reasoning_effort")
ROLES = {"developer": "system", "model": "assistant"}


class InexpressibleError(Exception):
    """A request that our `Prompt` cannot say; the text is the reason."""


@dataclass(frozen=True)
class Recorded:
    """A request as it was sent, with the form it has and the vendor we would ask for it."""

    api: str
    form: str
    vendor: str
    url: str
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        if self.form != "gemini" and "model" in self.body:
            return str(self.body["model"])
        found = re.search(r"/models?/([^/:]+)[/:]", urlsplit(self.url).path)
        assert found, self.url
        return unquote(found[1])


@cache
def recorded() -> dict[str, Recorded]:
    """The requests of all recordings in a form that we speak and whose body was kept, by file."""
    index = FIXTURES / "index.json"
    found: dict[str, Recorded] = {}
    for entry in json.loads(index.read_text(encoding="utf-8")) if index.is_file() else ():
        if entry["status"] != 200 or entry["api"] not in FORMS:
            continue
        sidecar = FIXTURES / f"{entry['file'].rpartition('.')[0]}.json"
        kept = json.loads(sidecar.read_text(encoding="utf-8"))
        if kept["request"] is not None:
            form, vendor = _addressee(entry["api"], entry["provider"], kept["request"])
            found[entry["file"]] = Recorded(
                entry["api"], form, vendor, kept["url"], kept["request"]
            )
    return found


def _addressee(api: str, provider: str, body: Mapping[str, Any]) -> tuple[str, str]:
    form, name = FORMS[api], RENAMED.get(provider, provider)
    if api == "bedrock-invoke":
        # One URL for the models of all vendors, each in its own form.
        return (
            ("converse", "bedrock-nova") if "schemaVersion" in body else (form, f"{name}-anthropic")
        )
    if form == "responses":
        name = f"{name}-responses"
    other = {"chat": "openai-compatible", "responses": "openai-responses"}
    spoken = name in VENDORS and VENDORS[name].protocol in (form, f"vertex-{form}")
    return form, name if spoken else other[form]


# -- in our terms ----------------------------------------------------------------------------


def in_our_terms(request: Recorded) -> tuple[Prompt, dict[str, Any]]:
    """Give the prompt and the settings that say the same.

    Raises:
        InexpressibleError: There are none.
    """
    form, rest = request.form, dict(request.body)
    for implied in ("model", "stream", "stream_options", "anthropic_version", "schemaVersion"):
        rest.pop(implied, None)
    settings = _settings(form, rest)
    said: dict[str, Any] = {"tools": _tools(form, rest), **_answer_format(form, rest)}
    turns = _turns(form, rest)
    system = _system(form, rest)
    if system is None and form in {"chat", "cohere", "ollama"} and turns[0].role == "system":
        system = turns.pop(0).content
    text, images = _question(turns.pop(), request.body)
    extra = {name: value for name, value in rest.items() if value not in (None, "", {}, [])}
    return Prompt(
        text, system=system, history=tuple(turns), images=images, extra=extra, **said
    ), settings


def _settings(form: str, rest: dict[str, Any]) -> dict[str, Any]:
    place, names = SAMPLING[form]
    names = {**names, **{name: name for name in OWN}}
    there = rest if place is None else dict(rest.pop(place, None) or {})
    settings = {ours: there.pop(theirs) for theirs, ours in names.items() if theirs in there}
    if form == "responses" and (rest.get("reasoning") or {}).keys() == {"effort"}:
        settings["reasoning_effort"] = rest.pop("reasoning")["effort"]
    if form == "ollama" and isinstance(rest.get("think"), bool):
        settings["reasoning_effort"] = "medium" if rest.pop("think") else "none"
    if form == "gemini":
        match there.get("thinkingConfig"):
            case {"includeThoughts": True, "thinkingLevel": level}:
                settings["reasoning_effort"] = there.pop("thinkingConfig") and level
            case {"thinkingBudget": 0}:
                settings["reasoning_effort"] = there.pop("thinkingConfig") and "none"
    if place is not None and there:
        rest[place] = there
    return settings


def _answer_format(form: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Take what is asked of the answer's form, where it is one that we have."""
    match form, rest.get({"chat": "response_format", "responses": "text"}.get(form, "format")):
        case "chat", {"type": "json_object"}:
            return {"json_mode": bool(rest.pop("response_format"))}
        case "chat", {"json_schema": {"schema": schema, "strict": True}}:
            return {"json_schema": schema, "json_mode": bool(rest.pop("response_format"))}
        case "responses", {"format": {"schema": schema, "strict": True}}:
            return {"json_schema": schema, "json_mode": bool(rest.pop("text"))}
        case "ollama", "json":
            return {"json_mode": bool(rest.pop("format"))}
    return {}


def _tools(form: str, rest: dict[str, Any]) -> tuple[Tool | Mapping[str, Any], ...]:
    if form == "converse":
        config = rest.pop("toolConfig", {"tools": []})
        assert config.keys() == {"tools"}
        return tuple(_tool(tool["toolSpec"], tool) for tool in config["tools"])
    tools = rest.pop("tools", None) or []
    if form != "gemini":
        return tuple(_tool(tool.get("function", tool), tool) for tool in tools)
    own = [tool for tool in tools if "functionDeclarations" not in tool]
    functions = [f for tool in tools for f in tool.get("functionDeclarations", ())]
    return (*(_tool(function, function) for function in functions), *own)


def _tool(function: Mapping[str, Any], tool: Mapping[str, Any]) -> Tool | Mapping[str, Any]:
    schemas = [
        function[name] for name in ("parameters", "input_schema", "inputSchema") if name in function
    ]
    if not schemas or function.get("strict"):
        return tool  # its own form: a tool of the server, or a promise that a `Tool` cannot make
    schema = lower_types(schemas[0].get("json", schemas[0]))
    return Tool(name=function["name"], description=function["description"] or "", parameters=schema)


def lower_types(schema: Any) -> Any:
    """Write the types of a schema as JSON Schema does; Google's own dialect has capitals."""
    if isinstance(schema, list):
        return [lower_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else lower_types(value)
        for name, value in schema.items()
    }


def text_of(content: Any) -> str | None:
    """Give what is nothing but text, as a string or as the one part of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        plain = part.get("type") in {None, "text", "input_text"} and not part.get("thought")
        return part.get("text") if plain else None
    return None


def _system(form: str, rest: dict[str, Any]) -> str | None:
    names = {"gemini": "systemInstruction", "responses": "instructions"}
    system = rest.pop(names.get(form, "system"), None)
    return text_of(system["parts"] if form == "gemini" and system else system)


def _turns(form: str, rest: dict[str, Any]) -> list[Message]:
    where = {"gemini": ("contents", "parts"), "responses": ("input", "content")}
    name, part_name = where.get(form, ("messages", "content"))
    turns = []
    for turn in rest.pop(name):
        fields = dict(turn)
        if form == "responses" and fields.pop("type", "message") != "message":
            raise InexpressibleError("an item of the history is no message")
        role, content = fields.pop("role"), fields.pop(part_name, None)
        text = text_of(content)
        if fields.keys() - {"tool_calls", "tool_call_id"}:
            missing = ", ".join(sorted(fields.keys() - {"tool_calls", "tool_call_id"}))
            raise InexpressibleError(f"a Message has no {missing}")
        turns.append(
            Message(role=ROLES.get(role, role), content=content if text is None else text, **fields)
        )
    return turns


def _question(turn: Message, body: Mapping[str, Any]) -> tuple[str, tuple[Image, ...]]:
    """Give the text and the images of the last message, which has to be the user's."""
    if turn.role != "user":
        what = {"tool": "a tool's result", "assistant": "a beginning of the answer"}[turn.role]
        raise InexpressibleError(f"the last message is {what}, and a Prompt ends with a question")
    if isinstance(turn.content, str):
        return turn.content, ()
    first, *others = turn.parts or [{}]
    if any(part.keys() & {"tool_use_id", "toolResult"} for part in (first, *others)):
        raise InexpressibleError(
            "the last message is a tool's result, and a Prompt ends with a question"
        )
    if "text" not in first or not all("fileData" in part for part in others):
        raise InexpressibleError("the question is more than text and images")
    files = [part["fileData"] for part in others]
    return first["text"], tuple(
        Image(url=file["fileUri"], media_type=file["mimeType"]) for file in files
    )
