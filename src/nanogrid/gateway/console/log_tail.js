// A function's log lines, from the last ones on, live while it is open.

import { fill, h } from "./dom.js";
import { visible } from "./format.js";
import { followLines } from "./follow.js";
import { explained } from "./states.js";

const EARLIER = 100;
const MOST_LINES = 2_000;

/** A part that opens; it follows only while it is open. */
export class LogTail {
  constructor(page, item) {
    this.page = page;
    this.item = item;
    this.text = h("pre", { class: "code logs", tabindex: "0", "aria-label": "Log lines of this function" });
    this.state = h("span", { class: "soft" });
    this.element = h(
      "details",
      { class: "panel tail", ontoggle: () => this.#toggled() },
      h("summary", {}, "Follow the logs ", this.state),
      this.text,
    );
  }

  #toggled() {
    this.following?.abort();
    if (!this.element.open) return fill(this.state);
    this.following = new AbortController();
    const signal = AbortSignal.any([this.page.signal, this.following.signal]);
    return this.#follow(signal);
  }

  async #follow(signal) {
    try {
      // A run that ends while we look at earlier lines is in both; a later attempt of it is not.
      const known = new Map();
      await followLines(this.page.grid, this.item.functionId, signal, {
        onOpen: async () => {
          const earlier = await this.page.grid.logs(this.item.functionId, EARLIER, signal);
          for (const line of earlier) known.set(line.runId, new Date(line.at));
          fill(this.text, earlier.map(lineOf));
          fill(this.state, "live");
        },
        onLine: (line) => {
          if (!(new Date(line.at) <= known.get(line.runId))) this.#add(line);
        },
      });
    } catch (error) {
      if (!signal.aborted) fill(this.state, explained(error));
      return;
    }
    if (!signal.aborted) fill(this.state, "ended: close and open to follow again");
  }

  #add(line) {
    const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 8;
    this.text.append(lineOf(line));
    while (this.text.childElementCount > MOST_LINES) this.text.firstElementChild.remove();
    if (atEnd) this.text.scrollTop = this.text.scrollHeight;
  }
}

function lineOf(line) {
  const time = new Date(line.at).toLocaleTimeString();
  return h(
    "span",
    { class: line.level ? `log-line level-${line.level}` : "log-line" },
    h("a", { href: `#/runs/${line.runId}`, class: "soft", title: line.runId }, `${time} …${line.runId.slice(-6)}`),
    ` ${visible(line.text)}\n`,
  );
}
