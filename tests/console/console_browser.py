"""A real Chromium in front of a started grid. Without one the tests are skipped on a laptop, and fail in CI."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest

from grid import StartedGrid

try:
    from playwright.async_api import Browser, Page, async_playwright, expect
except ModuleNotFoundError:
    async_playwright = None

_ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: What the browser itself says about an answer that is no 2xx; the page's own mistakes read otherwise.
_REFUSED = "Failed to load resource"
_PATIENCE_MS = 15_000
_VISIT = """hash => new Promise((arrived) => {
  addEventListener("hashchange", () => arrived(), { once: true });
  location.hash = hash;
})"""


def absent(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not here, and CI tests the console.")
    pytest.skip(f"{what} is not here.")


@asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    """Chromium for as long as the context lasts."""
    path = shutil.which("chromium")
    if path is None:
        absent("chromium")
    if async_playwright is None:
        absent("playwright")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def console(chromium: "Browser", grid: StartedGrid, address: str = "", **options: Any) -> AsyncIterator["Page"]:
    """The console, logged in by the link that `nanogrid up` prints; no script may fail, no rule be broken."""
    async with window(chromium, **options) as page:
        await page.goto(f"{grid.url}/#token={grid.token}")
        await page.get_by_role("heading", name="Overview").wait_for()
        if address:
            await visit(page, address)
        yield page


@asynccontextmanager
async def window(chromium: "Browser", **options: Any) -> AsyncIterator["Page"]:
    """A window with storage of its own."""
    context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
    page = await context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    mistakes = watched(page)
    yield page
    await context.close()
    assert mistakes == []


def watched(page: "Page") -> list[str]:
    """Everything that the page did wrong from now on: exceptions, refusals by its policy, dialogs."""
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda said: mistakes.append(said.text) if _is_mistake(said) else None)
    page.on("dialog", lambda dialog: mistakes.append(f"dialog: {dialog.message}"))
    return mistakes


async def visit(page: "Page", address: str) -> None:
    """Go to another page of the console by its address, as a link does; return when it has loaded."""
    await page.evaluate(_VISIT, address)
    await expect(page.locator(".loading")).to_have_count(0)


async def run_now(page: "Page", text: str, *, mode: str = "sync") -> None:
    """Press Run on a function's page."""
    await page.get_by_label("Input, as JSON").fill(text)
    await page.get_by_label("How to wait").select_option(mode)
    await page.get_by_role("button", name="Run", exact=True).click()


async def status_is(page: "Page", status: str) -> None:
    """Return when the run that is shown has this status."""
    await page.locator(f"[data-status={status}]").wait_for()


def _is_mistake(said: Any) -> bool:
    return said.type == "error" and _REFUSED not in said.text
