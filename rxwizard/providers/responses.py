"""OpenAI's Responses API, and the dialects of those who speak it.

Source: the API reference of ``POST /responses`` and its streaming events, and recordings of OpenAI,
Azure, xAI, DeepSeek, OpenRouter, LM Studio, Codex and Bedrock. The dialects leave out event names,
sequence numbers or fragments; none of them contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.decoders import SSEDecoder
from rxwizard.providers.protocol import WireProtocol
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import as_arguments
from rxwizard.providers.responses_request import responses_request
from rxwizard.providers.shape import as_list, as_object, as_text, objects
from rxwizard.providers.thoughts import Thoughts
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts

_ITEM_DONE = "response.output_item.done"
_ENDINGS = {"response.completed", "response.incomplete"}
_WITH_RESPONSE = {
    "response.queued",
    "response.created",
    "response.in_progress",
    *_ENDINGS,
}
_REASONING = {
    "response.reasoning_text": "content",
    "response.reasoning_summary_text": "summary",
}
#: Content parts whose text has events of its own.
_KNOWN_PARTS = {"output_text", "refusal", "reasoning_text", "summary_text"}
_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class ResponsesReader(Reader):
    """Read the events of one response, by the ``type`` inside their data.

    ``response.completed`` and ``response.incomplete`` are the terminal signals. What was streamed
    in pieces is never replaced by the whole that comes after it; what comes only as a whole is
    taken from the first kind of event that brings it. Calls are known by their place in the output,
    because some vendors change the ids of items from event to event.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {"completed": FinishReason.STOP}

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._calls = ToolCalls(partial(self._response.arguments_are_whole, 0))
        #: The places in the output where calls are; None for vendors that do not tell them.
        self._called: set[object] = set()
        #: The calls whose arguments have been told, by number.
        self._argued: set[int] = set()
        #: Which kind of event brings what: the first that did.
        self._bringers: dict[str, str] = {}
        self._text_part: tuple[object, object] | None = None
        self._thoughts = Thoughts()
        self._tools: list[Mapping[str, Any]] = []
        self._saw_items = False

    def _plain_text(self, event: Any) -> str | None:
        try:
            text = event["delta"]
            if (
                text.__class__ is str
                and text
                and event["type"] == "response.output_text.delta"
                and (event["output_index"], event["content_index"]) == self._text_part
                and not event.get("logprobs")
                and "error" not in event
            ):
                return text
        except (KeyError, TypeError):
            pass
        return None

    def _error_in(self, event: Mapping[str, Any], name: str) -> object | None:
        kind, response = event.get("type"), as_object(event.get("response"))
        if kind == "response.failed" or (kind in _ENDINGS and response.get("status") == "failed"):
            return response.get("error") or {"message": "the response failed; no reason was given"}
        # OpenAI has two shapes: the facts in a field "error", and without it
        return event if kind == "error" else super()._error_in(event, name)

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:
        # OpenRouter's dialect ends with it, after response.completed
        return iter(()) if data == b"[DONE]" else None

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        kind = as_text(event.get("type"))
        subject, _, action = kind.rpartition(".")
        match subject, action:
            case "response.output_text", "delta":
                yield from self._text(event, kind)
            case "response.refusal", "delta":
                yield from self._tell("refusal", kind, event["delta"], event, streams=True)
            case (("response.reasoning_text" | "response.reasoning_summary_text"), "delta"):
                yield from self._tell(subject, kind, event["delta"], event, streams=True)
            case (("response.reasoning_text" | "response.reasoning_summary_text"), "done"):
                yield from self._tell(subject, kind, event.get("text"), event)
            case "response.function_call_arguments" | "response.custom_tool_call_input", _:
                yield from self._fragment(event, action)
            case "response.output_item", "added" | "done":
                self._saw_items = True
                yield from self._item(event["item"], event, kind)
            case "response.output_text", "done":
                yield from self._tell("text", kind, event.get("text"), event)
                yield from self._cite(kind, event.get("annotations"), event)
            case "response.refusal", "done":
                yield from self._tell("refusal", kind, event.get("refusal"), event)
            case "response.output_text.annotation", "added":
                yield from self._cite(kind, [event["annotation"]], event, streams=True)
            case "response.content_part", "added" | "done" if event["part"]["type"] in _KNOWN_PARTS:
                yield from self._cite(kind, event["part"].get("annotations"), event)
            case (("response.reasoning_part" | "response.reasoning_summary_part"), _):
                pass
            case "", "keepalive":
                if self._options.heartbeats:
                    yield {"kind": ChunkKind.HEARTBEAT, "data": kind}
            case _ if kind in _WITH_RESPONSE:
                yield from self._whole(as_object(event.get("response")), kind)
            case _:
                # Server-side tools, images, audio, and what is yet to come
                yield {"kind": ChunkKind.OTHER, "data": event}

    def _whole(self, response: Mapping[str, Any], kind: str) -> Iterator[Draft]:
        self._identify(response.get("id"), response.get("model"))
        self._tools = objects(response.get("tools")) or self._tools
        if kind not in _ENDINGS:
            return
        if not self._saw_items and not self._bringers:
            # A gateway that does not stream says everything here.
            for place, item in enumerate(objects(response.get("output"))):
                event = {"type": _ITEM_DONE, "output_index": place, "item": item}
                yield from self._item(item, event, _ITEM_DONE)
        self._count(response.get("usage"))
        self._finish(response.get("status") or kind.rpartition(".")[2])
        if self._raw_reason == "incomplete":
            details = as_object(response.get("incomplete_details"))
            self._reason = _INCOMPLETE.get(as_text(details.get("reason")), FinishReason.OTHER)
        self.done = True

    # -- text, reasoning, citations ----------------------------------------------------------

    def _text(self, event: Mapping[str, Any], kind: str) -> Iterator[Draft]:
        part = (event.get("output_index"), event.get("content_index"))
        if part != self._text_part:
            self._text_part = part
            # The template is of the part before: this text makes one of its own.
            self._template = None
        for draft in self._tell("text", kind, event["delta"], event, streams=True):
            logprobs = event.get("logprobs")
            yield {**draft, "data": {"logprobs": logprobs}} if logprobs else draft

    def _tell(
        self, what: str, kind: str, text: Any, event: Mapping[str, Any], *, streams: bool = False
    ) -> Iterator[Draft]:
        """Give a text, unless it came by another kind of event before."""
        if not text or not self._brings(what, kind, streams=streams):
            return
        if not isinstance(text, str):
            raise TypeError
        index = _index(event)
        if what == "text":
            yield {"text": text, "index": index}
        elif what == "refusal":
            yield {"kind": ChunkKind.REFUSAL, "text": text, "index": index}
        elif text := self._thoughts.news(event.get("output_index"), what, text):
            yield {"kind": ChunkKind.REASONING, "reasoning": text, "index": index}

    def _brings(self, what: str, kind: str, *, streams: bool = False) -> bool:
        """Tell whether this kind of event is the one to read `what` from."""
        if streams:
            self._bringers[what] = kind
        return self._bringers.setdefault(what, kind) == kind

    def _cite(
        self, kind: str, annotations: object, event: Mapping[str, Any], *, streams: bool = False
    ) -> Iterator[Draft]:
        found = as_list(annotations)
        if found and self._brings("citations", kind, streams=streams):
            for annotation in found:
                yield {"kind": ChunkKind.CITATION, "data": annotation, "index": _index(event)}

    # -- items of the output -----------------------------------------------------------------

    def _item(
        self, item: Mapping[str, Any], event: Mapping[str, Any], kind: str
    ) -> Iterator[Draft]:
        is_done = kind == _ITEM_DONE
        match item.get("type"):
            case "function_call" | "custom_tool_call" if self._is_ours(item):
                yield from self._call(item, event, is_done=is_done)
            case "message":
                for place, part in enumerate(objects(item.get("content")) if is_done else ()):
                    where = {**event, "content_index": place}
                    yield from self._tell("text", kind, part.get("text"), where)
                    yield from self._tell("refusal", kind, part.get("refusal"), where)
                    yield from self._cite(kind, part.get("annotations"), where)
            case "reasoning":
                if not is_done:
                    return
                if all(self._bringers.get(what, kind) == kind for what in _REASONING):
                    for what, field in _REASONING.items():
                        for part in objects(item.get(field)):
                            yield from self._tell(what, kind, part.get("text"), event)
                if item.get("encrypted_content"):
                    # It has to be sent back in the next turn.
                    yield {"kind": ChunkKind.OTHER, "data": event}
            case _:
                yield {"kind": ChunkKind.OTHER, "data": event}

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        """Tell whether a call is for us to answer: xAI's own searches come as custom calls, too."""
        return (
            item["type"] == "function_call"
            or not self._tools
            or any(
                tool.get("type") == "custom" and tool.get("name") == item.get("name")
                for tool in self._tools
            )
        )

    def _call(
        self, item: Mapping[str, Any], event: Mapping[str, Any], *, is_done: bool
    ) -> Iterator[Draft]:
        place = event.get("output_index")
        delta = self._calls.delta(
            index=place, call_id=item.get("call_id"), name=item.get("name"), arguments=None
        )
        self._called |= {place, None}
        if is_done and delta.index not in self._argued:
            said = item.get("input" if item["type"] == "custom_tool_call" else "arguments")
            delta = delta.model_copy(update={"arguments": as_arguments(said) or ""})
            self._argued.add(delta.index)
        if delta.id or delta.name or delta.arguments:
            yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}

    def _fragment(self, event: Mapping[str, Any], action: str) -> Iterator[Draft]:
        """Read a piece of a call's arguments, or all of them where no piece came before."""
        place = event.get("output_index")
        if place not in self._called or action not in {"delta", "done"}:
            # It belongs to a call that the server answers itself.
            yield {"kind": ChunkKind.OTHER, "data": event}
            return
        said = event["delta"] if action == "delta" else event.get("arguments", event.get("input"))
        delta = self._calls.delta(
            index=place, call_id=None, name=None, arguments=as_arguments(said)
        )
        if delta.arguments and (action == "delta" or delta.index not in self._argued):
            self._argued.add(delta.index)
            yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}

    # -- usage -------------------------------------------------------------------------------

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        given, made = (as_object(raw.get(f"{side}_tokens_details")) for side in ("input", "output"))
        return counts(
            raw,
            prompt_tokens=raw.get("input_tokens"),
            completion_tokens=raw.get("output_tokens"),
            total_tokens=raw.get("total_tokens"),
            reasoning_tokens=made.get("reasoning_tokens"),
            cached_tokens=given.get("cached_tokens"),
            cache_write_tokens=given.get("cache_write_tokens"),
        )


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("content_index", event.get("summary_index"))
    return index if isinstance(index, int) else 0


RESPONSES = WireProtocol(
    "responses", request=responses_request, decoder=SSEDecoder, reader=ResponsesReader
)
