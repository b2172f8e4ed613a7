// Going back to an older version: by a new version that is as the old one was.

const SETTINGS = [
  "runtime",
  "handler",
  "memoryMb",
  "autoMemoryMb",
  "timeoutMs",
  "environment",
  "secrets",
  "network",
  "concurrency",
  "retries",
  "maxAgeMs",
  "idleTtlMs",
  "http",
];

/** `{change, whole}`: what to send, and whether the code goes back with the settings. */
export function restored(current, older, session) {
  const change = Object.fromEntries(SETTINGS.map((name) => [name, older[name]]));
  if (older.codeSha256 === current.codeSha256) return { change, whole: true };
  const source = session.source(older.codeSha256);
  return source === null ? { change, whole: false } : { change: { ...change, source }, whole: true };
}
