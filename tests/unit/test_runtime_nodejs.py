"""The Node runtime, spoken to over a socket pair as the platform does."""

import time
from pathlib import Path

import pytest

from nanogrid import wire
from runtime_harness import NODE, error_of, loaded_runtime, needs_node, output_of, started_runtime, write_code

pytestmark = needs_node

DO_NOT_WAIT = "c.callbackWaitsForEmptyEventLoop = false;"
#: Values that are no JSON, each with what the message says of it.
UNWRITABLE = [
    ("{ items: [0, 1n] }", "$.items[1]: bigint"),
    ("{ 'a b': 1n }", '$["a b"]: bigint'),
    ("{ x: '\\ud83d' }", "$.x: string with half of a surrogate pair"),
    ("{ '\\ud83d': 1 }", "$: string with half of a surrogate pair as a key"),
    ("{ toJSON() { return ['\\ud83d']; } }", "$[0]: string with half"),
    ("(() => { const a = {}; a.self = a; return a; })()", "$.self: Object that contains itself"),
    ("(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a; })()", "$: nested too deep"),
    ("{ toJSON() { throw new Error('no form'); } }", "no form"),
]


def function(tmp_path: Path, source: str, **files: str) -> Path:
    return write_code(tmp_path / "code", {"index.js": source, **files})


def returning(tmp_path: Path, expression: str) -> Path:
    return function(tmp_path, f"exports.handler = async (event, context) => ({expression});\n")


def loaded(code: Path, handler: str = "index.handler", **fields):
    return loaded_runtime(NODE, code, handler, **fields)


def load_error(code: Path, handler: str = "index.handler") -> wire.WireError:
    with started_runtime(NODE, code) as runtime:
        error = runtime.load(code, handler)
    assert error is not None
    return error


# What goes in and out


def test_the_event_goes_in_and_the_resolved_value_comes_out(tmp_path):
    with loaded(returning(tmp_path, "{ saw: event, half: NaN }")) as runtime:
        result = runtime.invoke({"name": "Ada \u2603 \U0001d49c"})

    assert output_of(result) == {"saw": {"name": "Ada \u2603 \U0001d49c"}, "half": None}
    assert result.dirty is False


def test_a_large_event_and_a_large_result_pass(tmp_path):
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    with loaded(returning(tmp_path, "event")) as runtime:
        results = [runtime.invoke_raw(event), runtime.invoke_raw(b"1")]

    assert [bytes(result.output) for result in results] == [event, b"1"]


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("(e, c, callback) => callback(null, 'called')", "called"),
        ("(e, c, callback) => { setTimeout(() => callback(null, 'later'), 1); }", "later"),
        # The answer waits for what is still to be done, unless the function does not want that.
        ("(e, c, callback) => { callback(null, log); setTimeout(() => log.push('done'), 1); }", ["done"]),
        (f"(e, c, cb) => {{ {DO_NOT_WAIT} setTimeout(() => log.push(1), 50); cb(null, log); }}", []),
        ("(e, c) => 'returned and not a promise'", None),
        ("async () => undefined", None),
        ("() => ({ then: (resolve) => resolve('any thenable') })", "any thenable"),
    ],
)
def test_handlers_answer_with_a_promise_or_a_callback(tmp_path, body, output):
    with loaded(function(tmp_path, f"const log = [];\nexports.handler = {body};\n")) as runtime:
        assert output_of(runtime.invoke()) == output


def test_state_of_the_module_lives_on_between_runs(tmp_path):
    code = function(tmp_path, "let calls = 0;\nexports.handler = async () => ++calls;\n")
    with loaded(code) as runtime:
        assert [output_of(runtime.invoke()) for _ in range(3)] == [1, 2, 3]


# Modules


HERE = "async () => 'here'"


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.mjs": f"export const handler = {HERE};"}, "index.handler"),
        ({"index.cjs": f"exports.handler = {HERE};"}, "index.handler"),
        ({"index.js": f"export const go = {HERE};", "package.json": '{"type": "module"}'}, "index.go"),
        ({"src/app.js": f"exports.api = {{ get: {HERE} }};"}, "src/app.api.get"),
        ({"index.mjs": f"const x = await ({HERE})();\nexport const handler = async () => x;"}, "index.handler"),
        ({"index.mjs": "import m from './a.cjs';\nexport default m;", "a.cjs": f"exports.f = {HERE};"}, "index.f"),
        (
            {"index.js": "exports.f = require('dep');", "node_modules/dep/index.js": f"module.exports = {HERE};"},
            "index.f",
        ),
    ],
)
def test_handlers_lie_in_commonjs_and_es_modules(tmp_path, files, handler):
    with loaded(write_code(tmp_path / "code", files), handler) as runtime:
        assert output_of(runtime.invoke()) == "here"


# Context and surroundings


def test_the_context_is_lambdas(tmp_path):
    names = "awsRequestId functionName functionVersion memoryLimitInMB invokedFunctionArn runId attempt"
    with loaded(returning(tmp_path, f"'{names}'.split(' ').map((name) => context[name])")) as runtime:
        values = output_of(runtime.invoke(run_id="run_42"))

    arn = "arn:aws:lambda:local:000000000000:function:probe"
    assert values == ["run_42", "probe", "3", "128", arn, "run_42", 2]


def test_the_context_counts_the_time_that_remains(tmp_path):
    with loaded(returning(tmp_path, "context.getRemainingTimeInMillis()")) as runtime:
        left = output_of(runtime.invoke(deadline_ms=int(time.time() * 1000) + 60_000))
        over = output_of(runtime.invoke(deadline_ms=1))

    assert 0 < left <= 60_000
    assert over == 0


def test_the_environment_is_the_functions_and_nothing_else(tmp_path):
    code = returning(tmp_path, "[Object.keys(process.env).sort().join(' '), process.env.COLOUR, process.cwd()]")
    with loaded(code, environment={"COLOUR": "blue"}) as runtime:
        names, colour, folder = output_of(runtime.invoke())

    assert names == (
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION COLOUR HOME "
        "LAMBDA_TASK_ROOT LANG PATH TMPDIR TZ _HANDLER"
    )
    assert (colour, folder) == ("blue", str(code))


def test_what_console_writes_is_out_before_the_result(tmp_path):
    code = function(tmp_path, "exports.handler = async () => { console.log('one'); console.error('two'); };\n")
    with loaded(code) as runtime:
        runtime.invoke()

        assert runtime.output == "one\ntwo\n"


# Failures of a run


def test_an_error_shows_the_users_frames_with_their_source(tmp_path):
    source = (
        "const { inner } = require('./lib/deep');\n"
        "exports.handler = async (event) => {\n  return inner(event);\n};\n"
    )  # fmt: skip
    deep = "exports.inner = function inner(event) {\n  throw new RangeError(`no ${event}`);\n};\n"
    with loaded(function(tmp_path, source, **{"lib/deep.js": deep})) as runtime:
        error = error_of(runtime.invoke("tea"))

    assert (error.kind, error.type, error.message) == ("exception", "RangeError", "no tea")
    outer, inner = error.stack_trace
    assert outer.startswith("index.js:3 in ")
    assert outer.endswith(": return inner(event);")
    assert inner == "lib/deep.js:2 in inner: throw new RangeError(`no ${event}`);"


@pytest.mark.parametrize(
    ("body", "type_", "message"),
    [
        ("async () => { throw new TypeError('thrown'); }", "TypeError", "thrown"),
        ("() => { throw new (class Custom extends Error {})('thrown'); }", "Custom", "thrown"),
        ("() => Promise.reject('text')", "Error", "The function threw text, which is no Error."),
        ("() => { throw null; }", "Error", "The function threw null, which is no Error."),
        ("(e, c, callback) => callback(new Error('called back'))", "Error", "called back"),
        ("() => new Promise(() => {})", "Error", "The handler awaits what nothing will settle any more."),
    ],
)
def test_every_way_to_fail_is_an_answer_and_the_runtime_goes_on(tmp_path, body, type_, message):
    code = function(
        tmp_path, f"const fail = {body};\nexports.handler = (e, c, cb) => e ? fail(e, c, cb) : cb(null, 1);\n"
    )
    with loaded(code) as runtime:
        result = runtime.invoke(1)
        healthy = runtime.invoke(0)

    error = error_of(result)
    assert (error.kind, error.type, error.message) == ("exception", type_, message)
    assert (output_of(healthy), result.dirty) == (1, False)


@pytest.mark.parametrize(
    "body",
    [
        "() => { setTimeout(() => { throw new Error('out of nowhere'); }, 1); return new Promise(() => {}); }",
        "() => { Promise.reject(new Error('out of nowhere')); return new Promise((r) => setTimeout(r, 5000)); }",
        # Unhandled at the moment of the answer: it is this run's, not the next one's.
        "async () => { Promise.reject(new Error('out of nowhere')); return 1; }",
    ],
)
def test_what_nobody_catches_is_the_runs_error_and_the_end_of_the_process(tmp_path, body):
    with loaded(function(tmp_path, f"exports.handler = {body};\n")) as runtime:
        result = runtime.invoke()
        error = error_of(result)
        exit_code = runtime.ended()

    assert (error.kind, error.type, error.message) == ("exception", "Error", "out of nowhere")
    assert (result.dirty, exit_code) == (True, 1)


def test_process_exit_is_answered_and_then_obeyed(tmp_path):
    with loaded(function(tmp_path, "exports.handler = async () => process.exit(3);\n")) as runtime:
        error = error_of(runtime.invoke())
        exit_code = runtime.ended()

    assert (error.kind, error.message) == ("exited", "The function called process.exit(3); return instead.")
    assert exit_code == 3


def test_a_result_over_the_limit_is_refused_with_both_sizes(tmp_path):
    with loaded(returning(tmp_path, "'\u00e9'.repeat(event)"), max_output=1000) as runtime:
        fits = runtime.invoke(499)
        error = error_of(runtime.invoke(500))

    assert len(fits.output) == 1000
    assert error.kind == "result_too_large"
    assert "1002 bytes; 1000 are allowed" in error.message


@pytest.mark.parametrize(("expression", "fault"), UNWRITABLE)
def test_a_result_that_is_no_json_is_refused_with_its_place(tmp_path, expression, fault):
    with loaded(returning(tmp_path, expression)) as runtime:
        error = error_of(runtime.invoke())

    assert error.kind == "result_not_serializable"
    assert fault in error.message


def test_text_that_only_looks_like_an_escape_passes(tmp_path):
    with loaded(returning(tmp_path, r"'\\ud83d'")) as runtime:
        assert output_of(runtime.invoke()) == r"\ud83d"


# Failures of an import


@pytest.mark.parametrize(
    ("source", "type_", "message"),
    [
        ("require('not-there');\n", "Error", "Cannot find module 'not-there'"),
        ("const x = ;\n", "SyntaxError", "Unexpected token"),
        ("throw new RangeError('at import');\n", "RangeError", "at import"),
        ("process.exit(4);\n", "ProcessExit", "The code called process.exit(4) while it was imported."),
    ],
)
def test_a_failed_import_is_told_with_its_line(tmp_path, source, type_, message):
    error = load_error(function(tmp_path, "// first\n" + source))

    assert (error.kind, error.type) == ("init_failed", type_)
    assert message in error.message
    assert type_ == "ProcessExit" or error.stack_trace[-1] == f"index.js:2 in <module>: {source.strip()}"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("index.handle", "does not export a function 'handle'; it exports: handler, NUMBER."),
        ("index.NUMBER", "does not export a function 'NUMBER'"),
        ("main.handler", "'main.js' (or .mjs, .cjs) is not in the archive; it has: index.js."),
        ("handler", "not of the form file.function"),
    ],
)
def test_a_handler_that_is_not_there_is_told_with_what_is(tmp_path, handler, message):
    error = load_error(function(tmp_path, "exports.handler = async () => 1;\nexports.NUMBER = 1;\n"), handler)

    assert (error.kind, error.type) == ("init_failed", "HandlerNotFound")
    assert message in error.message


def test_an_import_that_awaits_for_ever_is_an_init_failure(tmp_path):
    code = write_code(tmp_path / "code", {"index.mjs": "await new Promise(() => {});\nexport const handler = 1;\n"})
    error = load_error(code)

    assert (error.kind, error.message) == ("init_failed", "The import never ends: it awaits what nothing will settle.")


# The protocol


def test_the_end_of_the_connection_is_a_quiet_end(tmp_path):
    code = function(tmp_path, "setInterval(() => {}, 1000);\nexports.handler = async () => 1;\n")
    with loaded(code) as runtime:
        runtime.invoke()

        assert runtime.hang_up() == 0
        assert runtime.output == ""


def test_a_second_load_ends_the_runtime(tmp_path):
    code = returning(tmp_path, "1")
    with loaded(code) as runtime:
        order = wire.Load(
            code=str(code), handler="x.y", environment={}, function_name="f", version=1, function_id="f", memory_mb=1
        )
        runtime.control.sendall(wire.encode(wire.LOAD, order))

        assert runtime.ended() == 70
        assert "frame of kind 1 where only one of 2 may come" in runtime.output


def test_a_run_that_patches_what_the_runtime_uses_is_answered_all_the_same(tmp_path):
    source = """
const fs = require('fs');
exports.handler = async (event, context) => {
  const broken = () => { throw new Error('patched'); };
  for (const name of ['readSync', 'writeSync', 'openSync', 'readFileSync']) fs[name] = broken;
  JSON.parse = JSON.stringify = Date.now = Buffer.byteLength = global.setImmediate = process.exit = broken;
  return context.getRemainingTimeInMillis() > 0;
};
"""
    with loaded(function(tmp_path, source)) as runtime:
        assert [output_of(runtime.invoke()) for _ in range(2)] == [True, True]


# What is left behind


@pytest.mark.parametrize("options", ["{}", "{ detached: true, stdio: 'ignore' }"])
def test_a_process_left_behind_is_reported(tmp_path, options):
    source = (
        "const { spawn } = require('child_process');\n"
        f"exports.handler = async () => {{ spawn('sleep', ['30'], {options}).unref(); }};\n"
    )
    with loaded(function(tmp_path, source)) as runtime:
        assert runtime.invoke().dirty is True


def test_children_that_have_ended_are_no_stain(tmp_path):
    source = (
        "const { promisify } = require('util');\nconst run = promisify(require('child_process').execFile);\n"
        "exports.handler = async () => (await run('echo', ['hello'])).stdout;\n"
    )
    with loaded(function(tmp_path, source)) as runtime:
        results = [runtime.invoke() for _ in range(3)]

    assert [(output_of(result), result.dirty) for result in results] == [("hello\n", False)] * 3


def test_each_run_reports_a_peak_of_its_own(tmp_path):
    source = (
        "const rss = process.memoryUsage.rss;\n"
        "exports.handler = async (size) => {\n"
        "  const before = rss();\n"
        "  const { buffer } = new Uint8Array(size << 20).fill(1);\n"
        "  structuredClone(buffer, { transfer: [buffer] });\n"
        # Node gives the memory back on a thread of its own, some time later: the run waits for that.
        "  do { global.gc(); await new Promise((go) => setTimeout(go, 1)); } while (rss() > before + (20 << 20));\n"
        "};\n"
    )
    setup = "require('v8').setFlagsFromString('--expose-gc');\nglobal.gc = require('vm').runInNewContext('gc');\n"
    with loaded(function(tmp_path, setup + source)) as runtime:
        large, after = (runtime.invoke(size).peak_memory_kb for size in (200, 1))

    assert large > 200 * 1024
    assert after < 200 * 1024
