"""The modules that compute, called in the browser that they run in."""

import json

from console_browser import console

MEMBERS = """async (text) => Object.fromEntries((await import("/console/json.js")).members(text))"""
INDENTED = (
    """async (text) => [...(await import("/console/json.js")).indented(text)].map((piece) => piece.text).join("")"""
)
POINTS = """async (looks) => {
  const { History, parse } = await import("/console/metrics.js");
  const history = new History();
  looks.forEach((text, index) => history.add(1000 * index, parse(text)));
  return history.points();
}"""
PAINTED = """async ([text, language]) => {
  const box = document.createElement("pre");
  box.append(...(await import("/console/highlight.js")).coloured(text, language));
  return [box.textContent, [...box.querySelectorAll(".code-keyword")].map((node) => node.textContent)];
}"""
NASTY = r'{"input": {"output": [1, "}", {"a\\": "\"," }]}, "output" : 1.10, "last": "x\\"}'


async def test_members_are_found_as_they_were_written(chromium, grid):
    async with console(chromium, grid) as page:
        found = await page.evaluate(MEMBERS, NASTY)
        none = [await page.evaluate(MEMBERS, text) for text in ("{}", "[]", "7", '"{}"')]

    assert {name: json.loads(text) for name, text in found.items()} == json.loads(NASTY)
    assert found["output"] == "1.10"
    assert none == [{}] * 4


async def test_indented_json_means_the_same_and_keeps_its_numbers(chromium, grid):
    text = '{"a":[],"b":{},"c":[12345678901234567890,1.10,-2e9,true,null],"d":{"e":"[,]: \\\\"}}'
    async with console(chromium, grid) as page:
        shown = await page.evaluate(INDENTED, text)

    assert json.loads(shown) == json.loads(text)
    assert '"a": [],\n  "b": {},\n  "c": [\n    12345678901234567890,\n    1.10,' in shown


async def test_a_history_tells_rates_shares_and_quantiles_and_begins_anew_after_a_restart(chromium, grid):
    async with console(chromium, grid) as page:
        first, second = await page.evaluate(POINTS, [look(0, 0, 0), look(8, 2, 1), look(8, 2, 1)])
        restarted = await page.evaluate(POINTS, [look(8, 2, 1), look(1, 0, 1)])

    assert (first["runs"], first["failed"], first["errors"], first["cold"]) == (10, 2, 20, 10)
    assert (round(first["p50"], 1), round(first["p99"], 1)) == (5.0, 98.1)
    assert (second["runs"], second["errors"]) == (0, 20)
    assert restarted == []


async def test_code_is_coloured_and_stays_the_same_text(chromium, grid):
    python = "def f(a):  # if\n    return 'while' if a else f\"{a}\"\n"
    async with console(chromium, grid) as page:
        text, words = await page.evaluate(PAINTED, [python, "python"])

    assert text == python
    assert words == ["def", "return", "if", "else"]


def look(succeeded, failed, cold):
    """What /metrics says after so many runs, half of them below 5 ms, all below 100."""
    runs = succeeded + failed
    return f"""nanogrid_runs_total{{status="succeeded"}} {succeeded}.0
nanogrid_runs_total{{status="failed"}} {failed}.0
nanogrid_cold_starts_total {cold}.0
nanogrid_run_duration_seconds_bucket{{le="0.005"}} {runs / 2}
nanogrid_run_duration_seconds_bucket{{le="0.1"}} {runs}.0
nanogrid_run_duration_seconds_bucket{{le="+Inf"}} {runs}.0
"""
