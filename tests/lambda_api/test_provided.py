"""boto3, unmodified: functions that bring their own runtime, in real sandboxes without a network."""

import io
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from aws_clients import ROLE, invoke, output

from provided_programs import C, compile_c, needs_cc

PYTHON = f"python3.{sys.version_info.minor}"


def packed(files: dict[str, bytes]) -> bytes:
    """An archive in which `bootstrap` is executable."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name == "bootstrap" else 0o100644) << 16
            archive.writestr(entry, content)
    return held.getvalue()


def create(aws, name, files, handler="app.run", **members):
    members = {"Runtime": "provided.al2023", "Handler": handler, "Role": ROLE, "Timeout": 30} | members
    return aws.create_function(FunctionName=name, Code={"ZipFile": packed(files)}, **members)


def runtime_client() -> dict[str, bytes]:
    """AWS' own runtime client for Python, with what it needs."""
    found = {}
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        one = distribution(name)
        for file in one.files or []:
            if file.parts[0] != ".." and file.suffix != ".pyc":
                found[str(file)] = Path(str(one.locate_file(file))).read_bytes()
    return found


@needs_cc
def test_a_bootstrap_that_was_compiled_runs_as_it_is(aws, tmp_path):
    created = create(aws, "compiled", {"bootstrap": compile_c(C, tmp_path).read_bytes()})
    outputs = [output(aws, "compiled", Payload=b"%d" % n) for n in range(3)]

    assert created["Runtime"] == "provided.al2023"
    assert outputs == [{"c": 0}, {"c": 1}, {"c": 2}]


def test_awss_runtime_client_for_python_runs_as_it_is(aws):
    source = (
        "import os\n"
        "def run(event, context):\n"
        "    print('at work')\n"
        "    if event == 'bad':\n"
        "        raise KeyError('missing')\n"
        "    return [event, context.aws_request_id, context.get_remaining_time_in_millis() > 0, os.environ['WORD']]\n"
    )
    script = f'#!/bin/sh\nexec {PYTHON} -S -m awslambdaric "$_HANDLER"\n'
    files = runtime_client() | {"bootstrap": script.encode(), "app.py": source.encode()}
    create(aws, "client", files, Environment={"Variables": {"WORD": "set"}}, MemorySize=256)
    good = invoke(aws, "client", Payload=b'"x"', LogType="Tail")
    bad = output(aws, "client", Payload=b'"bad"')

    assert good["Payload"].decode() == f'["x", "{good["ResponseMetadata"]["RequestId"]}", true, "set"]'
    assert (bad["errorType"], bad["errorMessage"]) == ("KeyError", "'missing'")


def test_a_bootstrap_that_cannot_start_says_why(aws):
    create(aws, "broken", {"bootstrap": b"#!/bin/sh\nexit 3\n"})
    ended = output(aws, "broken")
    create(aws, "absent", {"main.py": b""})
    absent = output(aws, "absent")

    assert (ended["errorType"], "exit code 3" in ended["errorMessage"]) == ("Runtime.ExitError", True)
    assert absent["errorType"] == "Runtime.InvalidEntrypoint"
