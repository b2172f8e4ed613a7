"""Schedules in the console: what fires when, how it went, and a pause."""

import re

from console_browser import console, visit

from flow_steps import deploy, http

ECHO = "def handler(event, context):\n    return event\n"
DAILY = {"function": "echo", "expression": "0 7 * * *", "timezone": "Asia/Seoul", "overlap": "skip"}
#: What came of due times, as no test would wait for it.
FIRES = [
    {"dueAt": "2026-01-05T22:00:00Z", "at": "2026-01-05T22:00:00Z", "outcome": "overlapped", "count": 3, "reason": "r"},
    {"dueAt": "2026-01-02T22:00:00Z", "at": "2026-01-02T22:00:01Z", "outcome": "started", "count": 1},
]


async def test_schedules_are_listed_with_their_next_due_time_paused_and_resumed(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        await client.post("/schedules", json=DAILY)
        async with console(chromium, grid, "#/schedules") as page:
            row = page.get_by_role("row").nth(1)
            before = await row.inner_text()
            await row.get_by_role("button", name="Pause echo").click()
            await row.get_by_text("paused").wait_for()
            paused = (await client.get("/schedules/echo")).json()["enabled"]
            await row.get_by_role("button", name="Resume echo").click()
            await row.get_by_text(re.compile(r"in \d+ (h|min|s)")).wait_for()
        resumed = (await client.get("/schedules/echo")).json()["enabled"]

    assert "At 07:00 every day" in before
    assert "never" in before
    assert (paused, resumed) == (False, True)


async def test_a_schedule_shows_its_next_due_times_at_home_and_what_came_of_the_latest(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        answer = await client.post("/run", json={"functionId": "echo", "input": 1})
        await client.post("/schedules", json=DAILY)
        schedule = (await client.get("/schedules/echo")).json()
        FIRES[1] |= {"runId": answer.json()["runId"], "status": "succeeded"}
        async with console(chromium, grid) as page:
            await page.route("**/schedules/echo", lambda route: route.fulfill(json=schedule | {"fires": FIRES}))
            await visit(page, "#/schedules/echo")
            coming = await page.locator("dt").filter(has_text="7:00").count()
            skipped = await page.get_by_role("row").nth(1).inner_text()
            await page.get_by_role("row").nth(2).get_by_role("link").click()
            await page.get_by_role("heading", name="Run of echo").wait_for()

    assert coming == 5
    assert "and 2 times before" in skipped
    assert "the run before had not ended" in skipped


async def test_a_run_that_a_schedule_made_leads_back_to_it(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        await client.post("/schedules", json=DAILY)
        run = (await client.post("/run", json={"functionId": "echo", "input": 1})).json()
        triggered = run | {"input": 1, "trigger": {"schedule": "echo", "dueAt": "2026-01-05T22:00:00Z"}}
        async with console(chromium, grid) as page:
            await page.route(f"**/runs/{run['runId']}?*", lambda route: route.fulfill(json=triggered))
            await visit(page, f"#/runs/{run['runId']}")
            await page.get_by_role("link", name="echo").last.click()
            await page.get_by_role("heading", name="echo", exact=True).wait_for()

    assert page.url.endswith("#/schedules/echo")


async def test_a_schedule_is_deleted_only_after_a_question(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        await client.post("/schedules", json=DAILY)
        async with console(chromium, grid, "#/schedules/echo") as page:
            await page.get_by_role("button", name="Delete", exact=True).click()
            await page.get_by_role("button", name="Keep it").click()
            kept = (await client.get("/schedules/echo")).status_code
            await page.get_by_role("button", name="Delete", exact=True).click()
            await page.get_by_role("button", name="Delete it").click()
            await page.get_by_text("No schedules").wait_for()
            left = (await client.get("/schedules/echo")).status_code

    assert (kept, left) == (200, 404)
