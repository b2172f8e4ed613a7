"use strict";
// The files that a run leaves in its output folder: handed to the platform, and taken away before the next run.
//
// This is the function's own process: what it may be tricked into reading, the function could have read and returned.
// Still it follows no link, opens nothing but plain files, waits for none of them, and looks at a bounded number of names.

const fs = require("fs");
const { closeSync, fstatSync, lstatSync, mkdirSync, opendirSync, openSync } = fs;
const { readSync, readdirSync, rmdirSync, unlinkSync, writeSync } = fs;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

const { ARTIFACT, GO } = require("./channel.js");

const { stringify } = JSON;
const { concat, from } = Buffer;
const allocate = Buffer.allocUnsafe;
const min = Math.min;

const CHUNK_BYTES = 1024 * 1024;
// Names that are looked at in all, and folders in each other: with more, the sandbox is not used again.
const MAX_NAMES = 10000;
const MAX_DEPTH = 16;
const MAX_PATH_BYTES = 1024;
// Lines in the run's logs about files that are not kept.
const MAX_NOTES = 20;
// Control characters, and those that show a name as another one.
const MISLEADING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
// NONBLOCK: a pipe without a writer, or a file with a lease on it, would hold us up.
const PLAIN_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
const SLASH = from("/");

class TooMuch extends Error {}

/** The output folder of one sandbox. */
class Artifacts {
  constructor(channel, folder, limits) {
    this.channel = channel;
    this.folder = folder;
    this.limits = limits;
    // What the folder's size is while nothing is in it, where its size tells.
    this.emptySize = null;
    if (limits) this.make();
  }

  /** Send the files that the run left, and remove all. Whether the folder is as empty as it was. */
  handOver(nonce) {
    if (!this.limits || this.untouched()) return true;
    try {
      new Collection(this.channel, nonce, this.limits).takeAll(this.folder);
      return true;
    } catch (error) {
      if (!error.code && !(error instanceof TooMuch)) throw error;
      note(`the rest is not kept: ${error.message}`);
      return false;
    }
  }

  make() {
    mkdirSync(this.folder, 0o700);
    const empty = lstatSync(this.folder).size;
    const probe = `${this.folder}/probe`;
    closeSync(openSync(probe, O_WRONLY | O_CREAT | O_EXCL, 0o600));
    if (lstatSync(this.folder).size !== empty) this.emptySize = empty;
    unlinkSync(probe);
  }

  /** Whether nothing is in the folder. Half as long as to list it, where it is in memory. */
  untouched() {
    try {
      if (this.emptySize !== null) return lstatSync(this.folder).size === this.emptySize;
      return readdirSync(this.folder).length === 0;
    } catch (error) {
      return false; // it is gone, or no folder any more
    }
  }
}

/** What is taken from the folder after one run. */
class Collection {
  constructor(channel, nonce, limits) {
    this.channel = channel;
    this.nonce = stringify(nonce);
    this.largest = limits.fileBytes;
    this.count = limits.count;
    this.bytes = limits.totalBytes;
    this.names = 0;
    this.notes = 0;
  }

  /** Leave the folder empty. */
  takeAll(folder) {
    let descriptor;
    try {
      descriptor = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      mkdirSync(folder, 0o700);
      return;
    }
    closeSync(descriptor);
    this.take(from(folder), "", 0, true);
  }

  take(folder, above, depth, readable) {
    if (depth > MAX_DEPTH) throw new TooMuch(`there are more than ${MAX_DEPTH} folders in each other`);
    for (const name of this.listed(folder)) {
      const place = concat([folder, SLASH, name]);
      const shown = name.toString("utf8");
      const path = above + shown;
      const text = readable && from(shown).equals(name);
      if (lstatSync(place).isDirectory()) {
        this.take(place, `${path}/`, depth + 1, text);
        rmdirSync(place);
      } else {
        this.offer(place, path, text ? whyNoName(path) : "its name is not UTF-8");
        unlinkSync(place);
      }
    }
  }

  listed(folder) {
    const names = [];
    const entries = opendirSync(folder, { encoding: "buffer" });
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        this.names += 1;
        if (this.names > MAX_NAMES) throw new TooMuch(`there are more than ${MAX_NAMES} names`);
        names.push(entry.name);
      }
    } finally {
      entries.closeSync();
    }
    return names.sort((one, other) => one.compare(other));
  }

  /** Send the file, or say why not. */
  offer(place, path, fault) {
    let descriptor = null;
    let reason = fault;
    try {
      reason = reason || this.whyNot(lstatSync(place));
      if (!reason) descriptor = openSync(place, PLAIN_FILE);
    } catch (error) {
      reason = error.message;
    }
    if (reason) {
      this.note(path, reason);
      return;
    }
    try {
      this.send(descriptor, path);
    } finally {
      closeSync(descriptor);
    }
  }

  whyNot(found) {
    if (!found.isFile()) return "it is no plain file";
    if (this.count === 0) return "the run has as many files as it may";
    if (found.size > this.largest) return `it has ${found.size} bytes; ${this.largest} are allowed`;
    return found.size > this.bytes ? "the run's files together have as many bytes as they may" : "";
  }

  /** Send what the file has now: it may grow and shrink meanwhile. */
  send(descriptor, path) {
    const found = fstatSync(descriptor);
    const reason = this.whyNot(found);
    if (reason) {
      this.note(path, reason); // it was another file a moment ago
      return;
    }
    const chunk = allocate(min(found.size, CHUNK_BYTES));
    let left = found.size;
    let last = false;
    this.count -= 1;
    while (!last) {
      const read = left ? readSync(descriptor, chunk, 0, min(left, CHUNK_BYTES), null) : 0;
      left -= read;
      this.bytes -= read;
      last = left === 0 || read === 0;
      const head = `{"nonce":${this.nonce},"path":${stringify(path)},"last":${last}}\n`;
      this.channel.send(ARTIFACT, head, chunk.subarray(0, read));
      if (this.channel.expect(GO) === null) {
        throw Object.assign(new Error("the platform has gone"), { code: "EPIPE" });
      }
    }
  }

  note(path, reason) {
    this.notes += 1;
    if (this.notes <= MAX_NOTES) note(`${stringify(path)} is not kept: ${reason}`);
    else if (this.notes === MAX_NOTES + 1) note("more files are not kept");
  }
}

/** Why a file of that path is not kept; "" where it is. */
function whyNoName(path) {
  const size = Buffer.byteLength(path);
  if (size > MAX_PATH_BYTES) return `its path has ${size} bytes; ${MAX_PATH_BYTES} are allowed`;
  return MISLEADING.test(path) ? "its name has control characters" : "";
}

/** Say it in the run's logs. */
function note(text) {
  writeSync(2, `artifacts: ${text}\n`);
}

module.exports = { Artifacts };
