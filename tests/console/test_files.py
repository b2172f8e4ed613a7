"""What is served for the console, without a browser: nothing of it may run, load or be framed from elsewhere."""

import re
from importlib import resources

import pytest

from gateway_harness import serving
from nanogrid.gateway.console import MEDIA_TYPES, console_routes

FOLDER = resources.files("nanogrid.gateway.console")
FILES = {file.name: file.read_text() for file in FOLDER.iterdir() if f".{file.name.rpartition('.')[2]}" in MEDIA_TYPES}
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))
PATHS = sorted(route.path for route in console_routes())


async def test_every_file_is_served_without_a_token_and_under_the_strict_policy():
    async with serving() as (_, client):
        client.headers.pop("authorization")
        answers = [await client.get(path) for path in PATHS]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


async def test_only_named_files_are_served():
    async with serving() as (_, client):
        answers = [await client.get(f"/console/{name}") for name in ("__init__.py", "..%2Fapp.py", "", "nothing.js")]

    assert [answer.status_code for answer in answers] == [404] * 4


def test_the_page_has_nothing_inline_and_names_only_files_that_are_served():
    page = FILES["index.html"]

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []
    assert {*re.findall(r'(?:src|href)="([^"]+)"', page)} <= {*PATHS, "/docs"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_never_makes_markup_out_of_text_and_imports_only_its_neighbours(name):
    script = FILES[name]

    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script) == []
    assert {path[2:] for path in re.findall(r'from "([^"]+)"', script)} <= {*SCRIPTS}
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", script) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_is_small(name):
    assert FILES[name].count("\n") <= 400
