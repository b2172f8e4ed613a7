// The console's start: log in, then show the page that the address names.

import { fill, h } from "./dom.js";
import { Grid } from "./grid.js";
import { Keys } from "./keys.js";
import { loginPage } from "./login.js";
import { decoded, Session, takeToken } from "./session.js";
import { Shell } from "./shell.js";
import { Watch } from "./watch.js";
import * as access from "./page_access.js";
import * as deadLetters from "./page_dead_letters.js";
import * as deploy from "./page_deploy.js";
import * as functionPage from "./page_function.js";
import * as functions from "./page_functions.js";
import * as overview from "./page_overview.js";
import * as runPage from "./page_run.js";
import * as runs from "./page_runs.js";
import * as schedules from "./page_schedules.js";

// Each page shows itself; `part` is the entry of the navigation that it belongs to.
const PAGES = [
  { pattern: /^$/, part: "overview", show: overview.show },
  { pattern: /^functions$/, part: "functions", show: functions.show },
  { pattern: /^new$/, part: "functions", show: deploy.show },
  { pattern: /^functions\/([^/]+)$/, part: "functions", show: functionPage.show },
  { pattern: /^functions\/([^/]+)\/edit$/, part: "functions", show: deploy.show },
  { pattern: /^runs$/, part: "runs", show: runs.show },
  { pattern: /^runs\/([^/]+)$/, part: "runs", show: runPage.show },
  { pattern: /^schedules$/, part: "schedules", show: schedules.show },
  { pattern: /^schedules\/([^/]+)$/, part: "schedules", show: schedules.showOne },
  { pattern: /^dead-letters$/, part: "dead-letters", show: deadLetters.show },
  { pattern: /^access$/, part: "access", show: access.show },
];

class App {
  constructor(window) {
    this.window = window;
    this.session = new Session(window.sessionStorage);
    this.grid = new Grid(this.session, { onUnauthorized: (problem) => this.#leave(problem.message) });
    this.leaving = new AbortController();
    window.addEventListener("hashchange", () => this.#arrive());
  }

  start() {
    const token = takeToken(this.window.location, this.window.history);
    if (token !== null) this.session.logIn(token);
    if (this.session.token) this.#open();
    else this.#askForToken("");
  }

  #askForToken(reason) {
    fill(
      document.body,
      loginPage(reason, (token) => this.#tryToken(token)),
    );
    document.title = "Log in · NanoGrid";
  }

  // Resolves to why the token does not do; the console opens where it does.
  async #tryToken(token) {
    // What cannot stand in a header would look like a grid that does not answer.
    if (!/^[!-~]+$/.test(token)) return "A token has visible ASCII characters only.";
    this.session.logIn(token);
    const trial = new Grid(this.session, { onUnauthorized: () => {} });
    try {
      await trial.functions({ limit: 1 });
      this.#open();
      return "";
    } catch (error) {
      this.session.logOut();
      return error.message;
    }
  }

  #open() {
    this.life = new AbortController();
    this.watch = new Watch(this.grid, this.life.signal, { onAway: (away) => this.#away(away) });
    this.shell = new Shell({ onLogOut: () => this.#leave("") });
    new Keys(this.shell, this.life.signal);
    fill(document.body, this.shell.nodes);
    this.#show({ first: true });
  }

  #leave(reason) {
    if (!this.session.token) return;
    this.life.abort();
    this.leaving.abort();
    this.session.logOut();
    this.shell = null;
    this.window.history.replaceState(null, "", this.window.location.pathname);
    this.#askForToken(reason);
  }

  #arrive() {
    if (this.window.location.hash.startsWith("#token=")) {
      if (this.shell) this.#leave("");
      this.start();
    } else if (this.shell) {
      this.#show({ first: false });
    }
  }

  #away(away) {
    this.shell?.away(away);
    // What a page could not load while the grid was away it can load now.
    if (!away && this.shell?.main.querySelector(".trouble")) this.#show({ first: false });
  }

  #show({ first }) {
    this.leaving.abort();
    this.leaving = new AbortController();
    const [path, query] = this.window.location.hash.replace(/^#\/?/, "").split("?");
    const found = PAGES.map((page) => ({ ...page, match: page.pattern.exec(path) })).find(({ match }) => match);
    const page = this.#page(found?.match ?? [], query);
    this.shell.arrive(found?.part ?? "overview");
    (found?.show ?? overview.show)(page);
    this.window.scrollTo(0, 0);
    if (!first) this.shell.focusHeading();
  }

  /** What a page gets: where it draws, whom it asks, and a signal that aborts when it is left. */
  #page(match, query) {
    return {
      main: this.shell.main,
      grid: this.grid,
      session: this.session,
      watch: this.watch,
      reference: match[1] === undefined ? null : decoded(match[1]),
      query: new URLSearchParams(query),
      signal: this.leaving.signal,
      title: (text) => (document.title = `${text} · NanoGrid`),
      go: (hash) => (this.window.location.hash = hash),
      say: (text) => this.shell.say(text),
      alert: (text) => this.shell.alert(text),
    };
  }
}

new App(window).start();
