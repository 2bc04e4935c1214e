"""Settings: whom to ask, and how the answer flows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, cast

from pydantic import Field, SecretStr, field_validator

from rxwizard import errors
from rxwizard.decoders import MAX_EVENT_BYTES
from rxwizard.errors import ConfigError
from rxwizard.policies import (
    CircuitConfig,
    DeadlineConfig,
    HedgeConfig,
    RateLimitConfig,
    RetryConfig,
)
from rxwizard.providers.vendors import VENDORS, Vendor, find_vendor
from rxwizard.settings import Settings


class FallbackModel(Settings):
    """A model to fall back to."""

    model: str
    """``provider:model``."""
    on: tuple[str, ...] = ()
    """Names of the errors for which this one is asked, such as ``"TokenLimitError"``; a name stands
    for the errors below it, too. Empty: all for which another provider may be better."""
    api_key: SecretStr | None = None
    """Its key; None: from the environment."""
    endpoint: str | None = None
    """Its endpoint; None: from the environment, or the vendor's own."""

    def __init__(self, model: str = "", **data: Any) -> None:
        _hide_key(data)
        super().__init__(**{"model": model, **data})

    @field_validator("model")
    @classmethod
    def _of_a_provider(cls, model: str) -> str:
        find_vendor(_split(model)[0])
        return model

    @field_validator("on", mode="before")
    @classmethod
    def _one_or_several(cls, on: object) -> object:
        return (on,) if isinstance(on, str) else on

    @field_validator("on")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            kind = getattr(errors, name, None)
            if not (isinstance(kind, type) and issubclass(kind, errors.WizardError)):
                message = f"there is no error named {name!r} in rxwizard"
                raise ValueError(message)
        return names

    @property
    def classes(self) -> tuple[type[errors.WizardError], ...]:
        """The errors for which this one is asked."""
        return tuple(getattr(errors, name) for name in self.on)


class FallbackConfig(Settings):
    """Whom to ask, in this order, where the model itself fails, retries included."""

    models: tuple[FallbackModel, ...] = Field(min_length=1)
    """Models; a plain ``"provider:model"`` is one."""
    after_first_token: Literal["raise", "restart"] = "restart"
    """Whether the next one is asked where an answer breaks off after its first token, too. Then a
    chunk of kind retract says what to erase."""

    def __init__(self, *models: FallbackModel | str, **data: Any) -> None:
        if models:
            data["models"] = models
        super().__init__(**data)

    @field_validator("models", mode="before")
    @classmethod
    def _named(cls, models: object) -> object:
        found = (models,) if isinstance(models, str | FallbackModel) else models
        if not isinstance(found, list | tuple):
            return models
        each_of = cast("Iterable[object]", found)
        return tuple(FallbackModel(each) if isinstance(each, str) else each for each in each_of)


class WizardConfig(Settings):
    """Whom to ask, with which key, and how to sample.

    ``WizardConfig(model="anthropic:claude-sonnet-5-5")`` takes the key and the endpoint that are
    not given from the environment, as the vendor's own SDK does: ``{PROVIDER}_API_KEY``,
    ``{PROVIDER}_ENDPOINT`` and the vendor's own names for them. `from_env` takes the model and
    the other settings from there, too.

    Raises:
        ConfigError: A key is missing or empty, the provider is unknown, a number is out of range.
            The message names the variable to set.
    """

    model: str
    """``provider:model``. What follows the first colon is the provider's own name of the model."""
    api_key: SecretStr | None = None
    """The key. It appears in no repr, log, error or traceback."""
    endpoint: str | None = None
    """Base URL as the vendor's own SDK takes it; None: the vendor's own."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature, 0 to 2; None: the provider's default."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    """Probability mass to sample from, 0 to 1; None: the provider's default."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Most tokens the answer may have; None: the provider's default."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer where they appear."""
    seed: int | None = None
    """For repeatable sampling, where the provider offers that."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    """How long a reasoning model thinks; None: the provider's default."""
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """More request headers, such as ``OpenAI-Organization``."""
    deadlines: DeadlineConfig = DeadlineConfig()
    """How long each stage of an answer may take."""
    retry: RetryConfig = RetryConfig()
    """When to ask again where a request fails, and what to do where an answer breaks off."""
    fallback: FallbackConfig | None = None
    """Whom to ask where this one fails for good; None: nobody."""
    rate_limit: RateLimitConfig | None = None
    """How many requests and tokens a minute; None: as many as there are."""
    circuit: CircuitConfig | None = None
    """When to stop asking an endpoint that does not work; None: never."""
    hedge: HedgeConfig | None = None
    """When to ask a second time because the first token takes long; None: never."""

    def __init__(self, model: str = "", **data: Any) -> None:
        _hide_key(data)
        vendor = find_vendor(_split(model)[0])
        if data.get("api_key") is None:
            data["api_key"] = _first_set(vendor.key_variables)
            _hide_key(data)
        if data.get("endpoint") is None:
            data["endpoint"] = _first_set(vendor.endpoint_variables) or _regional(vendor)
        super().__init__(**{"model": model, **data})
        key = self.api_key
        is_empty = key is not None and not key.get_secret_value()
        if is_empty or (vendor.key_required and key is None):
            names = " or ".join(vendor.key_variables)
            has = "has an empty" if is_empty else "needs an"
            message = f'"{model}" {has} API key: set {names}, or pass api_key=.'
            raise ConfigError(message)

    @field_validator("api_key")
    @classmethod
    def _sendable_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        text = key.get_secret_value().strip()
        if text and not text.strip("*"):
            message = "the key is masked: it comes from a repr or a dump, which never show it"
            raise ValueError(message)
        if not text.isascii() or not text.isprintable():
            message = "the key has characters that no HTTP header can carry"
            raise ValueError(message)
        return SecretStr(text)

    @field_validator("fallback", mode="before")
    @classmethod
    def _named(cls, fallback: object) -> object:
        if isinstance(fallback, str):
            return FallbackConfig(*(name.strip() for name in fallback.split(",") if name.strip()))
        if isinstance(fallback, FallbackModel):
            return FallbackConfig(fallback)
        if isinstance(fallback, list | tuple):
            return FallbackConfig(models=fallback)
        return fallback

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_several(cls, stop: object) -> object:
        return (stop,) if isinstance(stop, str) else stop

    @field_validator("endpoint")
    @classmethod
    def _plausible_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and (not endpoint.strip() or any(c.isspace() for c in endpoint)):
            message = "the endpoint is no URL"
            raise ValueError(message)
        return endpoint

    @classmethod
    def from_env(cls, **overrides: Any) -> Self:
        """Take the settings from the environment; `overrides` go before it.

        ``WIZARD_MODEL`` names the model as ``provider:model``. Without it, the first provider of
        the table that has a key in the environment is taken, with its default model.
        ``WIZARD_TEMPERATURE``, ``WIZARD_TOP_P``, ``WIZARD_MAX_TOKENS``, ``WIZARD_SEED`` and
        ``WIZARD_REASONING_EFFORT`` set the fields of these names. So do ``WIZARD_RETRY_RETRIES``,
        ``WIZARD_DEADLINES_IDLE`` and the like (``none`` switches a clock off) for the fields of
        `retry`, `deadlines`, `rate_limit`,
        `circuit` and `hedge`, and ``WIZARD_FALLBACK`` (models, separated by commas) for `fallback`.

        Raises:
            ConfigError: No model is named and no key is set, or a setting cannot be used.
        """
        _hide_key(overrides)
        found: dict[str, Any] = {}
        variables: list[str] = []
        for variable, path in _variables().items():
            value = _first_set((variable,))
            if value is not None and next(iter(path)) not in overrides:
                variables.append(variable)
                *group, name = path
                fields = found.setdefault(group[0], {}) if group else found
                fields[name] = None if group and value.lower() in _OFF else value
        settings = {**found, **overrides}
        if not settings.get("model"):
            settings["model"] = default_model()
        try:
            return cls(**settings)
        except ConfigError as error:
            if found:
                names = ", ".join(variables)
                error.args = (f"{error} (taken from the environment: {names})",)
            raise

    def for_model(self, other: FallbackModel) -> WizardConfig:
        """Give the settings for a model to fall back to: its own, and else the same.

        Key, endpoint and headers are the same for another model of the same provider only.

        Raises:
            ConfigError: They cannot work: mostly, its key is missing.
        """
        settings: dict[str, Any] = {**dict(self), "fallback": None, "model": other.model}
        if _split(other.model)[0] != self.provider:
            settings |= {"api_key": None, "endpoint": None, "headers": {}}
        given = {"api_key": other.api_key, "endpoint": other.endpoint}
        settings |= {name: value for name, value in given.items() if value is not None}
        return WizardConfig(**settings)

    @property
    def provider(self) -> str:
        """The provider: what stands before the first colon of `model`."""
        return _split(self.model)[0]

    @property
    def model_name(self) -> str:
        """The model as the provider calls it: what follows the first colon of `model`."""
        return _split(self.model)[1]

    @property
    def vendor(self) -> Vendor:
        """The provider's line in the table."""
        return find_vendor(self.provider)


_FROM_ENVIRONMENT = (
    *("model", "temperature", "top_p", "max_tokens", "seed", "reasoning_effort", "fallback"),
)

#: What switches a clock or a bound off in the environment.
_OFF = ("none", "off")

#: Settings that have fields of their own.
_GROUPS: dict[str, type[Settings]] = {
    "deadlines": DeadlineConfig,
    "retry": RetryConfig,
    "rate_limit": RateLimitConfig,
    "circuit": CircuitConfig,
    "hedge": HedgeConfig,
}


def _variables() -> dict[str, tuple[str, ...]]:
    """Give the environment variables that are read, each with the field it sets."""
    paths: list[tuple[str, ...]] = [(name,) for name in _FROM_ENVIRONMENT]
    paths += [(group, name) for group, kind in _GROUPS.items() for name in kind.model_fields]
    return {"_".join(("WIZARD", *path)).upper(): path for path in paths}


def _split(model: object) -> tuple[str, str]:
    provider, colon, name = model.partition(":") if isinstance(model, str) else ("", "", "")
    if not provider or not colon or not name:
        message = (
            f'The model is named as "provider:model", such as "openai:gpt-5.4-mini"; '
            f"{model!r} is not. Set WIZARD_MODEL, or pass model=."
        )
        raise ConfigError(message)
    return provider, name


def _hide_key(data: dict[str, Any]) -> None:
    """Wrap a plain key at once, because the frames of a traceback show what they hold."""
    if isinstance(data.get("api_key"), str):
        data["api_key"] = SecretStr(data["api_key"])


def _first_set(variables: tuple[str, ...]) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)


def _regional(vendor: Vendor) -> str | None:
    """Give the endpoint of the region that the environment names; None where it names none."""
    region = _first_set(vendor.regions)
    return vendor.endpoint.format(region=region) if region and vendor.endpoint else None


def default_model() -> str:
    """Name the default model of the first provider of the table that has a key in the environment.

    Raises:
        ConfigError: There is none.
    """
    for vendor in VENDORS.values():
        if vendor.key_required and vendor.default_model and _first_set(vendor.key_variables):
            return f"{vendor.name}:{vendor.default_model}"
    message = (
        'No model is configured. Set WIZARD_MODEL to "provider:model" and the provider\'s key, '
        "such as OPENAI_API_KEY or ANTHROPIC_API_KEY; or try WIZARD_MODEL=simulator:default, "
        "which needs no key."
    )
    raise ConfigError(message)


class StreamingConfig(Settings):
    """How an answer flows: how much may wait, and what happens then. Frozen.

    ``StreamingConfig(64).with_backpressure(True)`` is the default.
    """

    buffer_size: int = Field(default=64, gt=0)
    """Chunks that may wait for the reader. 64 spreads the cost of a pause over some 48 chunks."""
    backpressure: bool = True
    """True: a full buffer pauses the network. False: it does not, and up to `max_ahead` waits."""
    max_ahead: int = Field(default=64 * 1024 * 1024, gt=0)
    """Without backpressure: most bytes that may wait, counting 1 KiB a chunk and its text. Then it
    is a BufferOverflowError. The longest answers of today's models are about 1 MB of text."""
    max_event_bytes: int = Field(default=MAX_EVENT_BYTES, gt=0)
    """Largest event accepted, in bytes; a larger one is a DecodeError."""
    read_bufsize: int = Field(default=4 * 1024, ge=1024)
    """Bytes the HTTP client keeps before it stops reading the socket. 4 KiB makes a paused stream
    hold some 80 KB of memory, instead of some 870 at aiohttp's default of 256 KiB, at no measurable
    cost in speed (``make bench``)."""
    heartbeats: bool = False
    """Whether pings and keep-alive comments become chunks of kind heartbeat."""
    think_tags: bool = False
    """Whether ``<think>`` in the text of an answer begins reasoning: some servers of open models
    leave their tags where they are."""
    raw: bool = False
    """Whether each chunk carries the provider's whole event as `raw`."""

    def __init__(self, buffer_size: int = 64, **data: Any) -> None:
        super().__init__(**{"buffer_size": buffer_size, **data})

    def with_backpressure(self, backpressure: bool) -> StreamingConfig:
        """Give the same settings with or without backpressure."""
        return self._with(backpressure=backpressure)

    def with_buffer_size(self, buffer_size: int) -> StreamingConfig:
        """Give the same settings with another number of chunks that may wait."""
        return self._with(buffer_size=buffer_size)

    def _with(self, **changes: Any) -> StreamingConfig:
        return StreamingConfig(**{**dict(self), **changes})
