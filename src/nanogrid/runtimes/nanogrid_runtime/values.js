"use strict";
// Results to JSON, and where a result is no JSON.

const { failure } = require("./failures.js");

const { parse, stringify } = JSON;
const byteLength = Buffer.byteLength;

/** The result as JSON, or the error for a result that is none: `{output}` or `{error}`. */
function written(value, maxOutput) {
  let text;
  try {
    text = stringify(value) || "null"; // undefined is null, as in Lambda
  } catch (error) {
    return { error: notSerializable(faultOf(value, error)) };
  }
  // Half of a surrogate pair is written as an escape, which most readers of JSON refuse.
  const fault = /\\u[dD][89a-fA-F]/.test(text) ? findFault(parse(text)) : "";
  if (fault) return { error: notSerializable(fault) };
  const size = byteLength(text);
  if (size <= maxOutput) return { output: text };
  const hint = "Store it elsewhere and return where it is.";
  return { error: failure("result_too_large", `The result has ${size} bytes; ${maxOutput} are allowed. ${hint}`) };
}

function faultOf(value, refusal) {
  try {
    return findFault(value) || refusal.message.split("\n")[0];
  } catch (error) {
    return error instanceof RangeError ? "$: nested too deep" : "$: cannot be read";
  }
}

function notSerializable(fault) {
  return failure(
    "result_not_serializable",
    `The result cannot be written as JSON: ${fault}. Convert it before you return it.`,
  );
}

/** Where and why the value is no JSON, such as `$.items[3]: bigint`; "" where it is. */
function findFault(value, at = "$", above = []) {
  if (typeof value === "bigint") return `${at}: bigint`;
  if (typeof value === "string") return isUnicode(value) ? "" : `${at}: string with half of a surrogate pair`;
  if (typeof value !== "object" || value === null || typeof value.toJSON === "function") return "";
  if (above.includes(value)) return `${at}: ${value.constructor ? value.constructor.name : "object"} that contains itself`;
  for (const [key, child] of Object.entries(value)) {
    if (!isUnicode(key)) return `${at}: string with half of a surrogate pair as a key`;
    const fault = findFault(child, at + step(value, key), [...above, value]);
    if (fault) return fault;
  }
  return "";
}

function isUnicode(text) {
  return !/\p{Surrogate}/u.test(text);
}

function step(value, key) {
  if (Array.isArray(value)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${stringify(key)}]`;
}

module.exports = { written };
