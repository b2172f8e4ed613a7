// What a page shows while it loads, where there is nothing, and where something went wrong.

import { fill, h, pause } from "./dom.js";
import { visible } from "./format.js";

/** A calm placeholder; read out as busy. */
export function loading() {
  const lines = ["", "", ""].map(() => h("div", { class: "bone" }));
  return h("div", { class: "loading", role: "status", "aria-label": "Loading" }, lines);
}

/** Nothing there, and what to do about it. */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", {}, text), actions);
}

/** Do the work and show its nodes in the container; its failures too, with another try. */
export async function load(container, signal, work) {
  fill(container, loading());
  try {
    const nodes = await work();
    if (!signal.aborted) fill(container, nodes);
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    fill(
      container,
      failed(error, signal, () => load(container, signal, work)),
    );
  }
}

/** Do what a button asks for: it is off meanwhile, and a failure is said aloud. True where it went well. */
export async function attempt(page, button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
    return true;
  } catch (error) {
    if (!page.signal.aborted && error.status !== 401) page.alert(explained(error));
    return false;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** Ask before something that cannot be undone. */
export function confirmed(title, text, verb) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
  const close = (answer) => () => dialog.close(answer);
  fill(
    dialog,
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, text),
    h(
      "div",
      { class: "actions end" },
      h("button", { type: "button", onclick: close("") }, "Keep it"),
      h("button", { type: "button", class: "danger", onclick: close("yes") }, verb),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => (dialog.remove(), resolve(dialog.returnValue === "yes")), { once: true });
  });
}

/** A failure in words. */
export function explained(error) {
  const again = error.retryAfterS ? ` Try again in ${error.retryAfterS} s.` : "";
  return visible(error.message) + again;
}

function failed(error, signal, retry) {
  const button = h("button", { type: "button", onclick: retry }, "Try again");
  if (error.retryAfterS) pause(error.retryAfterS * 1000, signal).then(() => button.isConnected && retry());
  const title = error.status === 404 ? "Not here" : error.status === 429 ? "Too busy just now" : "That did not work";
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("p", { class: "empty-title" }, title),
    h("p", {}, explained(error)),
    error.code && h("p", { class: "soft" }, h("code", {}, error.code)),
    error.status === 404 ? h("a", { class: "button", href: "#/functions" }, "All functions") : button,
  );
}
