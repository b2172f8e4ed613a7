// Why a run waits, or ended as it did, and what to do next: plain values, no page.

import { duration, plural } from "./format.js";

const NEARLY = 0.9;

// For each kind of error: what it means, and what to do about it.
const KINDS = {
  exception: () => [
    "The handler raised an exception and did not catch it.",
    [
      "Read the last frame of the stack trace: it is the line that raised.",
      "Mend the code, deploy, then replay this very input.",
    ],
  ],
  timed_out: (run, of) => [
    `The handler was still at work when its time-out${of ? ` of ${duration(of.timeoutMs)}` : ""} was over, and was ended.`,
    [
      "Look at the last line of the logs: it tells how far it came.",
      "Raise timeoutMs, or do less in one run.",
      "A function without network waits in vain for an address: see its network setting.",
    ],
  ],
  out_of_memory: (run, of) => [
    `The function needed more than its ${of ? `${of.memoryMb} MB of ` : ""}memory, and the kernel ended it.`,
    [
      of ? `Raise memoryMb, for a start to ${of.memoryMb * 2}.` : "Raise memoryMb.",
      "Or hold less at once: read in pieces, drop what is done with.",
    ],
  ],
  exited: () => [
    "The function's process ended before the handler had answered.",
    ["Look at the logs for what it wrote last.", "Look for calls of exit, and for native code that crashes."],
  ],
  init_failed: () => [
    "The code could not be imported, or the handler was not found in it; the handler was never called.",
    [
      "Check that handler is `module.function`, as the file is called.",
      "Check that every import is in the archive: `nanogrid deploy DIR` adds what requirements.txt names.",
    ],
  ],
  result_too_large: () => [
    "The handler returned more than 6 MiB.",
    ["Store the result elsewhere, and return where it is."],
  ],
  result_not_serializable: () => [
    "What the handler returned cannot be written as JSON.",
    ["Return dicts, lists, strings, numbers, booleans or null.", "Turn dates, sets and bytes into one of these first."],
  ],
  function_deleted: () => [
    "The function was deleted before the run could start.",
    ["Deploy it again, then send the run again."],
  ],
  expired: (run, of) => [
    `It waited for longer than the function's maxAgeMs${of ? `, ${duration(of.maxAgeMs)}` : ""}, and was not tried any more.`,
    ["Raise maxAgeMs, or the room that the function has.", "Replay it if it is still wanted."],
  ],
  cancelled: () => ["Somebody cancelled it.", ["Replay it if that was a mistake."]],
  platform: () => [
    "The grid itself failed at it five times; the function is not to blame, and may never have been called.",
    [
      "Read the last reason below.",
      "When its cause is gone, redrive the run: it is among the dead letters.",
      "The grid's own log has each of the five attempts.",
    ],
  ],
};

/**
 * `{title, why, next}` for a run. `facts` may hold `function` (the version it ran), `backlog` (tasks that wait) and
 * `running` (runs of this function at work); what is missing is left out.
 */
export function explain(run, facts) {
  if (run.status === "queued") return waiting(run, facts);
  if (run.status === "running") return working(facts);
  if (run.status === "succeeded") return succeeded(run, facts.function);
  const kind = run.error?.kind ?? "platform";
  const [why, next] = (KINDS[kind] ?? unknown)(run, facts.function);
  return { title: run.status === "cancelled" ? "Why it was cancelled" : "Why it failed", why, next: [...next] };
}

function waiting(run, { function: of, backlog, running }) {
  const next = [
    "Leave it: it is kept on disk, and runs when its turn comes.",
    "Cancel it if nobody needs it any more.",
  ];
  const title = "Why it waits";
  if (run.retried > 0)
    return {
      title,
      why: `Its last try failed; the retry policy has put it back (${plural(run.retried, "retry", "retries")} so far).`,
      next,
    };
  if (of?.concurrency > 0 && running >= of.concurrency) {
    const why = `${of.name} may have ${plural(of.concurrency, "run")} at once, and that many are at work.`;
    return { title, why, next: [...next, "Raise concurrency if the machine has room."] };
  }
  if (backlog > 1)
    return { title, why: `${plural(backlog, "task")} wait in the grid's queue; functions take turns.`, next };
  return { title, why: "A sandbox is being made ready for it.", next };
}

function working({ function: of }) {
  const limit = of ? ` It is ended after ${duration(of.timeoutMs)} at the latest.` : "";
  return {
    title: "What it does",
    why: `The handler is at work.${limit}`,
    next: ["Its log lines come below as they are written."],
  };
}

function succeeded(run, of) {
  const next = [];
  const { peakMemoryMb, durationMs, coldStart } = run.usage;
  if (of && peakMemoryMb > of.memoryMb * NEARLY)
    next.push(`It used ${Math.round(peakMemoryMb)} of ${of.memoryMb} MB: raise memoryMb before a larger input fails.`);
  if (of && durationMs > of.timeoutMs * NEARLY)
    next.push(
      `It used ${duration(durationMs)} of ${duration(of.timeoutMs)}: raise timeoutMs before a slower moment fails.`,
    );
  if (run.logs.truncated) next.push("It wrote more than 256 KiB of logs: the middle of them is gone.");
  const why = coldStart
    ? "The function returned a result. This run waited for a sandbox to load the code; the next one finds it warm."
    : "The function returned a result, in a sandbox that was warm.";
  return { title: "How it went", why, next };
}

function unknown(run) {
  return [run.error.message, []];
}
