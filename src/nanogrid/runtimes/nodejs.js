"use strict";
// The Node runtime: `node nodejs.js FD` inside a sandbox, under Node 18 and later.
//
// docs/runtime-protocol.md describes what goes over FD. The function runs in this very process and may patch what it
// likes: the loop keeps private references to all that it uses.
//
// Between two runs the process blocks in a read, as Lambda freezes between two: timers and sockets of the function
// stand still until its next run.

const fs = require("fs");
const path = require("path");
const { pathToFileURL, fileURLToPath } = require("url");

const LOAD = 1;
const INVOKE = 2;
const READY = 16;
const LOADED = 17;
const RESULT = 18;

// Exit code where the platform does not keep to the protocol (EX_SOFTWARE).
const PROTOCOL_BROKEN = 70;
const HEADER_BYTES = 5;
const READ_AT_ONCE = 64 * 1024;
const MAX_MESSAGE = 4096;
const MAX_LINE = 300;
const MAX_FRAMES = 40;
const MAX_CAUSES = 3;
// What an error may take as JSON; the platform reads little more of a LOADED.
const MAX_ERROR_BYTES = 48 * 1024;

const ENVIRONMENT = {
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
  PATH: "/usr/local/bin:/usr/bin:/bin",
  TZ: "UTC",
};

const { readSync, writeSync, openSync, closeSync, readFileSync, existsSync, readdirSync } = fs;
const { parse, stringify } = JSON;
const allocate = Buffer.allocUnsafe;
const toBuffer = Buffer.from;
const concat = Buffer.concat;
const nextTurn = setImmediate;
const now = Date.now;
const exitProcess = process.exit.bind(process);
const resourceUsage = process.resourceUsage.bind(process);

class ProtocolBroken extends Error {}

class HandlerNotFound extends Error {
  get name() {
    return "HandlerNotFound";
  }
}

/** Frames over the control socket, which blocks. */
class Channel {
  constructor(fd) {
    this.fd = fd;
    this.rest = allocate(0);
    this.chunk = allocate(READ_AT_ONCE);
  }

  /** The text of the next frame, which must be of that kind; null when the platform has gone. */
  expect(kind) {
    let data = this.rest;
    while (data.length < HEADER_BYTES) {
      const count = readSync(this.fd, this.chunk, 0, READ_AT_ONCE, null);
      if (count === 0) return null;
      data = concat([data, this.chunk.subarray(0, count)]);
    }
    const end = 4 + data.readUInt32BE(0);
    if (data.length < end) data = this.complete(data, end);
    if (data[4] !== kind) {
      throw new ProtocolBroken(`the platform sent a frame of kind ${data[4]} where only kind ${kind} may come`);
    }
    this.rest = data.subarray(end);
    return data.toString("utf8", HEADER_BYTES, end);
  }

  /** Write a whole frame, mostly with one call. */
  send(kind, text) {
    const length = Buffer.byteLength(text);
    const frame = allocate(HEADER_BYTES + length);
    frame.writeUInt32BE(length + 1, 0);
    frame[4] = kind;
    frame.write(text, HEADER_BYTES);
    let sent = 0;
    while (sent < frame.length) sent += writeSync(this.fd, frame, sent);
  }

  complete(data, end) {
    const frame = allocate(end);
    let filled = data.copy(frame);
    while (filled < end) {
      const count = readSync(this.fd, frame, filled, end - filled, null);
      if (count === 0) throw new ProtocolBroken("the connection ended in the middle of a frame");
      filled += count;
    }
    return frame;
  }
}

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
    if (!(value instanceof Error)) return failure(kind, `The function threw ${show(value)}, which is no Error.`);
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
  const name = (match[1] || "<module>").replace(/^Object\.<anonymous>$/, "<module>");
  return plain(`${file.slice(root.length + 1)}:${match[3]} in ${name}: ${sourceLine(file, Number(match[3]))}`, MAX_LINE);
}

function sourceLine(file, number) {
  try {
    return (readFileSync(file, "utf8").split("\n")[number - 1] || "").trim();
  } catch (gone) {
    return "";
  }
}

/** The result as JSON. Throws what `JSON.stringify` throws; undefined is null, as in Lambda. */
function encode(value) {
  const text = stringify(value);
  return text === undefined ? "null" : text;
}

/** Where a JSON text's value has half of a surrogate pair, or what JSON.stringify refuses; "" where nothing is wrong. */
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

/** The result as JSON, or the error for a result that is none: `{output}` or `{error}`. */
function written(value, maxOutput) {
  let text;
  let reason = "";
  try {
    text = encode(value);
  } catch (error) {
    reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
  }
  // A lone surrogate is written as an escape, which most readers of JSON refuse.
  if (text === undefined || /\\u[dD][89a-fA-F]/.test(text)) {
    const fault = faultOf(value, reason);
    if (fault) return { error: notSerializable(fault) };
  }
  const size = Buffer.byteLength(text);
  if (size <= maxOutput) return { output: text };
  const hint = "Store it elsewhere and return where it is.";
  return { error: failure("result_too_large", `The result has ${size} bytes; ${maxOutput} are allowed. ${hint}`) };
}

function faultOf(value, reason) {
  try {
    return findFault(value) || reason;
  } catch (error) {
    return error instanceof RangeError ? "$: nested too deep" : reason || "$: cannot be read";
  }
}

function notSerializable(fault) {
  return failure(
    "result_not_serializable",
    `The result cannot be written as JSON: ${fault}. Convert it before you return it.`,
  );
}

/** The process's peak since it was last asked, in KiB. */
class PeakMemory {
  constructor() {
    // Through exec a process inherits the peak of the one that started it, and nothing resets that: where resourceUsage
    // says more than the process's own record, ask the record, though it takes longer.
    this.ask = maxRss() > highWater() + 1024 ? highWater : maxRss;
    this.mark = 0;
  }

  take() {
    const peak = this.ask();
    if (peak > this.mark) {
      resetHighWater();
      this.mark = this.ask();
    }
    return peak;
  }
}

function maxRss() {
  return resourceUsage().maxRSS;
}

function highWater() {
  try {
    const match = /^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"));
    return match ? Number(match[1]) : maxRss();
  } catch (error) {
    return maxRss();
  }
}

function resetHighWater() {
  try {
    const fd = openSync("/proc/self/clear_refs", "w");
    try {
      writeSync(fd, "5");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // Not allowed here: peaks are those of the process's whole life.
  }
}

/** Whether the function left processes running: Node starts them all from its first thread. */
function leftProcesses() {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/children`, "latin1") !== "";
  } catch (error) {
    return process.getActiveResourcesInfo().includes("ProcessWrap");
  }
}

class Context {
  constructor(order, call) {
    this.callbackWaitsForEmptyEventLoop = true;
    this.awsRequestId = call.runId;
    this.runId = call.runId;
    this.attempt = call.attempt;
    this.functionName = order.functionName;
    this.functionVersion = String(order.version);
    this.memoryLimitInMB = String(order.memoryMb);
    this.invokedFunctionArn = `arn:aws:lambda:local:000000000000:function:${order.functionName}`;
    this.logGroupName = `/aws/lambda/${order.functionName}`;
    this.logStreamName = `${order.version}/${order.functionId}`;
    this.identity = undefined;
    this.clientContext = undefined;
    this.getRemainingTimeInMillis = () => Math.max(0, call.deadlineMs - now());
  }
}

/** The one question that is open: an import or a run. The first answer wins; who comes later finds nobody waiting. */
class Question {
  constructor(failureKind, root) {
    this.failureKind = failureKind;
    this.root = root;
    this.answer = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  succeed(value) {
    this.settle({ value });
  }

  fail(value) {
    this.settle({ error: thrown(this.failureKind, value, this.root) });
  }
}

class Runtime {
  constructor(channel) {
    this.channel = channel;
    this.question = null;
    this.report = null;
    this.idle = null;
  }

  /** READY, LOAD, LOADED, then RESULT for INVOKE until the platform goes. */
  async serve() {
    this.channel.send(READY, "{}");
    const text = this.channel.expect(LOAD);
    if (text === null) return;
    const order = parse(text);
    this.watch();
    const { value: handler, error } = await this.load(order);
    this.channel.send(LOADED, stringify({ error }));
    const peak = new PeakMemory();
    for (;;) {
      const call = this.channel.expect(INVOKE);
      if (call === null) return;
      if (handler === undefined) throw new ProtocolBroken("the platform sent an INVOKE though there is no handler");
      await this.run(order, handler, call, peak);
      // Let the run's loose ends (ended children, rejections that nobody handles) come up now and not in the next one.
      await new Promise(nextTurn);
    }
  }

  async load(order) {
    this.question = new Question("init_failed", order.code);
    this.report = (error) => this.channel.send(LOADED, stringify({ error }));
    this.idle = () => this.question.fail(new Error("The import never ends: it awaits what nothing will settle."));
    importHandler(order).then(
      (handler) => this.question.succeed(handler),
      (reason) => this.question.fail(reason),
    );
    const answer = await this.question.answer;
    this.report = null;
    return answer;
  }

  async run(order, handler, text, peak) {
    const call = parse(text);
    this.question = new Question("exception", order.code);
    this.report = (error) => this.send(call.nonce, { error }, peak);
    this.start(handler, call.event, new Context(order, call));
    const { value, error } = await this.question.answer;
    this.send(call.nonce, error ? { error } : written(value, order.maxOutput), peak);
  }

  /** Call the handler in each of its forms: async, with a callback, or neither. */
  start(handler, event, context) {
    const question = this.question;
    let late = { value: null };
    this.idle = () => question.settle(late);
    const callback = (error, value) => {
      const failed = error !== null && error !== undefined;
      late = failed ? { error: thrown("exception", error, question.root) } : { value };
      if (failed || !context.callbackWaitsForEmptyEventLoop) question.settle(late);
    };
    try {
      const returned = handler(event, context, callback);
      if (returned === null || returned === undefined || typeof returned.then !== "function") return;
      late = { error: thrown("exception", new Error("The handler's promise is never settled."), question.root) };
      returned.then(
        (value) => question.succeed(value),
        (reason) => question.fail(reason),
      );
    } catch (reason) {
      question.fail(reason);
    }
  }

  send(nonce, answer, peak) {
    this.report = null;
    const content = answer.error ? `"error":${stringify(answer.error)}` : `"output":${answer.output}`;
    const facts = `"peakMemoryKb":${peak.take()},"dirty":${leftProcesses()}`;
    this.channel.send(RESULT, `{"nonce":${stringify(nonce)},${facts},${content}}`);
  }

  /** Answer for a function that ends the process, throws out of nowhere, or waits for nothing. */
  watch() {
    process.on("exit", (code) => {
      if (this.report) this.report(this.exited(code));
    });
    process.on("uncaughtException", (reason) => {
      if (this.report) this.report(thrown(this.question.failureKind, reason, this.question.root));
      exitProcess(1); // after this Node promises nothing about the process
    });
    process.on("beforeExit", () => this.idle());
  }

  exited(code) {
    if (this.question.failureKind === "init_failed") {
      return failure("init_failed", `The code called process.exit(${code}) while it was imported.`, "ProcessExit");
    }
    return failure("exited", `The function called process.exit(${code}); return instead.`, "ProcessExit");
  }
}

/** Import the function's code and return the handler. */
async function importHandler(order) {
  enter(order);
  const folder = path.dirname(order.handler);
  const [stem, ...names] = path.basename(order.handler).split(".");
  if (!stem || names.length === 0 || names.includes("")) {
    throw new HandlerNotFound(`The handler '${order.handler}' is not of the form file.function, such as index.handler.`);
  }
  const module = await importFile(findFile(order.code, path.join(folder, stem)), order.code);
  return pick(module, names);
}

/** Give the process the function's environment and folder. What the function's settings say wins. */
function enter(order) {
  const environment = {
    ...ENVIRONMENT,
    _HANDLER: order.handler,
    LAMBDA_TASK_ROOT: order.code,
    AWS_LAMBDA_FUNCTION_NAME: order.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: String(order.version),
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(order.memoryMb),
    ...order.environment,
  };
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  process.chdir(order.code);
  process.argv.length = 1;
}

function findFile(root, stem) {
  for (const ending of [".js", ".mjs", ".cjs"]) {
    const file = path.join(root, stem + ending);
    if (existsSync(file)) return file;
  }
  const files = readdirSync(root).sort().join(", ") || "nothing";
  throw new HandlerNotFound(`The handler's file '${stem}.js' (or .mjs, .cjs) is not in the archive; it has: ${files}.`);
}

async function importFile(file, root) {
  if (isModule(file, root)) return import(pathToFileURL(file).href);
  return require(file);
}

/** Whether Node reads the file as an ES module: by its ending, else by the nearest package.json. */
function isModule(file, root) {
  if (!file.endsWith(".js")) return file.endsWith(".mjs");
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest)) return parse(readFileSync(manifest, "utf8")).type === "module";
  }
  return false;
}

function pick(module, names) {
  let found = module;
  for (const name of names) found = found === null || found === undefined ? undefined : found[name];
  // An ES module that re-exports a CommonJS one has everything under `default`.
  if (found === undefined && module.default) found = module.default[names[0]];
  if (typeof found === "function") return found;
  const own = Object.keys(module).join(", ") || "nothing";
  throw new HandlerNotFound(`The file does not export a function '${names.join(".")}'; it exports: ${own}.`);
}

async function main() {
  const channel = new Channel(Number(process.argv[2]));
  const runtime = new Runtime(channel);
  let code = 0;
  try {
    await runtime.serve();
  } catch (error) {
    // A broken pipe says that the platform has gone: nobody is left to be told.
    if (error.code !== "EPIPE" && error.code !== "ECONNRESET") {
      code = PROTOCOL_BROKEN;
      writeSync(2, `runtime: ${error instanceof ProtocolBroken ? error.message : error.stack}\n`);
    }
  }
  process.reallyExit(code); // without the function's exit listeners
}

main();
