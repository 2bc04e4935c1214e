"""The page that shows a stream growing: one file, no other resources, for any current browser.

It takes events as `ServerSentEvents` writes them. Whatever they hold becomes text, never markup;
and the policy it is served with allows no script but its own, whatever else might be wrong.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --paper: #fbfaf7; --faint: #6b7280;
  --line: #e3e0d8; --card: #ffffff; --live: #2563eb; --good: #15803d; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --paper: #14161b; --faint: #959cab;
  --line: #2a2e37; --card: #1b1e25; --live: #7aa8ff; --good: #6cd08f; --bad: #ff8a7a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { position: sticky; top: 0; display: flex; gap: .75rem; align-items: center;
  padding: .7rem max(1rem, calc(50vw - 22rem)); background: var(--paper);
  border-bottom: 1px solid var(--line); font-size: .85rem; color: var(--faint); }
#status { display: inline-flex; gap: .5rem; align-items: center; color: var(--state, var(--live)); }
#status::before { content: ""; flex: none; width: .55rem; height: .55rem; border-radius: 50%;
  background: currentColor; }
#count { margin-left: auto; font-variant-numeric: tabular-nums; white-space: nowrap; }
[data-state="streaming"] #status::before { animation: pulse 1.2s ease-in-out infinite; }
[data-state="ended"] { --state: var(--good); }
[data-state="failed"], [data-state="lost"] { --state: var(--bad); }
@keyframes pulse { 50% { opacity: .25; } }
@media (prefers-reduced-motion: reduce) { #status::before { animation: none !important; } }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
#answer, #reasoning { white-space: pre-wrap; overflow-wrap: anywhere; }
#answer { min-height: 3rem; padding: 1.1rem 1.3rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .7rem; }
[data-state="streaming"] #answer::after { content: ""; display: inline-block; width: .5rem;
  height: 1em; margin-left: 2px; vertical-align: text-bottom; background: var(--live);
  opacity: .6; }
details { margin-bottom: 1rem; color: var(--faint); font-size: .9rem; }
summary { cursor: pointer; }
#note { margin: 0 0 1rem; color: var(--bad); font-size: .9rem; }
#closing { margin: 1rem .2rem 0; color: var(--faint); font-size: .9rem; overflow-wrap: anywhere; }
[data-state="failed"] #closing { color: var(--bad); }
"""

_SCRIPT = """
"use strict";
const part = (id) => document.getElementById(id);
const growing = (id) => part(id).appendChild(document.createTextNode(""));
const answer = growing("answer"), reasoning = growing("reasoning");
let last, epoch, begun, missed, drawing = 0, ended = false;

function show(state, words) {
  document.body.dataset.state = state;
  part("status").textContent = words;
}

function clear() {
  for (const node of [answer, reasoning]) node.data = node.fresh = "";
  part("closing").textContent = "";
  part("thinking").hidden = true;
}

function startAnew() {
  last = missed = epoch = 0;
  begun = false;
  part("note").hidden = true;
  clear();
}

// A frame's worth at a time: laying out a long text for each word of it would take ever longer.
function append(node, text) {
  node.fresh += text;
  drawing ||= requestAnimationFrame(draw);
}

function draw() {
  const page = document.documentElement;
  const follows = window.innerHeight + window.scrollY >= page.scrollHeight - 40;
  for (const node of [answer, reasoning]) {
    node.appendData(node.fresh);
    node.fresh = "";
  }
  if (follows) window.scrollTo(0, page.scrollHeight);
  drawing = 0;
}

// Events are numbered, and the number rises: one seen before is another stream's, after a restart.
function count(event) {
  const number = Number(event.lastEventId);
  if (number <= last) startAnew();
  last = number;
  part("count").textContent = number.toLocaleString() + (number === 1 ? " event" : " events");
}

function finish(chunk) {
  const words = [];
  if (chunk.finish_reason) words.push("Finish reason: " + chunk.finish_reason);
  if (chunk.usage && chunk.usage.completion_tokens != null)
    words.push(chunk.usage.completion_tokens.toLocaleString() + " tokens");
  part("closing").textContent = words.join(" \\u00b7 ");
}

function take(chunk) {
  if (chunk.choice) return;
  const again = chunk.kind === "start" && begun;
  if ((chunk.epoch || 0) > epoch || chunk.kind === "retract" || again) clear();
  epoch = Math.max(epoch, chunk.epoch || 0);
  begun = begun || chunk.kind === "start";
  if (chunk.reasoning) {
    part("thinking").hidden = false;
    append(reasoning, chunk.reasoning);
  }
  if (chunk.text) append(answer, chunk.text);
  if (chunk.is_final) finish(chunk);
}

const source = new EventSource("events");
source.onopen = () => { if (!ended) show("streaming", "live"); };
source.onmessage = (event) => {
  count(event);
  let item = event.data;
  try { item = JSON.parse(event.data); } catch { /* shown as it is */ }
  if (typeof item === "string") append(answer, item);
  else if (item && typeof item.text === "string") take(item);
  else append(answer, event.data + "\\n");
};
source.addEventListener("gap", (event) => {
  count(event);
  missed += JSON.parse(event.data).missed;
  part("note").hidden = false;
  part("note").textContent = missed.toLocaleString() + (missed === 1
    ? " event is missing: it was gone before this page could read it."
    : " events are missing: they were gone before this page could read them.");
});

function end(state, words) {
  ended = true;
  source.close();
  draw();
  show(state, words);
}

source.addEventListener("end", () => end("ended", "complete"));
source.addEventListener("failed", (event) => {
  const failure = JSON.parse(event.data);
  part("closing").textContent = failure.error;
  end("failed", "failed: " + failure.type);
});
source.onerror = () => {
  if (ended) return;
  if (source.readyState === EventSource.CLOSED) show("lost", "not available");
  else show("lost", "connection lost, trying again");
};
startAnew();
"""

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rxwizard</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body data-state="connecting">
<header><span id="status" role="status">connecting</span><span id="count"></span></header>
<main>
<p id="note" hidden></p>
<details id="thinking" hidden><summary>Reasoning</summary><div id="reasoning"></div></details>
<div id="answer" dir="auto"></div>
<p id="closing"></p>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _hash(inline: str) -> str:
    return "'sha256-" + b64encode(sha256(inline.encode()).digest()).decode() + "'"


PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
