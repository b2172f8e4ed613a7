// Looks at the grid's numbers every few seconds while the page is visible; so it also knows when the grid is away.

import { every } from "./dom.js";
import { Unreachable } from "./grid.js";
import { History, parse } from "./metrics.js";

const EVERY_MS = 2_500;

/** The grid's numbers over time. */
export class Watch extends EventTarget {
  constructor(grid, signal, { onAway }) {
    super();
    this.grid = grid;
    this.onAway = onAway;
    this.history = new History();
    this.away = false;
    every(EVERY_MS, signal, () => this.#look(signal));
  }

  async #look(signal) {
    try {
      this.history.add(Date.now(), parse(await this.grid.metrics(signal)));
      this.#tell(false);
      this.dispatchEvent(new Event("look"));
    } catch (error) {
      // Anything else than absence is shown by the page that asks for more than numbers.
      if (error instanceof Unreachable) this.#tell(true);
    }
  }

  #tell(away) {
    if (away === this.away) return;
    this.away = away;
    this.onAway(away);
  }
}
