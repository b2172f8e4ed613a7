// One function: run it, its settings and versions, its latest runs.

import { aliasPanel } from "./aliases.js";
import { h } from "./dom.js";
import { bytes, duration, moment, plural, visible } from "./format.js";
import { heading, runTable, table } from "./lists.js";
import { LogTail } from "./log_tail.js";
import { RunPanel } from "./run_panel.js";
import { panel } from "./run_parts.js";
import { attempt, confirmed, empty, load } from "./states.js";

const LATEST = 8;

/** Show the page. */
export function show(page) {
  page.title(page.reference);
  load(page.main, page.signal, async () => {
    const [item, versions, aliases] = await Promise.all([
      page.grid.function(page.reference, {}, page.signal),
      page.grid.versions(page.reference, page.signal),
      page.grid.aliases(page.reference, page.signal),
    ]);
    return content(page, item, versions.items, aliases);
  });
}

function content(page, item, versions, aliases) {
  const latest = h("div");
  const refresh = () => load(latest, page.signal, () => latestRuns(page, item));
  const run = new RunPanel(page, item, { onEnded: refresh });
  refresh();
  const edit = h(
    "a",
    { class: "button", href: `#/functions/${encodeURIComponent(item.name)}/edit` },
    "Edit and deploy",
  );
  const remove = h("button", { type: "button", class: "danger quiet" }, "Delete");
  remove.addEventListener("click", () => deleteAfterAsking(page, remove, item));
  const history = h("a", { href: `#/runs?functionId=${encodeURIComponent(item.name)}` }, "All its runs");
  return [
    heading([visible(item.name), h("span", { class: "soft" }, ` v${item.version}`)], edit, remove),
    h(
      "div",
      { class: "columns" },
      h("div", {}, run.element),
      h(
        "div",
        {},
        settings(item),
        versionList(page, item, versions),
        aliasPanel(page, item, versions, aliases, () => show(page)),
      ),
    ),
    new LogTail(page, item).element,
    h(
      "section",
      { "aria-label": "Latest runs" },
      h("div", { class: "section-head" }, h("h2", {}, "Latest runs"), history),
      latest,
    ),
  ];
}

async function latestRuns(page, item) {
  const { items } = await page.grid.runs({ functionId: item.functionId, limit: LATEST }, page.signal);
  return items.length ? runTable(items) : empty("It has not run yet", "Give it an input above, and run it.");
}

const HTTP = {
  off: "off: it is no web address",
  token: "under /fn, with a token",
  public: "under /fn, for everybody",
};

function overHttp(item) {
  if (item.http === "off") return HTTP.off;
  const path = `/fn/${encodeURIComponent(item.name)}`;
  // Only what is for everybody opens by a link: nothing sends a token along.
  return [HTTP[item.http], ": ", item.http === "public" ? h("a", { href: path, target: "_blank", rel: "noreferrer" }, path) : h("code", {}, path)];
}

function settings(item) {
  const rows = [
    ["Runtime", visible(item.runtime)],
    ["Handler", h("code", {}, visible(item.handler))],
    ["Memory", [`${item.memoryMb} MB`, advice(item.recommendedMemoryMb, item.memoryMb, (value) => `${value} MB`)]],
    ["Raised by itself", item.autoMemoryMb === 0 ? "never" : `up to ${item.autoMemoryMb} MB`],
    ["Time-out", [duration(item.timeoutMs), advice(item.recommendedTimeoutMs, item.timeoutMs, duration)]],
    ["Network", item.network === "none" ? "none: it reaches nothing" : "outbound: the internet"],
    ["Over HTTP", overHttp(item)],
    ["At once", item.concurrency === 0 ? "as many as there is room for" : plural(item.concurrency, "run")],
    ["Retries", item.retries === 0 ? "none" : `${item.retries}, of asynchronous runs`],
    ["Stays warm", duration(item.idleTtlMs)],
    [
      "Code",
      [
        bytes(item.codeSize),
        h("span", { class: "mono soft", title: item.codeSha256 }, ` ${item.codeSha256.slice(0, 12)}…`),
      ],
    ],
    ...Object.entries(item.secrets).map(([name, secret]) => [
      h("code", {}, visible(name)),
      ["the secret ", h("a", { href: "#/access", class: "mono" }, visible(secret))],
    ]),
    ...Object.entries(item.environment).map(([name, value]) => [
      h("code", {}, visible(name)),
      h("span", { class: "mono" }, visible(value)),
    ]),
  ];
  return panel(
    "Settings",
    h(
      "dl",
      { class: "facts" },
      rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
    ),
  );
}

function advice(recommended, current, show) {
  if (recommended === undefined || recommended === current) return null;
  return h("span", { class: "soft" }, ` · its runs suggest ${show(recommended)}`);
}

function versionList(page, item, versions) {
  const columns = [
    { title: "Version" },
    { title: "Made" },
    { title: "Memory", number: true },
    { title: "Code", wide: true },
    { title: "" },
  ];
  const rows = versions.map((version) => [
    `v${version.version}`,
    [moment(version.updatedAt), version.note && h("span", { class: "soft" }, ` · ${visible(version.note)}`)],
    `${version.memoryMb} MB`,
    h("span", { class: "mono soft nowrap", title: version.codeSha256 }, version.codeSha256.slice(0, 8)),
    version.version === item.version
      ? h("span", { class: "soft nowrap" }, "in use")
      : rollBackButton(page, item, version),
  ]);
  return panel("Versions", table("Versions", columns, rows));
}

function rollBackButton(page, item, version) {
  const label = `Roll back to v${version.version}`;
  const button = h("button", { type: "button", class: "small", "aria-label": label }, "Roll back");
  button.addEventListener("click", () =>
    attempt(page, button, async () => {
      const made = await page.grid.rollBack(item.functionId, version.version);
      page.say(`v${made.version} is in use, with code and settings of v${version.version}.`);
      show(page);
    }),
  );
  return button;
}

async function deleteAfterAsking(page, button, item) {
  const text = `“${item.name}” goes with all of its versions. Its runs stay in the history.`;
  if (!(await confirmed("Delete this function?", text, "Delete it"))) return;
  const done = await attempt(page, button, () => page.grid.remove(item.functionId));
  if (!done) return;
  page.say(`${item.name} is deleted.`);
  page.go("#/functions");
}
