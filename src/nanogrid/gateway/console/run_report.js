// One run from its start to its end: drawn again whenever something is known, log lines as they come.

import { artifactsView } from "./artifacts.js";
import { fill, h, pause } from "./dom.js";
import { visible } from "./format.js";
import { followLines, untilEnded } from "./follow.js";
import { hasEnded } from "./grid.js";
import { explanation } from "./explain.js";
import { badge, errorView, jsonView, logsView, panel, timing } from "./run_parts.js";

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
    this.told = null;
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
    // A run is shown without its explanation rather than not at all.
    const told = await this.page.grid.explain(run.runId, signal).catch(() => null);
    if (signal.aborted || !told) return;
    this.told = told;
    this.#show();
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
      // What was said of an earlier status is true no more.
      this.told?.status === run.status && explanation(this.told),
      hasEnded(run) ? ended(this.page, run) : panel("Logs, live", this.live),
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

function ended(page, run) {
  const outcome = run.error ? errorView(run.error) : jsonView(run.outputText, "Output");
  return [outcome, artifactsView(page, run), logsView(run.logs)];
}
