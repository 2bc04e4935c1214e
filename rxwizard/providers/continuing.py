"""How a model is asked to go on with an answer that was cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rxwizard.prompts import Message, Prompt, Role
from rxwizard.providers.prefill import can_prefill
from rxwizard.providers.protocol import RequestSettings
from rxwizard.providers.shape import as_object
from rxwizard.providers.vendors import Vendor

#: What is said to a model that cannot go on from the beginning of an answer by itself.
GO_ON = (
    "Your last message was cut off by a failure of the connection. Go on from exactly where it "
    "ends, even in the middle of a word or a line. Give only what comes next: repeat nothing of "
    "it, begin nothing anew, and do not mention the interruption."
)

#: Fields of a body that hold the conversation: where they are the user's own, ours is not sent.
_CONVERSATION = {"messages", "contents", "input"}

#: Fields of a body that give the answer its form, in the protocols that have them at its top.
_FORM = {"response_format", "format", "text", "output_config", "outputConfig"}


class Settings(RequestSettings, Protocol):
    """The settings of a request, and whose they are."""

    @property
    def vendor(self) -> Vendor:
        """The provider's line of the table."""
        ...


@dataclass(frozen=True, slots=True)
class Continuation:
    """A prompt whose answer is the rest of another one.

    Attributes:
        prompt: What to ask.
        is_exact: Whether the model goes on from the answer itself; else it is told to, and may
            repeat some of it.
        is_echoed: Whether the provider gives back the answer so far before the rest of it.
    """

    prompt: Prompt
    is_exact: bool
    is_echoed: bool = False


def continuation(
    prompt: Prompt, said: str, settings: Settings, *, has_thought: bool = False
) -> Continuation | None:
    """Make the prompt that asks for the rest of an answer; None where it has to be asked anew.

    A second cut needs no continuation of the continuation: it takes the same prompt again, and
    what both have said.

    It has to be asked anew where nothing was said, where the answer is JSON that the provider
    enforces (it would begin another document), where `prompt.extra` has the conversation in the
    provider's own form, and where there are images but no prefill: no history can hold them.

    Args:
        prompt: What was asked.
        said: The visible text of the answer up to the cut.
        settings: Whom it was asked of, and how.
        has_thought: Whether the answer had reasoning. Then the model is told to go on: after a
            prefill, some would put the rest among their thoughts.
    """
    if not said.strip() or _is_formed(prompt) or prompt.extra.keys() & _CONVERSATION:
        return None
    vendor, prefill = settings.vendor, prompt.prefill or ""
    whole = said if vendor.prefill_echoed and said.startswith(prefill) else prefill + said
    if prefill or (can_prefill(settings, vendor) and not has_thought):
        # The white space at its end is left to the model: some refuse it, and to most of them it is
        # the beginning of the next word.
        begun = prompt.with_prefill(whole.rstrip())
        return Continuation(begun, is_exact=True, is_echoed=vendor.prefill_echoed)
    if prompt.images:
        return None
    talk = (
        *prompt.history,
        Message(role=Role.USER, content=prompt.text),
        # Without the white space at its end, as for a prefill: the model says it.
        Message(role=Role.ASSISTANT, content=whole.rstrip()),
    )
    told = prompt.model_copy(update={"text": GO_ON, "history": talk})
    return Continuation(told, is_exact=False)


def _is_formed(prompt: Prompt) -> bool:
    """Tell whether the provider makes the answer a document of its own form."""
    generation = as_object(prompt.extra.get("generationConfig"))
    return (
        prompt.json_mode
        or prompt.json_schema is not None
        or bool(prompt.extra.keys() & _FORM)
        or any(name.startswith("response") for name in generation)
    )
