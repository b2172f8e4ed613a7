// Tables of runs and functions, and paging.

import { h } from "./dom.js";
import { duration, moment, visible } from "./format.js";
import { badge } from "./run_parts.js";

/** A table; `columns` are `{title, wide}` (wide ones are left out where there is little room), `rows` lists of cells. */
export function table(label, columns, rows) {
  const kind = (column) => (column.wide ? "wide" : column.number ? "number" : "");
  const head = h(
    "tr",
    {},
    columns.map((column) => h("th", { scope: "col", class: kind(column) }, column.title)),
  );
  const body = rows.map((cells) =>
    h(
      "tr",
      {},
      cells.map((cell, index) => h("td", { class: kind(columns[index]) }, cell)),
    ),
  );
  return h("div", { class: "table" }, h("table", { "aria-label": label }, h("thead", {}, head), h("tbody", {}, body)));
}

/** Runs as rows. */
export function runTable(runs) {
  const columns = [
    { title: "Run" },
    { title: "Status" },
    { title: "Function" },
    { title: "When" },
    { title: "Time", wide: true },
    { title: "Start", wide: true },
    { title: "Memory", wide: true },
    { title: "Mode", wide: true },
  ];
  return table("Runs", columns, runs.map(runCells));
}

/** A link to a function by its name. */
export function functionLink(name, text = name) {
  return h("a", { href: `#/functions/${encodeURIComponent(name)}` }, visible(text));
}

/** What stands at the top of every page. */
export function heading(title, ...actions) {
  return h("div", { class: "heading" }, h("h1", {}, title), h("div", { class: "actions" }, actions));
}

function runCells(run) {
  const { usage } = run;
  return [
    h("a", { href: `#/runs/${run.runId}`, class: "mono nowrap", title: run.runId }, `…${run.runId.slice(-6)}`),
    badge(run.status),
    [functionLink(run.functionName), h("span", { class: "soft wide" }, ` v${run.version}`)],
    moment(run.createdAt),
    run.endedAt ? duration(usage.durationMs) : "–",
    run.endedAt ? (usage.coldStart ? "cold" : "warm") : "–",
    usage.peakMemoryMb ? `${Math.round(usage.peakMemoryMb)} MB` : "–",
    run.mode,
  ];
}
