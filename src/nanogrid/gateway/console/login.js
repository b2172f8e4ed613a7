// The form that asks for the token.

import { fill, h } from "./dom.js";

/** The page; `onToken` resolves to why a token does not do, or to nothing. */
export function loginPage(reason, onToken) {
  const field = h("input", {
    id: "token",
    type: "password",
    required: true,
    autocomplete: "off",
    autofocus: true,
    "aria-describedby": "login-hint login-error",
  });
  const error = h("p", { id: "login-error", class: "field-error", role: "alert" }, reason);
  const button = h("button", { class: "primary" }, "Log in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    fill(error, (await onToken(field.value.trim())) || "");
    button.disabled = false;
  };
  return h(
    "main",
    { class: "login" },
    h("h1", {}, "This is a NanoGrid."),
    h("p", {}, "It runs functions: upload code once, run it by name, each run isolated from every other."),
    h(
      "form",
      { onsubmit: submit },
      h("label", { for: "token" }, "Token"),
      field,
      h(
        "p",
        { id: "login-hint", class: "hint" },
        "The file ",
        h("code", {}, "token"),
        " in the grid’s data folder holds it. The address that ",
        h("code", {}, "nanogrid up"),
        " prints brings it along.",
      ),
      error,
      button,
    ),
    h("p", {}, h("a", { href: "/docs" }, "The HTTP API")),
  );
}
