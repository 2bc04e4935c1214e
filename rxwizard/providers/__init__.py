"""Providers: how each is asked, and how its answers are read. No IO."""

from rxwizard.providers.anthropic import MESSAGES
from rxwizard.providers.chat import CHAT
from rxwizard.providers.ollama import OLLAMA
from rxwizard.providers.protocol import WireProtocol as WireProtocol
from rxwizard.providers.protocol import WireRequest as WireRequest
from rxwizard.providers.reader import Reader as Reader
from rxwizard.providers.reader import ReaderOptions as ReaderOptions
from rxwizard.providers.vendors import VENDORS as VENDORS
from rxwizard.providers.vendors import Vendor as Vendor
from rxwizard.providers.vendors import find_vendor as find_vendor

#: The wire protocols, by the name the table of vendors uses.
PROTOCOLS: dict[str, WireProtocol] = {
    protocol.name: protocol for protocol in (CHAT, MESSAGES, OLLAMA)
}
