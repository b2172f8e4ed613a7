// The grid in one look: live charts, the latest runs.

import { Chart } from "./chart.js";
import { every, fill, h } from "./dom.js";
import { duration, plural } from "./format.js";
import { heading, runTable } from "./lists.js";
import { empty, load } from "./states.js";

const LATEST = 8;
const EVERY_MS = 5_000;
// A listing carries outputs and logs; a heavy one is not fetched again and again.
const HEAVY_CHARACTERS = 1_000_000;

const count = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0));
const percent = (value) => `${value.toFixed(value > 0 && value < 10 ? 1 : 0)} %`;

const CHARTS = [
  {
    title: "Runs per second",
    show: count,
    lines: [
      { key: "runs", name: "all" },
      { key: "failed", name: "failed" },
    ],
  },
  {
    title: "Time in the handler",
    show: duration,
    floor: 10,
    lines: [
      { key: "p50", name: "p50" },
      { key: "p99", name: "p99" },
    ],
  },
  { title: "Errors", show: percent, floor: 10, lines: [{ key: "errors", name: "of runs" }] },
  { title: "Cold starts", show: percent, floor: 10, lines: [{ key: "cold", name: "of runs" }] },
  {
    title: "Backlog",
    show: count,
    floor: 4,
    lines: [
      { key: "backlog", name: "waiting" },
      { key: "inFlight", name: "at work" },
    ],
  },
  {
    title: "Sandboxes",
    show: count,
    floor: 4,
    lines: [
      { key: "warm", name: "warm" },
      { key: "busy", name: "busy" },
      { key: "spare", name: "spare" },
    ],
  },
];

/** Show the page. */
export function show(page) {
  page.title("Overview");
  const charts = CHARTS.map((options) => new Chart(options));
  const state = h("p", { class: "soft state" });
  const latest = h("div");
  const newFunction = h("a", { class: "button primary", href: "#/new" }, "New function");
  fill(
    page.main,
    heading("Overview", newFunction),
    state,
    h(
      "div",
      { class: "charts" },
      charts.map((chart) => chart.element),
    ),
    h(
      "section",
      { "aria-label": "Latest runs" },
      h("div", { class: "section-head" }, h("h2", {}, "Latest runs"), h("a", { href: "#/runs" }, "All runs")),
      latest,
    ),
  );
  const draw = () => charts.forEach((chart) => chart.update(page.watch.history.points()));
  page.watch.addEventListener("look", draw, { signal: page.signal });
  draw();
  load(latest, page.signal, () => latestRuns(page)).then(() => keepFresh(page, state, latest));
}

async function latestRuns(page) {
  const { items } = await page.grid.runs({ limit: LATEST }, page.signal);
  page.heavy = JSON.stringify(items).length > HEAVY_CHARACTERS;
  if (items.length > 0) return runTable(items);
  return empty(
    "Nothing has run yet",
    "Deploy a function and run it: it takes a minute.",
    h("a", { class: "button", href: "#/new" }, "Write a function"),
  );
}

function keepFresh(page, state, latest) {
  return every(EVERY_MS, page.signal, async () => {
    try {
      const [health, known] = [
        await page.grid.health(page.signal),
        await page.grid.functions({ limit: 200 }, page.signal),
      ];
      const more = known.nextCursor ? "more than " : "";
      fill(
        state,
        `NanoGrid ${health.version} is ${health.status} and holds ${more}${plural(known.items.length, "function")}.`,
      );
      if (!page.heavy && !latest.contains(document.activeElement)) fill(latest, await latestRuns(page));
    } catch (error) {
      // The next round tries again; the frame says it where the grid is away.
      if (!page.signal.aborted) fill(state, error.message);
    }
  });
}
