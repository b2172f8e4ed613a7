"""`python -m nanogrid` is the command `nanogrid`."""

from nanogrid.cli.main import run

run()
