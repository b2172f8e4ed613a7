"""What functions say is shown, but drives nobody's terminal."""

import json

import pytest
from fake_grid import FakeGrid
from typer.testing import CliRunner

from nanogrid.cli.main import make_app
from nanogrid.cli.render import clean, clean_line, json_text

NASTY = 'a\r\nb\n{"event":"forged"}\x1b[2J\x1b]0;t\x07\x9b31m\x85\u2028\u2029\u202e\x00\x7f'
#: All that a terminal might obey, but the line feed that ends a line.
CONTROLS = set(map(chr, [*range(10), *range(11, 32), *range(0x7F, 0xA0)])) | set("\u2028\u2029\u202e")


def test_clean_text_keeps_lines_and_clean_lines_are_one():
    assert set(clean(NASTY)) & CONTROLS == set()
    assert "\n" in clean(NASTY)
    assert "\n" not in clean_line(NASTY)


def test_json_for_a_terminal_means_the_same_and_is_harmless():
    text = json.dumps(NASTY + "é😀", ensure_ascii=False)

    assert not CONTROLS & set(json_text(text))
    assert json.loads(json_text(text)) == json.loads(text)
    assert "é😀" in json_text(text)


@pytest.mark.parametrize(
    "command", [["run", "evil"], ["run", "evil", "--json"], ["logs", "RUN"], ["logs", "RUN", "--json"], ["show", "RUN"],
                ["show", "evil"], ["functions"], ["functions", "--json"], ["runs"], ["rm", NASTY]]
)  # fmt: skip
def test_nothing_that_a_function_says_drives_the_terminal_of_who_runs_it(command):
    grid = evil_grid()
    run_id = next(iter(grid.runs))
    arguments = [run_id if word == "RUN" else word for word in command]
    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), arguments)

    assert not (CONTROLS - {"\t"}) & set(done.stdout + done.stderr)
    assert "forged" in done.stdout + done.stderr


def evil_grid() -> FakeGrid:
    """A grid with one function, all of whose texts are evil, and a run of it that failed."""
    text = NASTY
    grid = FakeGrid()
    failure = type(text.replace("\x00", ""), (ArithmeticError,), {})

    def fail(_event: object) -> object:
        raise failure(text)

    grid.add("evil", fail, handler=text, runtime=text, environment={text: text})
    CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["run", "evil"])
    (run,) = grid.runs.values()
    run["logs"]["text"] = run["functionName"] = run["error"]["stackTrace"][0] = text
    return grid
