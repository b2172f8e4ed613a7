"""What `nanogrid up` prints, and what it refuses before it starts."""

import io
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from nanogrid.bootstrap import Started
from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.cli.up import print_banner

STARTED = {
    "url": "http://127.0.0.1:8080",
    "token": "secret",
    "token_file": Path("/data/token"),
    "console_url": "http://127.0.0.1:8080/#token=secret",
    "sandbox": "bubblewrap",
    "runtimes": ["python3.11", "command"],
    "notes": [],
    "data": Path("/data"),
}


def banner(**changes):
    console = Console(file=io.StringIO(), width=200)
    print_banner(console, Started(**{**STARTED, **changes}))
    return console.file.getvalue()


def test_the_banner_says_where_the_grid_is_and_what_to_do_next():
    text = banner()

    for part in (
        "http://127.0.0.1:8080/#token=secret",
        "/data/token",
        "python3.11, command",
        "nanogrid deploy hello.py",
    ):
        assert part in text
    assert "export NANOGRID_DATA=/data" in text


def test_a_grid_without_isolation_says_so_loudly():
    assert "NO ISOLATION" in banner(sandbox="process")
    assert "ISOLATION" not in banner()


def test_notes_are_shown():
    assert "python3.12 is not readable" in banner(notes=["python3.12 is not readable"])


def test_a_misspelt_setting_is_refused_before_anything_starts():
    done = CliRunner().invoke(make_app(environ={"NANOGRID_PROT": "1"}), ["up"])

    assert done.exit_code == ExitCode.USAGE
    assert "NANOGRID_PROT" in done.stderr


def test_an_impossible_value_is_refused_before_anything_starts():
    done = CliRunner().invoke(make_app(environ={"NANOGRID_PORT": "eighty"}), ["up"])

    assert done.exit_code == ExitCode.USAGE
    assert "port" in done.stderr
