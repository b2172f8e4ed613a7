// What comes over time: log lines as they are written, a run until its end.

import { hasEnded, Unreachable } from "./grid.js";
import { pause } from "./dom.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 20_000;
const PAUSE_MS = 1_000;

/** Server-sent events out of a stream of bytes: `{type, data}`; a comment has the type `comment`. */
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const blocks = (rest + read.value).split("\n\n");
    rest = blocks.pop();
    yield* blocks.map(eventOf);
  }
}

/**
 * Follow a function's log lines until the signal aborts. `onOpen` is waited for when none can be missed any more: what
 * it reads of earlier lines, and what comes then, is everything.
 */
export async function followLines(grid, reference, signal, { onOpen, onLine }) {
  let open = false;
  for await (const event of events(await grid.logStream(reference, signal))) {
    if (event.type !== "comment") onLine(JSON.parse(event.data));
    else if (!open) await onOpen();
    open = true;
  }
}

/** Report the run until it has ended, and return how; outlives moments in which the grid is away. */
export async function untilEnded(grid, runId, signal, onRun) {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      const run = await grid.run(runId, waitMs, signal);
      onRun(run);
      if (hasEnded(run)) return run;
    } catch (error) {
      if (!passing(error)) throw error;
      await pause(PAUSE_MS, signal);
    }
    signal.throwIfAborted();
  }
}

// A grid that stops, starts or is busy: the run is kept meanwhile.
function passing(error) {
  return error instanceof Unreachable || error.status === 503 || error.status === 429;
}

function eventOf(block) {
  const event = { type: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) event.type = "comment";
    if (line.startsWith("event: ")) event.type = line.slice("event: ".length);
    if (line.startsWith("data: ")) event.data += line.slice("data: ".length);
  }
  return event;
}
