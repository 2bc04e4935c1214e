"""How a view is laid out: HTML that reads well without a style sheet, and plain text.

Whatever a model, a provider or a user wrote is escaped, or is Markdown rendered by `markdown`. The
colours are those of the page around it, light or dark.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from rxwizard.notebook.answer import GOING_ON, State, words
from rxwizard.notebook.escaping import code_block, escape, printable, shortened
from rxwizard.notebook.growing import GrowingMarkdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from rxwizard.chunks import Choice, ToolCall
    from rxwizard.notebook.answer import View

Bundle: TypeAlias = "dict[str, Any]"
"""What is displayed: MIME types, and the data of each."""

Reasoning: TypeAlias = Literal["folded", "open", "hidden"]
"""What becomes of reasoning."""

REASONINGS: tuple[str, ...] = get_args(Reasoning)

NOTHING: Bundle = {"text/html": "", "text/plain": ""}

# MathJax, where a page has it, would take commands from the answer.
_IGNORED = "tex2jax_ignore mathjax_ignore"
_WRAP = "overflow-wrap:anywhere"
_FAINT = "opacity:.7;font-size:.85em;margin:.5em 0 0"
_BAD = "color:#d1434b;margin:.5em 0 0"
_BOX = "border-left:3px solid #8888;padding:0 0 0 1em;margin:.6em 0;opacity:.8"
_SUMMARY = "padding:0 0 .5em;opacity:.8"
_INSET = "padding:.3em 0 0 6px"
_COLUMN = "flex:1 1 18em;min-width:0;padding:0 .8em;border-left:3px solid #8888"

# Seconds that must have passed: less says how a read was cut, not how fast it goes.
_LEAST = 0.2

# Characters of one tool call's arguments or of the citations, and calls, that are shown.
_DATA = 20_000
_CALLS = 50


def heading(title: str | None) -> Bundle | None:
    """Lay out a title; None where there is none."""
    return _bundle([f"<p><strong>{escape(title)}</strong></p>"], [title]) if title else None


def answer(view: View) -> Bundle:
    """Lay out what the model said, without its reasoning."""
    response = view.response
    html = [
        view.text,
        _items(view),
        _calls(response.tool_calls),
        *map(_choice, response.choices),
        _data("citation", response.citations),
        *(_note(f"Warning: {warning}") for warning in view.warnings),
        _error(view),
    ]
    lines = [response.text, *view.items, *_plain_calls(response.tool_calls)]
    return _bundle(html, lines)


def reasoning(view: View, kind: Reasoning = "folded") -> Bundle | None:
    """Lay out the reasoning, folded away; None where there is none to show."""
    if kind == "hidden" or not view.thoughts:
        return None
    is_open = " open" if kind == "open" else ""
    said = f"{view.thoughts:,} characters of reasoning"
    html = (
        f'<details{is_open}><summary style="{_SUMMARY}">{said}</summary>'
        f'<div style="{_BOX}">{view.reasoning}</div></details>'
    )
    return _bundle([html], [f"({said})"])


def status(view: View, *, hint: str = "") -> Bundle:
    """Lay out who answers, how much it is, and how it stands."""
    line = status_line(view) + (f" — {hint}" if hint else "")
    return _bundle([f'<p style="{_FAINT}">{escape(line)}</p>'], [line])


def columns(views: Sequence[View], titles: Sequence[str], kind: Reasoning) -> Bundle:
    """Lay out several answers side by side, or where the page is narrow, one below the other."""
    html: list[str] = []
    lines: list[str] = []
    for view, title in zip(views, titles, strict=True):
        column = joined(heading(title), reasoning(view, kind), answer(view), status(view))
        html.append(f'<div style="{_COLUMN}">{column["text/html"]}</div>')
        lines.append(column["text/plain"] + "\n")
    return _bundle(
        [f'<div style="display:flex;flex-wrap:wrap;gap:1em">{"".join(html)}</div>'], lines
    )


def joined(*parts: Bundle | None) -> Bundle:
    """Lay out several parts in one piece."""
    there = [part for part in parts if part is not None]
    return {
        "text/html": "".join(part["text/html"] for part in there),
        "text/plain": "\n".join(part["text/plain"] for part in there if part["text/plain"]),
    }


def inset(bundle: Bundle) -> Bundle:
    """Lay out with the margin that JupyterLab gives to what is printed, but not to HTML."""
    return {**bundle, "text/html": f'<div style="{_INSET}">{bundle["text/html"]}</div>'}


def whole(view: View, kind: Reasoning = "folded") -> Bundle:
    """Lay out everything in one piece."""
    return inset(joined(reasoning(view, kind), answer(view), status(view)))


def printed(view: View, title: str | None) -> Bundle:
    """Lay out text that only grows while the answer does, and at its end says all there is."""
    lines = [title, view.response.text]
    if view.state not in GOING_ON:
        lines += [*view.items, *_plain_calls(view.response.tool_calls), *view.warnings]
        lines.append(words(view.error) if view.error is not None else None)
        lines.append(f"({status_line(view)})\n")
    return {"text/plain": printable("\n".join(line for line in lines if line))}


def note(text: str) -> Bundle:
    """Lay out a line of our own."""
    return _bundle([_note(text)], [text])


def status_line(view: View) -> str:
    """Say in a line who answers, how much it is, and how it stands."""
    response = view.response
    who = ":".join(filter(None, (response.metadata.provider, response.model)))
    items = f"{view.count:,} items" if view.count else ""
    parts = [who, *_amounts(view), items, _ending(view)]
    return printable(" · ".join(part for part in parts if part))


def _amounts(view: View) -> Iterator[str]:
    tokens, about = None, ""
    if view.tokens is not None:
        tokens = view.tokens.tokens
        about = "about " if view.tokens.source == "estimated" else ""
    elif view.response.usage is not None:
        tokens = view.response.usage.completion_tokens
    if tokens is not None:
        yield f"{about}{tokens:,} tokens"
        if view.seconds is not None and view.seconds >= _LEAST:
            yield f"{tokens / view.seconds:,.0f} tokens/s"
    if view.seconds is not None:
        yield f"{view.seconds:.1f} s"
    if view.cost is not None:
        # Without the input it is no more than a part.
        least = "at least " if view.cost.input_usd is None else ""
        cents = "about " if view.cost.source == "estimated" and not least else ""
        yield f"{least}{cents}${view.cost.usd:.6f}"


def _ending(view: View) -> str:
    if view.error is not None and view.state is State.FAILED:
        return f"failed: {type(view.error).__name__}"
    if view.state is not State.ENDED:
        return str(view.state)
    reason = view.response.finish_reason
    if view.response.complete or reason is not None:
        return f"ended: {reason}" if reason else "ended"
    return "ended" if not view.response.model else "not complete"


def _bundle(html: Sequence[str], lines: Sequence[str]) -> Bundle:
    inner: str = "".join(html)
    plain = printable("\n".join(line for line in lines if line))
    if not inner:
        return {"text/html": "", "text/plain": plain}
    return {
        "text/html": f'<div class="{_IGNORED}" style="{_WRAP}">{inner}</div>',
        "text/plain": plain,
    }


def _note(text: str) -> str:
    return f'<p style="{_FAINT}">{escape(text)}</p>'


def _error(view: View) -> str:
    if view.error is None or view.state is not State.FAILED:
        return ""
    had = " The above had arrived." if view.response.text else ""
    return f'<p style="{_BAD}">{escape(words(view.error))}{had}</p>'


def _items(view: View) -> str:
    if not view.items:
        return ""
    earlier = view.count - len(view.items)
    said = _note(f"{earlier:,} items before these") if earlier else ""
    items = "".join(f"<li><code>{escape(item)}</code></li>" for item in view.items)
    return f'{said}<ol start="{earlier + 1}">{items}</ol>'


def _calls(calls: Sequence[ToolCall]) -> str:
    blocks = "".join(
        f"<p><strong>Tool call</strong> <code>{escape(call.name or '?')}</code></p>"
        f"{code_block(_arguments(call))}"
        for call in calls[:_CALLS]
    )
    left = len(calls) - _CALLS
    return blocks + (_note(f"{left:,} more tool calls are not shown.") if left > 0 else "")


def _plain_calls(calls: Sequence[ToolCall]) -> Iterator[str]:
    for call in calls[:_CALLS]:
        yield f"Tool call {call.name or '?'}: {_arguments(call)}"


def _arguments(call: ToolCall) -> str:
    return shortened(_pretty(call.arguments) if call.valid else call.arguments_raw, _DATA)


def _pretty(value: object) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return repr(value)


def _choice(choice: Choice) -> str:
    text = GrowingMarkdown()
    text.add(choice.text)
    ended = f", {choice.finish_reason.value}" if choice.finish_reason else ""
    return (
        f"<details><summary>Choice {choice.index}{ended}</summary>"
        f'<div style="{_BOX}">{text.html()}{_calls(choice.tool_calls)}</div></details>'
    )


def _data(name: str, values: Sequence[object]) -> str:
    if not values:
        return ""
    said = f"{len(values):,} {name}{'' if len(values) == 1 else 's'}"
    shown = shortened(_pretty(list(values)), _DATA)
    return f"<details><summary>{said}</summary>{code_block(shown)}</details>"
