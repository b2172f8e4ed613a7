"""Deploying through the SDK: what is read, packed and guessed."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import httpx
import pytest
from fake_grid import FakeGrid, Pauses, problem
from msgspec import structs

from nanogrid.client.bundle import Entry, load, pack, read_folder
from nanogrid.client.guess import make_plan, plan_name
from nanogrid.errors import Forbidden, InvalidField
from sample_function import FUNCTION

HANDLER = "def handler(event, context):\n    return event\n"
NOT_THERE = problem(404, "function_not_found", "there is none.")
EXAMPLES = Path(__file__).parents[2] / "examples"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def plan_of(path: Path, existing=None):
    code = load(path)
    plan = make_plan(code, plan_name(code, None), None, None, existing)
    return plan.name, plan.runtime, plan.handler


async def test_one_file_becomes_a_function_of_its_name(tmp_path):
    grid = FakeGrid()
    write(tmp_path, {"word_count.py": HANDLER})

    function = await grid.client().deploy(tmp_path / "word_count.py", memory_mb=256)

    assert (function.name, function.runtime, function.handler) == ("word_count", "python3", "word_count.handler")
    assert grid.code("word_count") == {"word_count.py": HANDLER.encode()}
    assert grid.functions["word_count"]["memoryMb"] == 256


async def test_a_second_deployment_is_the_next_version_and_leaves_other_settings(tmp_path):
    grid = FakeGrid()
    write(tmp_path, {"hello.py": HANDLER})
    client = grid.client()

    await client.deploy(tmp_path / "hello.py", timeout_ms=5000)
    second = await client.deploy(tmp_path / "hello.py")

    assert second.version == 2
    assert second.timeout_ms == 5000
    assert "timeoutMs" not in grid.asked()


def large_archive() -> bytes:
    """One that no Lambda takes: noise does not get smaller."""
    return pack({"main.py": Entry(HANDLER.encode()), "noise": Entry(os.urandom(5_000_000))})


async def test_a_large_archive_is_sent_ahead_and_the_deployment_only_names_it():
    grid, archive = FakeGrid(), large_archive()
    digest = hashlib.sha256(archive).hexdigest()
    place = {"sha256": digest, "size": len(archive), "address": f"/uploads/{digest}", "headers": {}, "validMs": 1000}
    grid.answers = [NOT_THERE, httpx.Response(200, json=place), httpx.Response(204)]

    await grid.client().deploy(archive, name="large")

    _, asked, sent, deployed = grid.requests
    assert json.loads(asked.content) == {"sha256": digest, "size": len(archive)}
    assert (sent.method, sent.url.path, sent.content) == ("PUT", f"/uploads/{digest}", archive)
    assert "authorization" in sent.headers
    assert json.loads(deployed.content)["upload"] == digest
    assert "zip" not in json.loads(deployed.content)


async def test_a_place_elsewhere_gets_the_archive_and_its_headers_and_not_the_token():
    grid, archive = FakeGrid(), large_archive()
    place = {"address": "https://bucket.test/uploads/x?signed=1", "headers": {"x-amz-checksum-sha256": "abc="}}
    grid.answers = [
        NOT_THERE,
        httpx.Response(200, json=place),
        httpx.ReadError("gone"),
        httpx.Response(200),
    ]

    await grid.client(sleep=Pauses().sleep).deploy(archive, name="large")

    sent = grid.requests[3]
    assert (sent.method, str(sent.url), sent.content) == ("PUT", place["address"], archive)
    assert sent.headers["x-amz-checksum-sha256"] == "abc="
    assert "authorization" not in sent.headers


async def test_a_place_that_refuses_the_archive_ends_the_deployment():
    grid = FakeGrid()
    place = {"address": "https://bucket.test/uploads/x", "headers": {}}
    grid.answers = [NOT_THERE, httpx.Response(200, json=place), httpx.Response(403)]

    with pytest.raises(Forbidden, match=r"bucket\.test"):
        await grid.client().deploy(large_archive(), name="large")

    assert grid.functions == {}


async def test_an_older_grid_gets_a_large_archive_in_the_deployment():
    grid = FakeGrid()
    grid.answers = [NOT_THERE, problem(404, "not_found", "there is nothing under '/uploads'.")]

    await grid.client().deploy(large_archive(), name="large")

    assert "noise" in grid.code("large")


async def test_source_text_travels_as_source():
    grid = FakeGrid()

    await grid.client().deploy(HANDLER, name="hello")

    assert grid.functions["hello"]["source"] == HANDLER
    assert grid.functions["hello"]["handler"] == "main.handler"


async def test_a_zip_travels_as_it_is():
    grid = FakeGrid()
    archive = pack({"app.py": Entry(HANDLER.encode())})

    function = await grid.client().deploy(archive, name="zipped")

    assert function.handler == "app.handler"
    assert grid.code("zipped") == {"app.py": HANDLER.encode()}


async def test_losing_a_race_for_the_name_becomes_an_update():
    grid = FakeGrid()
    client = grid.client()
    grid.answers = [problem(404, "function_not_found", "none."), problem(409, "name_taken", "just now.")]
    grid.add("hello")

    function = await client.deploy(HANDLER, name="hello")

    assert function.version == 2


async def test_a_path_given_as_text_is_not_taken_for_source(tmp_path):
    path = write(tmp_path, {"hello.py": HANDLER}) / "hello.py"

    with pytest.raises(InvalidField, match=r"pathlib\.Path"):
        await FakeGrid().client().deploy(str(path), name="hello")


# example, runtime, handler
@pytest.mark.parametrize(
    ("path", "runtime", "handler"),
    [
        ("hello.py", "python3", "hello.handler"),
        ("csv_report", "python3", "main.handler"),
        ("render_markdown", "python3", "main.handler"),
        ("slugify_node", "nodejs", "index.handler"),
        ("line_stats", "command", "run.sh"),
    ],
)
def test_the_examples_need_no_options(path, runtime, handler):
    assert plan_of(EXAMPLES / path) == (Path(path).stem, runtime, handler)


# files, handler that is found
@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"lambda_function.py": "def lambda_handler(e, c): ..."}, "lambda_function.lambda_handler"),
        ({"app.py": "handler = Mangum(app)", "b.py": HANDLER}, "app.handler"),
        ({"main.py": "from service import handler", "service.py": HANDLER}, "main.handler"),
        ({"main.py": "X = 1", "jobs.py": "async def handler(e, c): ..."}, "jobs.handler"),
        ({"index.js": "exports.handler = async () => 1"}, "index.handler"),
        ({"index.mjs": "export const handler = () => 1"}, "index.handler"),
        ({"app.js": "module.exports = { other, handler }", "x.js": ""}, "app.handler"),
    ],
)
def test_the_handler_is_found_where_people_put_it(tmp_path, files, handler):
    assert plan_of(write(tmp_path, files))[2] == handler


def test_code_is_read_and_never_run(tmp_path):
    write(tmp_path, {"main.py": f"open({str(tmp_path / 'trace')!r}, 'w')\n{HANDLER}"})

    plan_of(tmp_path)

    assert not (tmp_path / "trace").exists()


# files, what the refusal says
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.py": HANDLER, "b.py": HANDLER}, r"several handlers: a\.handler, b\.handler"),
        ({"main.py": "def other(): ..."}, "no handler"),
        ({"main.py": "def handler(:\n"}, r"main\.py cannot be read: invalid syntax"),
        ({"notes.txt": "hello"}, "which runtime"),
        ({}, "no files at the top"),
    ],
)
def test_where_the_code_does_not_tell_it_is_asked_for(tmp_path, files, said):
    with pytest.raises(InvalidField, match=said):
        plan_of(write(tmp_path, files))


async def test_an_update_keeps_runtime_and_handler_where_they_still_fit():
    grid = FakeGrid()
    grid.add("hello", runtime="python3.9", handler="main.other")
    existing = await grid.client().function("hello")
    both = load(pack({"main.py": Entry(b"def other(e, c): ...\n" + HANDLER.encode())}))
    one = load(pack({"main.py": Entry(HANDLER.encode())}))

    kept, changed = (make_plan(code, "hello", None, None, existing) for code in (both, one))

    assert (kept.runtime, kept.handler) == ("python3.9", "main.other")
    assert (changed.runtime, changed.handler) == ("python3.9", "main.handler")


# file or folder, name
@pytest.mark.parametrize(
    ("path", "name"), [("hello.py", "hello"), ("My Function!", "My-Function"), ("a.b.zip", "a-b"), ("x" * 80, "x" * 64)]
)
def test_the_name_is_made_of_the_files(tmp_path, path, name):
    (tmp_path / path).touch()
    code = load(write(tmp_path, {"hello.py": HANDLER}) / "hello.py")

    assert plan_name(type(code)(files={}, origin=tmp_path / path), None) == name


def test_a_file_without_a_usable_name_needs_one(tmp_path):
    (tmp_path / "123.py").write_text(HANDLER)

    with pytest.raises(InvalidField, match="--name"):
        plan_of(tmp_path / "123.py")


def test_a_folder_is_packed_without_what_no_function_needs(tmp_path):
    useless = [".git/config", "__pycache__/main.pyc", "venv2/pyvenv.cfg", "venv2/lib", "node_modules/a.js", ".env"]
    write(tmp_path, {"main.py": HANDLER, "pkg/data.csv": "1", **dict.fromkeys(useless, "x")})

    assert set(read_folder(tmp_path)) == {"main.py", "pkg/data.csv"}


def test_node_modules_belong_to_a_package(tmp_path):
    write(tmp_path, {"package.json": "{}", "node_modules/left/index.js": "x", "node_modules/.bin/tool": "x"})

    assert set(read_folder(tmp_path)) == {"package.json", "node_modules/left/index.js"}


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = write(tmp_path / "function", {"main.py": HANDLER})
    (tmp_path / "secret").write_text("x")
    (folder / "innocent.txt").symlink_to(tmp_path / "secret")

    with pytest.raises(InvalidField, match="is a link to"):
        read_folder(folder)


def test_a_link_within_the_folder_is_its_file(tmp_path):
    write(tmp_path, {"main.py": HANDLER})
    (tmp_path / "app.py").symlink_to("main.py")

    assert read_folder(tmp_path)["app.py"].content == HANDLER.encode()


def test_the_same_files_make_the_same_zip_with_their_modes(tmp_path):
    write(tmp_path, {"run.sh": "#!/bin/sh", "b": "2"})
    (tmp_path / "run.sh").chmod(0o755)

    first, second = pack(read_folder(tmp_path)), pack(dict(reversed(read_folder(tmp_path).items())))

    assert first == second
    modes = {i.filename: i.external_attr >> 16 for i in zipfile.ZipFile(io.BytesIO(first)).infolist()}
    assert modes == {"run.sh": 0o100755, "b": 0o100644}


def test_what_is_no_zip_is_refused():
    with pytest.raises(InvalidField, match="no zip"):
        load(b"not a zip")


def test_a_bootstrap_stays_one_where_the_function_brings_its_own_runtime():
    code = load(pack({"bootstrap": Entry(b"#!/bin/sh\n", executable=True)}))
    named = make_plan(code, "own", "provided", None, None)
    again = make_plan(code, "own", None, None, structs.replace(FUNCTION, runtime="provided"))

    assert (named.runtime, named.handler) == ("provided", "bootstrap")
    assert again.runtime == "provided"
