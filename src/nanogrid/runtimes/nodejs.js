"use strict";
// The Node runtime: `node nodejs.js FD` inside a sandbox, under Node 18 and later.
//
// The function runs in this very process and may patch what it likes: all that is used while it is loaded is held by
// private references. Between two runs the process blocks in a read, as Lambda freezes between two: timers and sockets
// of the function stand still until its next run.

const { writeSync } = require("fs");

const { Artifacts } = require("./nanogrid_runtime/artifacts.js");
const { Channel, ProtocolBroken, LOAD, INVOKE, READY, LOADED, RESULT } = require("./nanogrid_runtime/channel.js");
const { failure, thrown } = require("./nanogrid_runtime/failures.js");
const { importHandler } = require("./nanogrid_runtime/handler.js");
const { Gathered, NoPart, Sent, takeEach, yields } = require("./nanogrid_runtime/parts.js");
const { Leftovers, PeakMemory, enter, outputFolder } = require("./nanogrid_runtime/process.js");
const { written } = require("./nanogrid_runtime/values.js");

const { parse, stringify } = JSON;
const nextTurn = setImmediate;
const now = Date.now;
const exitProcess = process.exit.bind(process);

// Exit code where the platform does not keep to the protocol (EX_SOFTWARE).
const PROTOCOL_BROKEN = 70;

class Context {
  constructor(order, call) {
    this.callbackWaitsForEmptyEventLoop = true;
    this.awsRequestId = call.runId;
    this.runId = call.runId;
    this.attempt = call.attempt;
    this.traceparent = call.traceparent;
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
    this.leftovers = null;
    this.artifacts = null;
  }

  /** READY, LOAD, LOADED, then RESULT for INVOKE until the platform goes. */
  async serve() {
    this.channel.send(READY, "{}");
    const text = this.channel.expect(LOAD);
    if (text === null) return;
    const order = parse(text);
    this.watch();
    this.leftovers = new Leftovers();
    const { value: handler, error } = await this.load(order);
    this.channel.send(LOADED, stringify({ error }));
    const peak = new PeakMemory();
    for (;;) {
      const call = this.channel.expect(INVOKE);
      if (call === null) return;
      if (handler === undefined) throw new ProtocolBroken("the platform sent an INVOKE though there is no handler");
      await this.run(order, handler, call, peak);
    }
  }

  async load(order) {
    this.question = new Question("init_failed", order.code);
    this.report = (error) => this.channel.send(LOADED, stringify({ error }));
    this.idle = () => this.question.fail(new Error("The import never ends: it awaits what nothing will settle."));
    const output = outputFolder();
    this.artifacts = new Artifacts(this.channel, output, order.artifacts);
    enter(order, output);
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
    // Who reports is about to end the process: nothing else may run in it.
    this.report = (error) => this.send(call.nonce, { error }, peak, true);
    this.start(handler, call.event, new Context(order, call));
    const answer = await this.question.answer;
    const streamed = !answer.error && yields(answer.value);
    const { value, error } = streamed ? await this.drain(answer.value, call, order) : answer;
    // Rejections that nobody handles, and children that have ended, come up within one turn: they are this run's.
    await new Promise(nextTurn);
    const output = streamed && !error ? { output: value, streamed } : error ? { error } : written(value, order.maxOutput);
    this.send(call.nonce, output, peak, this.leftovers.any());
  }

  /** Hand on all that the handler yields; what then is its output. */
  drain(parts, call, order) {
    const question = new Question("exception", order.code);
    this.question = question;
    this.idle = () => question.fail(new Error("The handler awaits what nothing will settle any more."));
    const taker = call.stream ? new Sent(order.maxOutput, this.channel, call.nonce) : new Gathered(order.maxOutput);
    takeEach(parts, taker).then(
      (output) => question.succeed(output),
      (reason) => (reason instanceof NoPart ? question.settle({ error: reason.error }) : question.fail(reason)),
    );
    return question.answer;
  }

  /** Call the handler in each of its forms: async, with a callback, or neither. */
  start(handler, event, context) {
    const question = this.question;
    let late = null;
    let unanswered = { value: null };
    this.idle = () => question.settle(late || unanswered);
    const callback = (error, value) => {
      const failed = error !== null && error !== undefined;
      late = failed ? { error: thrown("exception", error, question.root) } : { value };
      if (failed || !context.callbackWaitsForEmptyEventLoop) question.settle(late);
    };
    try {
      const returned = handler(event, context, callback);
      if (yields(returned)) question.succeed(returned);
      if (returned === null || returned === undefined || typeof returned.then !== "function") return;
      unanswered = { error: failure("exception", "The handler awaits what nothing will settle any more.", "Error") };
      returned.then(
        (value) => question.succeed(value),
        (reason) => question.fail(reason),
      );
    } catch (reason) {
      question.fail(reason);
    }
  }

  send(nonce, answer, peak, dirty) {
    this.report = null;
    const unclean = !this.artifacts.handOver(nonce) || dirty;
    const facts = `"nonce":${stringify(nonce)},"peakMemoryKb":${peak.take()},"dirty":${unclean}`;
    const field = answer.error ? "error" : answer.streamed ? 'streamed":true,"output' : "output";
    this.channel.send(RESULT, `{${facts},"${field}":`, answer.error ? stringify(answer.error) : answer.output, "}");
  }

  /** Answer for a function that ends the process, throws out of nowhere, or waits for nothing. */
  watch() {
    process.on("exit", (code) => this.tell(() => this.exited(code)));
    process.on("uncaughtException", (reason) => {
      const told = this.tell(() => thrown(this.question.failureKind, reason, this.question.root));
      if (!told) writeSync(2, `Thrown after the run had been answered: ${reason && reason.stack || reason}\n`);
      exitProcess(1); // Node promises nothing about the process any more
    });
    process.on("beforeExit", () => this.idle());
  }

  /** Answer the open question with an error, at once. Whether there was one. */
  tell(describe) {
    const report = this.report;
    this.report = null;
    if (report) report(describe());
    return report !== null;
  }

  exited(code) {
    if (this.question.failureKind === "init_failed") {
      return failure("init_failed", `The code called process.exit(${code}) while it was imported.`, "ProcessExit");
    }
    return failure("exited", `The function called process.exit(${code}); return instead.`, "ProcessExit");
  }
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
  exitProcess(code);
}

main();
