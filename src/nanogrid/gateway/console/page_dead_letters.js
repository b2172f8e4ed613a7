// What the grid could not run, and another try.

import { fill, h } from "./dom.js";
import { moment, visible } from "./format.js";
import { heading, table } from "./lists.js";
import { attempt, empty, load } from "./states.js";

const PAGE = 50;

/** Show the page. */
export function show(page) {
  page.title("Dead letters");
  const list = h("div");
  fill(
    page.main,
    heading("Dead letters"),
    h(
      "p",
      { class: "soft" },
      "Runs that the grid itself failed at five times. The functions are not to blame: mend the cause, then redrive.",
    ),
    list,
  );
  load(list, page.signal, () => listing(page));
}

async function listing(page) {
  const { items, nextCursor } = await page.grid.deadLetters(
    { limit: PAGE, cursor: page.query.get("cursor") },
    page.signal,
  );
  if (items.length === 0)
    return empty("No dead letters", "Every run that the grid accepted has been run, or waits for its turn.");
  const columns = [
    { title: "Run" },
    { title: "Reason" },
    { title: "Failures", number: true },
    { title: "Since", wide: true },
    { title: "" },
  ];
  const next =
    nextCursor && h("a", { class: "button", href: `#/dead-letters?cursor=${encodeURIComponent(nextCursor)}` }, "Older");
  return [
    table(
      "Dead letters",
      columns,
      items.map((letter) => cells(page, letter)),
    ),
    next,
  ];
}

function cells(page, letter) {
  const redrive = h("button", { type: "button", class: "small", "aria-label": `Redrive ${letter.runId}` }, "Redrive");
  redrive.addEventListener("click", () =>
    attempt(page, redrive, async () => {
      const run = await page.grid.redrive(letter.runId);
      page.say("It is back in the queue.");
      page.go(`#/runs/${run.runId}`);
    }),
  );
  return [
    h("a", { href: `#/runs/${letter.runId}`, class: "mono nowrap", title: letter.runId }, `…${letter.runId.slice(-6)}`),
    visible(letter.reason),
    String(letter.failures),
    moment(letter.buriedAt),
    redrive,
  ];
}
