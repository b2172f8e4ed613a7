// Keys: who may do what; a token is shown once.

import { field, form, more, permitted } from "./access_parts.js";
import { fill, h } from "./dom.js";
import { moment, visible } from "./format.js";
import { table } from "./lists.js";
import { copyButton, panel } from "./run_parts.js";
import { attempt, confirmed, empty, load } from "./states.js";

const PAGE = 50;
const DAY_MS = 86_400_000;
const SCOPES = [
  ["run", "run functions, follow and cancel runs"],
  ["read", "read functions, code, runs and logs"],
  ["deploy", "make, change and delete functions and secrets"],
  ["admin", "everything, keys among it"],
];
const ENDS = [
  ["", "never"],
  ["1", "in a day"],
  ["30", "in 30 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
];
const COLUMNS = [
  { title: "Key" },
  { title: "May" },
  { title: "Functions", wide: true },
  { title: "Ends", wide: true },
  { title: "Made", wide: true },
  { title: "" },
];

/** The list of keys, and how to make one. */
export class KeysPanel {
  constructor(page) {
    this.page = page;
    this.list = h("div");
    this.made = h("div", { role: "status" });
    this.form = this.#form();
    const intro = "A key opens this grid to a program or a person. It can be taken back at any time.";
    this.element = panel("Keys", [h("p", { class: "soft" }, intro), this.form, this.made, this.list]);
    this.#show();
  }

  #show(cursor = null) {
    load(this.list, this.page.signal, () => permitted(this.form, () => this.#content(cursor)));
  }

  async #content(cursor) {
    const { items, nextCursor } = await this.page.grid.keys({ limit: PAGE, cursor }, this.page.signal);
    if (items.length === 0)
      return empty("No keys", "Only the owner's token opens this grid. Whoever else uses it gets a key of his own.");
    return [
      table(
        "Keys",
        COLUMNS,
        items.map((key) => this.#cells(key)),
      ),
      nextCursor && more("Later keys", () => this.#show(nextCursor)),
    ];
  }

  #form() {
    const name = h("input", { required: true, maxlength: "80", autocomplete: "off" });
    const functions = h("input", { autocomplete: "off", spellcheck: "false", placeholder: "all of them" });
    const ends = h(
      "select",
      {},
      ENDS.map(([value, text]) => h("option", { value }, text)),
    );
    const boxes = SCOPES.map(([scope, text]) => {
      const box = h("input", { type: "checkbox", value: scope });
      return { box, label: h("label", { class: "choice" }, box, h("b", {}, scope), ` ${text}`) };
    });
    boxes[0].box.defaultChecked = true;
    const scopes = h(
      "fieldset",
      { class: "choices" },
      h("legend", {}, "It may"),
      boxes.map(({ label }) => label),
    );
    const fields = h(
      "div",
      { class: "fields" },
      field("key", "name", "Name", name),
      field("key", "functions", "Runs only these functions", functions),
      field("key", "expiresAt", "Ends", ends),
    );
    return form(this.page, "Make a key", [fields, scopes], "Make a key", async () => {
      const chosen = boxes.map(({ box }) => box).filter((box) => box.checked);
      if (chosen.length === 0) throw new Error("Choose at least one thing that the key may do.");
      const names = functions.value.split(/[\s,]+/).filter(Boolean);
      const key = await this.page.grid.createKey({
        name: name.value,
        scopes: chosen.map((box) => box.value),
        ...(names.length ? { functions: names } : {}),
        ...(ends.value ? { expiresAt: new Date(Date.now() + Number(ends.value) * DAY_MS).toISOString() } : {}),
      });
      this.#tell(key);
      this.#show();
    });
  }

  // The only moment at which anybody sees the token.
  #tell(key) {
    const done = h("button", { type: "button", class: "small", onclick: () => this.#kept() }, "I have kept it");
    fill(
      this.made,
      h(
        "div",
        { class: "once" },
        h("p", {}, h("b", {}, `The token of ${visible(key.name)}. `), "It is shown this once: nobody can tell it again."),
        h("code", { class: "token", "aria-label": "Token", tabindex: "0" }, key.token),
        h("div", { class: "actions" }, copyButton("the token", () => key.token), done),
      ),
    );
    this.made.querySelector(".token").focus();
  }

  #kept() {
    fill(this.made);
    this.form.querySelector("input").focus();
  }

  #cells(key) {
    const revoke = h(
      "button",
      { type: "button", class: "small danger quiet", "aria-label": `Revoke ${key.name}` },
      "Revoke",
    );
    revoke.addEventListener("click", () => this.#revoke(revoke, key));
    const over = key.expiresAt && new Date(key.expiresAt) <= new Date();
    return [
      h("span", { title: key.keyId }, visible(key.name)),
      key.scopes.join(", "),
      key.functions ? visible(key.functions.join(", ")) : h("span", { class: "soft" }, "all"),
      key.expiresAt
        ? [over && h("b", {}, "over, "), h("span", {}, new Date(key.expiresAt).toLocaleDateString())]
        : h("span", { class: "soft" }, "never"),
      moment(key.createdAt),
      revoke,
    ];
  }

  async #revoke(button, key) {
    const text = `Whoever uses “${visible(key.name)}” is turned away from now on.`;
    if (!(await confirmed("Revoke this key?", text, "Revoke it"))) return;
    if (!(await attempt(this.page, button, () => this.page.grid.revokeKey(key.keyId)))) return;
    this.page.say(`${visible(key.name)} is revoked.`);
    this.#show();
  }
}
