// One run in full: what went in, what came out, why, and once more.

import { fill, h } from "./dom.js";
import { moment, visible } from "./format.js";
import { functionLink, heading } from "./lists.js";
import { RunReport } from "./run_report.js";
import { hasEnded } from "./grid.js";
import { copyButton, jsonView, panel } from "./run_parts.js";
import { attempt, load } from "./states.js";

/** Show the page. */
export function show(page) {
  page.title("Run");
  load(page.main, page.signal, async () => {
    const run = await page.grid.run(page.reference, 0, page.signal);
    return content(page, run);
  });
}

function content(page, run) {
  const report = new RunReport(page);
  const facts = h("div", { class: "stack" });
  const replay = h(
    "button",
    { type: "button", class: "primary", title: "Runs the function’s latest version with this input" },
    "Replay",
  );
  const cancel = h("button", { type: "button", hidden: hasEnded(run) }, "Cancel");
  replay.addEventListener("click", () => attempt(page, replay, () => again(page, run)));
  cancel.addEventListener("click", () => attempt(page, cancel, () => page.grid.cancel(run.runId)));
  fill(facts, factsOf(run));
  follow(page, report, run).then((ended) => {
    cancel.hidden = true;
    if (ended) fill(facts, factsOf(ended));
  });
  const title = ["Run of ", visible(run.functionName)];
  return [
    heading(title, cancel, replay),
    h("div", { class: "columns" }, h("div", {}, report.element), h("div", {}, jsonView(run.inputText, "Input"), facts)),
  ];
}

async function follow(page, report, run) {
  if (!hasEnded(run)) await report.follow(run.functionId, page.signal);
  return report.watch(run.runId, page.signal).catch((error) => {
    if (!page.signal.aborted) page.alert(visible(error.message));
    return null;
  });
}

async function again(page, run) {
  const started = await page.grid.start(run.functionId, run.inputText, run.mode, page.signal);
  page.say("It runs again, with the same input.");
  page.go(`#/runs/${started.runId}`);
}

function triggerOf({ schedule, dueAt }) {
  const place = `#/schedules/${encodeURIComponent(schedule)}`;
  return [h("a", { href: place }, visible(schedule)), h("span", { class: "soft" }, ` due ${new Date(dueAt).toLocaleString()}`)];
}

function factsOf(run) {
  const rows = [
    ["Run", [h("span", { class: "mono" }, run.runId), " ", copyButton("the run’s id", () => run.runId)]],
    ["Function", [functionLink(run.functionName), h("span", { class: "soft" }, ` v${run.version}`)]],
    ["Mode", run.mode],
    ...(run.trigger ? [["Schedule", triggerOf(run.trigger)]] : []),
    ["Attempt", String(run.attempt)],
    ["Retried", run.retried === 0 ? "never" : `${run.retried}×`],
    ["Accepted", moment(run.createdAt)],
    ["Started", run.startedAt ? moment(run.startedAt) : "not yet"],
    ["Ended", run.endedAt ? moment(run.endedAt) : "not yet"],
    ["Peak memory", run.usage.peakMemoryMb ? `${run.usage.peakMemoryMb.toFixed(1)} MB` : "–"],
    ...(run.usage.raisedMemoryMb ? [["Memory raised to", `${run.usage.raisedMemoryMb} MB`]] : []),
  ];
  return panel(
    "Facts",
    h(
      "dl",
      { class: "facts" },
      rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
    ),
  );
}
