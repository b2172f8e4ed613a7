"use strict";
// What a handler yields: sent part by part where somebody reads it, gathered into a list where nobody does.

const { PART, GO } = require("./channel.js");
const { failure } = require("./failures.js");
const { written } = require("./values.js");

const { stringify } = JSON;
const byteLength = Buffer.byteLength;
const toBuffer = Buffer.from;
const tagOf = Object.prototype.toString;

/** Raised where what was yielded cannot be handed on; carries the run's error. */
class NoPart extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

/** Whether what the handler returned goes on: a generator, or anything that is read by `for await`. */
function yields(value) {
  if (typeof value !== "object" || value === null) return false;
  return typeof value[Symbol.asyncIterator] === "function" || tagOf.call(value) === "[object Generator]";
}

/** Parts as one list. */
class Gathered {
  constructor(maxOutput) {
    this.maxOutput = maxOutput;
    this.parts = [];
    this.size = 2;
  }

  take(value) {
    const { text } = partOf(value, this.maxOutput);
    this.size += byteLength(text) + 1;
    if (this.size > this.maxOutput) {
      const hint = "Store it elsewhere and return where it is.";
      const message = `The result has more than ${this.maxOutput} bytes; ${this.maxOutput} are allowed. ${hint}`;
      throw new NoPart(failure("result_too_large", message));
    }
    this.parts.push(text);
  }

  output() {
    return `[${this.parts.join(",")}]`;
  }
}

/** Parts on their way while the handler makes the next ones; each waits until the one before was taken. */
class Sent {
  constructor(maxOutput, channel, nonce) {
    this.maxOutput = maxOutput;
    this.channel = channel;
    this.nonce = stringify(nonce);
  }

  take(value) {
    const { text, base64 } = partOf(value, this.maxOutput);
    this.channel.send(PART, `{"nonce":${this.nonce},"base64":${base64},"part":`, text, "}");
    if (this.channel.expect(GO) === null) {
      throw Object.assign(new Error("the platform has gone"), { code: "EPIPE" });
    }
  }

  output() {
    return "[]";
  }
}

/** A part as JSON, and whether that is base64 of bytes. */
function partOf(value, maxOutput) {
  const base64 = ArrayBuffer.isView(value);
  const plain = base64 ? toBuffer(value.buffer, value.byteOffset, value.byteLength).toString("base64") : value;
  const { output, error } = written(plain, maxOutput);
  if (error) throw new NoPart(error);
  return { text: output, base64 };
}

/** Every part of what the handler returned. */
async function takeEach(parts, taker) {
  for await (const part of parts) taker.take(part);
  return taker.output();
}

module.exports = { Gathered, NoPart, Sent, takeEach, yields };
