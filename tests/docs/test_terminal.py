"""Pictures of the terminal, taken of real commands on a real grid.

`make screenshots` puts them into docs/images; otherwise they go to a folder that is thrown away.
"""

import asyncio
import os
import re

import pytest
from blocks import ROOT, reader_environment
from terminal import picture, shown

from grid import started_grid

IMAGES = ROOT / "docs" / "images"
HELLO = """def handler(event, context):
    print("greeting", event["name"])
    return {"greeting": f"Hello, {event['name']}!"}
"""
#: name, title, what is typed, what must be seen
PICTURES = [
    (
        "terminal-first-run",
        "A first function",
        ["cat hello.py", "nanogrid deploy hello.py", """nanogrid run hello -i '{"name": "Ada"}'"""],
        ["Hello, Ada!", "succeeded", "cold"],
    ),
    (
        "terminal-failure",
        "A failure, and where it is",
        ["nanogrid run hello -i '{}'", "nanogrid runs", "nanogrid run helo"],
        ["KeyError", "hello.py:2 in handler", "failed", "nanogrid explain run_", "Did you mean 'hello'?"],
    ),
    (
        "terminal-explain",
        "Why, and what to do",
        ["nanogrid explain $(nanogrid runs -n 1 --json | grep -o 'run_[0-9a-z]*')"],
        ["Why it failed", "KeyError: 'name'", "$ nanogrid deploy PATH --name hello"],
    ),
    ("terminal-logs", "Logs", ["nanogrid logs hello", "nanogrid functions"], ["greeting Ada", "hello.handler"]),
]


async def test_the_pictures_show_what_the_commands_do(tmp_path):
    target = IMAGES if os.environ.get("UPDATE_SCREENSHOTS") else tmp_path
    (tmp_path / "hello.py").write_text(HELLO)
    async with started_grid() as grid:
        environment = reader_environment(tmp_path, grid)
        for name, title, typed, seen in PICTURES:
            steps = [
                (line, await asyncio.to_thread(shown, line, folder=tmp_path, environment=environment)) for line in typed
            ]
            drawn = picture(title, steps)
            (target / f"{name}.svg").write_text(drawn)

            plain = re.sub(r"\x1b\[[0-9;]*m", "", "".join(output for _, output in steps))
            assert [text for text in seen if text not in plain] == []
            assert "http" not in drawn.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", [picture[0] for picture in PICTURES])
def test_each_picture_is_on_a_page(name):
    pages = [path.read_text() for path in (ROOT / "docs").rglob("*.md")]

    assert (IMAGES / f"{name}.svg").exists(), "run `make screenshots`"
    assert any(f"images/{name}.svg" in page for page in pages)
