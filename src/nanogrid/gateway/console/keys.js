// The keyboard: single keys where nobody types.

const PAUSE_MS = 1_000;
const TARGETS = { o: "#/", f: "#/functions", r: "#/runs", s: "#/schedules", d: "#/dead-letters", a: "#/access" };

/** Listens until the signal aborts. */
export class Keys {
  constructor(shell, signal) {
    this.shell = shell;
    this.prefixedAt = -Infinity;
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape" && event.target.tagName !== "TEXTAREA") event.target.blur();
      return;
    }
    const prefixed = event.timeStamp - this.prefixedAt < PAUSE_MS;
    this.prefixedAt = event.key === "g" && !prefixed ? event.timeStamp : -Infinity;
    if (this.#done(event.key, prefixed)) event.preventDefault();
  }

  #done(key, prefixed) {
    if (prefixed) return go(TARGETS[key]);
    if (key === "/") return this.#search();
    if (key === "n") return go("#/new");
    if (key === "?") return (this.shell.help.showModal(), true);
    if (key === "j" || key === "k") return this.#row(key === "j" ? 1 : -1);
    return false;
  }

  #search() {
    const field = this.shell.main.querySelector("[data-search]");
    if (!field) return go("#/functions");
    field.focus();
    return true;
  }

  #row(step) {
    const rows = [...this.shell.main.querySelectorAll("tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
    return rows.length > 0;
  }
}

function typing(target) {
  return ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

function go(hash) {
  if (hash) location.hash = hash;
  return Boolean(hash);
}
