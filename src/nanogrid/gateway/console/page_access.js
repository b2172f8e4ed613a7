// What functions may know and nobody may read, and who may do what: secrets and keys.

import { fill, h } from "./dom.js";
import { KeysPanel } from "./keys_panel.js";
import { heading } from "./lists.js";
import { SecretsPanel } from "./secrets_panel.js";

/** Show the page. */
export function show(page) {
  page.title("Access");
  fill(
    page.main,
    heading("Access"),
    h("div", { class: "stack" }, new SecretsPanel(page).element, new KeysPanel(page).element),
  );
}
