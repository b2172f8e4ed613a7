// The frame around every page: navigation, theme, messages.

import { fill, h, svg } from "./dom.js";

const MESSAGE_MS = 8_000;
const THEME = "nanogrid.theme";
const PARTS = [
  { part: "overview", text: "Overview", href: "#/", key: "g o", icon: "M3 13l5-6 4 4 5-7" },
  {
    part: "functions",
    text: "Functions",
    href: "#/functions",
    key: "g f",
    icon: "M7 4c-3 0-1 6-4 6 3 0 1 6 4 6M13 4c3 0 1 6 4 6-3 0-1 6-4 6",
  },
  { part: "runs", text: "Runs", href: "#/runs", key: "g r", icon: "M6 4l10 6-10 6z" },
  {
    part: "schedules",
    text: "Schedules",
    href: "#/schedules",
    key: "g s",
    icon: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 6v4l3 2",
  },
  { part: "dead-letters", text: "Dead letters", href: "#/dead-letters", key: "g d", icon: "M3 5h14v10H3zM3 5l7 6 7-6" },
  {
    part: "access",
    text: "Access",
    href: "#/access",
    key: "g a",
    icon: "M11 9a4 4 0 1 0-2.2 2.2L11 13h2v2h2v2h3v-3z",
  },
];

/** The frame; pages draw in `main`. */
export class Shell {
  constructor({ onLogOut }) {
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.polite = h("div", { class: "messages", role: "status", "aria-live": "polite" });
    this.urgent = h("div", { class: "messages", role: "alert" });
    this.absence = h(
      "div",
      { class: "absence", role: "alert", hidden: true },
      "The grid does not answer. Looking for it again and again …",
    );
    this.links = PARTS.map(link);
    this.help = help();
    const skip = h(
      "a",
      { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), this.main.focus()) },
      "Skip to the content",
    );
    const tools = h(
      "div",
      { class: "tools" },
      themeSwitch(),
      h("a", { class: "button quiet small", href: "/docs", target: "_blank", rel: "noopener" }, "API"),
      button("Help", () => this.help.showModal()),
      button("Log out", onLogOut),
    );
    const bar = h(
      "header",
      { class: "bar" },
      h("a", { class: "brand", href: "#/" }, mark(), "NanoGrid"),
      h("nav", { "aria-label": "Main" }, this.links),
      tools,
    );
    this.nodes = [
      skip,
      bar,
      h("div", { class: "stage" }, this.absence, this.main),
      h("div", { class: "messages-stack" }, this.polite, this.urgent),
      this.help,
    ];
  }

  /** Another page begins. */
  arrive(part) {
    fill(this.main);
    this.links.forEach((element, index) => {
      if (PARTS[index].part === part) element.setAttribute("aria-current", "page");
      else element.removeAttribute("aria-current");
    });
  }

  /** So that a screen reader tells where one has come. */
  focusHeading() {
    const heading = this.main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }

  away(away) {
    this.absence.hidden = !away;
  }

  say(text) {
    message(this.polite, text, "good");
  }

  alert(text) {
    message(this.urgent, text, "bad");
  }
}

function link({ text, href, key, icon }) {
  const image = svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: icon }));
  return h("a", { href, title: `${text} (${key})` }, image, h("span", {}, text));
}

function mark() {
  const squares = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) =>
    svg("rect", {
      x: 7 * (index % 3),
      y: 7 * Math.floor(index / 3),
      width: 5.4,
      height: 5.4,
      rx: 1.4,
      class: [1, 3, 8].includes(index) ? "on" : "off",
    }),
  );
  return svg("svg", { viewBox: "0 0 20 20", class: "mark", "aria-hidden": "true" }, squares);
}

function button(text, act) {
  return h("button", { type: "button", class: "quiet small", onclick: act }, text);
}

function message(region, text, tone) {
  const box = h(
    "div",
    { class: `message ${tone}` },
    h("span", {}, text),
    h("button", { type: "button", class: "quiet small", "aria-label": "Dismiss", onclick: () => box.remove() }, "×"),
  );
  region.append(box);
  setTimeout(() => box.remove(), MESSAGE_MS);
}

function themeSwitch() {
  const options = [
    ["", "System"],
    ["light", "Light"],
    ["dark", "Dark"],
  ];
  const select = h(
    "select",
    { class: "small", "aria-label": "Theme" },
    options.map(([value, text]) => h("option", { value }, text)),
  );
  select.value = localStorage.getItem(THEME) ?? "";
  const apply = () => (document.documentElement.dataset.theme = select.value);
  select.addEventListener("change", () => (localStorage.setItem(THEME, select.value), apply()));
  apply();
  return select;
}

function help() {
  const keys = [
    ["/", "search or filter"],
    ...PARTS.map(({ key, text }) => [key, text.toLowerCase()]),
    ["n", "new function"],
    ["j  k", "next, previous row"],
    ["Enter", "open what is focused"],
    ["Ctrl Enter", "run, or deploy, from within the editor"],
    ["Esc Tab", "leave the editor"],
    ["Esc", "close, leave the field"],
    ["?", "this list"],
  ];
  const rows = keys.map(([key, what]) => [
    h(
      "dt",
      {},
      key
        .split(" ")
        .filter(Boolean)
        .map((part) => h("kbd", {}, part)),
    ),
    h("dd", {}, what),
  ]);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "help-title" });
  return fill(
    dialog,
    h("h2", { id: "help-title" }, "Keyboard shortcuts"),
    h("dl", { class: "keys" }, rows),
    h("div", { class: "actions end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
}
