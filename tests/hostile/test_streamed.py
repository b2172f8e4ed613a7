"""Functions that yield, through the front door and out of real sandboxes."""

import json
from pathlib import Path

import httpx
import pytest

EVENTS = {"Accept": "text/event-stream"}
SOURCE = """
import time

def handler(event, context):
    path = event.get("rawPath")
    if path is not None:
        yield {"statusCode": 203, "headers": {"content-type": "text/event-stream", "x-mine": "1"}}
        event = {"parts": ["data: 1\\n\\n"], "fail": path.endswith("bad")}
    for part in event.get("parts", []):
        yield part
    if event.get("fail"):
        raise ValueError("in the middle")
    while event.get("endless"):
        yield "x" * 65_536
"""


def asked(attacked, value, name="yielding"):
    body = {"functionId": name, "input": value}
    return httpx.stream(
        "POST", f"{attacked.grid.url}/run", json=body, headers=attacked.grid.headers | EVENTS, timeout=60
    )


def events(response):
    """Name and data of each event."""
    told = [block.split("\n") for block in response.read().decode().split("\n\n") if block and block[0] != ":"]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in told]


def resident_mb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.fixture(scope="module")
def yielding(attacked):
    attacked.deploy("yielding", source=SOURCE, http="public")
    attacked.deploy("stalling", source=SOURCE, timeoutMs=2000)
    yield attacked
    for name in ("yielding", "stalling"):
        httpx.delete(f"{attacked.grid.url}/functions/{name}", headers=attacked.grid.headers)


def test_what_is_yielded_comes_as_events_and_the_run_at_the_end(yielding):
    with asked(yielding, {"parts": [1, "two\nlines", {"three": 3}]}) as response:
        *parts, (last, run) = events(response)

    assert response.headers["content-type"] == "text/event-stream"
    assert parts == [("part", 1), ("part", "two\nlines"), ("part", {"three": 3})]
    assert (last, run["status"], run["streamed"]) == ("run", "succeeded", True)
    assert run["output"] == [1, "two\nlines", {"three": 3}]


def test_who_does_not_ask_for_events_gets_the_list(yielding):
    run = yielding.run("yielding", {"parts": [1, 2]})

    assert (run["output"], run["streamed"], run["outputTruncated"]) == ([1, 2], True, False)


def test_a_failure_in_the_middle_is_told_by_the_last_event(yielding):
    with asked(yielding, {"parts": [1], "fail": True}) as response:
        (name, value), (last, run) = events(response)

    assert (name, value, last) == ("part", 1, "run")
    assert (run["status"], run["error"]["message"]) == ("failed", "in the middle")


def test_under_fn_the_first_part_is_the_head_and_the_rest_the_body(yielding):
    answer = httpx.get(f"{yielding.grid.url}/fn/yielding/good")

    assert (answer.status_code, answer.text) == (203, "data: 1\n\n")
    assert (answer.headers["content-type"], answer.headers["x-mine"]) == ("text/event-stream", "1")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_under_fn_a_failure_in_the_middle_breaks_the_connection_off(yielding):
    with (
        httpx.stream("GET", f"{yielding.grid.url}/fn/yielding/bad") as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        response.read()


def test_a_run_whose_reader_leaves_is_cancelled(yielding):
    with asked(yielding, {"parts": ["x"], "endless": True}) as response:
        next(response.iter_raw())
    (newest,) = httpx.get(f"{yielding.grid.url}/runs", params={"limit": 1}, headers=yielding.grid.headers).json()[
        "items"
    ]
    run = httpx.get(
        f"{yielding.grid.url}/runs/{newest['runId']}",
        params={"waitMs": 20000},
        headers=yielding.grid.headers,
        timeout=60,
    ).json()

    assert run["status"] == "cancelled"
    assert yielding.damage() == []


def test_a_reader_who_does_not_read_costs_no_memory_and_the_run_its_time(yielding):
    before = resident_mb(yielding.grid.pid)
    with asked(yielding, {"parts": ["x"], "endless": True}, "stalling"):
        (newest,) = httpx.get(f"{yielding.grid.url}/runs", params={"limit": 1}, headers=yielding.grid.headers).json()[
            "items"
        ]
        run = httpx.get(
            f"{yielding.grid.url}/runs/{newest['runId']}",
            params={"waitMs": 20000},
            headers=yielding.grid.headers,
            timeout=60,
        ).json()
        after = resident_mb(yielding.grid.pid)

    assert (run["status"], run["error"]["kind"]) == ("failed", "timed_out")
    assert after - before < 100
    assert yielding.damage() == []


def test_a_run_that_is_refused_is_refused_as_ever(attacked):
    body = {"functionId": "nobody"}
    answer = httpx.post(f"{attacked.grid.url}/run", json=body, headers=attacked.grid.headers | EVENTS)

    assert (answer.status_code, answer.json()["code"]) == (404, "function_not_found")
