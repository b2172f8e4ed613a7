// What the panels of secrets and keys have in common: forms that say what is wrong, and lists that may be closed to one.

import { fill, h } from "./dom.js";
import { visible } from "./format.js";
import { attempt, empty, explained } from "./states.js";

/** A labelled field; `refuse` on its form writes into its error. */
export function field(form, name, text, input, hint = null) {
  const error = h("span", { class: "field-error", id: `${form}-${name}-error` });
  input.id = `${form}-${name}`;
  input.dataset.field = name;
  input.setAttribute("aria-describedby", error.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, text), input, hint, error);
}

/** A form that does its work when it is sent, says at each field what the grid refused, and is empty when it went well. */
export function form(page, label, fields, verb, work) {
  const button = h("button", { class: "primary" }, verb);
  const element = h("form", { "aria-label": label }, fields, h("div", { class: "actions" }, button));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(element);
    const done = await attempt(page, button, async () => {
      try {
        await work();
      } catch (error) {
        refuse(element, error);
        throw error;
      }
    });
    if (done) element.reset();
  });
  return element;
}

/** What the work makes; or in words that this key may not see it, and the form goes. */
export async function permitted(form, work) {
  try {
    return await work();
  } catch (error) {
    if (error.status !== 403) throw error;
    form.hidden = true;
    return empty("Not with this key", explained(error));
  }
}

/** A link to more of a list, or nothing. */
export function more(text, onclick) {
  return h("div", { class: "paging" }, h("button", { type: "button", onclick }, text));
}

function clear(element) {
  for (const input of element.querySelectorAll("[data-field]")) input.removeAttribute("aria-invalid");
  for (const error of element.querySelectorAll(".field-error")) fill(error);
}

function refuse(element, { fields = [] }) {
  for (const { path, message } of fields) {
    const name = /^\$\.(\w+)/.exec(path)?.[1];
    const input = [...element.querySelectorAll("[data-field]")].find((one) => one.dataset.field === name);
    if (!input) continue;
    fill(document.getElementById(`${input.id}-error`), visible(message));
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}
