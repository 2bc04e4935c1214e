"""The errors for what a reader cannot read."""

from __future__ import annotations

from rxwizard.errors import DecodeError, ProviderError, StreamInterruptedError, WizardError
from rxwizard.providers.facts import html_words, looks_like_html

#: Characters of offending text that an error shows.
_SHOWN = 200


def unreadable(name: str, text: str, problem: ValueError, *, position: int) -> WizardError:
    """Make the error for the text of an event that is not JSON.

    Args:
        name: The provider's name.
        text: The whole text of the event.
        problem: What the JSON parser says.
        position: Bytes of the body taken in when it was found out.
    """
    if looks_like_html(text):
        return no_stream(name, text)
    return DecodeError(
        f"{name} sent an event that is not JSON ({problem})",
        text=text[:_SHOWN],
        position=position,
    )


def cut_in_event(name: str, text: str) -> WizardError:
    """Make the error for a body that ends with half an event."""
    return StreamInterruptedError(
        f"{name}: the stream ended in the middle of an event: {text[:_SHOWN]!r}"
    )


def no_stream(name: str, text: str) -> WizardError:
    """Make the error for a body that is no stream at all, though its status was 200."""
    is_page = looks_like_html(text)
    words = html_words(text) if is_page else " ".join(text.split())
    return ProviderError(
        f"{name} answered with {'an HTML page' if is_page else 'something else'} instead of a "
        f"stream: {words[:_SHOWN]!r}. Check the endpoint.",
        retryable=False,
    )
