// Values as a person reads them.

import { h } from "./dom.js";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

/** Milliseconds with the unit that fits: `0.4 ms`, `120 ms`, `1.25 s`, `3 min 4 s`. */
export function duration(ms) {
  if (ms < 10) return `${ms === 0 ? 0 : ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 2 : 1))} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < HOUR_S) return both(Math.floor(seconds / MINUTE_S), "min", seconds % MINUTE_S, "s");
  return both(Math.floor(seconds / HOUR_S), "h", Math.floor((seconds % HOUR_S) / MINUTE_S), "min");
}

/** Bytes with the unit that fits. */
export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

/** A moment: how long ago, with the exact time for whoever points at it. */
export function moment(iso) {
  const date = new Date(iso);
  return h("time", { datetime: iso, title: date.toLocaleString() }, ago((Date.now() - date) / 1000));
}

/** A moment to come: how long until then, with the exact time for whoever points at it. */
export function coming(iso) {
  const date = new Date(iso);
  return h("time", { datetime: iso, title: date.toLocaleString() }, until((date - Date.now()) / 1000));
}

/** Hostile text made plain: colours are taken out, other control and direction characters are shown. */
export function visible(text) {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, named);
}

/** `1 run`, `2 runs`. */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

function both(large, unit, small, smallUnit) {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}

function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < MINUTE_S) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`;
  if (seconds < DAY_S) return `${Math.floor(seconds / HOUR_S)} h ago`;
  return `${plural(Math.floor(seconds / DAY_S), "day")} ago`;
}

function until(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 2 * MINUTE_S) return `in ${Math.floor(seconds)} s`;
  if (seconds < 2 * HOUR_S) return `in ${Math.floor(seconds / MINUTE_S)} min`;
  if (seconds < 2 * DAY_S) return `in ${Math.floor(seconds / HOUR_S)} h`;
  return `in ${plural(Math.floor(seconds / DAY_S), "day")}`;
}

function named(sign) {
  return `⟦U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`;
}
