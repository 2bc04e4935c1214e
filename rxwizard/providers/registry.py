"""The wire protocols, and how to add a provider from outside."""

from __future__ import annotations

from rxwizard.errors import ConfigError
from rxwizard.providers.anthropic import MESSAGES
from rxwizard.providers.bedrock import CONVERSE
from rxwizard.providers.chat import CHAT
from rxwizard.providers.cohere import COHERE
from rxwizard.providers.gemini import GEMINI
from rxwizard.providers.hosted import BEDROCK_MESSAGES, BEDROCK_NOVA, VERTEX_MESSAGES
from rxwizard.providers.ollama import OLLAMA
from rxwizard.providers.protocol import WireProtocol
from rxwizard.providers.responses import RESPONSES
from rxwizard.providers.vendors import VENDORS, Vendor

#: The wire protocols, by the name the table of vendors uses.
PROTOCOLS: dict[str, WireProtocol] = {
    protocol.name: protocol
    for protocol in (
        CHAT,
        MESSAGES,
        OLLAMA,
        RESPONSES,
        COHERE,
        CONVERSE,
        BEDROCK_MESSAGES,
        BEDROCK_NOVA,
        VERTEX_MESSAGES,
        GEMINI,
    )
}


def register_provider(vendor: Vendor, protocol: WireProtocol | None = None) -> None:
    """Make ``model="name:model"`` work for a provider of your own.

    ARCHITECTURE.md says what a protocol is made of; `rxwizard.providers.chat` is one.

    Args:
        vendor: Its line of the table.
        protocol: How it is asked and read, where it speaks none of those that are known.

    Raises:
        ConfigError: The name is taken, or the vendor names a protocol that nobody knows.
    """
    if vendor.name in VENDORS:
        message = f'There is a provider named "{vendor.name}" already.'
        raise ConfigError(message)
    known = PROTOCOLS.get(vendor.protocol) if protocol is None else protocol
    if known is None or known.name != vendor.protocol:
        message = f'Provider "{vendor.name}": there is no protocol named "{vendor.protocol}".'
        raise ConfigError(message)
    if PROTOCOLS.setdefault(known.name, known) is not known:
        message = f'There is a protocol named "{known.name}" already.'
        raise ConfigError(message)
    VENDORS[vendor.name] = vendor
