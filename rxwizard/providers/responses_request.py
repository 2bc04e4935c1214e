"""The request of OpenAI's Responses API: a conversation as a list of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rxwizard.errors import ConfigError
from rxwizard.prompts import Message, Prompt, Role, Tool
from rxwizard.providers.prefill import check_prefill
from rxwizard.providers.protocol import RequestSettings, WireRequest
from rxwizard.providers.requests import as_arguments, credentials, endpoint_of, under, without_none
from rxwizard.providers.shape import as_object
from rxwizard.providers.vendors import Vendor


def responses_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt.

    Raises:
        ConfigError: A seed, stop sequences or a prefill is asked for, which this API does not have.
    """
    check_prefill(prompt, settings, vendor)
    for name, value in (("seed", settings.seed), ("stop", settings.stop or None)):
        if value is not None:
            message = f'The Responses API ("{vendor.name}") has no {name}: leave it out.'
            raise ConfigError(message)
    effort, form = settings.reasoning_effort, _format(prompt)
    body = without_none(
        model=settings.model_name,
        instructions=prompt.system,
        input=[*_input(prompt)],
        stream=True,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_output_tokens=settings.max_tokens,
        reasoning={"effort": effort} if effort is not None else None,
        text={"format": form} if form is not None else None,
        tools=[_tool(tool) for tool in prompt.tools] or None,
    )
    return WireRequest(
        url=under(endpoint_of(settings, vendor), "/responses"),
        body={**body, **prompt.extra},
        secrets=credentials(settings.api_key, vendor),
    )


def _format(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.json_schema is not None:
        schema = dict(prompt.json_schema)
        return {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    return {"type": "json_object"} if prompt.json_mode else None


def _input(prompt: Prompt) -> Iterator[Mapping[str, Any]]:
    for message in prompt.history:
        yield from _items(message)
    content: Any = prompt.text
    if prompt.images:
        content = [{"type": "input_text", "text": prompt.text}]
        content += [{"type": "input_image", "image_url": image.data_url} for image in prompt.images]
    yield {"role": "user", "content": content}


def _items(message: Message) -> Iterator[Mapping[str, Any]]:
    """Put one message into items: a result and each call are items of their own."""
    content = message.parts or message.content
    if message.role is Role.TOOL:
        output = content if content is not None else ""
        yield {
            "type": "function_call_output",
            "call_id": message.tool_call_id,
            "output": output,
        }
        return
    if content or not message.tool_calls:
        yield {"role": message.role.value, "content": content or ""}
    for call in message.tool_calls:
        yield _call(call)


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a call in the form of chat completions into this API's own; other forms stay."""
    function = as_object(call.get("function"))
    if not function:
        return call
    return {
        "type": "function_call",
        "call_id": call.get("id"),
        "name": function.get("name"),
        "arguments": as_arguments(function.get("arguments")) or "{}",
    }


def _tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(tool, Tool):
        return tool
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        # This API's default would make every parameter of the schema a required one.
        "strict": False,
    }
