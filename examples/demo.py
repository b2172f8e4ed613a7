"""`make demo`: start a grid, deploy the functions beside this file, run each on real input, show what came back.

Deployed is with the command line, as a person would; run with the SDK.
"""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nanogrid import Client
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
SECRET = "demo secret"
ORDER = json.dumps({"id": "A-17", "total": 42.5})
SIGNATURE = "sha256=" + hmac.new(SECRET.encode(), ORDER.encode(), hashlib.sha256).hexdigest()
LICENSE = (HERE.parent / "LICENSE").read_text()
SALES = "city,item,count\nLisbon,olives,12\nOslo,bread,30\nLisbon,cheese,4\nOslo,olives,7\nSeoul,cheese,21\n"

#: path below examples/, further options of `nanogrid deploy`, input
FUNCTIONS = [
    ("hello.py", [], {"name": "Ada"}),
    ("word_count.py", [], {"text": LICENSE}),
    ("csv_report", [], {"csv": SALES}),
    ("webhook.py", ["--env", f"SECRET={SECRET}"], {"headers": {"x-signature-256": SIGNATURE}, "body": ORDER}),
    ("crunch.py", [], {"limit": 30_000}),
    ("slugify_node", [], {"titles": ["Crème brûlée, twice", "What is a µ-service?"]}),
    ("line_stats", [], {"log": "GET /a 200 12.5\nGET /b 404 3.1\nPOST /c 201 48.9"}),
    ("render_markdown", [], {"text": "# Prices\n\nitem | price\n--- | ---\ntea | 3\n"}),
]


def main() -> int:
    console = Console(width=max(120, shutil.get_terminal_size().columns), highlight=False)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nanogrid-demo-") as folder:
        data = Path(folder) / "data"
        with subprocess.Popen(
            [sys.executable, "-m", "nanogrid", "up", "--port", "0", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as grid:
            try:
                address = wait_for(grid, data / "address")
                console.print(f"A grid listens on [bold]{address}[/], its state in {data}.\n")
                token = (data / "token").read_text().strip()
                with Client(url=address, token=token) as client:
                    failed = show(console, client, {"NANOGRID_URL": address, "NANOGRID_TOKEN": token})
            finally:
                grid.terminate()
                grid.wait()
    console.print(f"\nThe grid is stopped. {time.monotonic() - began:.1f} s in all.")
    return 1 if failed else 0


def wait_for(grid: subprocess.Popen, address: Path) -> str:
    while not address.exists():
        if grid.poll() is not None:
            sys.exit("The grid did not start:\n" + grid.stdout.read())
        time.sleep(0.05)
    return address.read_text().strip()


def shown_input(event: dict) -> str:
    return " ".join(json.dumps(event, ensure_ascii=False).replace("\\n", " ").split())


def deploy(path: Path, options: list[str], environment: dict[str, str]) -> str:
    """`nanogrid deploy`; the function's name."""
    command = [sys.executable, "-m", "nanogrid", "deploy", str(path), *options, "--json"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{path.name} could not be deployed:\n{done.stderr}")
    return json.loads(done.stdout)["name"]


def show(console: Console, client: Client, environment: dict[str, str]) -> int:
    """Deploy and run everything; how many functions failed."""
    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"])
    for heading, width in (("function", 16), ("input", 40), ("output", 44)):
        table.add_column(heading, max_width=width, overflow="ellipsis", no_wrap=True)
    for heading in ("start", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    failed = 0
    for path, options, event in FUNCTIONS:
        if path == "slugify_node" and shutil.which("node") is None:
            console.print("(node is not on this machine: the Node example is left out)")
            continue
        name = deploy(HERE / path, options, environment)
        for attempt in ("first", "second"):
            run = client.invoke(name, event)
            failed += run.status != "succeeded"
            shown = run.output if run.status == "succeeded" else f"{run.status}: {run.error.message}"
            usage = run.usage
            table.add_row(
                name if attempt == "first" else "",
                shown_input(event) if attempt == "first" else "",
                json.dumps(shown, ensure_ascii=False),
                "[cyan]cold[/]" if usage.cold_start else "[green]warm[/]",
                f"{usage.init_ms + usage.duration_ms:.1f}",
            )
    console.print(table)
    return failed


if __name__ == "__main__":
    sys.exit(main())
