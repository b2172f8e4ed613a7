// A small line chart: SVG by hand, read out as a sentence.

import { fill, h, svg } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 84;
// A young history is drawn wider, so that something is seen from the start.
const FEWEST_SLOTS = 24;

/** One chart; `lines` are `{key, name}`, `show` makes a number a text. */
export class Chart {
  constructor({ title, lines, show, floor = 1 }) {
    Object.assign(this, { title, lines, show, floor, points: [], pointed: null });
    this.values = h("div", { class: "chart-values", "aria-hidden": "true" });
    this.top = h("span", { class: "chart-top", "aria-hidden": "true" });
    this.image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.image.addEventListener("pointermove", (event) => this.#point(event.offsetX / this.image.clientWidth));
    this.image.addEventListener("pointerleave", () => this.#point(null));
    this.element = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, h("h2", {}, title), this.values),
      h("div", { class: "chart-area" }, this.top, this.image),
    );
    this.update([]);
  }

  update(points) {
    this.points = points;
    const known = points.flatMap((point) => this.lines.map(({ key }) => point[key])).filter((value) => value != null);
    const top = Math.max(this.floor, ...known);
    fill(this.top, known.length ? this.show(top) : "");
    fill(
      this.image,
      grid(),
      this.lines.flatMap((line, index) => drawn(points, line.key, index, top)),
    );
    this.image.setAttribute("aria-label", this.#sentence(known.length > 0, top));
    this.#tell(points.at(-1));
  }

  #sentence(known, top) {
    const now = this.lines.map(({ key, name }) => `${name} ${this.#text(this.points.at(-1)?.[key])}`).join(", ");
    return known ? `${this.title}: now ${now}; highest ${this.show(top)}.` : `${this.title}: nothing to show yet.`;
  }

  #tell(point) {
    const items = this.lines.map(({ key, name }, index) =>
      h("span", {}, h("i", { class: `dot line-${index}` }), `${name} `, h("b", {}, this.#text(point?.[key]))),
    );
    fill(this.values, items);
  }

  #text(value) {
    return value == null ? "–" : this.show(value);
  }

  #point(share) {
    if (share === null) return this.#tell(this.points.at(-1));
    const slots = slotsFor(this.points);
    const index = Math.round(share * slots) - (slots + 1 - this.points.length);
    this.#tell(this.points[Math.min(this.points.length - 1, Math.max(0, index))]);
  }
}

function grid() {
  return [0.5, 1].map((share) =>
    svg("line", { class: "chart-rule", x1: 0, x2: WIDTH, y1: y(share, 1), y2: y(share, 1) }),
  );
}

function drawn(points, key, index, top) {
  const runs = stretches(points, key, top);
  const area =
    index === 0
      ? runs.map((run) =>
          svg("path", {
            class: "chart-fill",
            d: `M${run[0].x},${HEIGHT} L${corners(run)} L${run.at(-1).x},${HEIGHT} Z`,
          }),
        )
      : [];
  return [...area, ...runs.map((run) => svg("path", { class: `chart-line line-${index}`, d: `M${corners(run)}` }))];
}

// The newest point is at the right edge; where nothing is known the line is interrupted.
function stretches(points, key, top) {
  const found = [[]];
  const slots = slotsFor(points);
  points.forEach((point, index) => {
    const x = (WIDTH * (slots - points.length + 1 + index)) / slots;
    if (point[key] == null) found.push([]);
    else found.at(-1).push({ x, y: y(point[key], top) });
  });
  return found.filter((run) => run.length > 0);
}

function slotsFor(points) {
  return Math.max(FEWEST_SLOTS, points.length - 1);
}

function corners(run) {
  // A lone point is drawn as a short line, or it would not be seen.
  const all = run.length === 1 ? [{ ...run[0], x: run[0].x - 2 }, run[0]] : run;
  return all.map((corner) => `${corner.x.toFixed(1)},${corner.y.toFixed(1)}`).join(" L");
}

function y(value, top) {
  return HEIGHT - 1 - (value / top) * (HEIGHT - 14);
}
