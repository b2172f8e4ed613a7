"""Secrets and keys in the console: set and made, shown once or never, taken back."""

import httpx
from console_browser import console, run_now, status_is, visit, window

from flow_steps import deploy, http

MARKUP = "<img src=x onerror=\"alert('hostile')\"> \u202e turned"
INSERTED = "document.querySelectorAll('img, script:not([src]), iframe').length"
#: Two lines, as a certificate has many.
VALUE = "-----BEGIN KEY-----\nc2VjcmV0"
LENGTH = "import os\ndef handler(event, context):\n    return len(os.environ['CERTIFICATE'])\n"


async def test_a_key_is_made_its_token_shown_once_and_revoked(chromium, grid):
    async with console(chromium, grid, "#/access") as page:
        await page.get_by_text("Only the owner's token opens this grid").wait_for()
        form = page.get_by_role("form", name="Make a key")
        await form.get_by_label("Name").fill("nightly")
        await form.get_by_role("checkbox", name="read").check()
        await form.get_by_label("Ends").select_option("in 30 days")
        await form.get_by_role("button", name="Make a key").click()
        token = await page.get_by_label("Token", exact=True).inner_text()
        row = page.get_by_role("row", name="nightly")
        scopes = await row.locator("td").nth(1).inner_text()
        before = await asked(grid, token)
        await page.get_by_role("button", name="I have kept it").click()
        await visit(page, "#/runs")
        await visit(page, "#/access")
        left = await page.content()
        await page.get_by_role("button", name="Revoke nightly").click()
        await page.get_by_role("button", name="Revoke it").click()
        await page.get_by_text("nightly is revoked").wait_for()
        after = await asked(grid, token)

    assert token.startswith("ngk_")
    assert scopes == "read, run"
    assert token not in left
    assert (before, after) == (200, 401)


async def asked(grid, token):
    async with httpx.AsyncClient(base_url=grid.url, headers={"Authorization": f"Bearer {token}"}) as client:
        return (await client.get("/functions")).status_code


async def test_a_secret_is_set_named_by_a_function_known_to_it_and_deleted(chromium, grid):
    async with http(grid) as client:
        await deploy(client, "length", LENGTH)
        async with console(chromium, grid, "#/access") as page:
            await page.get_by_text("No secrets").wait_for()
            form = page.get_by_role("form", name="Set a secret")
            await form.get_by_label("Name").fill("certificate")
            await form.get_by_label("Value").fill(VALUE)
            await form.get_by_role("button", name="Keep it").click()
            await page.get_by_role("row", name="certificate").wait_for()
            shown = [await page.content(), await form.get_by_label("Value").input_value()]
            await visit(page, "#/functions/length/edit")
            await page.get_by_label("Secrets").fill("CERTIFICATE=certificate")
            await page.get_by_role("button", name="Deploy").click()
            await page.get_by_role("heading", name="length v2").wait_for()
            named = await page.get_by_role("link", name="certificate").get_attribute("href")
            await run_now(page, "0")
            await status_is(page, "succeeded")
            output = await page.get_by_label("Output").last.inner_text()
            await visit(page, "#/access")
            await page.get_by_role("button", name="Rotate the key").click()
            await page.get_by_role("button", name="Rotate it").click()
            await page.get_by_text("1 value is sealed under a new key").wait_for()
            await page.get_by_role("button", name="Delete certificate").click()
            await page.get_by_role("button", name="Delete it").click()
            await page.get_by_text("No secrets").wait_for()

    assert "c2VjcmV0" not in shown[0]
    assert shown[1] == ""
    assert named == "#/access"
    assert output == str(len(VALUE))


async def test_what_the_grid_refuses_is_said_at_its_field_and_nothing_is_lost(chromium, grid):
    async with console(chromium, grid, "#/access") as page:
        form = page.get_by_role("form", name="Make a key")
        await form.get_by_label("Name").fill("ci")
        await form.get_by_label("Runs only these functions").fill("no.name")
        await form.get_by_role("button", name="Make a key").click()
        field = form.locator("[aria-invalid=true]")
        await field.wait_for()
        said = await page.locator(f"#{await field.get_attribute('aria-describedby')}").inner_text()
        name = await form.get_by_label("Name").input_value()
        await form.get_by_label("Runs only these functions").fill("")
        await form.get_by_role("checkbox", name="run run").uncheck()
        await form.get_by_role("button", name="Make a key").click()
        await page.get_by_text("Choose at least one thing").wait_for()

    assert said
    assert name == "ci"


async def test_who_may_not_see_them_is_told_what_it_needs_and_gets_no_form(chromium, grid):
    async with http(grid) as client:
        key = (await client.post("/keys", json={"name": "runner", "scopes": ["run"]})).json()
    async with window(chromium) as page:
        await page.goto(f"{grid.url}/#token={key['token']}")
        await page.get_by_role("link", name="Access").click()
        await page.get_by_text("Not with this key").nth(1).wait_for()
        said = await page.inner_text("main")
        forms = await page.get_by_role("form").count()

    assert "scope `deploy`" in said
    assert "scope `admin`" in said
    assert forms == 0


async def test_a_keys_name_is_text_whoever_gave_it(chromium, grid):
    async with http(grid) as client:
        await client.post("/keys", json={"name": MARKUP, "scopes": ["run"], "functions": ["a"]})
        async with console(chromium, grid, "#/access") as page:
            name = await page.locator("tbody td").first.inner_text()
            await page.get_by_role("button", name="Revoke").click()
            question = await page.get_by_role("dialog").inner_text()
            inserted = await page.evaluate(INSERTED)

    assert name == MARKUP.replace("\u202e", "⟦U+202E⟧")
    assert MARKUP.replace("\u202e", "⟦U+202E⟧") in question
    assert inserted == 0
