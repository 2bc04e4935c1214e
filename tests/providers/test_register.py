"""A provider of one's own, added from outside: a toy that speaks Morse, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from rxwizard import (
    ConfigError,
    FinishReason,
    Prompt,
    StreamingClient,
    StreamInterruptedError,
    TokenUsage,
    WizardConfig,
    register_provider,
)
from rxwizard.decoders import JSONLinesDecoder
from rxwizard.providers import PROTOCOLS, VENDORS, Reader, Vendor, WireProtocol, WireRequest
from rxwizard.testing import Raw
from rxwizard.testing.plugin import SimulatorFactory

MORSE = {"....": "h", "..": "i"}


class MorseReader(Reader):
    """Lines of ``{"key": "...."}``; ``{"key": "...-.-"}`` is the end of work."""

    _finish_reasons: ClassVar[Mapping[object, FinishReason]] = {"...-.-": FinishReason.STOP}

    def _event(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if event["key"] == "...-.-":
            self._finish(event["key"])
            self.done = True
        else:
            yield {"text": MORSE[event["key"]]}

    def _plain_text(self, event: Any) -> str | None:
        return MORSE.get(event["key"])

    def _usage_of(self, raw: Mapping[str, Any]) -> TokenUsage:
        return TokenUsage()


def morse_request(prompt: Prompt, settings: Any, vendor: Vendor) -> WireRequest:
    return WireRequest(url=settings.endpoint, body={"text": prompt.text})


PROTOCOL = WireProtocol("morse", morse_request, JSONLinesDecoder, MorseReader)
VENDOR = Vendor(name="telegraph", protocol="morse", key_required=False)


@pytest.fixture
def telegraph() -> Iterator[None]:
    register_provider(VENDOR, PROTOCOL)
    yield
    del VENDORS["telegraph"], PROTOCOLS["morse"]


@pytest.mark.usefixtures("telegraph")
async def test_a_protocol_from_outside_is_asked_and_read(simulator: SimulatorFactory) -> None:
    sim = await simulator(Raw(b'{"key":"...."}\n{"key":".."}\n{"key":"...-.-"}\n'))
    config = WizardConfig("telegraph:any", endpoint=f"{sim.url}/wire")

    response = await StreamingClient(config).generate_complete("CQ")

    assert (response.text, response.finish_reason, response.complete) == ("hi", "stop", True)
    assert sim.requests[0].json == {"text": "CQ"}


@pytest.mark.usefixtures("telegraph")
async def test_the_laws_hold_for_it(simulator: SimulatorFactory) -> None:
    sim = await simulator(Raw(b'{"key":"...."}\n'))
    config = WizardConfig("telegraph:any", endpoint=f"{sim.url}/wire")

    with pytest.raises(StreamInterruptedError) as caught:
        await StreamingClient(config).generate_complete("CQ")

    assert caught.value.partial is not None
    assert caught.value.partial.text == "h"


def test_a_vendor_of_a_known_protocol_needs_no_other() -> None:
    register_provider(Vendor(name="mine", endpoint="http://localhost:1/v1", key_required=False))
    try:
        assert WizardConfig("mine:m").vendor.protocol == "chat"
    finally:
        del VENDORS["mine"]


@pytest.mark.parametrize(
    ("vendor", "protocol", "words"),
    [
        (Vendor(name="openai"), None, "already"),
        (Vendor(name="x", protocol="morse"), None, "no protocol"),
        (Vendor(name="x", protocol="other"), PROTOCOL, "no protocol"),
        (
            Vendor(name="x", protocol="chat"),
            WireProtocol("chat", morse_request, JSONLinesDecoder, MorseReader),
            "already",
        ),
    ],
)
def test_what_cannot_work_is_said(
    vendor: Vendor, protocol: WireProtocol | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        register_provider(vendor, protocol)

    assert "x" not in VENDORS
