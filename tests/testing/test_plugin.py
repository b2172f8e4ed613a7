"""In a project of its own, whoever has NanoGrid and pytest has the fixture."""

pytest_plugins = ["pytester"]

TESTS = """
from pathlib import Path
import time

HELLO = "def handler(event, context):\\n    return 'Hello, ' + event['name']\\n"


def test_a_function(nanogrid_grid):
    nanogrid_grid.deploy(HELLO, name="hello")
    assert nanogrid_grid.run("hello", {"name": "Ada"}) == "Hello, Ada"


def test_each_test_has_an_empty_grid(nanogrid_grid):
    assert list(nanogrid_grid.functions()) == []


def test_output_is_the_runs(nanogrid_grid, capsys):
    nanogrid_grid.add(lambda event, context: print("from the function"), name="talk")
    print("from the test")
    assert nanogrid_grid.invoke("talk").logs.text == "from the function\\n"
    assert capsys.readouterr().out == "from the test\\n"


def test_that_needs_no_grid():
    import sys
    assert "nanogrid.testing.grid" in sys.modules
"""


def test_the_fixture_is_there_without_being_asked_for(pytester):
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_subprocess("-p", "no:randomly", "-q")

    result.assert_outcomes(passed=4)


def test_a_project_that_does_not_use_it_does_not_import_it(pytester):
    pytester.makepyfile("import sys\n\ndef test_it():\n    assert 'nanogrid.testing.grid' not in sys.modules\n")

    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
