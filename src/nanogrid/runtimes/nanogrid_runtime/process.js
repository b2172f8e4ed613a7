"use strict";
// The process around the function: its environment, its memory, and what it leaves running.

const { closeSync, openSync, readFileSync, readSync, readdirSync, writeSync } = require("fs");

const resourceUsage = process.resourceUsage.bind(process);
const scratch = Buffer.alloc(4096);
const activeResources = process.getActiveResourcesInfo.bind(process);

const ENVIRONMENT = {
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
  PATH: "/usr/local/bin:/usr/bin:/bin",
  TZ: "UTC",
};

/** Where the function leaves the files that are kept; to be asked before `enter`. */
function outputFolder() {
  return `${process.env.TMPDIR || "/tmp"}/output`;
}

/** Give the process the function's environment and folder. What the function's settings say wins. */
function enter(order, output) {
  const environment = {
    ...ENVIRONMENT,
    _HANDLER: order.handler,
    LAMBDA_TASK_ROOT: order.code,
    AWS_LAMBDA_FUNCTION_NAME: order.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: String(order.version),
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(order.memoryMb),
    ...(order.artifacts ? { NANOGRID_OUTPUT: output } : {}),
    ...order.environment,
  };
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  process.chdir(order.code);
  process.argv.length = 1;
}

/** The process's peak since it was last asked, in KiB. */
class PeakMemory {
  constructor() {
    // Through exec a process inherits the peak of the one that started it, and nothing resets that: where resourceUsage
    // says more than the process's own record, ask the record, though it takes longer.
    this.ask = maxRss() > highWater() + 1024 ? highWater : maxRss;
    this.mark = 0;
  }

  take() {
    const peak = this.ask();
    if (peak > this.mark) {
      resetHighWater();
      this.mark = this.ask();
    }
    return peak;
  }
}

function maxRss() {
  return resourceUsage().maxRSS;
}

function highWater() {
  try {
    const match = /^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"));
    return match ? Number(match[1]) : maxRss();
  } catch (error) {
    return maxRss();
  }
}

function resetHighWater() {
  try {
    const fd = openSync("/proc/self/clear_refs", "w");
    try {
      writeSync(fd, "5");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // Not allowed here: peaks are those of the process's whole life.
  }
}

/**
 * Finds what the function leaves running. Node cannot adopt daemons, so it counts: alone in a sandbox with /proc of its
 * own, every other process is the function's. Elsewhere only its own children are known.
 */
class Leftovers {
  constructor() {
    this.alone = countOthers() === 0;
    this.newestPid = newestPid();
  }

  /** Whether anything still runs. */
  any() {
    if (!this.alone) return hasChildren();
    const newest = newestPid();
    if (newest === this.newestPid) return false; // nothing has been started since the last look
    this.newestPid = newest;
    return countOthers() > 0;
  }
}

/** Processes besides this one and the sandbox's first. */
function countOthers() {
  try {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.filter((pid) => pid !== "1" && pid !== String(process.pid)).length;
  } catch (error) {
    return Infinity;
  }
}

/** The number that the sandbox's newest process or thread got, whether or not it still runs. */
function newestPid() {
  try {
    return readProc("/proc/loadavg").trim().split(" ").pop();
  } catch (error) {
    return NaN; // like no other: then it takes a count each time
  }
}

/** Node starts all its children from its first thread. */
function hasChildren() {
  try {
    return readProc(`/proc/self/task/${process.pid}/children`) !== "";
  } catch (error) {
    return activeResources().includes("ProcessWrap");
  }
}

/** A short file of /proc; half as long as readFileSync takes. */
function readProc(file) {
  const fd = openSync(file);
  try {
    return scratch.toString("latin1", 0, readSync(fd, scratch));
  } finally {
    closeSync(fd);
  }
}

module.exports = { Leftovers, PeakMemory, enter, outputFolder };
