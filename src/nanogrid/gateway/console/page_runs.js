// The history of runs, by function and status, page by page.

import { every, fill, h } from "./dom.js";
import { heading, runTable } from "./lists.js";
import { empty, load } from "./states.js";

const PAGE = 25;
const EVERY_MS = 4_000;
const HEAVY_CHARACTERS = 1_000_000;
const STATUSES = ["queued", "running", "succeeded", "failed", "cancelled", "dead"];

/** Show the page; its filters and its cursor are in the address. */
export function show(page) {
  page.title("Runs");
  const list = h("div");
  fill(page.main, heading("Runs"), filters(page), list);
  load(list, page.signal, () => listing(page)).then(() => keepFresh(page, list));
}

function filters(page) {
  const names = h("datalist", { id: "function-names" });
  const name = h("input", {
    type: "search",
    list: "function-names",
    placeholder: "All functions",
    "aria-label": "Function",
    "data-search": "",
    value: page.query.get("functionId") ?? "",
  });
  const status = h(
    "select",
    { "aria-label": "Status" },
    h("option", { value: "" }, "any status"),
    STATUSES.map((value) => h("option", { value }, value)),
  );
  status.value = page.query.get("status") ?? "";
  const apply = () => page.go(addressOf({ functionId: name.value.trim(), status: status.value }));
  name.addEventListener("change", apply);
  status.addEventListener("change", apply);
  page.grid.functions({ limit: 200 }, page.signal).then(
    ({ items }) =>
      fill(
        names,
        items.map((item) => h("option", { value: item.name })),
      ),
    // Without suggestions a name can still be typed.
    () => undefined,
  );
  return h("form", { class: "filters", onsubmit: (event) => (event.preventDefault(), apply()) }, name, names, status);
}

async function listing(page) {
  const query = {
    functionId: page.query.get("functionId"),
    status: page.query.get("status"),
    cursor: page.query.get("cursor"),
  };
  const { items, nextCursor } = await page.grid.runs({ ...query, limit: PAGE }, page.signal);
  page.heavy = JSON.stringify(items).length > HEAVY_CHARACTERS;
  if (items.length === 0) return nothing(query);
  return [
    runTable(items),
    h(
      "nav",
      { class: "actions paging", "aria-label": "Pages" },
      query.cursor && h("button", { type: "button", onclick: () => history.back() }, "Newer"),
      nextCursor && h("a", { class: "button", href: addressOf({ ...query, cursor: nextCursor }) }, "Older"),
    ),
  ];
}

function nothing(query) {
  if (!query.functionId && !query.status)
    return empty(
      "Nothing has run yet",
      "Open a function and run it.",
      h("a", { class: "button", href: "#/functions" }, "Functions"),
    );
  return empty(
    "No such runs",
    "No run matches these filters.",
    h("a", { class: "button", href: "#/runs" }, "Show all"),
  );
}

// Only the first page moves; and a listing that carries much output is fetched once.
async function keepFresh(page, list) {
  if (page.query.get("cursor")) return;
  await every(EVERY_MS, page.signal, async () => {
    if (page.heavy || list.contains(document.activeElement) || list.querySelector(".trouble")) return;
    const fresh = await listing(page).catch(() => null);
    if (fresh && !page.signal.aborted) fill(list, fresh);
  });
}

function addressOf(query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return `#/runs${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}
