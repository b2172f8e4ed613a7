"""The command runtime, spoken to over a socket pair as the platform does."""

from pathlib import Path

import pytest

from nanogrid import wire
from runtime_harness import COMMAND, error_of, loaded_runtime, output_of, started_runtime, write_code


def command(tmp_path: Path, script: str, *, first_line: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    code = write_code(tmp_path / "code", {"run.sh": first_line + script + "\n"})
    (code / "run.sh").chmod(mode)
    return code


def loaded(code: Path, handler: str = "run.sh", **fields):
    return loaded_runtime(COMMAND, code, handler, **fields)


def load_error(code: Path, handler: str = "run.sh") -> wire.WireError:
    with started_runtime(COMMAND, code) as runtime:
        error = runtime.load(code, handler)
    assert error is not None
    return error


# What goes in and out


def test_the_event_is_stdin_and_the_output_is_stdout(tmp_path):
    with loaded(command(tmp_path, "exec cat")) as runtime:
        results = [runtime.invoke({"name": "Ada \u2603"}), runtime.invoke(7)]

    assert [output_of(result) for result in results] == [{"name": "Ada \u2603"}, 7]
    assert not any(result.dirty for result in results)


def test_the_output_passes_byte_for_byte_without_the_space_around_it(tmp_path):
    with loaded(command(tmp_path, 'printf \'\\n {"n": 1.50, "n": 2e0} \\n\\n\'')) as runtime:
        result = runtime.invoke()

    assert bytes(result.output) == b'{"n": 1.50, "n": 2e0}'


@pytest.mark.parametrize("script", ["true", "printf ' \\n'"])
def test_no_output_is_null(tmp_path, script):
    with loaded(command(tmp_path, script)) as runtime:
        assert output_of(runtime.invoke()) is None


def test_a_large_event_and_a_large_result_pass(tmp_path):
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    with loaded(command(tmp_path, "exec cat")) as runtime:
        result = runtime.invoke_raw(event)

    assert bytes(result.output) == event


def test_a_command_need_not_read_its_input(tmp_path):
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    with loaded(command(tmp_path, "exec <&-\necho 1")) as runtime:
        assert output_of(runtime.invoke_raw(event)) == 1


def test_stderr_is_the_log(tmp_path):
    with loaded(command(tmp_path, "echo one >&2; echo two >&2")) as runtime:
        runtime.invoke()

        assert runtime.output == "one\ntwo\n"


def test_the_environment_is_the_functions_and_the_runs(tmp_path):
    code = command(
        tmp_path,
        "print(json.dumps([dict(os.environ), os.getcwd(), sys.argv]))",
        first_line="#!/usr/bin/env -S python3 -S\nimport json, os, sys\n",
    )
    with loaded(code, environment={"COLOUR": "blue", "PATH": "/usr/bin:/bin"}) as runtime:
        environment, folder, arguments = output_of(runtime.invoke(run_id="run_9", deadline_ms=123456))

    assert environment["COLOUR"] == "blue"
    assert environment["PATH"] == "/usr/bin:/bin"
    assert environment["NANOGRID_RUN_ID"] == "run_9"
    assert environment["NANOGRID_FUNCTION_NAME"] == "probe"
    assert environment["NANOGRID_DEADLINE_MS"] == "123456"
    assert (folder, arguments) == (str(code), [str(code / "run.sh")])


def test_signals_mean_to_a_command_what_they_mean_in_a_shell(tmp_path):
    with loaded(command(tmp_path, "yes | head -n 1 >&2; echo '\"done\"'")) as runtime:
        result = runtime.invoke()

    assert output_of(result) == "done"
    assert runtime.output == "y\n"


def test_the_command_does_not_inherit_the_control_socket(tmp_path):
    with loaded(command(tmp_path, "ls -l /proc/self/fd >&2")) as runtime:
        runtime.invoke()

        assert "pipe:" in runtime.output
        assert "socket:" not in runtime.output


# Failures of a run


def test_an_exit_code_is_told_with_what_was_written_last(tmp_path):
    with loaded(command(tmp_path, "echo 'first' >&2; echo 'no such order' >&2; echo '[1'; exit 3")) as runtime:
        error = error_of(runtime.invoke())
        again = error_of(runtime.invoke())

    assert (error.kind, error.type) == ("exited", "exited")
    assert error.message == "run.sh ended with exit code 3. It wrote last: first\nno such order"
    assert again == error


@pytest.mark.parametrize("name", ["SEGV", "KILL", "TERM"])
def test_a_signal_is_told_by_its_name(tmp_path, name):
    with loaded(command(tmp_path, f"kill -{name} $$")) as runtime:
        error = error_of(runtime.invoke())

    assert error.message == f"run.sh was ended by SIG{name}. It wrote nothing to stderr."


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("hello", "no value"),
        ('{"a": 1} trailing', "more text after the value"),
        ("[NaN]", "NaN is no JSON"),
        ('{"a": ', "no value at character"),
        (r'["\\ud83d"]', "$[0]: str with half of a surrogate pair"),
        (r"\377", "can't decode byte"),
    ],
)
def test_output_that_is_no_json_is_told_with_its_beginning(tmp_path, output, reason):
    with loaded(command(tmp_path, f"printf '{output}'")) as runtime:
        error = error_of(runtime.invoke())

    assert error.kind == "result_not_serializable"
    assert reason in error.message
    assert "It begins: " in error.message


def test_the_beginning_of_a_long_output_is_short(tmp_path):
    with loaded(command(tmp_path, "head -c 100000 /dev/zero | tr '\\0' x")) as runtime:
        error = error_of(runtime.invoke())

    assert error.message.endswith("It begins: " + "x" * 200)


def test_a_command_that_writes_without_end_is_stopped_at_the_limit(tmp_path):
    with loaded(command(tmp_path, "yes")) as runtime:
        result = runtime.invoke()

    assert error_of(result).kind == "result_too_large"
    assert result.dirty is False


def test_a_result_over_a_smaller_limit_is_refused(tmp_path):
    with loaded(command(tmp_path, "exec cat"), max_output=10) as runtime:
        fits = runtime.invoke("12345678")
        error = error_of(runtime.invoke("123456789"))

    assert output_of(fits) == "12345678"
    assert error.kind == "result_too_large"


@pytest.mark.parametrize(
    ("first_line", "hint"), [("", "It needs a first line"), ("#!/no/such/shell\n", "The interpreter in its first line")]
)
def test_a_command_that_cannot_start_is_told_with_what_to_do(tmp_path, first_line, hint):
    with loaded(command(tmp_path, "true", first_line=first_line)) as runtime:
        error = error_of(runtime.invoke())

    assert error.kind == "exception"
    assert hint in error.message


# Failures of an import


@pytest.mark.parametrize("handler", ["go.sh", "../code/other", "/bin/true", "bin"])
def test_a_command_that_is_not_in_the_archive_is_an_init_failure(tmp_path, handler):
    code = command(tmp_path, "true")
    (code / "bin").mkdir()
    error = load_error(code, handler)

    assert (error.kind, error.type) == ("init_failed", "HandlerNotFound")
    assert error.message == f"The handler {handler!r} is not in the archive; it has: bin, run.sh."


def test_a_command_without_its_mode_bits_is_an_init_failure(tmp_path):
    error = load_error(command(tmp_path, "true", mode=0o644))

    assert error.kind == "init_failed"
    assert "is not executable: set its mode with chmod +x" in error.message


# What is left behind


def test_what_a_command_starts_ends_with_the_run(tmp_path):
    with loaded(command(tmp_path, "sleep 60 & sleep 60 & echo $!")) as runtime:
        result = runtime.invoke()
        child = output_of(result)

    assert result.dirty is False
    assert not Path(f"/proc/{child}").exists()


def test_a_process_that_left_the_group_is_reported(tmp_path):
    script = (
        "mkfifo $READY\nsetsid sh -c 'echo > $READY; exec sleep 30' >/dev/null 2>&1 &\n"
        "read line < $READY\necho 1"
    )  # fmt: skip
    with loaded(command(tmp_path, script), environment={"READY": str(tmp_path / "ready")}) as runtime:
        result = runtime.invoke()

    assert (output_of(result), result.dirty) == (1, True)


def test_each_run_reports_a_peak_of_its_own(tmp_path):
    script = "import json, sys\nprint(len(b'x' * (json.load(sys.stdin) << 20)))"
    with loaded(command(tmp_path, script, first_line="#!/usr/bin/env -S python3 -S\n")) as runtime:
        large, small = (runtime.invoke(size).peak_memory_kb for size in (200, 1))

    assert large > 200 * 1024
    assert small < 100 * 1024


# The protocol


def test_the_end_of_the_connection_is_a_quiet_end(tmp_path):
    with loaded(command(tmp_path, "true")) as runtime:
        runtime.invoke()

        assert runtime.hang_up() == 0
        assert runtime.output == ""


def test_a_second_load_ends_the_runtime(tmp_path):
    code = command(tmp_path, "true")
    with loaded(code) as runtime:
        order = wire.Load(
            code=str(code), handler="run.sh", environment={}, function_name="f", version=1, function_id="f", memory_mb=1
        )
        runtime.control.sendall(wire.encode(wire.LOAD, order))

        assert runtime.ended() == 70
