"""The think tags in the chunks of an answer, while these are still drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rxwizard.chunks import ChunkKind
from rxwizard.thinktags import Part, ThinkTags


class TaggedText:
    """The think tags of each choice, applied to chunks that are still drafts."""

    def __init__(self) -> None:
        self._choices: dict[int, ThinkTags] = {}

    def split(self, draft: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Make reasoning of what stands between the tags in a draft's text."""
        bare = {**draft, "text": ""}
        if not draft.get("text") or draft.get("kind", ChunkKind.TEXT) is not ChunkKind.TEXT:
            return [dict(draft)]
        tags = self._choices.setdefault(draft.get("choice", 0), ThinkTags())
        parts = [bare | _said(part) for part in tags.split(draft["text"]) if part.text]
        # What a draft brings beside text (usage, log probabilities) must not wait with the text.
        return parts or ([bare] if bare.keys() - {"text", "choice", "index"} else [])

    def flush(self) -> Iterator[dict[str, Any]]:
        """Give what was held back, now that nothing follows."""
        for choice, tags in self._choices.items():
            for part in tags.flush():
                yield {"choice": choice, **_said(part)}


def _said(part: Part) -> dict[str, Any]:
    if part.is_reasoning:
        return {"kind": ChunkKind.REASONING, "text": "", "reasoning": part.text}
    return {"text": part.text}
