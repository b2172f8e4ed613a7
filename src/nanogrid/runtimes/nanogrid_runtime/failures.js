"use strict";
// Errors as the wire carries them: what was thrown, and the user's own frames.

const { readFileSync } = require("fs");
const { fileURLToPath } = require("url");

const { stringify } = JSON;
const toBuffer = Buffer.from;

const MAX_MESSAGE = 4096;
const MAX_LINE = 300;
const MAX_FRAMES = 40;
const MAX_CAUSES = 3;
// What an error may take as JSON; the platform reads little more of a LOADED.
const MAX_ERROR_BYTES = 48 * 1024;

/** Text that any reader of JSON accepts, and not too much of it. */
function plain(text, limit) {
  const whole = String(text);
  const short = whole.length <= limit ? whole : `${whole.slice(0, limit)} [${whole.length - limit} more characters]`;
  return toBuffer(short, "utf8").toString("utf8"); // half a surrogate pair becomes U+FFFD
}

/** An error as the wire carries it; `type` is the exception's class, else the kind again. */
function failure(kind, message, type = kind, stackTrace = []) {
  const error = { kind, type: plain(type, 200), message: plain(message, MAX_MESSAGE), stackTrace };
  return stringify(error).length <= MAX_ERROR_BYTES ? error : { ...error, stackTrace: [] };
}

/** The error for what the function's code threw, which need not be an Error. */
function thrown(kind, value, root) {
  try {
    if (!(value instanceof Error)) return failure(kind, `The function threw ${show(value)}, which is no Error.`, "Error");
    const type = value.name === "Error" ? value.constructor.name || "Error" : value.name;
    return failure(kind, value.message, type, stackTrace(value, root));
  } catch (broken) {
    return failure(kind, "The function threw something that cannot be shown.");
  }
}

function show(value) {
  return typeof value === "object" && value !== null ? stringify(value) : String(value);
}

/** The user's frames, outermost first, then those of what caused the error. */
function stackTrace(error, root) {
  const lines = frameLines(error, root);
  let cause = error.cause;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
    lines.push(plain(`caused by ${cause.name}: ${cause.message}`, MAX_LINE), ...frameLines(cause, root));
    cause = cause.cause;
  }
  return lines;
}

function frameLines(error, root) {
  const lines = [];
  for (const line of String(error.stack).split("\n")) {
    // "    at name (place:12:34)", "    at place:12:34", and of a syntax error "place:12" alone.
    const match = /^\s+at (?:(.*?) \()?((?:file:\/\/)?\/.*?):(\d+):\d+\)?$/.exec(line) || syntaxPlace(line);
    const file = match && (match[2].startsWith("file:") ? fileURLToPath(match[2]) : match[2]);
    if (file && file.startsWith(`${root}/`)) lines.push(frameLine(file, match, root));
  }
  return lines.slice(0, MAX_FRAMES).reverse();
}

function syntaxPlace(line) {
  return /^()((?:file:\/\/)?\/.*):(\d+)$/.exec(line);
}

function frameLine(file, match, root) {
  const name = (match[1] || "<module>").replace(/^Object\.<anonymous>$/, "<module>").replace(/^async /, "");
  return plain(`${file.slice(root.length + 1)}:${match[3]} in ${name}: ${sourceLine(file, Number(match[3]))}`, MAX_LINE);
}

function sourceLine(file, number) {
  try {
    return (readFileSync(file, "utf8").split("\n")[number - 1] || "").trim();
  } catch (gone) {
    return "";
  }
}

module.exports = { failure, thrown };
