"""The files that a run left, as the console lists and saves them."""

from console_browser import console, run_now, status_is

from flow_steps import deploy, http

NAME = "<img src=x onerror=alert(1)>.html"
LEAVING = f"""
import os
def handler(event, context):
    os.makedirs("/tmp/output/deep", exist_ok=True)
    open("/tmp/output/deep/" + {NAME!r}, "w").write("<script>alert(1)</script>")
"""


async def test_a_file_that_a_run_left_is_saved_as_it_is_and_never_opened(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "leaving", LEAVING)
        async with console(chromium, grid, "#/functions/leaving") as page:
            await run_now(page, "0")
            await status_is(page, "succeeded")
            async with page.expect_download() as begun:
                await page.get_by_role("button", name="Download deep/").click()
            download = await begun.value
            content = (await download.path()).read_bytes()
            listed = await page.locator(".artifacts code").all_inner_texts()

    assert listed == [f"deep/{NAME}"]
    assert content == b"<script>alert(1)</script>"
    assert download.suggested_filename.endswith(".html")
