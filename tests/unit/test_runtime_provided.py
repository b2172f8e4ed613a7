"""The runtime `provided`, spoken to over a socket pair: bootstraps that ask Lambda's Runtime API for their events."""

import sys
import time
from importlib.metadata import distribution
from pathlib import Path

from provided_programs import C, compile_c, needs_cc
from runtime_harness import COMMAND, error_of, output_of, started_runtime

#: A bootstrap in Python: `answer` is called with the event, and a function that asks the API.
CLIENT = f"""#!{sys.executable} -S
import json, os, sys, urllib.request, urllib.error
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def ask(path, body=None, headers={{}}):
    try:
        with urllib.request.urlopen(urllib.request.Request(API + path, body, headers)) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, dict(exc.headers), exc.read()
def events():
    while True:
        _, headers, body = ask("invocation/next")
        yield headers, json.loads(body)
def answer(headers, body, what="response"):
    return ask("invocation/" + headers["Lambda-Runtime-Aws-Request-Id"] + "/" + what, body)
"""


def bootstrap(tmp_path: Path, script: str) -> Path:
    return written(tmp_path, CLIENT + script)


def written(tmp_path: Path, text: str) -> Path:
    code = tmp_path / "code"
    code.mkdir(exist_ok=True)
    (code / "bootstrap").write_text(text)
    (code / "bootstrap").chmod(0o755)
    return code


class Loaded:
    """A started runtime with the code loaded."""

    def __init__(self, code: Path, handler: str = "main.handler") -> None:
        self._started, self._code, self._handler = started_runtime(COMMAND, code), code, handler

    def __enter__(self):
        self.runtime = self._started.__enter__()
        self.error = self.runtime.load(self._code, self._handler, runtime="provided")
        return self.runtime if self.error is None else self

    def __exit__(self, *raised):
        return self._started.__exit__(*raised)


def load_error(code: Path):
    with Loaded(code) as loaded:
        return loaded.error


ECHO = """for headers, event in events():
    answer(headers, json.dumps([event, headers['Lambda-Runtime-Deadline-Ms']]).encode())
"""


def test_a_bootstrap_answers_one_event_after_the_other(tmp_path):
    with Loaded(bootstrap(tmp_path, ECHO)) as runtime:
        results = [runtime.invoke({"n": n}, deadline_ms=7000 + n) for n in range(3)]

    assert [output_of(result) for result in results] == [[{"n": n}, str(7000 + n)] for n in range(3)]
    assert not any(result.dirty for result in results)
    assert all(result.peak_memory_kb > 0 for result in results)


def test_it_finds_what_it_finds_on_lambda(tmp_path):
    script = (
        "for headers, event in events():\n"
        "    found = {name: os.environ.get(name) for name in event}\n"
        "    answer(headers, json.dumps([found, dict(headers), os.getcwd()]).encode())\n"
    )
    code = bootstrap(tmp_path, script)
    with Loaded(code, "app.run") as runtime:
        environment, headers, folder = output_of(
            runtime.invoke(["_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_NAME", "NOTHING"], run_id="run_9")
        )

    assert environment == {
        "_HANDLER": "app.run",
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_LAMBDA_FUNCTION_NAME": "probe",
        "NOTHING": None,
    }
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "run_9"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"].endswith(":function:probe")
    assert folder == str(code)


def test_an_error_that_it_reports_is_the_runs_error(tmp_path):
    script = (
        "for headers, event in events():\n"
        "    said = {'errorType': 'Oops', 'errorMessage': event, 'stackTrace': ['a', 'b']}\n"
        "    answer(headers, json.dumps(said).encode(), 'error')\n"
    )
    with Loaded(bootstrap(tmp_path, script)) as runtime:
        error = error_of(runtime.invoke("why"))
        again = error_of(runtime.invoke("again"))

    assert (error.kind, error.type, error.message, error.stack_trace) == ("exception", "Oops", "why", ["a", "b"])
    assert again.message == "again"


def test_a_start_that_fails_says_why(tmp_path):
    said = load_error(
        bootstrap(tmp_path, 'ask("init/error", b\'{"errorType": "Broken", "errorMessage": "no database"}\')\n')
    )
    ended = load_error(bootstrap(tmp_path, "sys.exit(3)\n"))

    assert (said.kind, said.type, said.message) == ("init_failed", "Broken", "no database")
    assert (ended.kind, ended.type) == ("init_failed", "Runtime.ExitError")
    assert "exit code 3" in ended.message


def test_an_archive_without_a_bootstrap_says_so(tmp_path):
    code = written(tmp_path, "#!/bin/sh\n")
    (code / "bootstrap").chmod(0o644)
    not_executable = load_error(code)
    (code / "bootstrap").rename(code / "other")
    absent = load_error(code)

    assert "chmod +x" in not_executable.message
    assert "has no file 'bootstrap' at its top; it has: other" in absent.message


def test_a_bootstrap_that_ends_in_the_middle_is_exited_and_leaves_the_sandbox_dirty(tmp_path):
    with Loaded(bootstrap(tmp_path, "for headers, event in events():\n    sys.exit(4)\n")) as runtime:
        result = runtime.invoke(1)

    assert (error_of(result).kind, result.dirty) == ("exited", True)
    assert "exit code 4" in error_of(result).message


def test_what_is_no_json_or_too_much_is_the_runs_error(tmp_path):
    script = "for headers, event in events():\n    answer(headers, b'x' * event)\n"
    with Loaded(bootstrap(tmp_path, script)) as runtime:
        no_json = error_of(runtime.invoke(3))
        nothing = runtime.invoke(0)
        too_large = error_of(runtime.invoke(7 * 1024 * 1024))

    assert (no_json.kind, no_json.message[:39]) == (
        "result_not_serializable",
        "bootstrap answered with no JSON: no val",
    )
    assert output_of(nothing) is None
    assert too_large.kind == "result_too_large"


def test_answers_in_chunks_and_answers_to_nothing(tmp_path):
    script = (
        "import http.client\n"
        "for headers, event in events():\n"
        "    stale = ask('invocation/run_0/response', b'1')[0], ask('elsewhere', b'')[0]\n"
        "    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "    path = '/2018-06-01/runtime/invocation/' + headers['Lambda-Runtime-Aws-Request-Id'] + '/response'\n"
        "    pieces = iter([b'[', json.dumps(stale).encode(), b',2]'])\n"
        "    connection.request('POST', path, pieces, encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})\n"
        "    connection.getresponse().read()\n"
    )
    with Loaded(bootstrap(tmp_path, script)) as runtime:
        assert output_of(runtime.invoke(1)) == [[400, 404], 2]


def test_what_it_leaves_running_makes_the_sandbox_dirty(tmp_path):
    script = (
        "import subprocess\n"
        "for headers, event in events():\n"
        "    subprocess.run(['sh', '-c', 'sleep 100 & exit 0'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "    answer(headers, b'1')\n"
    )
    with Loaded(bootstrap(tmp_path, script)) as runtime:
        assert runtime.invoke(1).dirty


@needs_cc
def test_a_bootstrap_that_was_compiled_from_c_runs_as_it_is(tmp_path):
    with Loaded(compile_c(C, tmp_path).parent) as runtime:
        assert [output_of(runtime.invoke(n)) for n in (1, 2)] == [{"c": 1}, {"c": 2}]


def test_awss_own_runtime_client_for_python_runs_as_it_is(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or []} - {".."}:
            if not (code / top).exists():
                (code / top).symlink_to(Path(str(found.locate_file(top))))
    (code / "app.py").write_text(
        "def run(event, context):\n"
        "    print('logged')\n"
        "    if event == 'bad':\n"
        "        raise KeyError('missing')\n"
        "    return [event, context.aws_request_id, context.get_remaining_time_in_millis() > 0]\n"
    )
    (code / "bootstrap").write_text(f'#!/bin/sh\nexec {sys.executable} -S -m awslambdaric "$_HANDLER"\n')
    (code / "bootstrap").chmod(0o755)
    with Loaded(code, "app.run") as runtime:
        good = output_of(runtime.invoke("x", run_id="run_7", deadline_ms=int(time.time() * 1000) + 60_000))
        bad = error_of(runtime.invoke("bad"))

    assert good == ["x", "run_7", True]
    assert (bad.kind, bad.type) == ("exception", "KeyError")
    assert "app.py" in "".join(bad.stack_trace)
    assert "logged" in runtime.output
