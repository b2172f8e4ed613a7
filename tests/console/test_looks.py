"""What the console looks like, and whether everybody can use it: axe on each page, and the pictures of the docs.

`UPDATE_SCREENSHOTS=1` puts the pictures into docs/images; otherwise they go to a folder that is thrown away.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from console_browser import absent, console, run_now, status_is, visit, window

from flow_steps import deploy, http, run

IMAGES = Path(__file__).parents[2] / "docs" / "images"
AXE = "axe-core@4.14.1"
PAGES = ["#/", "#/functions", "#/functions/greet", "#/functions/greet/edit", "#/new", "#/runs", "#/dead-letters"]
PAGES += ["#/access", "#/schedules", "#/schedules/greet", "#/schedules/invoice"]
GREET = "def handler(event, context):\n    print('greeting', event['name'])\n    return {'hello': event['name']}\n"
FAILING = (
    "def handler(order, context):\n    print('order', order)\n    return price(order)\n\n"
    "def price(order):\n    return order['amount'] * order['price']\n"
)
#: How many points the first chart shows, and how many make a picture.
SEEN = "document.querySelector('.chart-line')?.getAttribute('d').split('L').length ?? 0"
UPDATE = bool(os.environ.get("UPDATE_SCREENSHOTS"))
ENOUGH = 14 if UPDATE else 2
VIOLATIONS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => [location.hash, id, ...nodes.map((node) => node.html.slice(0, 200))]);
}"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, fetched by npm."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        absent("npm")
    packed = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if packed.returncode != 0:
        absent(f"{AXE} ({packed.stderr.strip().splitlines()[-1:]})")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_no_page_has_a_serious_barrier(chromium, grid, axe, theme):
    found = []
    async with http(grid) as client:
        failed = await filled(client)
        async with console(chromium, grid, color_scheme=theme) as page:
            await page.evaluate(axe)
            for address in [*PAGES, f"#/runs/{failed}"]:
                await visit(page, address)
                found += await page.evaluate(VIOLATIONS)

    assert found == []


async def test_the_log_in_has_no_serious_barrier(chromium, grid, axe):
    async with window(chromium) as page:
        await page.goto(grid.url)
        await page.get_by_label("Token").wait_for()
        await page.evaluate(axe)
        found = await page.evaluate(VIOLATIONS)

    assert found == []


async def test_pictures_are_taken_in_light_and_dark(chromium, grid, images):
    async with http(grid) as client:
        failed = await filled(client)
        async with console(chromium, grid) as page:
            await busy(client, page)
            await page.screenshot(path=images / "console-overview.png")
            await visit(page, "#/functions/greet")
            await run_now(page, '{\n  "name": "Ada"\n}')
            await status_is(page, "succeeded")
            await page.screenshot(path=images / "console-function.png")
            await visit(page, "#/access")
            await page.screenshot(path=images / "console-access.png")
            await page.emulate_media(color_scheme="dark")
            await visit(page, f"#/runs/{failed}")
            await page.get_by_text("Why it failed").wait_for()
            await page.screenshot(path=images / "console-run-dark.png")
            await visit(page, "#/functions/greet/edit")
            await page.get_by_label("Code").fill(GREET)
            await page.screenshot(path=images / "console-editor-dark.png")

    assert all(picture.stat().st_size > 10_000 for picture in images.glob("console-*.png"))


async def test_nothing_is_wider_than_a_phone(chromium, grid, images):
    widths = {}
    async with http(grid) as client:
        failed = await filled(client)
        async with console(chromium, grid, viewport={"width": 390, "height": 844}, device_scale_factor=2) as page:
            for address in [*PAGES, f"#/runs/{failed}"]:
                await visit(page, address)
                widths[address] = await page.evaluate("document.documentElement.scrollWidth")
            await page.get_by_text("Why it failed").wait_for()
            await page.screenshot(path=images / "console-phone.png")

    assert {address: width for address, width in widths.items() if width > 390} == {}


@pytest.fixture
def images(tmp_path):
    return IMAGES if UPDATE else tmp_path


async def filled(client):
    """Two functions with some runs, two secrets and two keys; the id of the run that failed."""
    for name in ("payment-key", "smtp-password"):
        await client.put(f"/secrets/{name}", json={"value": "sk_live_0123456789"})
    await client.post("/keys", json={"name": "deployment", "scopes": ["deploy", "read"]})
    await client.post("/keys", json={"name": "nightly report", "scopes": ["run"], "functions": ["invoice"]})
    await deploy(client, "greet", GREET)
    await deploy(client, "invoice", FAILING, memoryMb=256, environment={"CURRENCY": "EUR"})
    for name in ("Ada", "Grace", "Edsger", "Barbara", "Tony"):
        await run(client, "greet", {"name": name})
    failed = await run(client, "invoice", {"amount": 3, "item": "lamp"})
    for name, when in (("greet", "0 7 * * MON-FRI"), ("invoice", "every 15 minutes")):
        made = {"function": name, "expression": when, "timezone": "Asia/Seoul", "enabled": name == "greet"}
        await client.post("/schedules", json=made)
    return failed.json()["runId"]


async def busy(client, page):
    """Runs, until the charts have something to show."""
    while await page.evaluate(SEEN) < ENOUGH:
        for name in ("Ada", "Grace", "Edsger"):
            await run(client, "greet", {"name": name})
        await run(client, "invoice", {"amount": 3, "item": "lamp"})
