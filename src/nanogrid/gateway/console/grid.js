// The grid, spoken to through its public API only.

import { members } from "./json.js";

/** A refusal: what the grid said about it (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, retryAfterS) {
    super(body.detail ?? `The grid answered ${status}.`);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.fields = body.errors ?? [];
    this.retryAfterS = retryAfterS;
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("The grid does not answer. Is `nanogrid up` running?");
  }
}

/** Whether nothing can happen to the run any more. */
export function hasEnded(run) {
  return run.status !== "queued" && run.status !== "running";
}

/** The API's routes. Every call takes a signal that ends it, and raises `Problem` or `Unreachable`. */
export class Grid {
  constructor(session, { onUnauthorized }) {
    this.session = session;
    this.onUnauthorized = onUnauthorized;
  }

  functions(query, signal) {
    return this.#json("GET", `/functions${queryOf(query)}`, { signal });
  }

  function(reference, query, signal) {
    return this.#json("GET", `/functions/${encodeURIComponent(reference)}${queryOf(query)}`, { signal });
  }

  versions(reference, signal) {
    return this.#json("GET", `/functions/${encodeURIComponent(reference)}/versions`, { signal });
  }

  async aliases(reference, signal) {
    return (await this.#json("GET", `/functions/${encodeURIComponent(reference)}/aliases`, { signal })).items;
  }

  setAlias(reference, alias, value) {
    const path = `/functions/${encodeURIComponent(reference)}/aliases/${encodeURIComponent(alias)}`;
    return this.#json("PUT", path, { value });
  }

  async removeAlias(reference, alias) {
    await this.#ask("DELETE", `/functions/${encodeURIComponent(reference)}/aliases/${encodeURIComponent(alias)}`, {});
  }

  rollBack(reference, version) {
    return this.#json("POST", `/functions/${encodeURIComponent(reference)}/rollback`, { value: { version } });
  }

  async deploy(deployment) {
    return this.#keeping(deployment.source, await this.#json("POST", "/functions", { value: deployment }));
  }

  async update(reference, change) {
    const path = `/functions/${encodeURIComponent(reference)}`;
    return this.#keeping(change.source, await this.#json("PUT", path, { value: change }));
  }

  async remove(reference) {
    await this.#ask("DELETE", `/functions/${encodeURIComponent(reference)}`, {});
  }

  /** Start a run and come back at once, whatever its mode: its logs and its end are followed by its id. */
  async start(reference, inputText, mode, signal) {
    const body = `{"functionId":${JSON.stringify(reference)},"mode":${JSON.stringify(mode)},"input":${inputText}}`;
    return this.#json("POST", "/run", { body, headers: { Prefer: "wait=0" }, signal });
  }

  runs(query, signal) {
    return this.#json("GET", `/runs${queryOf(query)}`, { signal });
  }

  /** One run; `inputText` and `outputText` are its JSON as it was written. */
  async run(runId, waitMs, signal) {
    const response = await this.#ask("GET", `/runs/${encodeURIComponent(runId)}?waitMs=${waitMs}`, { signal });
    const text = await response.text();
    const raw = members(text);
    return { ...JSON.parse(text), inputText: raw.get("input") ?? "null", outputText: raw.get("output") ?? "null" };
  }

  /** Why a run waits, or ended so, and what to do next. */
  explain(runId, signal) {
    return this.#json("GET", `/runs/${encodeURIComponent(runId)}/explain`, { signal });
  }

  /** The bytes of a file that the run left. */
  async artifact(runId, path, signal) {
    const place = path.split("/").map(encodeURIComponent).join("/");
    const address = `/runs/${encodeURIComponent(runId)}/artifacts/${place}`;
    return (await this.#ask("GET", address, { signal })).arrayBuffer();
  }

  cancel(runId) {
    return this.#json("DELETE", `/runs/${encodeURIComponent(runId)}`, {});
  }

  deadLetters(query, signal) {
    return this.#json("GET", `/dead-letters${queryOf(query)}`, { signal });
  }

  redrive(runId) {
    return this.#json("POST", `/dead-letters/${encodeURIComponent(runId)}/redrive`, {});
  }

  schedules(query, signal) {
    return this.#json("GET", `/schedules${queryOf(query)}`, { signal });
  }

  schedule(name, signal) {
    return this.#json("GET", `/schedules/${encodeURIComponent(name)}`, { signal });
  }

  changeSchedule(name, change) {
    return this.#json("PUT", `/schedules/${encodeURIComponent(name)}`, { value: change });
  }

  async deleteSchedule(name) {
    await this.#ask("DELETE", `/schedules/${encodeURIComponent(name)}`, {});
  }

  secrets(query, signal) {
    return this.#json("GET", `/secrets${queryOf(query)}`, { signal });
  }

  setSecret(name, value) {
    return this.#json("PUT", `/secrets/${encodeURIComponent(name)}`, { value: { value } });
  }

  async removeSecret(name) {
    await this.#ask("DELETE", `/secrets/${encodeURIComponent(name)}`, {});
  }

  rotateVault() {
    return this.#json("POST", "/vault/rotate", {});
  }

  keys(query, signal) {
    return this.#json("GET", `/keys${queryOf(query)}`, { signal });
  }

  /** A new key with its `token`, which is told this once. */
  createKey(asked) {
    return this.#json("POST", "/keys", { value: asked });
  }

  async revokeKey(keyId) {
    await this.#ask("DELETE", `/keys/${encodeURIComponent(keyId)}`, {});
  }

  health(signal) {
    return this.#json("GET", "/health/ready", { signal });
  }

  async metrics(signal) {
    return (await this.#ask("GET", "/metrics", { signal })).text();
  }

  /** The stream of a function's log lines as server-sent events. */
  async logStream(reference, signal) {
    const path = `/functions/${encodeURIComponent(reference)}/logs?follow=true`;
    return (await this.#ask("GET", path, { signal })).body;
  }

  async logs(reference, limit, signal) {
    const path = `/functions/${encodeURIComponent(reference)}/logs?limit=${limit}`;
    return (await this.#json("GET", path, { signal })).lines;
  }

  async #json(method, path, { value, ...rest }) {
    const body = value === undefined ? rest.body : JSON.stringify(value);
    return (await this.#ask(method, path, { ...rest, body })).json();
  }

  #keeping(source, made) {
    if (source !== undefined) this.session.keepSource(made.codeSha256, source);
    return made;
  }

  async #ask(method, path, { body, headers = {}, signal }) {
    const sent = { ...headers, Authorization: `Bearer ${this.session.token}` };
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const response = await reached(path, { method, body, headers: sent, signal });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401) this.onUnauthorized(problem);
    throw problem;
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, { ...options, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
}

async function problemOf(response) {
  const retryAfterS = Number(response.headers.get("Retry-After")) || null;
  const json = response.headers.get("Content-Type")?.includes("json");
  return new Problem(response.status, json ? await response.json() : {}, retryAfterS);
}

function queryOf(query) {
  const given = Object.entries(query ?? {}).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
