"""The Python runtime, spoken to over a socket pair as the platform does."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nanogrid import wire
from runtime_harness import PYTHON, error_of, loaded_runtime, output_of, started_runtime, write_code

#: Values that are no JSON, each with what the message says of it.
UNWRITABLE = [
    ("{'items': [0, 0, 0, __import__('datetime').datetime.now()]}", "$.items[3]: datetime"),
    ("{'a b': {1, 2}}", '$["a b"]: set'),
    ("b'bytes'", "$: bytes"),
    ("[float('nan')]", "$[0]: float nan"),
    ("{'x': float('-inf')}", "$.x: float -inf"),
    ("{'x': '\\ud83d'}", "$.x: str with half of a surrogate pair"),
    ("{'\\ud83d': 1}", "$: str with half of a surrogate pair as a key"),
    ("{(1, 2): 3}", "$: tuple as a key"),
    ("[10 ** 5000]", "$[0]: int with too many digits"),
    ("__import__('decimal').Decimal('NaN')", "$: Decimal NaN"),
    ("CYCLE", "$.self: dict that contains itself"),
    ("DEEP", "$: nested too deep"),
    ("ODD", "the items are gone"),
]
#: A process inherits the peak memory of the one that starts it: here that is a shell, else the tests' own.
BY_A_SMALL_PROCESS = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
ODD_VALUES = """
CYCLE = {}
CYCLE['self'] = CYCLE
DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]
class Odd(dict):
    def items(self):
        raise RuntimeError('the items are gone')
ODD = Odd(a=1)
"""


def function(tmp_path: Path, source: str, **files: str) -> Path:
    return write_code(tmp_path / "code", {"main.py": source, **files})


def returning(tmp_path: Path, expression: str, setup: str = "") -> Path:
    return function(tmp_path, f"{setup}\ndef handler(event, context):\n    return {expression}\n")


def load_error(code: Path, handler: str = "main.handler", **fields) -> wire.WireError:
    with started_runtime(PYTHON, code) as runtime:
        error = runtime.load(code, handler, **fields)
    assert error is not None
    return error


# What goes in and out


def test_the_event_goes_in_and_the_return_value_comes_out(tmp_path):
    with loaded_runtime(PYTHON, returning(tmp_path, "{'saw': event}")) as runtime:
        result = runtime.invoke({"name": "Ada", "n": [1, 2.5, None, True]})

    assert output_of(result) == {"saw": {"name": "Ada", "n": [1, 2.5, None, True]}}
    assert result.dirty is False


def test_text_of_any_alphabet_comes_back_as_it_went(tmp_path):
    text = "\u2603 \u05e9\u05dc \U0001f3f4 \x00 \u2028 \U0001d49c"
    with loaded_runtime(PYTHON, returning(tmp_path, "event")) as runtime:
        result = runtime.invoke_raw(json.dumps(text, ensure_ascii=False).encode())

    assert bytes(result.output) == json.dumps(text, ensure_ascii=False).encode()


def test_a_large_event_and_a_large_result_pass(tmp_path):
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    with loaded_runtime(PYTHON, returning(tmp_path, "event")) as runtime:
        result = runtime.invoke_raw(event)

    assert bytes(result.output) == event


def test_decimals_become_floats_as_lambda_has_it(tmp_path):
    code = returning(tmp_path, "{'price': Decimal('1.50')}", "from decimal import Decimal")
    with loaded_runtime(PYTHON, code) as runtime:
        result = runtime.invoke()

    assert output_of(result) == {"price": 1.5}


def test_state_of_the_module_lives_on_between_runs(tmp_path):
    code = returning(tmp_path, "calls.append(1) or len(calls)", "calls = []")
    with loaded_runtime(PYTHON, code) as runtime:
        counts = [output_of(runtime.invoke()) for _ in range(3)]

    assert counts == [1, 2, 3]


def test_one_event_loop_serves_all_runs_of_an_async_handler(tmp_path):
    source = (
        "import asyncio\nloops = set()\nasync def handler(event, context):\n    await asyncio.sleep(0)\n"
        "    loops.add(id(asyncio.get_running_loop()))\n    return len(loops)\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        counts = [output_of(runtime.invoke()) for _ in range(3)]

    assert counts == [1, 1, 1]


def test_a_sync_handler_may_use_asyncio_run_itself(tmp_path):
    code = returning(tmp_path, "asyncio.run(work())", "import asyncio\nasync def work():\n    return 7")
    with loaded_runtime(PYTHON, code) as runtime:
        outputs = [output_of(runtime.invoke()) for _ in range(2)]

    assert outputs == [7, 7]


# Context and surroundings


def test_the_context_is_lambdas(tmp_path):
    names = (
        "aws_request_id function_name function_version memory_limit_in_mb invoked_function_arn log_group_name "
        "log_stream_name identity client_context run_id attempt"
    )
    code = returning(tmp_path, f"[getattr(context, name) for name in '{names}'.split()]")
    with loaded_runtime(PYTHON, code) as runtime:
        result = runtime.invoke(run_id="run_42")

    arn = "arn:aws:lambda:local:000000000000:function:probe"
    assert output_of(result) == [
        *("run_42", "probe", "3", "128", arn, "/aws/lambda/probe", "3/fn_1", None, None, "run_42", 2)
    ]


def test_the_context_counts_the_time_that_remains(tmp_path):
    code = returning(tmp_path, "context.get_remaining_time_in_millis()")
    with loaded_runtime(PYTHON, code) as runtime:
        left = output_of(runtime.invoke(deadline_ms=int(time.time() * 1000) + 60_000))
        over = output_of(runtime.invoke(deadline_ms=1))

    assert 0 < left <= 60_000
    assert over == 0


def test_the_environment_is_the_functions_and_nothing_else(tmp_path):
    code = returning(tmp_path, "dict(os.environ)", "import os")
    with loaded_runtime(PYTHON, code, environment={"COLOUR": "blue", "TZ": "Asia/Tokyo"}) as runtime:
        environment = output_of(runtime.invoke())

    assert environment == {
        "COLOUR": "blue",
        "TZ": "Asia/Tokyo",
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "TMPDIR": "/tmp",  # noqa: S108 - likewise
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "_HANDLER": "main.handler",
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_LAMBDA_FUNCTION_NAME": "probe",
        "AWS_LAMBDA_FUNCTION_VERSION": "3",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    }


def test_the_time_zone_is_utc_unless_the_function_says_otherwise(tmp_path):
    code = returning(tmp_path, "time.tzname[0]", "import time")
    with loaded_runtime(PYTHON, code) as plain, loaded_runtime(PYTHON, code, environment={"TZ": "XYZ-3"}) as chosen:
        names = [output_of(runtime.invoke()) for runtime in (plain, chosen)]

    assert names == ["UTC", "XYZ"]


def test_the_code_is_the_working_directory_and_first_on_the_path(tmp_path):
    code = returning(tmp_path, "[os.getcwd(), sys.path[0], sys.argv, helper.NAME]", "import os, sys, helper")
    write_code(code, {"helper.py": "NAME = 'mine'\n"})
    with loaded_runtime(PYTHON, code) as runtime:
        seen = output_of(runtime.invoke())

    assert seen == [str(code), str(code), [""], "mine"]


@pytest.mark.parametrize("handler", ["shop.orders.place", "shop/orders.place", "resource.place"])
def test_handlers_lie_in_modules_and_packages(tmp_path, handler):
    source = "def place(event, context):\n    return __name__\n"
    code = write_code(tmp_path / "code", {"shop/__init__.py": "", "shop/orders.py": source, "resource.py": source})
    with loaded_runtime(PYTHON, code, handler) as runtime:
        name = output_of(runtime.invoke())

    assert name == handler.rpartition(".")[0].replace("/", ".")


def test_children_of_the_function_do_not_inherit_the_control_socket(tmp_path):
    code = returning(
        tmp_path,
        "subprocess.run(['ls', '-l', '/proc/self/fd'], close_fds=False, capture_output=True).stdout.decode()",
        "import subprocess",
    )
    with loaded_runtime(PYTHON, code) as runtime:
        listing = output_of(runtime.invoke())

    assert "socket:" not in listing


# What the function writes


def test_everything_written_is_out_before_the_result(tmp_path):
    source = (
        "import os, sys\ndef handler(event, context):\n    print('to stdout ☃', '\\ud800', end='')\n"
        "    sys.stderr.write('to stderr')\n    os.write(1, b' raw')\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        runtime.invoke()
        written = runtime.output

    assert sorted(written.replace(" raw", "")) == sorted("to stdout ☃ \\ud800" + "to stderr")


def test_the_root_logger_writes_to_stderr_at_the_functions_own_level(tmp_path):
    source = (
        "import logging\nlogger = logging.getLogger()\nlogger.setLevel(logging.INFO)\n"
        "def handler(event, context):\n    logger.info('seen %s', event)\n    logger.debug('unseen')\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        runtime.invoke("Ada", run_id="run_7")
        line = runtime.output

    assert line.startswith("[INFO]\t20")
    assert line.endswith("Z\trun_7\tseen Ada\n")


def test_logging_that_the_function_has_set_up_is_left_alone(tmp_path):
    source = (
        "import logging\nlogging.basicConfig(format='mine: %(message)s')\n"
        "def handler(event, context):\n    logging.warning('careful')\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        runtime.invoke()

        assert runtime.output == "mine: careful\n"


# Failures of a run


def test_an_exception_shows_the_users_frames_with_their_source(tmp_path):
    source = "import json\nfrom lib.deep import inner\ndef handler(event, context):\n    return inner(event)\n"
    code = function(tmp_path, source, **{"lib/deep.py": "import json\ndef inner(text):\n    return json.loads(text)\n"})
    with loaded_runtime(PYTHON, code) as runtime:
        error = error_of(runtime.invoke("{"))

    assert (error.kind, error.type) == ("exception", "JSONDecodeError")
    assert error.message.startswith("Expecting property name")
    assert error.stack_trace == [
        "main.py:4 in handler: return inner(event)",
        "lib/deep.py:3 in inner: return json.loads(text)",
    ]


def test_the_cause_of_an_exception_is_told_after_its_own_frames(tmp_path):
    source = (
        "def handler(event, context):\n    try:\n        {}['key']\n    except KeyError as exc:\n"
        "        raise LookupError('no such order') from exc\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        error = error_of(runtime.invoke())

    assert error.stack_trace == [
        "main.py:5 in handler: raise LookupError('no such order') from exc",
        "caused by KeyError: 'key'",
        "main.py:3 in handler: {}['key']",
    ]


def test_the_runtime_goes_on_after_an_exception(tmp_path):
    with loaded_runtime(PYTHON, returning(tmp_path, "1 / event")) as runtime:
        error = error_of(runtime.invoke(0))
        result = runtime.invoke(4)

    assert (error.type, error.message) == ("ZeroDivisionError", "division by zero")
    assert output_of(result) == 0.25


@pytest.mark.parametrize("name", ["KeyboardInterrupt", "GeneratorExit", "BaseException", "StopIteration"])
def test_every_exception_is_an_answer(tmp_path, name):
    source = f"def handler(event, context):\n    raise {name}('now')\n"
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        error = error_of(runtime.invoke())

    assert (error.kind, error.type, error.message) == ("exception", name, "now")


def test_endless_recursion_is_an_exception_with_a_short_trace(tmp_path):
    source = "def handler(event, context):\n    return handler(event, context)\n"
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        error = error_of(runtime.invoke())
        again = error_of(runtime.invoke())

    assert error.type == again.type == "RecursionError"
    assert len(error.stack_trace) == 41
    assert "more frames" in error.stack_trace[10]


def test_an_exception_whose_text_is_huge_or_broken_is_still_told(tmp_path):
    source = (
        "class Broken(Exception):\n    def __str__(self):\n        raise ValueError('no text')\n"
        "def handler(event, context):\n    raise Broken() if event else Exception('\\ud800' * 10_000_000)\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        broken, huge = error_of(runtime.invoke(1)), error_of(runtime.invoke(0))

    assert broken.message == "the exception cannot be shown: its __str__ raised ValueError"
    assert huge.message.startswith("\\ud800\\ud800")
    assert len(huge.message) < 50_000


def test_running_out_of_memory_has_a_kind_of_its_own(tmp_path):
    with loaded_runtime(PYTHON, returning(tmp_path, "'x' * (1 << 62)")) as runtime:
        error = error_of(runtime.invoke())

    assert (error.kind, error.type) == ("out_of_memory", "MemoryError")


@pytest.mark.parametrize(
    ("call", "code"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('bye')", 1), ("exit(5)", 5)]
)
def test_sys_exit_is_answered_and_then_obeyed(tmp_path, call, code):
    with loaded_runtime(PYTHON, returning(tmp_path, call, "import sys")) as runtime:
        error = error_of(runtime.invoke())
        exit_code = runtime.ended()

    assert (error.kind, error.type) == ("exited", "SystemExit")
    assert "sys.exit(" in error.message
    assert exit_code == code


def test_a_result_over_the_limit_is_refused_with_both_sizes(tmp_path):
    with loaded_runtime(PYTHON, returning(tmp_path, "'x' * event"), max_output=1000) as runtime:
        fits = runtime.invoke(998)
        error = error_of(runtime.invoke(999))

    assert len(fits.output) == 1000
    assert error.kind == "result_too_large"
    assert "1001 bytes; 1000 are allowed" in error.message


@pytest.mark.parametrize(("expression", "fault"), UNWRITABLE)
def test_a_result_that_is_no_json_is_refused_with_its_place(tmp_path, expression, fault):
    with loaded_runtime(PYTHON, returning(tmp_path, expression, ODD_VALUES)) as runtime:
        error = error_of(runtime.invoke())
        healthy = error_of(runtime.invoke())

    assert error.kind == healthy.kind == "result_not_serializable"
    assert fault in error.message


@pytest.mark.parametrize("event", [b"1" * 5000, b"[" * 100_000 + b"]" * 100_000])
def test_an_event_that_python_cannot_read_fails_the_run_and_not_the_runtime(tmp_path, event):
    with loaded_runtime(PYTHON, returning(tmp_path, "1")) as runtime:
        error = error_of(runtime.invoke_raw(event))
        healthy = runtime.invoke()

    assert error.kind == "exception"
    assert error.message.startswith("Python cannot read the event")
    assert output_of(healthy) == 1


# Failures of an import


def test_a_missing_dependency_is_named_with_the_line_that_wants_it(tmp_path):
    error = load_error(function(tmp_path, "import os\nimport not_there\ndef handler(e, c): pass\n"))

    assert (error.kind, error.type) == ("init_failed", "ModuleNotFoundError")
    assert error.message == "No module named 'not_there'"
    assert error.stack_trace == ["main.py:2 in <module>: import not_there"]


def test_a_syntax_error_is_told_with_file_and_line(tmp_path):
    error = load_error(function(tmp_path, "import lib\n", **{"lib.py": "x = 1\ndef broken(:\n"}))

    assert (error.kind, error.type) == ("init_failed", "SyntaxError")
    assert "(lib.py, line 2)" in error.message
    assert error.stack_trace[-1] == "lib.py:2 in <module>: def broken(:"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("main.handle", "no function 'handle'; it has: Shop, handler"),
        ("main.NUMBER", "no function 'NUMBER'"),
        ("index.handler", "module 'index' is not in the archive; it has: main.py"),
        ("pkg/index.handler", "module 'pkg' is not in the archive"),
        ("handler", "not of the form module.function"),
        ("main.", "not of the form module.function"),
    ],
)
def test_a_handler_that_is_not_there_is_told_with_what_is(tmp_path, handler, message):
    source = "from os import path, getcwd\nNUMBER = 1\nclass Shop: pass\ndef handler(event, context): pass\n"
    error = load_error(function(tmp_path, source), handler)

    assert (error.kind, error.type) == ("init_failed", "HandlerNotFound")
    assert message in error.message


def test_sys_exit_during_the_import_is_an_init_failure(tmp_path):
    error = load_error(function(tmp_path, "import sys\nsys.exit('no settings')\n"))

    assert (error.kind, error.type) == ("init_failed", "SystemExit")
    assert error.message == "The code called sys.exit('no settings') while it was imported."


def test_a_failed_import_is_not_tried_again(tmp_path):
    code = function(tmp_path, "raise ValueError('no')\n")
    with started_runtime(PYTHON, code) as runtime:
        assert runtime.load(code, "main.handler") is not None
        runtime.send_event(b"1")

        assert runtime.ended() == 70


# The protocol


def test_the_end_of_the_connection_is_a_quiet_end(tmp_path):
    setup = (
        "import atexit, threading\natexit.register(print, 'late')\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
    )
    with loaded_runtime(PYTHON, returning(tmp_path, "1", setup)) as runtime:
        runtime.invoke()

        assert runtime.hang_up() == 0
        assert runtime.output == ""


def test_a_second_load_ends_the_runtime(tmp_path):
    code = returning(tmp_path, "1")
    with loaded_runtime(PYTHON, code) as runtime:
        order = wire.Load(
            code=str(code),
            handler="main.handler",
            environment={},
            function_name="f",
            version=1,
            function_id="f",
            memory_mb=1,
        )
        runtime.control.sendall(wire.encode(wire.LOAD, order))

        assert runtime.ended() == 70
        assert "frame of kind 1 where only one of kind 2 may come" in runtime.output


def test_a_run_that_patches_what_the_runtime_uses_is_answered_all_the_same(tmp_path):
    source = """
import builtins, json, os, sys, time, resource
def handler(event, context):
    def broken(*a, **k):
        raise RuntimeError('patched')
    for module, names in ((json, 'dumps loads'), (os, 'read write getpid waitpid open close readv'), (time, 'time')):
        for name in names.split():
            setattr(module, name, broken)
    resource.getrusage = builtins.open = broken
    sys.stdout = sys.stderr = None
    return context.get_remaining_time_in_millis() > 0
"""
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        outputs = [output_of(runtime.invoke()) for _ in range(2)]

    assert outputs == [True, True]


def test_a_forked_child_that_returns_from_the_handler_answers_nothing(tmp_path):
    source = (
        "import os\ndef handler(event, context):\n    child = os.fork()\n    if child == 0:\n"
        "        return 'from the child'\n    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
    )
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        outputs = [output_of(runtime.invoke()) for _ in range(2)]

    assert outputs == [0, 0]


# What is left behind


@pytest.mark.parametrize("daemonise", ["pass", "os.setsid(); os.fork() and os._exit(0)"])
def test_a_process_left_behind_is_reported(tmp_path, daemonise):
    source = f"""
import os, time
def handler(event, context):
    if os.fork() == 0:
        {daemonise}
        time.sleep(30)
        os._exit(0)
"""
    with loaded_runtime(PYTHON, function(tmp_path, source)) as runtime:
        result = runtime.invoke()

    assert result.dirty is True


def test_children_that_have_ended_are_reaped_and_no_stain(tmp_path):
    code = returning(tmp_path, "subprocess.run(['true']).returncode", "import subprocess")
    with loaded_runtime(PYTHON, code) as runtime:
        results = [runtime.invoke() for _ in range(3)]

    assert [output_of(result) for result in results] == [0, 0, 0]
    assert not any(result.dirty for result in results)


@pytest.mark.parametrize("starter", [[], BY_A_SMALL_PROCESS], ids=["large starter", "small starter"])
def test_each_run_reports_a_peak_of_its_own(tmp_path, starter):
    code = returning(tmp_path, "len(b'x' * (event * 1024 * 1024))")
    with loaded_runtime([*starter, *PYTHON], code) as runtime:
        small, large, after = (runtime.invoke(size).peak_memory_kb for size in (1, 100, 1))

    assert small < 40 * 1024
    assert large > 100 * 1024
    assert after < 60 * 1024


def test_a_spare_has_imported_next_to_nothing(tmp_path):
    code = returning(tmp_path, "sorted(sys.modules)", "import sys")
    with loaded_runtime(PYTHON, code) as runtime:
        modules = output_of(runtime.invoke())

    assert not {"json", "re", "enum", "typing", "traceback", "socket", "ctypes", "collections"} & set(modules)


@pytest.mark.parametrize("minor", range(8, 15))
def test_the_runtime_works_under_every_python_that_is_here(tmp_path, minor):
    python = find_python(minor)
    if python is None:
        pytest.skip(f"there is no python3.{minor}")
    code = returning(tmp_path, "1 / event if event != 9 else {9}")
    with loaded_runtime([python, *PYTHON[1:]], code) as runtime:
        output = output_of(runtime.invoke(4))
        raised, unwritable = error_of(runtime.invoke(0)), error_of(runtime.invoke(9))

    assert output == 0.25
    assert raised.stack_trace == ["main.py:3 in handler: return 1 / event if event != 9 else {9}"]
    assert "$: set" in unwritable.message


def find_python(minor: int) -> str | None:
    """A Python of that version which starts: a version manager's stand-in may be on PATH and lead nowhere."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = Path(folder) / f"python3.{minor}"
        if os.access(path, os.X_OK) and subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0:
            return str(path)
    return sys.executable if sys.version_info[1] == minor else None
