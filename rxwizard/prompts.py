"""What is asked: a prompt, the conversation before it, and what goes with it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rxwizard.errors import InvalidPromptError


class Role(StrEnum):
    """Who said a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(_Value):
    """One turn of a conversation.

    `content` is text, or a list of content parts in the provider's own form, passed on untouched.
    """

    role: Role
    content: str | tuple[Mapping[str, Any], ...] | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """Calls the assistant made, in the provider's own form."""
    tool_call_id: str | None = None
    """With role tool: which call this is the result of."""

    @property
    def parts(self) -> list[Mapping[str, Any]] | None:
        """The content parts, where the content is not plain text."""
        return list(self.content) if isinstance(self.content, tuple) else None


class Tool(_Value):
    """A function the model may call; `parameters` is a JSON Schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {"type": "object", "properties": {}}


class Image(_Value):
    """A picture that goes with the prompt: a URL, or bytes with their media type."""

    url: str | None = None
    data: str | None = None
    """Base64 text."""
    media_type: str = "image/png"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Refer to a picture that the provider can fetch itself."""
        return cls(url=url)

    @classmethod
    def from_bytes(cls, data: bytes, media_type: str = "image/png") -> Self:
        """Send the picture itself; `media_type` is its MIME type."""
        return cls(data=base64.b64encode(data).decode("ascii"), media_type=media_type)

    @property
    def data_url(self) -> str:
        """The picture as a URL: its own, or a ``data:`` URL that holds it."""
        return self.url or f"data:{self.media_type};base64,{self.data}"


class Prompt(_Value):
    """A question, with everything that goes with it. Frozen: each `with_` gives a new one.

    Args:
        text: The question itself; it must have more than white space.
        system: Instructions that stand above the conversation.
        history: What was said before, oldest first.
        tools: Functions the model may call; a `Tool`, or the provider's own form.
        images: Pictures that belong to the question.
        json_mode: Whether the answer has to be a JSON document, of any form.
        json_schema: The JSON Schema the answer has to follow; it implies `json_mode`.
        prefill: The beginning of the answer, which the model goes on from. What comes is the rest
            of it, but from Mistral, who gives back the beginning, too. Not every model takes one.
        extra: Fields merged into the request body last, in the provider's own form.

    Raises:
        InvalidPromptError: There is nothing to ask, or a part has the wrong form.
    """

    text: str
    system: str | None = None
    history: tuple[Message, ...] = ()
    tools: tuple[Tool | Mapping[str, Any], ...] = ()
    images: tuple[Image, ...] = ()
    json_mode: bool = False
    json_schema: Mapping[str, Any] | None = None
    prefill: str | None = None
    extra: Mapping[str, Any] = {}

    def __init__(self, text: str, **data: Any) -> None:
        try:
            super().__init__(**{"text": text, **data})
        except ValidationError as error:
            raise _invalid("prompt", error) from None
        if not self.text.strip():
            raise InvalidPromptError("The prompt is empty: there is nothing to ask.")

    @classmethod
    def of(cls, prompt: Prompt | str) -> Prompt:
        """Take a prompt as it is, or make one of plain text."""
        return prompt if isinstance(prompt, Prompt) else cls(prompt)

    def with_system(self, system: str | None) -> Prompt:
        """Give the same prompt under other instructions."""
        return self.model_copy(update={"system": system})

    def with_prefill(self, prefill: str | None) -> Prompt:
        """Give the same prompt with this beginning of the answer, which the model goes on from."""
        return self.model_copy(update={"prefill": prefill})

    def with_message(self, role: Role | str, content: str, **data: Any) -> Prompt:
        """Give the same prompt with one more message at the end of its history."""
        try:
            message = Message.model_validate({"role": role, "content": content, **data})
        except ValidationError as error:
            raise _invalid("message", error) from None
        return self.model_copy(update={"history": (*self.history, message)})

    def with_history(self, history: Iterable[Message | Mapping[str, Any]]) -> Prompt:
        """Give the same prompt with this conversation before it, oldest first."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "text"}
        return Prompt(self.text, **{**fields, "history": tuple(history)})


def _invalid(what: str, error: ValidationError) -> InvalidPromptError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return InvalidPromptError(f"The {what}'s {where} cannot be used: {first['msg']}.")
