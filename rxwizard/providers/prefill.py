"""Who goes on from the beginning of an answer, and who refuses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from rxwizard.prompts import Prompt
    from rxwizard.providers.protocol import RequestSettings
    from rxwizard.providers.vendors import Vendor

#: The first of Anthropic's models that answer a prefill with status 400, wherever they are hosted
#: (https://platform.claude.com/docs/en/about-claude/models/migration-guide).
_CLAUDE_WITHOUT = (4, 6)

# "claude-3-5-sonnet-20241022", "anthropic/claude-opus-4.1", "us.anthropic.claude-opus-4-6-v1"
_CLAUDE = re.compile(
    r"(?:^|[./])claude\b"
    r"(?:(?:-[a-z]+)?-v?(?P<major>\d{1,2})(?!\d)(?:[.-](?P<minor>\d{1,2})(?!\d))?)?"
)


def check_prefill(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> None:
    """Refuse the beginning of an answer where it is known that the model cannot go on from it.

    Raises:
        ConfigError: The prompt has one, and the provider, the model or the form of the answer
            allows none.
    """
    if not prompt.prefill:
        return
    instead = "leave out prefill=, and ask for the beginning in the prompt."
    if vendor.prefill is None:
        message = f'The provider "{vendor.name}" goes on from no beginning of an answer: {instead}'
    elif _is_claude_without(settings.model_name):
        message = f"{settings.model_name} goes on from no beginning of an answer, as Claude did "
        message += f"before version 4.6: {instead}"
    elif prompt.json_mode or prompt.json_schema is not None:
        message = f"Where JSON is enforced, the model begins the document itself: {instead}"
    else:
        return
    raise ConfigError(message)


def can_prefill(settings: RequestSettings, vendor: Vendor) -> bool:
    """Tell whether it is known that this model goes on from the beginning of an answer.

    Where it is told to think it may not: Anthropic refuses that, and others put the rest of the
    answer among the thoughts.
    """
    name = settings.model_name.lower()
    return (
        vendor.prefill is not None
        and settings.reasoning_effort in (None, "none")
        and (not vendor.prefill_models or any(part in name for part in vendor.prefill_models))
        and not _is_claude_without(name)
    )


def _is_claude_without(model: str) -> bool:
    """Tell whether it is one of Anthropic's newer models; without a number it is the newest."""
    claude = _CLAUDE.search(model.lower())
    if claude is None:
        return False
    major, minor = claude["major"], claude["minor"]
    return major is None or (int(major), int(minor or 0)) >= _CLAUDE_WITHOUT
