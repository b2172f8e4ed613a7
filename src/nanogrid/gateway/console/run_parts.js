// The pieces that tell of a run: its status, where its time went, its output, logs and error, and the explanation.

import { fill, h } from "./dom.js";
import { bytes, duration, visible } from "./format.js";
import { hasEnded } from "./grid.js";
import { piece } from "./highlight.js";
import { indented } from "./json.js";

const PREVIEW_CHARACTERS = 100_000;

/** The status as a word with a colour; the word alone tells it. */
export function badge(status) {
  return h("span", { class: `badge ${status}` }, status);
}

/** Where a run's time went: queued, cold start, run; drawn to scale, and in words. */
export function timing(run, now = Date.now()) {
  const spans = spansOf(run, now);
  const total = spans.reduce((sum, span) => sum + span.ms, 0);
  const words = spans.map((span) => `${span.name} ${duration(span.ms)}`).join(", ");
  const bar = h("div", { class: "timing-bar", role: "img", "aria-label": `Timing: ${words}` });
  for (const span of spans.filter(({ ms }) => ms > 0)) {
    const part = h("span", { class: `timing-part ${span.kind}` });
    part.style.flexGrow = String(span.ms);
    bar.append(part);
  }
  const legend = spans.map((span) =>
    h("li", {}, h("i", { class: `dot ${span.kind}` }), `${span.name} `, h("b", {}, duration(span.ms))),
  );
  return h(
    "div",
    { class: "timing" },
    bar,
    h(
      "ul",
      { class: "legend", "aria-hidden": "true" },
      legend,
      h("li", { class: "total" }, "in all ", h("b", {}, duration(total))),
    ),
  );
}

/** JSON, indented and coloured, as it was written; a long one as its beginning. */
export function jsonView(text, label) {
  const pieces = [...indented(text, PREVIEW_CHARACTERS)];
  const cut = pieces.at(-1)?.kind === "cut";
  const nodes = pieces.map(({ kind, text: part }) => piece(kind, visible(part)));
  const note =
    cut && h("p", { class: "note" }, `Only the beginning of ${bytes(text.length)} is shown; “Copy” takes all of it.`);
  return panel(
    label,
    [h("pre", { class: "code", tabindex: "0", "aria-label": label }, nodes), note],
    copyButton(label, () => text),
  );
}

/** What a run wrote. */
export function logsView(logs) {
  const text = h("pre", { class: "code logs", tabindex: "0", "aria-label": "Logs" }, visible(logs.text));
  const nothing = h("p", { class: "soft" }, "The run wrote nothing.");
  const note = logs.truncated && h("p", { class: "note" }, "The run wrote more than is kept: the middle is missing.");
  return panel("Logs", [logs.text ? text : nothing, note], logs.text ? copyButton("logs", () => logs.text) : null);
}

/** The error as the runtime told it. */
export function errorView(error) {
  const stack = error.stackTrace.map(visible).join("\n");
  return panel("Error", [
    h("p", { class: "error-line" }, h("code", {}, visible(error.type)), " ", visible(error.message)),
    stack && h("pre", { class: "code", tabindex: "0", "aria-label": "Stack trace" }, stack),
  ]);
}

/** A titled box. */
export function panel(title, content, action = null) {
  return h("section", { class: "panel" }, h("header", { class: "panel-head" }, h("h3", {}, title), action), content);
}

/** A button that puts a text on the clipboard, and says that it did. */
export function copyButton(what, text) {
  const button = h("button", { type: "button", class: "quiet small", "aria-label": `Copy ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    fill(button, "Copied");
  });
  return button;
}

// The time from acceptance to the handler includes making the sandbox ready; the bar shows the two apart.
function spansOf(run, now) {
  const { queuedMs, initMs, durationMs } = run.usage;
  if (hasEnded(run)) {
    return [
      { name: "queued", kind: "queued", ms: Math.max(0, queuedMs - initMs) },
      { name: "cold start", kind: "cold", ms: initMs },
      { name: "run", kind: "ran", ms: durationMs },
    ];
  }
  const created = Date.parse(run.createdAt);
  const started = run.startedAt ? Date.parse(run.startedAt) : null;
  return [
    { name: "queued", kind: "queued", ms: Math.max(0, (started ?? now) - created) },
    { name: "run", kind: "ran", ms: started ? Math.max(0, now - started) : 0 },
  ];
}
