"""docs/http-api.md says what the code says: its tables are generated, its examples are run.

`python tests/unit/test_api_docs.py` writes the tables anew.
"""

import hashlib
import io
import re
import shlex
import sys
import zipfile
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "http-api.md"
sys.path.insert(0, str(PAGE.parents[1] / "tests"))

import nanogrid.errors  # noqa: E402 - the page is written by running this file, too
from gateway_harness import TOKEN, serving  # noqa: E402
from nanogrid.api.errors import status_of  # noqa: E402
from nanogrid.api.openapi import refusals  # noqa: E402
from nanogrid.api.routes import ROUTES  # noqa: E402
from nanogrid.errors import ConfigError, NanoGridError  # noqa: E402

COMMAND = re.compile(r"^curl (?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)


def routes() -> str:
    rows = ["| route | does | answers | refusals of its own |", "|---|---|---|---|"]
    for route in ROUTES:
        query = f"`?{' '.join(route.query.__struct_encode_fields__)}`" if route.query else ""
        place = " ".join(filter(None, (f"`{route.method} {route.path}`", query, "*open*" if route.public else "")))
        codes = ", ".join(f"{status_of(kind)} `{kind.code}`" for kind in refusals(route) if kind in route.refusals)
        rows.append(f"| {place} | {route.summary} | {', '.join(map(str, route.statuses))} | {codes} |")
    return "\n".join(rows)


def errors() -> str:
    tree = [kind for kind in vars(nanogrid.errors).values() if isinstance(kind, type)]
    kinds = sorted((kind for kind in tree if kind is not ConfigError), key=status_of)
    rows = [f"| {status_of(kind)} | `{kind.code}` | {meaning(kind)} |" for kind in kinds]
    return "\n".join(["| status | code | meaning |", "|---|---|---|", *rows])


def meaning(kind: type[NanoGridError]) -> str:
    if kind is NanoGridError:
        return "A fault of the grid itself; the log has it under the request's id."
    return " ".join((kind.__doc__ or "").split()).replace("Raised when", "When").replace("Base of", "In general:")


def placed(page: str) -> str:
    for name, table in (("routes", routes()), ("errors", errors())):
        page = re.sub(
            f"<!-- {name} -->.*?<!-- /{name} -->",
            lambda _, name=name, table=table: f"<!-- {name} -->\n{table}\n<!-- /{name} -->",
            page,
            flags=re.DOTALL,
        )
    return page


def test_the_tables_of_the_page_are_those_of_the_code():
    page = PAGE.read_text(encoding="utf-8")

    assert page == placed(page), "run `python tests/unit/test_api_docs.py`"


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        writer.writestr(zipfile.ZipInfo("app.py"), "def main(event, context):\n    return event\n")
    return buffer.getvalue()


def parsed(command: str) -> dict:
    """What a curl command would send, as arguments for httpx."""
    words = shlex.split(command.replace("\\\n", " ").partition(" > ")[0])[1:]
    sent: dict = {"method": "GET", "url": "", "headers": {}, "data": {}, "files": {}, "content": None}
    while words:
        word = words.pop(0)
        if word == "-X":
            sent["method"] = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            sent["headers"][name] = value
        elif word == "-d":
            sent["content"] = words.pop(0)
        elif word == "--data-binary":
            words.pop(0)
            sent["content"] = archive()
        elif word == "-F":
            name, _, value = words.pop(0).partition("=")
            sent["files" if value.startswith("@") else "data"][name] = archive() if value.startswith("@") else value
        elif not word.startswith("-"):
            sent["url"] = word
    return {key: value for key, value in sent.items() if value}


async def test_every_example_of_the_page_works():
    commands = COMMAND.findall(PAGE.read_text(encoding="utf-8"))
    variables = {"$NANOGRID_URL": "http://grid.test", "$NANOGRID_TOKEN": TOKEN, "$RUN_ID": ""}
    variables |= {"$SHA256": hashlib.sha256(archive()).hexdigest(), "$SIZE": str(len(archive()))}
    async with serving() as (_, client):
        client.headers.pop("authorization")
        for command in commands:
            for name, value in variables.items():
                command = command.replace(name, value)  # noqa: PLW2901 - the shell would do the same
            if "follow=true" in command:  # never ends; test_gateway_server follows lines
                continue
            answer = await client.request(**parsed(command))
            assert answer.status_code < 300, f"{command}\n{answer.text}"
            if "runId" in answer.text and answer.request.method == "POST":
                variables["$RUN_ID"] = answer.json()["runId"]

    assert len(commands) >= 14


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_route_is_on_the_page(route):
    assert f"`{route.method} {route.path}`" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
