// Secrets: kept by name, given to functions, shown to nobody.

import { field, form, more, permitted } from "./access_parts.js";
import { h } from "./dom.js";
import { moment, plural, visible } from "./format.js";
import { table } from "./lists.js";
import { panel } from "./run_parts.js";
import { attempt, confirmed, empty, load } from "./states.js";

const PAGE = 50;
const COLUMNS = [{ title: "Secret" }, { title: "Set" }, { title: "Made", wide: true }, { title: "" }];

/** The list of secrets, and how to set one. */
export class SecretsPanel {
  constructor(page) {
    this.page = page;
    this.list = h("div");
    this.form = this.#form();
    this.rotate = h("button", { type: "button", class: "small", onclick: () => this.#rotate() }, "Rotate the key");
    const intro = h(
      "p",
      { class: "soft" },
      "A function gets a secret as an environment variable, by its settings. It is sealed where it lies, and no page, answer or log ever shows it again.",
    );
    this.element = panel("Secrets", [intro, this.form, this.list]);
    this.#show();
  }

  #show(cursor = null) {
    load(this.list, this.page.signal, () => permitted(this.form, () => this.#content(cursor)));
  }

  async #content(cursor) {
    const { items, nextCursor } = await this.page.grid.secrets({ limit: PAGE, cursor }, this.page.signal);
    if (items.length === 0)
      return empty("No secrets", "What a function must know and nobody may read, such as a password, is kept here.");
    return [
      table(
        "Secrets",
        COLUMNS,
        items.map((secret) => this.#cells(secret)),
      ),
      nextCursor && more("More secrets", () => this.#show(nextCursor)),
      h("div", { class: "actions end" }, this.rotate),
    ];
  }

  #form() {
    const name = h("input", {
      required: true,
      pattern: "[A-Za-z][A-Za-z0-9_\\-]{0,63}",
      maxlength: "64",
      autocomplete: "off",
      spellcheck: "false",
      title: "A letter, then letters, digits, - and _",
    });
    const value = h("textarea", { required: true, rows: "2", spellcheck: "false", autocomplete: "off", class: "veiled" });
    const fields = h(
      "div",
      { class: "fields" },
      field("secret", "name", "Name", name),
      field("secret", "value", "Value, as it is, line ends too", value),
    );
    return form(this.page, "Set a secret", fields, "Keep it", async () => {
      const { name: kept } = await this.page.grid.setSecret(name.value, value.value);
      this.page.say(`${kept} is kept. Runs that begin from now on know it.`);
      this.#show();
    });
  }

  #cells(secret) {
    const remove = h(
      "button",
      { type: "button", class: "small danger quiet", "aria-label": `Delete ${secret.name}` },
      "Delete",
    );
    remove.addEventListener("click", () => this.#remove(remove, secret.name));
    return [h("code", {}, visible(secret.name)), moment(secret.updatedAt), moment(secret.createdAt), remove];
  }

  async #remove(button, name) {
    const text = `Functions that name “${visible(name)}” cannot be loaded any more. Its value cannot be got back.`;
    if (!(await confirmed("Delete this secret?", text, "Delete it"))) return;
    if (!(await attempt(this.page, button, () => this.page.grid.removeSecret(name)))) return;
    this.page.say(`${visible(name)} is deleted.`);
    this.#show();
  }

  async #rotate() {
    const text = "All secrets are sealed anew under a new key, and the old one is forgotten. Functions notice nothing.";
    if (!(await confirmed("Rotate the key?", text, "Rotate it"))) return;
    await attempt(this.page, this.rotate, async () => {
      const { secrets } = await this.page.grid.rotateVault();
      this.page.say(`${plural(secrets, "value is", "values are")} sealed under a new key.`);
    });
  }
}
