"""docs/cli.md and docs/sdk.md say what the program does."""

import re
from pathlib import Path

import typer
from fake_grid import FakeGrid

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app

ROOT = Path(__file__).parents[2]
CLI_PAGE = (ROOT / "docs" / "cli.md").read_text()


def between(mark):
    return CLI_PAGE.split(f"<!-- {mark} -->\n")[1].split(f"<!-- /{mark} -->")[0]


def section(name, command):
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    words = [name, *(p.metavar or p.name.upper() for p in arguments), *(["[OPTIONS]"] if options else [])]
    rows = [(f"`{p.metavar or p.name.upper()}`", p.help) for p in arguments]
    rows += [(", ".join(f"`{option}`" for option in p.opts), p.help) for p in options]
    table = "".join(f"| {left} | {right} |\n" for left, right in rows)
    heading = f"### {name}\n\n```console\n$ nanogrid {' '.join(words)}\n```\n\n{command.help}\n"
    return heading + (f"\n| | |\n|---|---|\n{table}" if rows else "")


def commands(group, before=""):
    """Every command, those of groups with the group's name before theirs."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def reference():
    return "\n".join(section(name, command) for name, command in commands(typer.main.get_command(make_app())))


def test_the_reference_is_what_the_commands_say_of_themselves():
    assert between("reference") == reference()


def test_every_exit_code_is_documented():
    documented = [int(line.split("|")[1]) for line in between("exit codes").splitlines()[2:]]

    assert documented == [code.value for code in ExitCode]


def test_the_examples_of_the_sdk_page_run(monkeypatch, capsys):
    grid = FakeGrid()
    grid.add("hello", lambda event: {"greeting": f"Hello, {event['name']}!"} if event else 1 / 0)
    page = (ROOT / "docs" / "sdk.md").read_text()
    monkeypatch.chdir(ROOT)
    page = re.sub("from nanogrid import .*", "", page)
    # The first example closes its client; those after it go on with one that is open.
    names = {"Client": grid.blocking, "AsyncClient": grid.client}
    first, *others = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    exec(first, names)  # noqa: S102 - our own page
    with grid.blocking() as names["grid"]:
        for example in others:
            exec(example, names)  # noqa: S102 - our own page

    assert "{'greeting': 'Hello, Katherine!'}" in capsys.readouterr().out
