// What this tab remembers. It ends with the tab, or with the log-out.

const TOKEN = "nanogrid.token";
const SOURCE = "nanogrid.source.";
const INPUT = "nanogrid.input.";
const LARGEST_SOURCE = 200_000;

/** The token and what was written in this tab. */
export class Session {
  constructor(storage) {
    this.storage = storage;
  }

  get token() {
    return this.storage.getItem(TOKEN);
  }

  logIn(token) {
    this.storage.setItem(TOKEN, token);
  }

  logOut() {
    this.storage.clear();
  }

  /** Keep the code that a digest stands for: the API does not give code back. */
  keepSource(sha256, source) {
    if (source.length <= LARGEST_SOURCE) this.#keep(SOURCE + sha256, source);
  }

  /** The code with that digest, or null where it was not deployed from this tab. */
  source(sha256) {
    return this.storage.getItem(SOURCE + sha256);
  }

  keepInput(functionId, text) {
    this.#keep(INPUT + functionId, text);
  }

  input(functionId) {
    return this.storage.getItem(INPUT + functionId);
  }

  #keep(key, text) {
    try {
      this.storage.setItem(key, text);
    } catch (error) {
      // A full storage only means that the next page starts empty.
      if (error.name !== "QuotaExceededError") throw error;
    }
  }
}

/** The token that the address brings along, or null. It leaves the address before anything else happens. */
export function takeToken(location, history) {
  if (!location.hash.startsWith("#token=")) return null;
  const token = decoded(location.hash.slice("#token=".length));
  history.replaceState(null, "", location.pathname);
  return token;
}

/** A part of an address, as it is where it is not well formed. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
