"""The table of providers as people read it: by ``rxwizard providers``, and in the README."""

from __future__ import annotations

from rxwizard.providers.vendors import VENDORS, Vendor


def provider_table() -> list[tuple[str, str, str, str]]:
    """Give the table's rows, the first being its head: provider, protocol, key, endpoint."""
    return [("provider", "protocol", "key", "endpoint"), *map(_row, VENDORS.values())]


def _row(vendor: Vendor) -> tuple[str, str, str, str]:
    if vendor.in_process:
        return vendor.name, vendor.protocol, "none", "in process"
    keys = ", ".join(vendor.key_variables) + ("" if vendor.key_required else " (optional)")
    return (
        vendor.name,
        vendor.protocol,
        keys,
        vendor.endpoint or f"set {vendor.endpoint_variables[0]}",
    )
