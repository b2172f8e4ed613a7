"""Every example does what examples/README.md says of it, on a real grid."""

import base64
import hashlib
import hmac
import io
import json
import os
import re
import shutil
import subprocess
from zoneinfo import ZoneInfo

import pytest

from conftest import EXAMPLES

ORDER = json.dumps({"id": "A-17", "total": 42.5})
SALES = "city,item,count\nLisbon,olives,12\nOslo,bread,30\n<Seoul>,cheese,21\n"
PICTURE = EXAMPLES.parent / "docs" / "images" / "console-overview.png"


def test_the_page_names_every_example():
    page = (EXAMPLES / "README.md").read_text()

    for path in EXAMPLES.iterdir():
        known = path.name in ("README.md", "demo.py", "__pycache__")
        assert known or f"`{path.name}" in page, f"{path.name} is not in examples/README.md"


def test_hello(grid):
    grid.deploy("hello.py")

    assert grid.client.run("hello", {"name": "Ada"}) == {"greeting": "Hello, Ada!"}


def test_word_count(grid):
    grid.deploy("word_count.py")

    counted = grid.client.run("word_count", {"text": "Apples, apples and pears"})

    assert counted == {"words": 4, "distinct": 3, "top": {"apples": 2, "pears": 1}}


def test_a_report_is_scheduled_for_every_night_and_made_for_the_day_before(grid, nanogrid_grid):
    grid.deploy("scheduled_report.py")
    schedule = grid.client.add_schedule("scheduled_report", "15 0 * * *", timezone="Europe/Berlin")
    # The same on a clock that is turned.
    nanogrid_grid.deploy(EXAMPLES / "scheduled_report.py")
    nanogrid_grid.add_schedule("scheduled_report", "15 0 * * *", timezone="Europe/Berlin")
    nanogrid_grid.advance(3 * 24 * 3600)
    reports = [run.output for run in nanogrid_grid.runs("scheduled_report")]

    assert schedule.description == "At 00:15 every day"
    assert [due.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for due in schedule.next] == ["00:15"] * 5
    assert [report["day"] for report in reports] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    assert grid.client.run("scheduled_report", {"dueAt": "2026-01-03T23:15:00Z"}) == reports[0]


def test_a_web_hook_takes_what_is_signed_and_refuses_what_is_not(grid):
    grid.deploy("webhook.py", "--env", "SECRET=between us")
    signature = "sha256=" + hmac.new(b"between us", ORDER.encode(), hashlib.sha256).hexdigest()

    signed = grid.client.run("webhook", {"headers": {"x-signature-256": signature}, "body": ORDER})
    forged = grid.client.run("webhook", {"headers": {"x-signature-256": signature}, "body": ORDER + " "})

    assert signed == {"statusCode": 200, "body": "order A-17 over 42.50 accepted"}
    assert forged["statusCode"] == 401


def test_thumbnails_are_small_and_keep_their_shape(grid):
    grid.deploy("thumbnails")

    small = grid.client.run("thumbnails", {"image": base64.b64encode(PICTURE.read_bytes()).decode(), "size": 100})

    assert max(small["width"], small["height"]) == 100
    assert base64.b64decode(small["image"])[8:12] == b"WEBP"


def some_pdf(text: str) -> bytes:
    """The smallest PDF with one page of text."""
    content = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]/Contents 4 0 R/Resources << /Font << /F1 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Title (A test) >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 7\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size 7 /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def test_the_text_of_a_pdf_and_a_file_that_is_none(grid):
    grid.deploy("pdf_text")

    read = grid.client.run("pdf_text", {"pdf": base64.b64encode(some_pdf("Hello, reader")).decode()})
    broken = grid.client.run("pdf_text", {"pdf": base64.b64encode(b"no PDF at all").decode()})

    assert read == {"title": "A test", "pages": ["Hello, reader"]}
    assert "no PDF" in broken["error"]


def test_a_report_as_numbers_and_as_a_page_with_names_escaped(grid):
    grid.deploy("csv_report")

    report = grid.client.run("csv_report", {"csv": SALES})

    assert (report["total"], report["best"]) == (315.9, "<Seoul>")
    assert "<td>&lt;Seoul&gt;</td><td>165.90</td>" in report["html"]


def test_markdown_with_a_package(grid):
    grid.deploy("render_markdown")

    assert "<h1>Prices</h1>" in json.dumps(grid.client.run("render_markdown", {"text": "# Prices\n"}))


def test_a_flask_application_is_a_web_server(grid):
    grid.deploy("flask_app", "--http", "token")

    with grid.web("flask_app") as web:
        written = web.put("/notes/milk", json={"text": "two"})
        read, absent = web.get("/notes/milk"), web.get("/notes/none")
        page = web.get("/", params={"name": "Ada Ä"})

    assert (written.status_code, absent.status_code) == (204, 404)
    assert read.json() == {"name": "milk", "text": "two"}
    assert page.text == "<h1>Notes</h1><p>Hello, Ada Ä</p>"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("sandbox ")


def test_a_function_in_node(grid):
    if shutil.which("node") is None:
        assert "CI" not in os.environ, "node is missing"
        pytest.skip("node is not on this machine")
    grid.deploy("slugify_node")

    assert grid.client.run("slugify_node", {"titles": ["Crème brûlée"]}) == {"slugs": ["creme-brulee"]}


def test_a_shell_script_is_a_function(grid):
    grid.deploy("line_stats")

    stats = grid.client.run("line_stats", {"log": "GET /a 200 10.0\nGET /b 200 30.0"})

    assert (stats["numbers"], stats["max"]) == (4, 200)


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go compiler on this machine")
def test_a_program_in_go_is_a_function(grid, tmp_path):
    binary = tmp_path / "checksum"
    subprocess.run(
        ["go", "build", "-o", str(binary), "main.go"],  # noqa: S607 - whichever Go the machine has
        cwd=EXAMPLES / "go_checksum",
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
    grid.deploy(binary)

    run = grid.client.invoke("checksum", {"texts": ["a", "b"]})

    assert run.result() == {"sha256": [hashlib.sha256(text).hexdigest() for text in (b"a", b"b")]}
    assert run.logs.text == f"2 texts in run {run.run_id}\n"


def test_one_function_over_a_thousand_inputs(grid):
    grid.deploy("crunch.py")

    said = grid.program("map_inputs.py")

    # The primes below each of 1,000, 1,001, ... 1,999.
    sieve = [n for n in range(2, 2000) if all(n % d for d in range(2, int(n**0.5) + 1))]
    assert said.startswith(f"1000 runs counted {sum(sum(p < m for p in sieve) for m in range(1000, 2000))} primes")


def test_a_workflow_of_three_functions_repeats_no_step(grid):
    for name in ("check_order", "price_order", "write_invoice"):
        grid.deploy(f"workflow/functions/{name}.py")

    first, again = grid.program("workflow/run.py"), grid.program("workflow/run.py")

    assert first == again
    assert "total          10.90" in first
    assert "Order A-18: not enough of cheese" in first
    assert [len(list(grid.client.runs(name))) for name in ("check_order", "price_order", "write_invoice")] == [2, 1, 1]


def test_an_agents_code_is_run_within_walls(grid):
    said = grid.program("code_sandbox/agent.py").split(">>> ")[1:]

    defined, used, raised, reached_out, endless, after = said
    assert "read 4 prices" in defined
    assert "6.9" in used
    assert "IndexError: list index out of range" in raised
    assert "URLError" in reached_out
    assert "The code was stopped" in endless
    assert str(2**100) in after
    assert not [f.name for f in grid.client.functions() if re.match("sandbox-", f.name)]
