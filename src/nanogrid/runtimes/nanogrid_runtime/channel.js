"use strict";
// Frames over the control socket; docs/runtime-protocol.md says what they mean.

const { readSync, writeSync } = require("fs");

const allocate = Buffer.allocUnsafe;
const byteLength = Buffer.byteLength;

const LOAD = 1;
const INVOKE = 2;
const GO = 3;
const READY = 16;
const LOADED = 17;
const RESULT = 18;
const ARTIFACT = 19;
const PART = 20;

const HEADER_BYTES = 5;
const READ_AT_ONCE = 64 * 1024;

class ProtocolBroken extends Error {}

/** Frames over the control socket, which blocks; in turns, so that one buffer does for both directions. */
class Channel {
  constructor(fd) {
    this.fd = fd;
    this.buffer = allocate(READ_AT_ONCE);
  }

  /** The text of the next frame, which must be of that kind; null when the platform has gone. */
  expect(kind) {
    let filled = 0;
    let end = HEADER_BYTES;
    while (filled < end) {
      const count = readSync(this.fd, this.buffer, filled, this.buffer.length - filled, null);
      if (count === 0 && filled === 0) return null;
      if (count === 0) throw new ProtocolBroken("the connection ended in the middle of a frame");
      filled += count;
      if (filled >= HEADER_BYTES) end = 4 + this.buffer.readUInt32BE(0);
      if (end > this.buffer.length) this.grow(end, filled);
    }
    if (this.buffer[4] !== kind || filled > end) {
      throw new ProtocolBroken(`the platform sent a frame of kind ${this.buffer[4]} where only one of ${kind} may come`);
    }
    return this.buffer.toString("utf8", HEADER_BYTES, end);
  }

  /** Write a whole frame, mostly with one call. It comes in parts, texts or buffers: joining them would cost their size. */
  send(kind, ...parts) {
    let end = HEADER_BYTES;
    for (const part of parts) end += byteLength(part);
    if (end > this.buffer.length) this.grow(end, 0);
    this.buffer.writeUInt32BE(end - 4, 0);
    this.buffer[4] = kind;
    let at = HEADER_BYTES;
    for (const part of parts) at += typeof part === "string" ? this.buffer.write(part, at) : part.copy(this.buffer, at);
    let sent = 0;
    while (sent < end) sent += writeSync(this.fd, this.buffer, sent, end - sent);
  }

  grow(size, filled) {
    const larger = allocate(size);
    this.buffer.copy(larger, 0, 0, filled);
    this.buffer = larger;
  }
}

module.exports = { Channel, ProtocolBroken, LOAD, INVOKE, READY, LOADED, RESULT, ARTIFACT, PART, GO };
