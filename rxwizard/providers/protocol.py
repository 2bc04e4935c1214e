"""What a wire protocol is: how to ask, how to split the answer, how to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder
    from rxwizard.prompts import Prompt
    from rxwizard.providers.reader import Reader, ReaderOptions
    from rxwizard.providers.vendors import Vendor


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP POST, ready to be sent.

    `secrets` are headers whose values must never be shown; they are kept apart so that no repr,
    log line or traceback of anything that holds a request can show them.
    """

    url: str
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])


class RequestSettings(Protocol):
    """The settings that go into a request body, whatever the provider calls them."""

    @property
    def model_name(self) -> str:
        """The model without its provider."""
        ...

    @property
    def api_key(self) -> SecretStr | None:
        """The key, where there is one."""
        ...

    @property
    def endpoint(self) -> str | None:
        """The base URL, without a slash at its end."""
        ...

    @property
    def temperature(self) -> float | None:
        """Sampling temperature."""
        ...

    @property
    def top_p(self) -> float | None:
        """Nucleus sampling: the probability mass to sample from."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the answer may have."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end the answer where they appear."""
        ...

    @property
    def seed(self) -> int | None:
        """For repeatable sampling, where the provider offers that."""
        ...

    @property
    def reasoning_effort(self) -> str | None:
        """How long a reasoning model thinks."""
        ...


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """One way to speak with a provider: three functions, none of which does IO.

    Attributes:
        name: Such as ``"chat"``; vendors of the table refer to it.
        request: Makes the HTTP request for a prompt.
        decoder: Makes a decoder that turns bytes into frames, one for each response.
        reader: Makes a reader that turns frames into chunks, one for each response.
    """

    name: str
    request: Callable[[Prompt, RequestSettings, Vendor], WireRequest]
    decoder: Callable[[int], Decoder[Any]]
    reader: Callable[[ReaderOptions], Reader]
