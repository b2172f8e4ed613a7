// Prometheus' text as series to draw: each point tells what happened between two looks at /metrics.

const LINE = /^(nanogrid_\w+(?:\{[^}]*\})?) (\S+)$/gm;
const KEPT = 100;
// Latencies need some runs: they are taken over this many looks.
const WINDOW = 5;
const ENDED = ["succeeded", "failed", "cancelled", "dead"];

/** The values by name and labels, such as `nanogrid_runs_total{status="failed"}`. */
export function parse(text) {
  return new Map([...text.matchAll(LINE)].map(([, name, value]) => [name, Number(value)]));
}

/** The last looks at a grid's numbers, and what follows from them. */
export class History {
  constructor() {
    this.looks = [];
  }

  /** Take a look; `at` in milliseconds. A grid that was started anew begins a new history. */
  add(at, values) {
    const last = this.looks.at(-1);
    if (last && runsIn(values) < runsIn(last.values)) this.looks = [];
    this.looks = [...this.looks.slice(1 - KEPT), { at, values }];
  }

  /** Points `{at, runs, failed, p50, p99, errors, cold, backlog, inFlight, spare, warm, busy}`; null where nothing ran. */
  points() {
    return this.looks
      .slice(1)
      .map((look, index) => point(this.looks[index], look, this.looks[Math.max(0, index + 1 - WINDOW)]));
  }
}

function point(before, now, earlier) {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const ended = grown(before, now, ENDED.map(counter));
  const failed = grown(before, now, ["failed", "dead"].map(counter));
  const lately = grown(earlier, now, ENDED.map(counter));
  const share = (count) => (lately > 0 ? (100 * count) / lately : null);
  return {
    at: now.at,
    runs: ended / seconds,
    failed: failed / seconds,
    p50: quantile(0.5, earlier, now),
    p99: quantile(0.99, earlier, now),
    errors: share(grown(earlier, now, ["failed", "dead"].map(counter))),
    cold: share(grown(earlier, now, ["nanogrid_cold_starts_total"])),
    backlog: now.values.get("nanogrid_backlog") ?? 0,
    inFlight: now.values.get("nanogrid_in_flight") ?? 0,
    ...sandboxes(now.values),
  };
}

function sandboxes(values) {
  const found = [...values].filter(([name]) => name.startsWith("nanogrid_sandboxes{"));
  return Object.fromEntries(found.map(([name, value]) => [/state="([^"]*)"/.exec(name)[1], value]));
}

/** Milliseconds below which the share of the handlers' times was; within a bucket taken as even. */
function quantile(share, before, now) {
  let below = 0;
  let floor = 0;
  const buckets = bucketsOf(before, now);
  const wanted = share * (buckets.at(-1)?.count ?? 0);
  if (!wanted) return null;
  for (const { limit, count } of buckets) {
    if (count >= wanted)
      return Number.isFinite(limit)
        ? 1000 * (floor + ((limit - floor) * (wanted - below)) / (count - below))
        : 1000 * floor;
    [below, floor] = [count, limit];
  }
  return null;
}

function bucketsOf(before, now) {
  const names = [...now.values.keys()].filter((name) => name.startsWith("nanogrid_run_duration_seconds_bucket"));
  const buckets = names.map((name) => ({ limit: limitOf(name), count: grown(before, now, [name]) }));
  return buckets.sort((a, b) => a.limit - b.limit);
}

function limitOf(name) {
  const text = /le="([^"]*)"/.exec(name)[1];
  return text === "+Inf" ? Infinity : Number(text);
}

function counter(status) {
  return `nanogrid_runs_total{status="${status}"}`;
}

function runsIn(values) {
  return ENDED.reduce((sum, status) => sum + (values.get(counter(status)) ?? 0), 0);
}

function grown(before, now, names) {
  return names.reduce((sum, name) => sum + (now.values.get(name) ?? 0) - (before.values.get(name) ?? 0), 0);
}
