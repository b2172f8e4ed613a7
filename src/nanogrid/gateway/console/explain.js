// Why a run waits, or ended as it did, and what to do next: the grid's own explanation, as a panel.

import { h } from "./dom.js";
import { plural, visible } from "./format.js";
import { copyButton } from "./run_parts.js";

const MOST_AHEAD = 5;
const BAD = new Set(["failed", "dead"]);

/** The panel that shows what `GET /runs/{id}/explain` says. */
export function explanation(told) {
  return h(
    "section",
    { class: `explain ${BAD.has(told.status) ? "bad" : "plain"}`, "aria-label": told.title, "data-reason": told.reason },
    h("h3", {}, told.title),
    h("p", {}, marked(told.why)),
    facts(told),
    told.next.length > 0 && h("ul", {}, told.next.map(step)),
  );
}

function facts({ limit, queue, unknown }) {
  const rows = [
    ...(limit ? [["Limit", limitText(limit)]] : []),
    ...(queue ? [queueRow(queue)] : []),
    ...unknown.map((text) => ["Not known", visible(text)]),
  ];
  const terms = rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]);
  return rows.length > 0 && h("dl", { class: "facts" }, terms);
}

function limitText({ name, value, unit, used }) {
  return [h("code", {}, name), ` is ${value} ${unit}`, used === null ? "" : `, ${used} used`];
}

function queueRow({ ahead, aheadOf, dueAt }) {
  if (dueAt !== null) return ["Due", new Date(dueAt).toLocaleTimeString()];
  if (ahead === 0) return ["Before it", "none"];
  const parts = aheadOf.slice(0, MOST_AHEAD).map((one) => `${one.tasks} of ${visible(one.functionName ?? "others")}`);
  const more = aheadOf.length > MOST_AHEAD ? ", and more" : "";
  return ["Before it", `${plural(ahead, "task")}: ${parts.join(", ")}${more}`];
}

function step({ text, command }) {
  if (command === null) return h("li", {}, marked(text));
  const typed = h("span", { class: "command" }, h("code", {}, visible(command)), copyButton("the command", () => command));
  return h("li", {}, marked(text), typed);
}

// What stands between `backquotes` is typed.
function marked(text) {
  return visible(text)
    .split("`")
    .map((piece, number) => (number % 2 ? h("code", {}, piece) : piece));
}
