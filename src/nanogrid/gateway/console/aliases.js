// A function's aliases: names for versions, with the shares of runs that go to others.

import { h } from "./dom.js";
import { moment, visible } from "./format.js";
import { table } from "./lists.js";
import { panel } from "./run_parts.js";
import { attempt, confirmed } from "./states.js";

const COLUMNS = [{ title: "Alias" }, { title: "Means" }, { title: "Moved", wide: true }, { title: "" }];

/** The panel; `onChanged` is called when an alias has moved or is gone. */
export function aliasPanel(page, item, versions, aliases, onChanged) {
  const form = aliasForm(page, item, versions, onChanged);
  const rows = aliases.map((alias) => [
    h("span", { class: "mono" }, visible(alias.alias)),
    meaning(alias),
    moment(alias.updatedAt),
    h(
      "div",
      { class: "actions end" },
      button("Move", `Move ${alias.alias}`, () => form.edit(alias)),
      button("Delete", `Delete ${alias.alias}`, (event) => remove(page, event.target, item, alias, onChanged)),
    ),
  ]);
  const none = h("p", { class: "soft" }, "None yet. An alias is a name that can be moved: run it as ", address(item), ".");
  return panel("Aliases", [rows.length ? table("Aliases", COLUMNS, rows) : none, form.element]);
}

function address(item) {
  return h("code", {}, `${visible(item.name)}:live`);
}

function meaning({ version, weights }) {
  const others = Object.entries(weights).map(([other, share]) => `, ${percent(share)} v${other}`);
  const left = 1 - Object.values(weights).reduce((sum, share) => sum + share, 0);
  return others.length ? [`${percent(left)} v${version}`, others] : `v${version}`;
}

function percent(share) {
  return `${Number((share * 100).toFixed(1))} %`;
}

function button(text, label, onclick) {
  return h("button", { type: "button", class: "small", "aria-label": label, onclick }, text);
}

function aliasForm(page, item, versions, onChanged) {
  const name = h("input", {
    id: "alias-name",
    required: true,
    pattern: "[A-Za-z][A-Za-z0-9_\\-]{0,63}",
    maxlength: "64",
    autocomplete: "off",
    spellcheck: "false",
    title: "A letter, then letters, digits, - and _",
  });
  const version = versionChoice("alias-version", versions);
  const other = versionChoice("alias-other", versions, "no other");
  const share = h("input", { id: "alias-share", type: "number", min: "0.1", max: "99.9", step: "0.1", value: "10" });
  const send = h("button", { class: "primary" }, "Set alias");
  const element = h(
    "form",
    { class: "alias-form", "aria-label": "Set an alias" },
    field("Alias", name),
    field("Version", version),
    field("Some runs to", other),
    field("Share, %", share),
    send,
  );
  const shown = () => (share.disabled = other.value === "");
  other.addEventListener("change", shown);
  shown();
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const weights = other.value === "" ? {} : { [other.value]: Number(share.value) / 100 };
    const change = { version: Number(version.value), weights };
    const done = await attempt(page, send, () => page.grid.setAlias(item.functionId, name.value, change));
    if (!done) return;
    page.say(`${item.name}:${name.value} is moved.`);
    onChanged();
  });
  const edit = (alias) => {
    name.value = alias.alias;
    version.value = String(alias.version);
    [other.value = "", share.value] = firstShare(alias.weights);
    shown();
    version.focus();
  };
  return { element, edit };
}

function firstShare(weights) {
  const [first] = Object.entries(weights);
  return first ? [first[0], String(Number((first[1] * 100).toFixed(1)))] : ["", "10"];
}

function versionChoice(id, versions, none) {
  const options = versions.map(({ version }) => h("option", { value: String(version) }, `v${version}`));
  return h("select", { id }, none && h("option", { value: "" }, none), options);
}

function field(text, input) {
  return h("div", { class: "field" }, h("label", { for: input.id }, text), input);
}

async function remove(page, pressed, item, alias, onChanged) {
  const text = `Whoever runs ${item.name}:${alias.alias} is refused from then on. The versions stay.`;
  if (!(await confirmed("Delete this alias?", text, "Delete it"))) return;
  if (!(await attempt(page, pressed, () => page.grid.removeAlias(item.functionId, alias.alias)))) return;
  page.say(`${item.name}:${alias.alias} is deleted.`);
  onChanged();
}
