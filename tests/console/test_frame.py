"""What surrounds every page: keys, themes, and what is shown when something is wrong."""

from console_browser import console, run_now, visit

from flow_steps import deploy, http

ECHO = "def handler(event, context):\n    return event\n"


async def test_keys_lead_through_the_console(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        async with console(chromium, grid) as page:
            await page.keyboard.press("/")
            await page.get_by_role("link", name="echo").wait_for()
            await page.keyboard.press("/")
            await page.keyboard.type("ec")
            await page.keyboard.press("Escape")
            await page.keyboard.press("j")
            await page.keyboard.press("Enter")
            await page.get_by_role("heading", name="echo v1").wait_for()
            await page.keyboard.press("g")
            await page.keyboard.press("r")
            focused = await page.evaluate("document.activeElement.textContent")
            await page.keyboard.press("?")
            await page.keyboard.press("Escape")
            help_open = await page.get_by_role("dialog").is_visible()

    assert focused == "Runs"
    assert help_open is False


async def test_the_theme_follows_the_system_until_one_is_chosen(chromium, grid):
    ground = "getComputedStyle(document.body).backgroundColor"
    async with console(chromium, grid, color_scheme="dark") as page:
        system = await page.evaluate(ground)
        await page.get_by_label("Theme").select_option("light")
        chosen = await page.evaluate(ground)
        await page.reload()
        kept = await page.evaluate(ground)

    assert system != chosen
    assert kept == chosen


async def test_a_token_that_is_no_longer_right_leads_to_the_log_in(chromium, grid):
    async with console(chromium, grid) as page:
        await page.evaluate("sessionStorage.setItem('nanogrid.token', 'stale')")
        await visit(page, "#/functions")
        await page.get_by_label("Token").wait_for()
        said = await page.locator("#login-error").inner_text()
        left = await page.evaluate("sessionStorage.length")

    assert "not one of this grid" in said
    assert left == 0


async def test_a_grid_that_is_gone_is_told_and_its_return_is_noticed(chromium, grid):
    async with console(chromium, grid) as page:
        await page.context.set_offline(True)
        await page.get_by_text("Looking for it again and again").wait_for()
        await visit(page, "#/functions")
        await page.get_by_role("button", name="Try again").wait_for()
        await page.context.set_offline(False)
        await page.get_by_text("No functions yet").wait_for()
        absence = await page.get_by_text("Looking for it again and again").is_visible()

    assert absence is False


async def test_a_full_backlog_says_when_to_come_again(chromium, grid):
    problem = '{"status": 429, "code": "backlog_full", "detail": "the queue holds as much as it may."}'
    headers = {"Retry-After": "3", "Content-Type": "application/problem+json"}
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        async with console(chromium, grid, "#/functions/echo") as page:
            await page.route("**/run", lambda route: route.fulfill(status=429, body=problem, headers=headers))
            await run_now(page, "1")
            said = await page.locator(".message.bad span").inner_text()

    assert said == "the queue holds as much as it may. Try again in 3 s."


async def test_what_is_not_there_is_told_with_a_way_on(chromium, grid):
    async with console(chromium, grid, "#/functions/nobody") as page:
        await page.get_by_role("link", name="All functions").click()
        await page.get_by_text("No functions yet").wait_for()

    assert page.url.endswith("#/functions")
