// One run from its start to its end: drawn again whenever something is known, log lines as they come.

import { fill, h, pause } from "./dom.js";
import { visible } from "./format.js";
import { followLines, untilEnded } from "./follow.js";
import { hasEnded } from "./grid.js";
import { badge, errorView, explanation, jsonView, logsView, panel, timing } from "./run_parts.js";

const TICK_MS = 250;
const MOST_LIVE_CHARACTERS = 512 * 1024;

/** Shows a run in `element`. A follower is opened before the run is sent, so that no line is missed. */
export class RunReport {
  constructor(page) {
    this.page = page;
    this.element = h("div", { class: "report" });
    this.live = h("pre", { class: "code logs", tabindex: "0", "aria-label": "Live logs", "aria-live": "off" });
    this.shown = 0;
    this.early = [];
    this.facts = {};
    this.run = null;
  }

  /** Resolve when lines that are written from now on arrive. */
  follow(reference, signal) {
    return new Promise((resolve) => {
      followLines(this.page.grid, reference, signal, { onOpen: resolve, onLine: (line) => this.#line(line) })
        // Without live lines the run still ends with all of its logs.
        .catch(() => undefined)
        .finally(resolve);
    });
  }

  /** Show the run until it has ended; the ended run. */
  async watch(runId, signal) {
    this.runId = runId;
    this.early.splice(0).forEach((line) => this.#line(line));
    const ticking = new AbortController();
    signal.addEventListener("abort", () => ticking.abort(), { once: true });
    this.#tick(ticking.signal);
    try {
      return await untilEnded(this.page.grid, runId, signal, (run) => this.#draw(run, signal));
    } finally {
      ticking.abort();
    }
  }

  #line(line) {
    if (this.runId === undefined) return void this.early.push(line);
    if (line.runId !== this.runId || this.shown > MOST_LIVE_CHARACTERS) return;
    this.shown += line.text.length;
    this.live.append(`${visible(line.text)}\n`);
    this.live.scrollTop = this.live.scrollHeight;
  }

  async #draw(run, signal) {
    this.run = run;
    this.#show();
    if (this.facts.function) return;
    this.facts.function = await factsOf(this.page.grid, run, signal);
    if (run.status === "queued") Object.assign(this.facts, await queueFacts(this.page.grid, run, signal));
    if (!signal.aborted) this.#show();
  }

  #show() {
    const { run } = this;
    this.bar = timing(run);
    fill(
      this.element,
      h(
        "div",
        { class: "report-head", "data-run": run.runId, "data-status": run.status },
        badge(run.status),
        h("a", { href: `#/runs/${run.runId}`, class: "mono soft" }, run.runId),
      ),
      this.bar,
      hasEnded(run) ? ended(run, this.facts) : [explanation(run, this.facts), panel("Logs, live", this.live)],
    );
  }

  async #tick(signal) {
    for (await pause(TICK_MS, signal); !signal.aborted; await pause(TICK_MS, signal)) {
      if (!this.run || hasEnded(this.run)) continue;
      const fresh = timing(this.run);
      this.bar.replaceWith(fresh);
      this.bar = fresh;
    }
  }
}

function ended(run, facts) {
  const report = [explanation(run, facts)];
  if (run.error) report.push(errorView(run.error));
  else report.push(jsonView(run.outputText, "Output"));
  return [...report, logsView(run.logs)];
}

// The explanation is better with the settings that the run had; the function may be gone by now.
async function factsOf(grid, run, signal) {
  try {
    return await grid.function(run.functionId, { version: run.version }, signal);
  } catch {
    return null;
  }
}

async function queueFacts(grid, run, signal) {
  const number = (await grid.metrics(signal).catch(() => "")).match(/^nanogrid_backlog (\S+)$/m);
  const running = await grid
    .runs({ functionId: run.functionId, status: "running", limit: 50 }, signal)
    .catch(() => ({ items: [] }));
  return { backlog: Number(number?.[1] ?? 0), running: running.items.length };
}
