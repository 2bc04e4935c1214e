"""What a wire protocol is: how to ask, how to split the answer, how to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pydantic import SecretStr
from yarl import URL

from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder
    from rxwizard.prompts import Prompt
    from rxwizard.providers.reader import Reader, ReaderOptions
    from rxwizard.providers.vendors import Vendor

Sign: TypeAlias = Callable[[str, bytes], tuple[Mapping[str, str], Mapping[str, SecretStr]]]
"""Gives the headers and the secret headers of a signature, for a URL and a body."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP POST, ready to be sent.

    `secrets` are headers whose values must never be shown; they are kept apart so that no repr,
    log line or traceback of anything that holds a request can show them.

    `sign` makes more headers and secrets out of the URL and the body as they are going to be sent,
    to the byte; `content` is the body in these bytes, once it is signed.
    """

    url: str
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    sign: Sign | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)

    def signed(self, encode: Callable[[Mapping[str, Any]], bytes]) -> WireRequest:
        """Give the request as it goes over the wire, signed where it has to be.

        Args:
            encode: Writes the body as it is sent.

        Raises:
            ConfigError: There is nothing to sign it with, or the URL cannot be one.
        """
        if self.sign is None:
            return self
        content = encode(self.body)
        try:
            # What the HTTP client makes of it: the signature holds for that.
            url = str(URL(self.url))
        except ValueError:
            message = f"{self.url} is no URL of an HTTP server: check the endpoint."
            raise ConfigError(message) from None
        headers, secrets = self.sign(url, content)
        return replace(
            self,
            headers={**self.headers, **headers},
            secrets={**self.secrets, **secrets},
            content=content,
        )


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
