"""What the requests of several protocols have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from rxwizard.errors import ConfigError
from rxwizard.prompts import Tool

if TYPE_CHECKING:
    from rxwizard.providers.protocol import RequestSettings
    from rxwizard.providers.vendors import Vendor


def without_none(**fields: Any) -> dict[str, Any]:
    """Make a dictionary of those fields that have a value: what is not set is not sent."""
    return {name: value for name, value in fields.items() if value is not None}


def credentials(key: SecretStr | None, vendor: Vendor) -> Mapping[str, SecretStr]:
    """Make the header that carries the key, in the vendor's form; none without a key."""
    if key is None:
        return {}
    if vendor.key_header == "Authorization":
        return bearer(key)
    return {vendor.key_header: SecretStr(key.get_secret_value())}


def bearer(key: SecretStr | None) -> Mapping[str, SecretStr]:
    """Make the ``Authorization`` header; none without a key."""
    if key is None:
        return {}
    return {"Authorization": SecretStr(f"Bearer {key.get_secret_value()}")}


def endpoint_of(settings: RequestSettings, vendor: Vendor) -> str:
    """Give the base URL, without a slash at its end.

    Raises:
        ConfigError: The vendor has no default, and none is set.
    """
    endpoint = settings.endpoint or vendor.endpoint
    if not settings.endpoint and vendor.regions:
        names = " or ".join(vendor.regions)
        message = f'The provider "{vendor.name}" needs a region: set {names}, or pass endpoint=.'
        raise ConfigError(message)
    if not endpoint:
        names = " or ".join(vendor.endpoint_variables)
        message = f'The provider "{vendor.name}" needs an endpoint: set {names}, or pass endpoint=.'
        raise ConfigError(message)
    endpoint = endpoint.rstrip("/")
    if vendor.endpoint_path and not urlsplit(endpoint).path:
        endpoint += vendor.endpoint_path
    return endpoint


def under(endpoint: str, path: str) -> str:
    """Put a path behind a base URL; a query (Azure's ``?api-version=``) stays at the end."""
    base, mark, query = endpoint.partition("?")
    return f"{base.rstrip('/')}{path}{mark}{query}"


def as_arguments(arguments: object) -> str | None:
    """Give a tool call's arguments as the text they are, or would be, on the wire.

    Some vendors send an object where the protocol says text; null and absent are no text.
    """
    if arguments is None or isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def function_tool(tool: Tool | Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a tool in OpenAI's form, which others took over; one in its own form stays."""
    if not isinstance(tool, Tool):
        return tool
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
