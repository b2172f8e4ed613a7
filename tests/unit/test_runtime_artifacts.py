"""Files that a run leaves: each runtime hands them over, follows nothing, waits for nothing, and cleans up."""

import json
from contextlib import contextmanager

import msgspec
import pytest

from nanogrid import wire
from nanogrid.model import ArtifactLimits
from runtime_harness import COMMAND, NODE, PYTHON, loaded_runtime, needs_node, output_of, write_code

#: Runs the event, which is Python, in the output folder, and returns what it leaves in `seen`.
SHELL = """#!/usr/bin/env python3
import json, os, sys
def handler(event, context):
    names = {"os": os, "seen": None}
    os.chdir(os.environ["NANOGRID_OUTPUT"])
    exec(event, names)
    os.chdir("/")
    return names["seen"]
if __name__ == "__main__":
    print(json.dumps(handler(json.load(sys.stdin), None)))
"""
#: The same for Node, which has a Python do it.
NODE_SHELL = """
const { execFileSync } = require("child_process");
exports.handler = async (event) =>
  JSON.parse(execFileSync("python3", [__dirname + "/main.py"], {
    input: JSON.stringify(event),
    stdio: ["pipe", "pipe", "inherit"],
  }));
"""
LIMITS = ArtifactLimits(count=3, file_bytes=3_000_000, total_bytes=4_000_000)
RUNTIMES = [
    pytest.param((PYTHON, "main.handler"), id="python"),
    pytest.param((COMMAND, "main.py"), id="command"),
    pytest.param((NODE, "main.handler"), id="node", marks=needs_node),
]


class Left:
    """What a run left."""

    def __init__(self):
        self.files = {}
        self.pieces = 0


@pytest.fixture(params=RUNTIMES)
def started(request, tmp_path):
    command, handler = request.param
    code = write_code(tmp_path / "code", {"main.py": SHELL, "main.js": NODE_SHELL})
    (code / "main.py").chmod(0o755)

    @contextmanager
    def open_runtime(limits=LIMITS):
        with loaded_runtime(command, code, handler, artifacts=limits) as runtime:
            yield runtime

    return open_runtime


def run(runtime, source):
    """Run the source in the output folder; the result, and what was handed over."""
    runtime.send_event(json.dumps(source).encode())
    left = Left()
    while (frame := runtime.receive())[0] == wire.ARTIFACT:
        head, piece = wire.decode_artifact(frame[1])
        left.files[head.path] = left.files.get(head.path, b"") + bytes(piece)
        left.pieces += 1
        runtime.control.sendall(wire.encode(wire.GO, msgspec.Struct()))
    assert frame[0] == wire.RESULT
    return wire.decode_result(frame[1]), left


def test_files_are_handed_over_by_path_and_are_gone_in_the_next_run(started):
    write = "open('a', 'wb').write(b'1'); os.makedirs('b/c'); open('b/c/d e', 'wb').write(b'\\0\\xff'); open('f', 'w')"
    with started() as runtime:
        result, left = run(runtime, write)
        later, nothing = run(runtime, "seen = os.listdir('.')")

    assert left.files == {"a": b"1", "b/c/d e": b"\0\xff", "f": b""}
    assert (result.dirty, output_of(later), nothing.files) == (False, [], {})


def test_a_large_file_comes_in_pieces(started):
    with started() as runtime:
        _, left = run(runtime, "open('large', 'wb').write(bytes(range(250)) * 10_000)")

    assert left.files == {"large": bytes(range(250)) * 10_000}
    assert left.pieces == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("os.symlink('/etc/passwd', 'x')", "no plain file"),
        ("os.symlink('.', 'x')", "no plain file"),
        ("os.mkfifo('x')", "no plain file"),
        ("__import__('socket').socket(1).bind('x')", "no plain file"),
        ("open(b'\\xff', 'w')", "not UTF-8"),
        ("os.mkdir(b'\\xff'); open(b'\\xff/y', 'w')", "not UTF-8"),
        ("open('new\\nline', 'w')", "control characters"),
        ("open('turned\\u202etxt', 'w')", "control characters"),
        ("open('x', 'w').truncate(3_000_001)", "3000001 bytes; 3000000 are allowed"),
        ("p = '/'.join(['a' * 250] * 4); os.makedirs(p); open(p + '/' + 'b' * 250, 'w')", "1024 are allowed"),
    ],
)
def test_what_is_not_kept_is_said_in_the_logs_and_is_gone(started, source, said):
    with started() as runtime:
        result, left = run(runtime, f"{source}; open('kept', 'w')")
        later, _ = run(runtime, "seen = os.listdir('.')")
        said_by_runtime = runtime.output

    assert list(left.files) == ["kept"]
    assert said in said_by_runtime
    assert (result.error, result.dirty, output_of(later)) == (None, False, [])


def test_no_more_files_and_bytes_are_handed_over_than_are_allowed(started):
    with started() as runtime:
        _, many = run(runtime, "[open(str(number), 'w') for number in range(50)]")
        _, large = run(runtime, "[open(str(number), 'wb').write(bytes(1_500_000)) for number in range(3)]")

    assert sorted(many.files) == ["0", "1", "10"]
    assert sorted(large.files) == ["0", "1"]
    assert runtime.output.count("\n") < 30


@pytest.mark.parametrize(
    "source",
    [
        "[open(str(number), 'w').close() for number in range(10_050)]",
        "os.makedirs('/'.join('d' * 20))",
        "os.rmdir(os.environ['NANOGRID_OUTPUT']); os.symlink('/etc', os.environ['NANOGRID_OUTPUT'])",
        "os.rmdir(os.environ['NANOGRID_OUTPUT']); open(os.environ['NANOGRID_OUTPUT'], 'w').write('x')",
    ],
    ids=["too many names", "too deep", "a link in its place", "a file in its place"],
)
def test_a_folder_that_cannot_be_emptied_spoils_the_sandbox_and_not_the_run(started, source):
    with started(ArtifactLimits(count=0)) as runtime:
        result, left = run(runtime, source)

    assert result.error is None
    assert result.dirty is True
    assert left.files == {}


def test_a_folder_that_was_removed_is_there_again(started):
    with started() as runtime:
        result, _ = run(runtime, "os.rmdir(os.environ['NANOGRID_OUTPUT'])")
        later, _ = run(runtime, "seen = os.listdir('.')")

    assert (result.dirty, output_of(later)) == (False, [])


def test_files_of_a_run_that_failed_are_handed_over_too(started):
    with started() as runtime:
        result, left = run(runtime, "open('trace', 'w').write('x'); 1 / 0")

    assert result.error is not None
    assert left.files == {"trace": b"x"}


def test_files_that_grow_and_shrink_while_they_are_read_hold_nothing_up(tmp_path):
    busy = """
import os, threading
def handler(event, context):
    folder = os.environ["NANOGRID_OUTPUT"]
    def change():
        while True:
            for size in (0, 2_900_000, 1_000_000):
                try: os.truncate(folder + "/x", size)
                except FileNotFoundError: pass
    open(folder + "/x", "wb").write(bytes(2_000_000))
    threading.Thread(target=change, daemon=True).start()
"""
    code = write_code(tmp_path / "code", {"main.py": busy})
    with loaded_runtime(PYTHON, code, artifacts=LIMITS) as runtime:
        results = [run(runtime, "")[0] for _ in range(5)]

    assert [result.error for result in results] == [None] * 5


def test_without_limits_there_is_no_folder_and_nothing_is_handed_over(tmp_path):
    source = "import os\ndef handler(event, context): return os.environ.get('NANOGRID_OUTPUT')\n"
    code = write_code(tmp_path / "code", {"main.py": source})
    with loaded_runtime(PYTHON, code) as runtime:
        result, _ = run(runtime, "")

    assert output_of(result) is None
    assert list(runtime.temporary.iterdir()) == []
