// All functions, with a search.

import { fill, h } from "./dom.js";
import { duration, moment, plural, visible } from "./format.js";
import { functionLink, heading, table } from "./lists.js";
import { attempt, empty, load } from "./states.js";

const PAGE = 200;
// A search looks at no more pages than this by itself.
const MOST_PAGES = 25;

/** Show the page. */
export function show(page) {
  page.title("Functions");
  const list = h("div");
  const search = h("input", {
    type: "search",
    placeholder: "Search by name",
    "aria-label": "Search functions by name",
    "data-search": "",
    value: page.query.get("search") ?? "",
  });
  const filter = h("div", { class: "filters" }, search, h("kbd", { class: "keys-hint", "aria-hidden": "true" }, "/"));
  fill(
    page.main,
    heading("Functions", h("a", { class: "button primary", href: "#/new" }, "New function")),
    filter,
    list,
  );
  load(list, page.signal, async () => {
    const found = new Found(page, search);
    await found.more();
    return found.element;
  });
}

class Found {
  constructor(page, search) {
    this.page = page;
    this.search = search;
    this.items = [];
    this.cursor = null;
    this.element = h("div");
    search.addEventListener("input", () => this.#searched(), { signal: page.signal });
  }

  async more() {
    const read = await this.page.grid.functions({ limit: PAGE, cursor: this.cursor }, this.page.signal);
    this.items.push(...read.items);
    this.cursor = read.nextCursor;
    this.#draw();
  }

  async #searched() {
    this.#draw();
    await attempt(this.page, this.element, async () => {
      for (let pages = 0; this.cursor && this.search.value && pages < MOST_PAGES; pages += 1) await this.more();
    });
  }

  #draw() {
    const wanted = this.search.value.trim().toLowerCase();
    const shown = this.items.filter((item) => item.name.toLowerCase().includes(wanted));
    fill(
      this.element,
      shown.length ? functionTable(shown) : nothing(wanted),
      this.cursor && this.#moreButton(),
      h("p", { class: "soft count", role: "status" }, plural(shown.length, "function")),
    );
  }

  #moreButton() {
    const button = h("button", { type: "button" }, "More");
    button.addEventListener("click", () => attempt(this.page, button, () => this.more()));
    return button;
  }
}

function functionTable(items) {
  const columns = [
    { title: "Name" },
    { title: "Runtime" },
    { title: "Version", number: true },
    { title: "Memory", wide: true },
    { title: "Time-out", wide: true },
    { title: "Network", wide: true },
    { title: "Updated" },
  ];
  return table(
    "Functions",
    columns,
    items.map((item) => [
      functionLink(item.name),
      h("span", { class: "nowrap" }, visible(item.runtime)),
      String(item.version),
      `${item.memoryMb} MB`,
      duration(item.timeoutMs),
      item.network,
      moment(item.updatedAt),
    ]),
  );
}

function nothing(wanted) {
  if (wanted) return empty("No function is called so", `Nothing here has “${wanted}” in its name.`);
  return empty(
    "No functions yet",
    "Write one here, or deploy a folder with the command nanogrid deploy.",
    h("a", { class: "button", href: "#/new" }, "Write a function"),
  );
}
