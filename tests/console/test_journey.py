"""A person's way through the console, from the log-in to the replay, in a real browser."""

from console_browser import console, run_now, status_is, visit, window

from flow_steps import deploy, ended, http, reached, run
from grid import started_grid

HELLO = "def handler(event, context):\n    print('for', event['name'])\n    return {'hello': event['name']}\n"
ECHO = "def handler(event, context):\n    return event\n"
FAILING = "def handler(event, context):\n    print('before')\n    raise KeyError('luck')\n"
SLOW = "import time\ndef handler(event, context):\n    print('first line', flush=True)\n    time.sleep(60)\n"
HUGE = '{"id": 12345678901234567890, "share": 0.10}'


async def test_the_link_logs_in_and_its_token_leaves_the_address(chromium, grid):
    async with console(chromium, grid) as page:
        address = page.url
        kept = await page.evaluate("JSON.stringify(localStorage)")
        token = await page.evaluate("sessionStorage.getItem('nanogrid.token')")

    assert address == f"{grid.url}/"
    assert grid.token not in kept
    assert token == grid.token


async def test_a_wrong_token_is_refused_in_words_and_the_log_out_forgets_the_right_one(chromium, grid):
    async with window(chromium) as page:
        await page.goto(grid.url)
        await page.get_by_label("Token").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        refusal = await page.get_by_text("the token is not one of this grid").inner_text()
        await page.get_by_label("Token").fill(grid.token)
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Log out").click()
        await page.get_by_label("Token").wait_for()
        left = await page.evaluate("sessionStorage.length")

    assert "Authorization" in refusal
    assert left == 0


async def test_a_function_is_written_deployed_and_run_in_the_page(chromium, grid):
    async with console(chromium, grid, "#/new") as page:
        await page.get_by_label("Name").fill("greet")
        await page.get_by_label("Code").fill(HELLO)
        await page.get_by_role("button", name="Deploy").click()
        await page.get_by_role("heading", name="greet v1").wait_for()
        await run_now(page, '{"name": "Ada"}')
        await status_is(page, "succeeded")
        output = await page.get_by_label("Output").last.inner_text()
        logs = await page.get_by_label("Logs", exact=True).inner_text()
        spent = await page.locator(".timing-bar").get_attribute("aria-label")

    assert output == '{\n  "hello": "Ada"\n}'
    assert logs == "for Ada\n"
    assert "queued" in spent
    assert "cold start" in spent


async def test_an_input_that_is_no_json_is_told_and_not_sent(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        async with console(chromium, grid, "#/functions/echo") as page:
            await run_now(page, '{"name": ')
            said = await page.locator("#input-error").inner_text()
            wrong = await page.get_by_label("Input, as JSON").get_attribute("aria-invalid")
        runs = (await client.get("/runs", params={"functionId": "echo"})).json()["items"]

    assert said.startswith("This is no JSON yet")
    assert wrong == "true"
    assert runs == []


async def test_log_lines_come_while_an_asynchronous_run_goes_on_and_cancel_ends_it(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "slow", SLOW)
        async with console(chromium, grid, "#/functions/slow") as page:
            await run_now(page, "1", mode="async")
            await page.get_by_label("Live logs").get_by_text("first line").wait_for()
            await status_is(page, "running")
            await page.get_by_role("button", name="Cancel").click()
            await status_is(page, "cancelled")
            run_id = await page.locator("[data-run]").get_attribute("data-run")
        record = await ended(client, run_id)

    assert (record["status"], record["mode"]) == ("cancelled", "async")


async def test_a_functions_log_lines_are_followed_live(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "hello", HELLO)
        await run(client, "hello", {"name": "Ada"})
        async with console(chromium, grid, "#/functions/hello") as page:
            await page.get_by_text("Follow the logs").click()
            await page.get_by_text("live", exact=True).wait_for()
            await run(client, "hello", {"name": "Grace"})
            lines = page.get_by_label("Log lines of this function")
            await lines.get_by_text("for Grace").wait_for()
            text = await lines.inner_text()

    assert text.index("for Ada") < text.index("for Grace")


async def test_a_failure_is_explained_and_replayed_with_the_very_same_input(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "failing", FAILING)
        await client.post("/run", content=f'{{"functionId": "failing", "input": {HUGE}}}', headers=JSON)
        failed = (await client.get("/runs")).json()["items"][0]
        async with console(chromium, grid, f"#/runs/{failed['runId']}") as page:
            await page.get_by_text("The handler raised. It was: KeyError").wait_for()
            stack = await page.get_by_label("Stack trace").inner_text()
            await client.put("/functions/failing", json={"source": ECHO})
            await page.get_by_role("button", name="Replay").click()
            await status_is(page, "succeeded")
            run_id = await page.locator("[data-run]").get_attribute("data-run")
        again = (await client.get(f"/runs/{run_id}")).text

    assert "raise KeyError('luck')" in stack
    assert f'"input":{HUGE}' in again


async def test_a_run_that_waits_tells_what_it_waits_for_and_the_panel_changes_when_it_ends(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "slow", SLOW, concurrency=1, timeoutMs=100_000)
        first, second = [(await run(client, "slow", 1, Prefer="respond-async")).json()["runId"] for _ in range(2)]
        await reached(client, first, "running")
        async with console(chromium, grid, f"#/runs/{second}") as page:
            panel = page.get_by_label("Why it waits")
            await panel.get_by_text("slow may have 1 run at once").wait_for()
            limit = await panel.locator("dl").inner_text()
            command = await panel.get_by_text(f"nanogrid cancel {second}").count()
            await client.delete(f"/runs/{second}")
            await page.get_by_label("Why it was cancelled").wait_for()
        await client.delete(f"/runs/{first}")

    assert "concurrency is 1 runs, 1 used" in limit
    assert command == 1


async def test_the_history_is_filtered_by_function_and_status_and_goes_on_page_by_page(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        await deploy(client, "failing", FAILING)
        for number in range(30):
            await run(client, "echo", number)
        await run(client, "failing", 1)
        async with console(chromium, grid, "#/runs?functionId=failing") as page:
            await page.get_by_label("Status").select_option("failed")
            await page.get_by_role("row").nth(1).get_by_text("failing").wait_for()
            failed = await page.locator("tbody tr").count()
            await visit(page, "#/runs?functionId=echo")
            await page.get_by_role("link", name="Older").click()
            await page.get_by_role("button", name="Newer").wait_for()
            older = await page.locator("tbody tr").count()

    assert failed == 1
    assert older == 5


async def test_an_older_version_comes_back_with_its_code(chromium, grid):
    async with http(grid) as client, console(chromium, grid, "#/new") as page:
        await page.get_by_label("Name").fill("greet")
        await page.get_by_role("button", name="Deploy").click()
        await page.get_by_role("link", name="Edit and deploy").click()
        await page.get_by_label("Code").fill(ECHO)
        await page.get_by_role("button", name="Deploy v2").click()
        await page.get_by_role("button", name="Roll back to v1").click()
        await page.get_by_role("heading", name="greet v3").wait_for()
        versions = (await client.get("/functions/greet/versions")).json()["items"]

    assert versions[0]["codeSha256"] == versions[2]["codeSha256"] != versions[1]["codeSha256"]


async def test_an_alias_is_set_with_a_share_moved_and_deleted(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        await client.put("/functions/echo", json={"memoryMb": 256})
        async with console(chromium, grid, "#/functions/echo") as page:
            await page.get_by_label("Alias", exact=True).fill("live")
            await page.get_by_label("Version", exact=True).select_option("1")
            await page.get_by_label("Some runs to").select_option("2")
            await page.get_by_label("Share, %").fill("12.5")
            await page.get_by_role("button", name="Set alias").click()
            await page.get_by_role("cell", name="87.5 % v1, 12.5 % v2").wait_for()
            shared = (await client.get("/functions/echo/aliases/live")).json()
            await page.get_by_role("button", name="Move live").click()
            share = await page.get_by_label("Share, %").input_value()
            await page.get_by_label("Version", exact=True).select_option("2")
            await page.get_by_label("Some runs to").select_option("")
            await page.get_by_role("button", name="Set alias").click()
            await page.get_by_role("cell", name="v2", exact=True).last.wait_for()
            await page.get_by_role("button", name="Delete live").click()
            await page.get_by_role("button", name="Delete it").click()
            await page.get_by_text("None yet. An alias is a name").wait_for()
        left = (await client.get("/functions/echo/aliases")).json()["items"]

    assert (shared["version"], shared["weights"], share) == (1, {"2": 0.125}, "12.5")
    assert left == []


async def test_who_may_call_a_function_over_http_is_set_in_its_settings_and_shown_with_its_address(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        async with console(chromium, grid, "#/functions/echo/edit") as page:
            await page.get_by_label("Over HTTP, under /fn").select_option("public")
            await page.get_by_label("Raised by itself up to").fill("512")
            await page.get_by_role("button", name="Deploy v2").click()
            await page.get_by_role("link", name="/fn/echo").wait_for()
            raised = await page.get_by_text("up to 512 MB").count()
        answer = await client.get("/fn/echo", headers={"authorization": ""})

    assert (raised, answer.status_code) == (1, 200)


async def test_a_refused_field_is_told_at_the_field(chromium, grid):
    async with console(chromium, grid, "#/new") as page:
        await page.get_by_label("Name").fill("greet")
        await page.get_by_label("Handler").fill("<img src=x onerror=alert(1)>")
        await page.get_by_text("Limits, network, environment").click()
        await page.get_by_label("Environment").fill("NOT A NAME=1")
        await page.get_by_role("button", name="Deploy").click()
        said = await page.locator("#error-environment:not(:empty)").inner_text()

    assert said


async def test_a_function_is_deleted_only_after_a_question(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "echo", ECHO)
        async with console(chromium, grid, "#/functions/echo") as page:
            await page.get_by_role("button", name="Delete").click()
            await page.get_by_role("button", name="Keep it").click()
            kept = (await client.get("/functions/echo")).status_code
            await page.get_by_role("button", name="Delete", exact=True).click()
            await page.get_by_role("button", name="Delete it").click()
            await page.get_by_text("No functions yet").wait_for()
        gone = (await client.get("/functions/echo")).status_code

    assert (kept, gone) == (200, 404)


async def test_a_dead_letter_is_explained_and_redriven_when_its_cause_is_gone(chromium):
    async with started_grid() as grid:
        async with http(grid) as client:
            function = await deploy(client, "echo", ECHO)
        # The code rots while nothing of it is unpacked.
        await grid.stop()
        (archive,) = [path for path in (grid.data / "code").rglob("*") if path.name.startswith(function["codeSha256"])]
        whole = archive.read_bytes()
        archive.chmod(0o600)
        archive.write_bytes(b"rotten")
        await grid.start()
        async with http(grid) as client:
            dead = await ended(client, (await run(client, "echo", 7, Prefer="respond-async")).json()["runId"])
            archive.write_bytes(whole)
            async with console(chromium, grid, f"#/runs/{dead['runId']}") as page:
                await page.get_by_label("Why it failed").get_by_text("The last reason").wait_for()
                await visit(page, "#/dead-letters")
                await page.get_by_role("button", name="Redrive").click()
                await status_is(page, "succeeded")
            record = await ended(client, dead["runId"])

    assert dead["status"] == "dead"
    assert record["output"] == 7


JSON = {"content-type": "application/json"}
