"""Names, settings, logs, errors and outputs are text, whoever wrote them."""

import json

from console_browser import console, run_now, status_is, visit

from flow_steps import deploy, http, run

MARKUP = "<img src=x onerror=\"alert('hostile')\"><script>alert('hostile')</script>"
SHOUTING = (
    "def handler(event, context):\n"
    f"    print({MARKUP!r})\n"
    "    print('bell \\x07 escape \\x1b]0;title\\x07 \\x1b[31mred\\x1b[0m turned \\u202e around')\n"
    f"    if event: raise ValueError({MARKUP!r})\n"
    f"    return {{{MARKUP!r}: [{MARKUP!r}]}}\n"
)
FLOODING = "def handler(event, context):\n    for number in range(6000):\n        print(number, 'y' * 80)\n"
INSERTED = "document.querySelectorAll('img, script:not([src]), iframe').length"


async def test_markup_in_output_logs_errors_and_settings_stays_text(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "shouting", SHOUTING, environment={"MARKUP": MARKUP})
        async with console(chromium, grid, "#/functions/shouting") as page:
            await run_now(page, "0")
            await status_is(page, "succeeded")
            output = await page.get_by_label("Output").last.inner_text()
            logs = await page.get_by_label("Logs", exact=True).inner_text()
            await run_now(page, json.dumps(MARKUP))
            await status_is(page, "failed")
            text = await page.inner_text("main")
            inserted = await page.evaluate(INSERTED)

    assert json.loads(output) == {MARKUP: [MARKUP]}
    assert logs.startswith(MARKUP)
    assert text.count(MARKUP) >= 3
    assert inserted == 0


async def test_control_and_direction_characters_are_shown_and_not_obeyed(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "shouting", SHOUTING)
        record = (await run(client, "shouting", 0)).json()
        async with console(chromium, grid, f"#/runs/{record['runId']}") as page:
            logs = await page.get_by_label("Logs", exact=True).inner_text()

    assert "bell ␇ escape ␛]0;title␇ red turned ⟦U+202E⟧ around" in logs


async def test_a_flood_of_logs_is_shown_as_far_as_it_is_kept(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "flooding", FLOODING)
        async with console(chromium, grid, "#/functions/flooding") as page:
            await run_now(page, "0")
            await status_is(page, "succeeded")
            logs = await page.get_by_label("Logs", exact=True).inner_text()
            told = await page.get_by_text("the middle is missing").is_visible()

    assert len(logs) > 256 * 1024
    assert logs.startswith("0 y")
    assert "\n5999 y" in logs
    assert told is True


async def test_a_name_that_no_grid_would_allow_still_is_text(chromium, grid):
    page_of_names = {"items": [], "nextCursor": None}
    async with http(grid) as client:
        function = await deploy(client, "plain", SHOUTING)
        page_of_names["items"] = [{**function, "name": MARKUP, "runtime": MARKUP}]
        async with console(chromium, grid) as page:
            await page.route("**/functions?*", lambda route: route.fulfill(json=page_of_names))
            await visit(page, "#/functions")
            link = await page.locator("tbody a").inner_text()
            inserted = await page.evaluate(INSERTED)

    assert link == MARKUP
    assert inserted == 0
