// The fields of a function's settings; each can be told what is wrong with it.

import { fill, h } from "./dom.js";
import { visible } from "./format.js";
import { panel } from "./run_parts.js";

const NUMBERS = [
  { name: "memoryMb", text: "Memory, MB", min: 128, max: 10_240, absent: 128 },
  { name: "autoMemoryMb", text: "Raised by itself up to, MB (0: never)", min: 0, max: 10_240, absent: 0 },
  { name: "timeoutMs", text: "Time-out, ms", min: 1, max: 43_200_000, absent: 30_000 },
  { name: "concurrency", text: "Runs at once (0: any)", min: 0, max: 10_000, absent: 0 },
  { name: "retries", text: "Retries, if async", min: 0, max: 10, absent: 0 },
  { name: "maxAgeMs", text: "Oldest, if async, ms (0: any)", min: 0, max: 604_800_000, absent: 0 },
  { name: "idleTtlMs", text: "Stays warm for, ms", min: 0, max: 86_400_000, absent: 600_000 },
];
const RUNTIMES = ["python3", "nodejs"];

/** The form's fields, filled from the function where there is one. */
export class SettingsForm {
  constructor(current, { onRuntime }) {
    this.current = current;
    this.fields = new Map();
    const basics = [current ? null : this.#name(), this.#runtime(onRuntime), this.#handler()];
    this.#suggestHandler();
    const numbers = NUMBERS.map((number) => this.#number(number));
    const rest = [...numbers, this.#network(), this.#http(), this.#environment(), this.#secrets()];
    const summary = h("summary", {}, "Limits, network, environment, secrets");
    const details = h("details", { open: current !== null }, summary, h("div", { class: "fields" }, rest));
    this.element = panel("Settings", [h("div", { class: "fields" }, basics), details]);
  }

  #name() {
    const input = h("input", {
      required: true,
      pattern: "[A-Za-z][A-Za-z0-9_\\-]{0,63}",
      maxlength: "64",
      autocomplete: "off",
      spellcheck: "false",
      title: "A letter, then letters, digits, - and _",
    });
    return this.#field("name", "Name", input);
  }

  #runtime(onRuntime) {
    const values = new Set([...(this.current ? [this.current.runtime] : []), ...RUNTIMES]);
    return this.#field("runtime", "Runtime", choice([...values], { onchange: () => this.#chosen(onRuntime) }));
  }

  #handler() {
    const value = this.current?.handler ?? "";
    return this.#field("handler", "Handler", h("input", { value, autocomplete: "off", spellcheck: "false" }));
  }

  #number({ name, text, min, max, absent }) {
    const value = String(this.current?.[name] ?? absent);
    return this.#field(name, text, h("input", { type: "number", min, max, required: true, value }));
  }

  #network() {
    const select = choice(["none", "outbound"], {});
    select.value = this.current?.network ?? "none";
    return this.#field("network", "Network", select);
  }

  #http() {
    const select = choice(["off", "token", "public"], {});
    select.value = this.current?.http ?? "off";
    return this.#field("http", "Over HTTP, under /fn", select);
  }

  #environment() {
    const value = lines(this.current?.environment ?? {});
    const placeholder = "NAME=value, one per line, or a JSON object";
    return this.#field(
      "environment",
      "Environment",
      h("textarea", { rows: "3", spellcheck: "false", placeholder, value }),
    );
  }

  #secrets() {
    const value = lines(this.current?.secrets ?? {});
    const placeholder = "VARIABLE=name of a secret, one per line";
    return this.#field("secrets", "Secrets", h("textarea", { rows: "2", spellcheck: "false", placeholder, value }));
  }

  #chosen(onRuntime) {
    this.#suggestHandler();
    onRuntime(this.runtime);
  }

  #suggestHandler() {
    this.fields.get("handler").input.placeholder = this.runtime.startsWith("nodejs") ? "index.handler" : "main.handler";
  }

  get name() {
    return this.#value("name");
  }

  get runtime() {
    return this.#value("runtime");
  }

  /** The settings as the API takes them. */
  values() {
    const numbers = Object.fromEntries(NUMBERS.map(({ name }) => [name, Number(this.#value(name))]));
    const handler = this.#value("handler").trim();
    return {
      runtime: this.runtime,
      ...(handler ? { handler } : {}),
      ...numbers,
      network: this.#value("network"),
      http: this.#value("http"),
      environment: variables(this.#value("environment")),
      secrets: variables(this.#value("secrets")),
    };
  }

  /** Say at each field what the grid said about it. */
  refuse(errors) {
    for (const { path, message } of errors) {
      const field = this.fields.get(/^\$\.(\w+)/.exec(path)?.[1]);
      if (!field) continue;
      fill(field.error, visible(message));
      field.input.setAttribute("aria-invalid", "true");
      field.input.closest("details")?.setAttribute("open", "");
      field.input.focus();
    }
  }

  clear() {
    for (const { input, error } of this.fields.values()) {
      fill(error);
      input.removeAttribute("aria-invalid");
    }
  }

  #value(name) {
    return this.fields.get(name).input.value;
  }

  #field(name, text, input) {
    const error = h("span", { class: "field-error", id: `error-${name}` });
    input.id = `field-${name}`;
    input.setAttribute("aria-describedby", error.id);
    this.fields.set(name, { input, error });
    return h("div", { class: "field" }, h("label", { for: input.id }, text), input, error);
  }
}

function choice(values, props) {
  return h(
    "select",
    props,
    values.map((value) => h("option", { value }, value)),
  );
}

// A value of several lines does not fit onto one; then the whole is JSON.
function lines(environment) {
  const entries = Object.entries(environment);
  if (entries.some(([, value]) => value.includes("\n"))) return JSON.stringify(environment, null, 2);
  return entries.map(([name, value]) => `${name}=${value}`).join("\n");
}

function variables(text) {
  if (text.trimStart().startsWith("{")) return JSON.parse(text);
  const given = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    given.map((line) => [line.split("=", 1)[0].trim(), line.includes("=") ? line.slice(line.indexOf("=") + 1) : ""]),
  );
}
