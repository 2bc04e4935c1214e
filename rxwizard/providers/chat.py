"""OpenAI's chat completions, and the dialects of all who speak it.

Source: the API reference of ``POST /chat/completions``, and recordings of some thirty vendors. The
dialects differ in where they put reasoning and usage and in how they cut tool calls; none of them
contradict each other, so one reader reads them all and asks for no vendor's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.decoders import SSEDecoder
from rxwizard.errors import DecodeError
from rxwizard.prompts import Image, Message, Prompt, Role
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import (
    as_arguments,
    credentials,
    endpoint_of,
    function_tool,
    under,
    without_none,
)
from rxwizard.providers.shape import as_list, as_object, as_text, is_list, is_object, objects
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts
from rxwizard.providers.vendors import Vendor

#: Behind the endpoint; some write it into theirs.
_PATH = "/chat/completions"

#: Answers to one prompt; OpenAI allows 128. A hostile server would make memory grow with more.
MAX_CHOICES = 1024


# -- the request -----------------------------------------------------------------------------


def chat_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: The prompt has a prefill that the model cannot go on from.
    """
    check_prefill(prompt, settings, vendor)
    body: dict[str, Any] = without_none(
        model=settings.model_name,
        messages=[*_messages(prompt), *_prefill(prompt, vendor)],
        stream=True,
        stream_options={"include_usage": True} if vendor.stream_usage else None,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=list(settings.stop) or None,
        reasoning_effort=settings.reasoning_effort,
        response_format=_response_format(prompt),
        tools=[function_tool(tool) for tool in prompt.tools] or None,
    )
    body |= without_none(
        **{vendor.seed_field: settings.seed, vendor.max_tokens_field: settings.max_tokens}
    )
    if prompt.prefill and vendor.prefill == "continue":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return WireRequest(
        url=under(endpoint_of(settings, vendor).removesuffix(_PATH), _PATH),
        body={**body, **prompt.extra},
        secrets=credentials(settings.api_key, vendor),
    )


def _response_format(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.json_schema is not None:
        schema = {"name": "answer", "schema": dict(prompt.json_schema), "strict": True}
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if prompt.json_mode else None


def _messages(prompt: Prompt) -> Iterator[dict[str, Any]]:
    if prompt.system is not None:
        yield {"role": "system", "content": prompt.system}
    for message in prompt.history:
        yield _message(message)
    if prompt.images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": prompt.text}]
        parts += [_image(image) for image in prompt.images]
        yield {"role": "user", "content": parts}
    else:
        yield {"role": "user", "content": prompt.text}


def _prefill(prompt: Prompt, vendor: Vendor) -> Iterator[dict[str, Any]]:
    if prompt.prefill:
        begun: dict[str, Any] = {"role": "assistant", "content": prompt.prefill}
        if vendor.prefill in {"prefix", "partial"}:
            begun[vendor.prefill] = True
        yield begun


def _message(message: Message) -> dict[str, Any]:
    return {
        "role": message.role.value,
        "content": message.parts or message.content,
        **without_none(
            tool_calls=list(message.tool_calls) or None,
            tool_call_id=message.tool_call_id if message.role is Role.TOOL else None,
        ),
    }


def _image(image: Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": image.data_url}}


# -- the answer ------------------------------------------------------------------------------


class ChatReader(Reader):
    """Read ``chat.completion.chunk`` events.

    The answer is over when every choice that was seen has a finish reason, or when one has and
    ``[DONE]`` comes. Only ``[DONE]`` or the end of the body then ends the stream, because usage may
    still follow the finish reason.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {
        "stop": FinishReason.STOP,
        "length": FinishReason.LENGTH,
        "model_length": FinishReason.LENGTH,
        "tool_calls": FinishReason.TOOL_CALLS,
        "function_call": FinishReason.TOOL_CALLS,
        "content_filter": FinishReason.CONTENT_FILTER,
        "refusal": FinishReason.REFUSAL,
        "error": FinishReason.ERROR,
        # DeepSeek's words for running out of capacity in the middle of an answer
        "insufficient_system_resource": FinishReason.ERROR,
    }

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._calls: dict[int, ToolCalls] = {}
        self._open_choices: set[int] = set()
        self._ended_choices: set[int] = set()
        self._saw_plain_reasoning = False
        self._citations: int = 0

    @property
    def _is_finished(self) -> bool:
        return self._finished and not self._open_choices

    def _plain_text(self, event: Any) -> str | None:
        try:
            choices = event["choices"]
            choice = choices[0]
            delta = choice["delta"]
            text = delta["content"]
        except (KeyError, IndexError, TypeError):
            return None
        if (
            text.__class__ is str
            and text
            and len(choices) == 1
            and (len(delta) == 1 or (len(delta) == 2 and "role" in delta))
            and choice.get("finish_reason") is None
            and not choice.get("index")
            and choice.get("logprobs") is None
            and event.get("usage") is None
            and "error" not in event
            and "citations" not in event
        ):
            return text
        return None

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:
        if data != b"[DONE]":
            return None
        # Where no finish reason was seen, [DONE] ends the body but not the answer. LiteLLM's proxy
        # sends one for the first choice only.
        if self._finished or self._options.vendor.done_is_terminal:
            self._finished = True
            self._open_choices.clear()
        self.done = self._is_finished
        return iter(())

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        self._identify(event.get("id"), event.get("model"))
        self._count(as_object(event.get("x_groq")).get("usage"))
        self._count(event.get("usage"))
        yield from self._new_citations(event.get("citations"))
        for choice in objects(event.get("choices")):
            yield from self._choice(choice)
        if "choices" not in event and not self._usage.is_news:
            yield {"kind": ChunkKind.OTHER, "data": event}

    def _choice(self, choice: Mapping[str, Any]) -> Iterator[Draft]:
        number = choice.get("index")
        number = number if isinstance(number, int) else 0
        delta = choice.get("delta")
        if "delta" not in choice and (text := as_text(choice.get("text"))):
            delta = {"content": text}  # the older completions, which some servers still send
        if is_object(delta):
            if number not in self._ended_choices:
                self._open(number)
            drafts = list(self._delta(delta, number))
            if (logprobs := _logprobs(choice)) is not None:
                if not drafts:
                    drafts.append({"kind": ChunkKind.OTHER})
                drafts[-1]["data"] = {"logprobs": logprobs}
            for draft in drafts:
                yield {**draft, "choice": number} if number else draft
        raw_reason = choice.get("finish_reason")
        if raw_reason is None or raw_reason == "":
            return
        is_news = number not in self._ended_choices
        self._open(number)
        self._open_choices.discard(number)
        self._ended_choices.add(number)
        yield from self._finish_choice(number, raw_reason, is_news=is_news)

    def _open(self, number: int) -> None:
        self._open_choices.add(number)
        if len(self._open_choices) + len(self._ended_choices) > 2 * MAX_CHOICES:
            message = f"{self._name} sent more than {MAX_CHOICES:,} choices"
            raise DecodeError(message)

    def _delta(self, delta: Mapping[str, Any], number: int) -> Iterator[Draft]:
        if reasoning := self._reasoning(delta):
            yield {"kind": ChunkKind.REASONING, "reasoning": reasoning}
        content = delta.get("content")
        if text := as_text(content):
            yield {"text": text}
        for part in as_list(content):
            yield from self._part(part)
        if refusal := as_text(delta.get("refusal")):
            yield {"kind": ChunkKind.REFUSAL, "text": refusal}
        for call in objects(delta.get("tool_calls")):
            yield self._tool_call(call, number)
        if is_object(legacy := delta.get("function_call")):
            yield self._tool_call({"index": 0, "function": legacy}, number)
        for annotation in as_list(delta.get("annotations")):
            yield {"kind": ChunkKind.CITATION, "data": annotation}
        unusual = {name: delta[name] for name in delta.keys() & _UNUSUAL if delta[name]}
        if unusual:
            yield {"kind": ChunkKind.OTHER, "data": unusual}

    def _reasoning(self, delta: Mapping[str, Any]) -> str:
        """Find the reasoning once, though some vendors send the same text in two fields."""
        for name in ("reasoning_content", "reasoning"):
            if text := as_text(delta.get(name)):
                self._saw_plain_reasoning = True
                return text
        if self._saw_plain_reasoning:
            return ""
        details = objects(delta.get("reasoning_details"))
        return "".join(as_text(d.get("text")) or as_text(d.get("summary")) for d in details)

    def _part(self, part: object) -> Iterator[Draft]:
        """Read one content part of Mistral's list form."""
        if isinstance(part, str):
            yield {"text": part}
        elif not is_object(part):
            yield {"kind": ChunkKind.OTHER, "data": part}
        elif part.get("type") == "text" and isinstance(part.get("text"), str):
            if part["text"]:
                yield {"text": part["text"]}
        elif part.get("type") == "thinking":
            text = _thinking(part.get("thinking"))
            if text:
                self._saw_plain_reasoning = True
                yield {"kind": ChunkKind.REASONING, "reasoning": text}
        elif part.get("type") == "reference":
            yield {"kind": ChunkKind.CITATION, "data": part}
        else:
            yield {"kind": ChunkKind.OTHER, "data": part}

    def _tool_call(self, call: Mapping[str, Any], number: int) -> Draft:
        if number not in self._calls:
            is_whole = partial(self._response.arguments_are_whole, number)
            self._calls[number] = ToolCalls(is_whole)
        function = call.get("function")
        if not is_object(function):
            # A custom tool: its input is raw text.
            custom = as_object(call.get("custom"))
            function = {"name": custom.get("name"), "arguments": custom.get("input")}
        delta = self._calls[number].delta(
            index=call.get("index"),
            call_id=call.get("id"),
            name=function.get("name"),
            arguments=as_arguments(function.get("arguments")),
        )
        return {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}

    def _new_citations(self, citations: object) -> Iterator[Draft]:
        """Give those that the event before did not have: Perplexity repeats the list each time."""
        if is_list(citations):
            for citation in citations[self._citations :]:
                yield {"kind": ChunkKind.CITATION, "data": citation}
            self._citations = max(self._citations, len(citations))

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        prompt, completion = raw.get("prompt_tokens"), raw.get("completion_tokens")
        total = raw.get("total_tokens")
        output = as_object(raw.get("completion_tokens_details"))
        cached = as_object(raw.get("prompt_tokens_details"))
        # DeepSeek on Azure tells the reasoning at the top level
        reasoning = output.get("reasoning_tokens", raw.get("reasoning_tokens"))
        if (
            isinstance(prompt, int)
            and isinstance(completion, int)
            and isinstance(reasoning, int)
            and total == prompt + completion + reasoning
        ):
            # xAI counts reasoning apart from the completion; the total gives it away.
            completion += reasoning
        return counts(
            raw,
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            reasoning_tokens=reasoning,
            cached_tokens=cached.get("cached_tokens", raw.get("prompt_cache_hit_tokens")),
            cache_write_tokens=cached.get("cache_write_tokens"),
        )


#: Parts of a delta that are neither text, reasoning nor calls: Groq's and OpenAI's extras.
_UNUSUAL = {"executed_tools", "audio", "images", "media"}


def _logprobs(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the log probabilities, where there are any: many vendors send empty ones always."""
    logprobs = choice.get("logprobs")
    return logprobs if is_object(logprobs) and any(logprobs.values()) else None


def _thinking(thinking: object) -> str:
    if isinstance(thinking, str):
        return thinking
    return "".join(as_text(part.get("text")) for part in objects(thinking))


CHAT = WireProtocol("chat", request=chat_request, decoder=SSEDecoder, reader=ChatReader)
