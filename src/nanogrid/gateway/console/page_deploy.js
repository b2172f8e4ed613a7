// Write a function, or its next version, and deploy it.

import { fill, h } from "./dom.js";
import { CodeEditor } from "./editor.js";
import { visible } from "./format.js";
import { heading } from "./lists.js";
import { SettingsForm } from "./settings_form.js";
import { attempt, load } from "./states.js";
import { languageOf, templateFor } from "./templates.js";

/** Show the page: for a new function, or for the next version of the one that the address names. */
export function show(page) {
  page.title(page.reference ? `Edit ${page.reference}` : "New function");
  load(page.main, page.signal, async () => {
    const current = page.reference ? await page.grid.function(page.reference, {}, page.signal) : null;
    return new Deploy(page, current).nodes;
  });
}

class Deploy {
  constructor(page, current) {
    this.page = page;
    this.current = current;
    this.settings = new SettingsForm(current, { onRuntime: (runtime) => this.#runtime(runtime) });
    this.known = current && page.session.source(current.codeSha256);
    this.begun = current ? (this.known ?? "") : templateFor(this.settings.runtime);
    this.editor = new CodeEditor({
      label: "Code",
      language: languageOf(this.settings.runtime),
      value: this.begun,
      rows: 18,
      onSubmit: () => this.#deploy(),
    });
    this.button = h("button", { class: "primary" }, current ? `Deploy v${current.version + 1}` : "Deploy");
    this.form = h(
      "form",
      { class: "columns", onsubmit: (event) => (event.preventDefault(), this.#deploy()) },
      h(
        "div",
        {},
        this.#code(),
        h(
          "div",
          { class: "actions" },
          this.button,
          h("span", { class: "soft keys-hint" }, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter")),
        ),
      ),
      this.settings.element,
    );
  }

  get nodes() {
    const { current } = this;
    const back =
      current && h("a", { class: "button", href: `#/functions/${encodeURIComponent(current.name)}` }, "Back");
    return [heading(current ? ["Next version of ", visible(current.name)] : "New function", back), this.form];
  }

  #code() {
    if (this.current && !templateFor(this.current.runtime))
      return h(
        "p",
        { class: "note" },
        "Its code is an archive with a program: deploy that with the command nanogrid deploy. Settings can be changed here.",
      );
    const kept = this.current && this.known === null;
    const note =
      kept &&
      h(
        "p",
        { class: "note" },
        "The grid keeps this version’s code as an archive and does not give it back. Leave the editor empty to keep it, or write one file that takes its place.",
      );
    return [note, this.editor.element];
  }

  #runtime(runtime) {
    if (this.editor.value === this.begun && !this.current) this.editor.value = this.begun = templateFor(runtime);
    this.editor.speak(languageOf(runtime));
  }

  async #deploy() {
    if (this.button.disabled || !this.form.reportValidity()) return;
    this.settings.clear();
    await attempt(this.page, this.button, async () => {
      try {
        await this.#send();
      } catch (error) {
        this.settings.refuse(error.fields ?? []);
        throw error;
      }
    });
  }

  async #send() {
    const source = this.editor.value;
    const changed = source !== "" && source !== this.known;
    const change = { ...this.settings.values(), ...(changed ? { source } : {}) };
    const made = this.current
      ? await this.page.grid.update(this.current.functionId, change)
      : await this.page.grid.deploy({ name: this.settings.name, ...change });
    this.page.say(`${made.name} v${made.version} is deployed.`);
    this.page.go(`#/functions/${encodeURIComponent(made.name)}`);
  }
}
