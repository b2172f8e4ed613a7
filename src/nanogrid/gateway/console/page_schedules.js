// What runs by itself: when next, and how it went.

import { fill, h } from "./dom.js";
import { coming, moment, plural, visible } from "./format.js";
import { functionLink, heading, table } from "./lists.js";
import { badge, jsonView, panel } from "./run_parts.js";
import { attempt, confirmed, empty, load } from "./states.js";

const PAGE = 50;
// What came of a due time without a run, as a person says it.
const WITHOUT_RUN = { missed: "missed", overlapped: "skipped: the run before had not ended", refused: "refused" };

/** Show all schedules. */
export function show(page) {
  page.title("Schedules");
  const list = h("div");
  fill(page.main, heading("Schedules"), list);
  load(list, page.signal, () => listing(page));
}

/** Show one. */
export function showOne(page) {
  page.title(page.reference);
  load(page.main, page.signal, async () => one(page, await page.grid.schedule(page.reference, page.signal)));
}

async function listing(page) {
  const { items, nextCursor } = await page.grid.schedules(
    { limit: PAGE, cursor: page.query.get("cursor") },
    page.signal,
  );
  if (items.length === 0)
    return empty(
      "No schedules",
      "A schedule runs a function by itself: nanogrid schedule add NAME '0 7 * * *' --timezone Europe/Berlin",
    );
  const columns = [
    { title: "Schedule" },
    { title: "Function", wide: true },
    { title: "When", wide: true },
    { title: "Next" },
    { title: "Last" },
    { title: "" },
  ];
  const rows = items.map((schedule) => [
    h("a", { href: placeOf(schedule) }, visible(schedule.name)),
    functionOf(schedule),
    [visible(schedule.description), h("span", { class: "soft" }, ` · ${visible(schedule.timezone)}`)],
    schedule.enabled ? coming(schedule.nextAt) : h("span", { class: "soft nowrap" }, "paused"),
    schedule.last ? outcome(schedule.last) : h("span", { class: "soft" }, "never"),
    pauseButton(page, schedule, () => show(page)),
  ]);
  const next =
    nextCursor && h("a", { class: "button", href: `#/schedules?cursor=${encodeURIComponent(nextCursor)}` }, "More");
  return [table("Schedules", columns, rows), next];
}

function one(page, schedule) {
  const remove = h("button", { type: "button", class: "danger quiet" }, "Delete");
  remove.addEventListener("click", () => deleteAfterAsking(page, remove, schedule));
  const input = schedule.input === undefined ? null : jsonView(JSON.stringify(schedule.input), "Input");
  return [
    heading(
      visible(schedule.name),
      pauseButton(page, schedule, () => showOne(page)),
      remove,
    ),
    h(
      "div",
      { class: "columns" },
      h("div", {}, firesOf(schedule), input),
      h("div", {}, nextOf(schedule), factsOf(schedule)),
    ),
  ];
}

function firesOf(schedule) {
  if (schedule.fires.length === 0) return empty("It has not been due yet", "What comes of its due times will be here.");
  const columns = [{ title: "Due" }, { title: "Outcome" }, { title: "Run" }];
  const rows = schedule.fires.map((fire) => [
    [moment(fire.dueAt), fire.count > 1 && h("span", { class: "soft" }, ` and ${plural(fire.count - 1, "time")} before`)],
    fire.runId ? outcome(fire) : WITHOUT_RUN[fire.outcome],
    fire.runId
      ? h("a", { href: `#/runs/${fire.runId}`, class: "mono nowrap", title: fire.runId }, `…${fire.runId.slice(-6)}`)
      : h("span", { class: "soft" }, visible(fire.reason ?? "")),
  ]);
  return panel("Latest due times", table("Latest due times", columns, rows));
}

function nextOf(schedule) {
  if (!schedule.enabled) return panel("Next", h("p", { class: "soft" }, "It is paused, and fires when it is resumed."));
  const local = new Intl.DateTimeFormat(undefined, {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZone: known(schedule.timezone),
  });
  return panel(
    "Next",
    h(
      "dl",
      { class: "facts" },
      schedule.next.map((due) => [h("dt", {}, local.format(new Date(due))), h("dd", {}, coming(due))]),
    ),
  );
}

function factsOf(schedule) {
  const rows = [
    ["Function", functionOf(schedule)],
    ["When", [h("code", {}, visible(schedule.expression)), ` ${visible(schedule.description)}`]],
    ["Time zone", visible(schedule.timezone)],
    ["If it was missed", { once: "one run", skip: "no run", all: "a run for each" }[schedule.missed]],
    ["If one is under way", { allow: "another beside it", skip: "none", queue: "another after it" }[schedule.overlap]],
    ["Waiting", schedule.waiting.length ? plural(schedule.waiting.length, "run") : null],
    ["Made", moment(schedule.createdAt)],
  ];
  return panel(
    "Settings",
    h(
      "dl",
      { class: "facts" },
      rows.filter(([, text]) => text !== null).map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
    ),
  );
}

function functionOf(schedule) {
  return functionLink(schedule.function.split(":")[0], schedule.function);
}

function outcome(fire) {
  if (fire.status) return badge(fire.status);
  return fire.runId ? h("span", { class: "soft" }, "ended long ago") : WITHOUT_RUN[fire.outcome];
}

function pauseButton(page, schedule, refresh) {
  const [verb, done] = schedule.enabled ? ["Pause", "is paused"] : ["Resume", "fires again"];
  const button = h(
    "button",
    { type: "button", class: "small", "aria-label": `${verb} ${visible(schedule.name)}` },
    verb,
  );
  button.addEventListener("click", () =>
    attempt(page, button, async () => {
      await page.grid.changeSchedule(schedule.name, { enabled: !schedule.enabled });
      page.say(`${visible(schedule.name)} ${done}.`);
      refresh();
    }),
  );
  return button;
}

async function deleteAfterAsking(page, button, schedule) {
  const text = `“${visible(schedule.name)}” fires no more. Runs that it has made go on.`;
  if (!(await confirmed("Delete this schedule?", text, "Delete it"))) return;
  if (!(await attempt(page, button, () => page.grid.deleteSchedule(schedule.name)))) return;
  page.say(`${visible(schedule.name)} is deleted.`);
  page.go("#/schedules");
}

function placeOf(schedule) {
  return `#/schedules/${encodeURIComponent(schedule.name)}`;
}

// The browser may not know each zone that the grid knows.
function known(timezone) {
  try {
    return new Intl.DateTimeFormat(undefined, { timeZone: timezone }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}
