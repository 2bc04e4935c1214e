"""Bodies to measure with, made by hand after the shape of real ones."""

from __future__ import annotations

import json

_WORDS = ["", "The", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"]


def openai_body(chunks: int) -> bytes:
    """A chat completion of `chunks` text events, some 290 bytes each."""
    head = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_b376dfbbd5",
    }

    def event(delta: dict[str, object], reason: str | None = None, i: int = 0) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        padding = "x" * (i % 11)
        data = {**head, "choices": [choice], "usage": None, "obfuscation": padding}
        return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"

    usage = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": 9 + chunks}
    return b"".join(
        [
            event({"role": "assistant", "content": "", "refusal": None}),
            *(event({"content": f" {_WORDS[i % 9]}"}, i=i) for i in range(chunks)),
            event({}, "stop"),
            b"data: " + json.dumps({**head, "choices": [], "usage": usage}).encode() + b"\n\n",
            b"data: [DONE]\n\n",
        ]
    )


def anthropic_body(chunks: int) -> bytes:
    """A message of `chunks` text deltas, some 130 bytes each."""

    def event(data: dict[str, object]) -> bytes:
        text = json.dumps(data, separators=(",", ":"))
        return f"event: {data['type']}\ndata: {text}\n\n".encode()

    usage = {"input_tokens": 9, "output_tokens": 1}
    message = {"id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "model": "claude-sonnet-4-5", "usage": usage}
    return b"".join(
        [
            event({"type": "message_start", "message": {**message, "role": "assistant"}}),
            event({"type": "content_block_start", "index": 0, "content_block": _TEXT_BLOCK}),
            event({"type": "ping"}),
            *(event(_text_delta(f" {_WORDS[i % 9]}")) for i in range(chunks)),
            event({"type": "content_block_stop", "index": 0}),
            event(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": chunks},
                }
            ),
            event({"type": "message_stop"}),
        ]
    )


_TEXT_BLOCK = {"type": "text", "text": ""}


def _text_delta(text: str) -> dict[str, object]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def tool_body(argument_bytes: int, piece: int = 16) -> bytes:
    """A chat completion that calls a tool with a long argument, in pieces of `piece` bytes."""

    def event(function: dict[str, str], **more: object) -> bytes:
        delta = {"tool_calls": [{"index": 0, "function": function, **more}]}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        data = {"id": "chatcmpl-1", "model": "gpt-4.1", "choices": [choice]}
        return b"data: " + json.dumps(data).encode() + b"\n\n"

    text = json.dumps({"text": "x" * argument_bytes})
    pieces = [text[i : i + piece] for i in range(0, len(text), piece)]
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    return b"".join(
        [
            event({"name": "write", "arguments": ""}, id="call_1", type="function"),
            *(event({"arguments": part}) for part in pieces),
            b"data: " + json.dumps({"choices": [end]}).encode() + b"\n\ndata: [DONE]\n\n",
        ]
    )
