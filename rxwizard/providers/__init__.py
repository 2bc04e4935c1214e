"""Providers: how each is asked, and how its answers are read. No IO."""

from rxwizard.providers.protocol import WireProtocol as WireProtocol
from rxwizard.providers.protocol import WireRequest as WireRequest
from rxwizard.providers.reader import Reader as Reader
from rxwizard.providers.reader import ReaderOptions as ReaderOptions
from rxwizard.providers.registry import PROTOCOLS as PROTOCOLS
from rxwizard.providers.registry import register_provider as register_provider
from rxwizard.providers.vendors import VENDORS as VENDORS
from rxwizard.providers.vendors import Vendor as Vendor
from rxwizard.providers.vendors import find_vendor as find_vendor
