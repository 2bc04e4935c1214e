"""What all settings have in common."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from rxwizard.errors import ConfigError


class Settings(BaseModel):
    """Settings that cannot be changed, and that say what is wrong with them.

    Raises:
        ConfigError: A field is unknown, or cannot be used.
    """

    # An error shows no input: it might be the key.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            raise ConfigError("; ".join(map(_sentence, problems))) from None

    def changed(self, **given: Any) -> Self:
        """Give the same settings with those that are given; None is not given.

        Raises:
            ConfigError: One of them cannot be used.
        """
        told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return type(self)(**{**dict(self), **told}) if told else self


def _sentence(problem: ErrorDetails) -> str:
    where = ".".join(map(str, problem["loc"]))
    what = problem["msg"].removeprefix("Value error, ")
    return f"{where} cannot be used: {what[:1].lower()}{what[1:]}" if where else what
