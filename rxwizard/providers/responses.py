"""OpenAI's Responses API, and the dialects of those who speak it.

Source: the API reference of ``POST /responses`` and its streaming events, and recordings of OpenAI,
Azure, xAI, DeepSeek, OpenRouter, LM Studio, Codex and Bedrock. The dialects leave out event names,
sequence numbers or fragments; none of them contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, ClassVar

from rxwizard.chunks import ChunkKind, FinishReason, TokenUsage
from rxwizard.decoders import SSEDecoder
from rxwizard.providers.protocol import WireProtocol
from rxwizard.providers.reader import Draft, Reader, ReaderOptions
from rxwizard.providers.requests import as_arguments
from rxwizard.providers.responses_request import responses_request
from rxwizard.providers.shape import as_list, as_object, as_text, objects
from rxwizard.providers.toolcalls import ToolCalls
from rxwizard.providers.usage import counts

#: Characters of one item's reasoning that are kept, to know it when it comes a second time.
MAX_ECHO = 1 << 20

#: Events that say again, or before it is known, what others say.
_BOOKKEEPING = {
    "response.queued",
    "response.created",
    "response.in_progress",
    "response.reasoning_part.added",
    "response.reasoning_part.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
}
_ENDINGS = {"response.completed", "response.incomplete"}
_PARTS = {"output_text", "refusal", "reasoning_text", "summary_text"}
_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class ResponsesReader(Reader):
    """Read the events of one response, by the ``type`` inside their data.

    ``response.completed`` and ``response.incomplete`` are the terminal signals. What was streamed
    in pieces is never replaced by the whole that comes after it; what comes only as a whole is
    taken from the first event that brings it. Calls are known by their place in the output, because
    the ids of items change from event to event with some vendors.
    """

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {"completed": FinishReason.STOP}

    def __init__(self, options: ReaderOptions) -> None:
        super().__init__(options)
        self._calls = ToolCalls(lambda index: self._response.arguments_are_whole(0, index))
        #: The calls whose arguments have been told, by number.
        self._argued: set[int] = set()
        #: The event that brings text, refusal, citations: the first kind of event that did.
        self._bringers: dict[str, str] = {}
        self._text_part: tuple[object, object] | None = None
        self._thoughts = _Thoughts()
        self._tools: list[Mapping[str, Any]] = []

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
            return response.get("error") or {"message": "the response failed, without a reason"}
        # OpenAI has two shapes, with the facts in a field "error" and without it.
        return event if kind == "error" else super()._error_in(event, name)

    def _sentinel(self, data: bytes) -> Iterator[Draft] | None:
        # OpenRouter's dialect ends with it, after response.completed
        return iter(()) if data == b"[DONE]" else None

    def _event(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        kind = event.get("type")
        if "response" in event and kind in _BOOKKEEPING | _ENDINGS:
            response = as_object(event["response"])
            self._identify(response.get("id"), response.get("model"))
            self._tools = objects(response.get("tools"))
        match kind:
            case "response.output_text.delta":
                yield from self._text(event)
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                yield from self._reasoning(event, kind, event["delta"])
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                yield from self._fragment(event, event["delta"], event)
            case "response.refusal.delta":
                yield from self._whole("refusal", kind, event["delta"], event, streams=True)
            case "response.output_text.annotation.added":
                yield from self._cite(kind, [event["annotation"]], event, streams=True)
            case "response.output_item.added" | "response.output_item.done":
                yield from self._item(event["item"], event, kind)
            case "response.function_call_arguments.done":
                yield from self._whole_fragment(event, event.get("arguments"), event)
            case "response.custom_tool_call_input.done":
                yield from self._whole_fragment(event, event.get("input"), event)
            case "response.output_text.done":
                yield from self._whole("text", kind, event.get("text"), event)
                yield from self._cite(kind, as_list(event.get("annotations")), event)
            case "response.refusal.done":
                yield from self._whole("refusal", kind, event.get("refusal"), event)
            case "response.reasoning_text.done" | "response.reasoning_summary_text.done":
                yield from self._whole(kind, kind, event.get("text"), event)
            case "response.content_part.added" | "response.content_part.done":
                part = event["part"]
                if part["type"] not in _PARTS:
                    yield {"kind": ChunkKind.OTHER, "data": event}
                yield from self._cite(kind, as_list(part.get("annotations")), event)
            case "response.completed" | "response.incomplete":
                yield from self._end(as_object(event.get("response")), kind)
            case "keepalive":
                if self._options.heartbeats:
                    yield {"kind": ChunkKind.HEARTBEAT, "data": "keepalive"}
            case _ if kind not in _BOOKKEEPING:
                # Server-side tools, images, audio, and what is yet to come
                yield {"kind": ChunkKind.OTHER, "data": event}
            case _:
                pass

    # -- text, reasoning, citations ----------------------------------------------------------

    def _text(self, event: Mapping[str, Any]) -> Iterator[Draft]:
        part = (event.get("output_index"), event.get("content_index"))
        if part != self._text_part and None not in part:
            self._text_part = part
            # The template is of the part before: this text makes one of its own.
            self._template = None
        for draft in self._whole("text", event["type"], event["delta"], event, streams=True):
            logprobs = event.get("logprobs")
            yield {**draft, "data": {"logprobs": logprobs}} if logprobs else draft

    def _whole(
        self, what: str, kind: str, text: object, event: Mapping[str, Any], *, streams: bool = False
    ) -> Iterator[Draft]:
        """Give a text, unless it came by another kind of event before."""
        if not isinstance(text, str) or not text or not self._brings(what, kind, streams=streams):
            return
        if what == "text":
            yield {"text": text, "index": _index(event)}
        elif what == "refusal":
            yield {"kind": ChunkKind.REFUSAL, "text": text, "index": _index(event)}
        else:
            yield from self._reasoning(event, f"{what.removesuffix('done')}delta", text)

    def _brings(self, what: str, kind: str, *, streams: bool = False) -> bool:
        """Tell whether this kind of event is the one to be read for `what`."""
        if streams:
            self._bringers[what] = kind
        return self._bringers.setdefault(what, kind) == kind

    def _reasoning(self, event: Mapping[str, Any], kind: str, text: str) -> Iterator[Draft]:
        self._bringers[f"{kind.removesuffix('delta')}done"] = kind
        if text and self._thoughts.is_new(event.get("output_index"), kind, text):
            yield {"kind": ChunkKind.REASONING, "reasoning": text, "index": _index(event)}

    def _cite(
        self, kind: str, annotations: list[Any], event: Mapping[str, Any], *, streams: bool = False
    ) -> Iterator[Draft]:
        if annotations and self._brings("citations", kind, streams=streams):
            for annotation in annotations:
                yield {"kind": ChunkKind.CITATION, "data": annotation, "index": _index(event)}

    # -- items of the output -----------------------------------------------------------------

    def _item(self, item: Mapping[str, Any], event: Mapping[str, Any], kind: str) -> Iterator[Draft]:
        is_done = kind != "response.output_item.added"
        match item.get("type"):
            case "function_call" | "custom_tool_call" if self._is_ours(item):
                yield from self._call(item, event)
                if is_done:
                    said = item.get("input" if "input" in item else "arguments")
                    yield from self._whole_fragment(event, said, item)
            case "message" if is_done:
                for part in objects(item.get("content")):
                    yield from self._whole("text", kind, part.get("text"), event)
                    yield from self._whole("refusal", kind, part.get("refusal"), event)
                    yield from self._cite(kind, as_list(part.get("annotations")), event)
            case "reasoning" if is_done:
                if item.get("encrypted_content"):
                    # It has to be sent back in the next turn.
                    yield {"kind": ChunkKind.OTHER, "data": event}
            case "message" | "reasoning":
                pass
            case _:
                yield {"kind": ChunkKind.OTHER, "data": event}

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        """Tell whether a call is for us to answer: xAI's own searches come as custom calls, too."""
        if item["type"] == "function_call" or not self._tools:
            return True
        return any(
            tool.get("type") == "custom" and tool.get("name") == item.get("name")
            for tool in self._tools
        )

    def _call(self, item: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[Draft]:
        """Give the beginning of a call; nothing where it was told before."""
        delta = self._calls.delta(
            index=event.get("output_index"),
            call_id=item.get("call_id"),
            name=item.get("name"),
            arguments=None,
        )
        if delta.id or delta.name:
            yield {"kind": ChunkKind.TOOL_CALL, "tool_call": delta}

    def _whole_fragment(
        self, event: Mapping[str, Any], arguments: object, item: Mapping[str, Any]
    ) -> Iterator[Draft]:
        """Give arguments that come whole, unless they came before."""
        for draft in self._fragment(event, as_arguments(arguments), item):
            if draft["kind"] is not ChunkKind.TOOL_CALL or draft["tool_call"].index not in self._argued:
                yield draft

    def _fragment(
        self, event: Mapping[str, Any], arguments: object, item: Mapping[str, Any]
    ) -> Iterator[Draft]:
        raise NotImplementedError

    def _end(self, response: Mapping[str, Any], kind: str) -> Iterator[Draft]:
        raise NotImplementedError
