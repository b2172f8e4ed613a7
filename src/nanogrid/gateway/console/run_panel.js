// Run a function by hand: an input, the way of waiting, what came of it.

import { fill, h } from "./dom.js";
import { CodeEditor } from "./editor.js";
import { RunReport } from "./run_report.js";
import { hasEnded } from "./grid.js";
import { panel } from "./run_parts.js";
import { attempt } from "./states.js";

const FIRST_INPUT = '{\n  "name": "Ada"\n}';

/** The panel; `onEnded` is called after each run. */
export class RunPanel {
  constructor(page, item, { onEnded }) {
    Object.assign(this, { page, item, onEnded });
    this.error = h("p", { class: "field-error", id: "input-error", role: "status" });
    this.editor = new CodeEditor({
      label: "Input, as JSON",
      language: "json",
      rows: 6,
      indent: "  ",
      value: page.session.input(item.functionId) ?? FIRST_INPUT,
      onChange: () => this.#check(),
      onSubmit: () => this.#run(),
    });
    this.mode = h(
      "select",
      { "aria-label": "How to wait" },
      h("option", { value: "sync" }, "sync: once, no retries"),
      h("option", { value: "async" }, "async: retried by its policy"),
    );
    this.button = h("button", { type: "button", class: "primary", onclick: () => this.#run() }, "Run");
    this.cancel = h("button", { type: "button", hidden: true, onclick: () => this.#cancel() }, "Cancel");
    this.result = h("div", { role: "region", "aria-label": "Result" });
    // Only the end is read aloud: the region itself changes four times a second.
    this.told = h("p", { class: "unseen", role: "status" });
    const controls = h(
      "div",
      { class: "actions" },
      this.button,
      this.mode,
      this.cancel,
      h("span", { class: "soft keys-hint" }, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter")),
    );
    this.element = h(
      "div",
      { class: "stack" },
      panel("Run", [this.editor.element, this.error, controls]),
      this.result,
      this.told,
    );
  }

  #check() {
    try {
      JSON.parse(this.editor.value);
    } catch (error) {
      fill(this.error, `This is no JSON yet: ${error.message}`);
      this.editor.mark(true, "input-error");
      return false;
    }
    fill(this.error);
    this.editor.mark(false, "input-error");
    return true;
  }

  async #run() {
    if (!this.#check() || this.button.disabled) return;
    this.page.session.keepInput(this.item.functionId, this.editor.value);
    const ended = new AbortController();
    const signal = AbortSignal.any([this.page.signal, ended.signal]);
    try {
      await attempt(this.page, this.button, () => this.#followed(signal));
    } finally {
      ended.abort();
      this.cancel.hidden = true;
    }
  }

  async #followed(signal) {
    const report = new RunReport(this.page);
    fill(this.result, report.element);
    await report.follow(this.item.functionId, signal);
    const started = await this.page.grid.start(this.item.functionId, this.editor.value, this.mode.value, signal);
    this.runId = started.runId;
    this.cancel.hidden = hasEnded(started);
    const ended = await report.watch(started.runId, signal);
    fill(this.told, `The run ended: ${ended.status}.`);
    this.onEnded();
  }

  async #cancel() {
    await attempt(this.page, this.cancel, () => this.page.grid.cancel(this.runId));
  }
}
