"""What a function puts into its output folder, of whatever kind, harms neither the collector nor the next run."""

import httpx
import pytest

#: Runs the event, which is Python, in the output folder; then says what was there when the run began.
SHELL = """
import os, socket
def handler(event, context):
    begun_with = os.listdir("/tmp/output")
    os.chdir("/tmp/output")
    try:
        exec(event, {"os": os, "socket": socket, "work": work})
    finally:
        os.chdir("/")
    return begun_with

def work(count, root="."):
    for number in range(count):
        os.close(os.open(f"{root}/{number}", os.O_CREAT | os.O_WRONLY))
"""
#: What is put there, and what of it is kept besides `kept`.
TRICKS = {
    "a link to a file of the machine": ("os.symlink('/etc/hosts', 'x')", []),
    "a link to the platform's own": ("os.symlink('/proc/1/environ', 'x')", []),
    "a link to a folder": ("os.symlink('/', 'x')", []),
    "a link to itself": ("os.symlink('x', 'x')", []),
    "a hard link": ("open('/tmp/x', 'w').write('x'); os.link('/tmp/x', 'x')", ["x"]),
    "a pipe without a writer": ("os.mkfifo('x')", []),
    "a socket": ("socket.socket(socket.AF_UNIX).bind('x')", []),
    "a name with a line's end": ("open('x\\ny', 'w')", []),
    "a name that is not UTF-8": ("open(b'\\xff', 'w')", []),
    "a name that turns text around": ("open('x\\u202egpj.exe', 'w')", []),
    "markup for a name": ("open('<img src=x onerror=alert(1)>', 'w')", ["<img src=x onerror=alert(1)>"]),
    "a hole of half a gigabyte": ("open('x', 'w').truncate(500 * 1024 * 1024)", []),
    "a file nobody may read": ("open('x', 'w'); os.chmod('x', 0)", []),
    "a hundred and fifty files": ("work(150)", 99),
}
#: What makes the folder impossible to empty; the run itself is none the worse for it.
STUCK = {
    "a tree that is too deep": "os.makedirs('/'.join('d' * 100))",
    "a folder nobody may read": "os.mkdir('x'); open('x/y', 'w'); os.chmod('x', 0)",
    "a link in the folder's place": "os.rename('/tmp/output', '/tmp/o'); os.symlink('/etc', '/tmp/output')",
}


def ask(attacked, path):
    return httpx.get(attacked.grid.url + path, headers=attacked.grid.headers, timeout=60)


@pytest.fixture(scope="module")
def deployed(attacked):
    attacked.deploy("leaver", source=SHELL)
    attacked.run("leaver", "")
    yield attacked
    httpx.delete(f"{attacked.grid.url}/functions/leaver", headers=attacked.grid.headers)


@pytest.mark.parametrize("trick", TRICKS)
def test_what_is_no_plain_file_is_left_out_and_the_sandbox_is_as_good_as_before(deployed, trick):
    source, kept = TRICKS[trick]
    run = deployed.run("leaver", f"open('kept', 'w').write('kept'); {source}")
    after = deployed.run("leaver", "")
    paths = [one["path"] for one in run["artifacts"]]

    assert run["error"] is None
    assert len(paths) == kept + 1 if isinstance(kept, int) else sorted(paths) == sorted([*kept, "kept"])
    assert (after["output"], after["artifacts"], after["usage"]["coldStart"]) == ([], [], False)


@pytest.mark.parametrize("trick", STUCK)
def test_a_folder_that_cannot_be_emptied_ends_its_sandbox_and_nothing_else(deployed, trick):
    run = deployed.run("leaver", STUCK[trick])
    after = deployed.run("leaver", "")

    assert run["error"] is None
    assert (after["output"], after["artifacts"], after["usage"]["coldStart"]) == ([], [], True)
    assert deployed.damage() == []


def test_names_without_number_hold_nothing_up(deployed):
    """In a container there is room for ten thousand; elsewhere the sandbox is not used again."""
    run = deployed.run("leaver", "[(os.mkdir(f'f{n}'), work(4_500, f'f{n}')) for n in range(3)]")
    after = deployed.run("leaver", "")

    assert run["error"] is None or run["error"]["type"] == "OSError"
    assert len(run["artifacts"]) <= 100
    assert (after["output"], after["artifacts"]) == ([], [])
    assert deployed.damage() == []


def test_a_process_that_goes_on_writing_does_not_hold_up_the_answer(deployed):
    write = "[open('x', 'ab').write(bytes(1000)) for _ in iter(int, 1)]"
    run = deployed.run("leaver", f"pid = os.fork()\nif pid == 0:\n  os.setsid()\n  {write}")

    assert run["error"] is None
    assert deployed.run("leaver", "")["usage"]["coldStart"] is True
    assert deployed.damage() == []


def test_what_one_run_left_is_not_the_next_ones(deployed):
    first = deployed.run("leaver", "open('of the first', 'w').write('1')")
    second = deployed.run("leaver", "open('of the second', 'w').write('2')")
    (path,) = (one["path"] for one in second["artifacts"])

    assert (second["output"], path) == ([], "of the second")
    assert ask(deployed, f"/runs/{first['runId']}/artifacts/of%20the%20first").text == "1"
    assert ask(deployed, f"/runs/{second['runId']}/artifacts/of%20the%20first").status_code == 404


@pytest.mark.parametrize("path", ["../../../token", "..%2f..%2ftoken", "/etc/passwd", "%00"])
def test_no_path_leads_out_of_a_runs_own_files(deployed, path):
    run = deployed.run("leaver", "open('kept', 'w').write('kept')")
    answer = ask(deployed, f"/runs/{run['runId']}/artifacts/{path}")

    assert answer.status_code == 404
