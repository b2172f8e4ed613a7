// A text area with syntax colours: the text is painted below it, its own letters are clear.

import { fill, h } from "./dom.js";
import { coloured } from "./highlight.js";

const MOST_COLOURED = 100_000;

/** One editor; `onChange` is called with each new text, `onSubmit` on Ctrl-Enter. */
export class CodeEditor {
  constructor({ label, language, value = "", rows = 12, indent = "    ", onChange = () => {}, onSubmit = () => {} }) {
    this.language = language;
    this.indent = indent;
    this.onChange = onChange;
    this.onSubmit = onSubmit;
    this.numbers = h("div", { class: "editor-numbers", "aria-hidden": "true" });
    this.paint = h("pre", { class: "editor-paint", "aria-hidden": "true" });
    this.area = h("textarea", {
      class: "editor-area",
      "aria-label": label,
      rows: String(rows),
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      wrap: "off",
      oninput: () => this.#changed(),
      onscroll: () => this.#scrolled(),
      onkeydown: (event) => this.#key(event),
    });
    this.element = h(
      "div",
      { class: "editor" },
      this.numbers,
      h("div", { class: "editor-field" }, this.paint, this.area),
    );
    this.value = value;
  }

  get value() {
    return this.area.value;
  }

  set value(text) {
    this.area.value = text;
    this.#draw();
  }

  /** Colour as another language from now on. */
  speak(language) {
    this.language = language;
    this.#draw();
  }

  /** Mark the text as wrong or right; `describedBy` is the id of what says why. */
  mark(wrong, describedBy) {
    this.area.setAttribute("aria-invalid", String(wrong));
    this.area.setAttribute("aria-describedby", describedBy);
    this.element.classList.toggle("wrong", wrong);
  }

  #changed() {
    this.#draw();
    this.onChange(this.value);
  }

  #draw() {
    const text = this.value;
    const lines = text.split("\n").length;
    fill(this.paint, text.length > MOST_COLOURED ? text : coloured(text, this.language), "\n");
    if (lines !== this.lines) fill(this.numbers, Array.from({ length: lines }, (_, index) => index + 1).join("\n"));
    this.lines = lines;
    this.#scrolled();
  }

  #scrolled() {
    this.paint.scrollTop = this.numbers.scrollTop = this.area.scrollTop;
    this.paint.scrollLeft = this.area.scrollLeft;
  }

  #key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#take(event, () => this.onSubmit());
    else if (event.key === "Enter" && !event.isComposing) this.#take(event, () => insert(`\n${this.#indentation()}`));
    else if (event.key === "Tab" && !event.shiftKey && !this.leaving) this.#take(event, () => insert(this.indent));
    // Escape, then Tab: the way out for whoever has no pointer.
    this.leaving = event.key === "Escape" || (this.leaving && event.key === "Shift");
  }

  #take(event, act) {
    event.preventDefault();
    act();
  }

  #indentation() {
    const line = this.value.slice(0, this.area.selectionStart).split("\n").at(-1);
    return /^[ \t]*/.exec(line)[0] + (/[:{[(]$/.test(line) ? this.indent : "");
  }
}

// The only way to insert text that the browser's own undo knows of.
function insert(text) {
  document.execCommand("insertText", false, text);
}
