"""A secret's life as a user sees it, through the front door of whichever grid."""

import json

import httpx

from flow_steps import deploy, run

SECRET = "sk_live_0123456789"
TELLING = """
import os, sys
def handler(event, context):
    secret = os.environ["KEY"]
    print("whole", secret)
    sys.stdout.write(secret[:7]); sys.stdout.flush(); print(secret[7:])
    if event == "fail":
        raise ValueError("cannot use " + secret)
    return secret == event
"""


async def a_function_knows_its_secret(client: httpx.AsyncClient) -> None:
    """It is told, masked, replaced and taken away."""
    await client.put("/secrets/key", json={"value": SECRET})
    await deploy(client, "telling", TELLING, secrets={"KEY": "key"})
    knows = (await run(client, "telling", SECRET)).json()
    failed = (await run(client, "telling", "fail")).json()
    await client.put("/secrets/key", json={"value": "another value"})
    changed = (await run(client, "telling", "another value")).json()
    rotated = (await client.post("/vault/rotate")).json()
    as_before = (await run(client, "telling", "another value")).json()
    await client.delete("/secrets/key")
    gone = (await run(client, "telling", "another value")).json()
    lines = (await client.get("/functions/telling/logs")).text

    assert knows["output"] is True
    assert knows["logs"]["text"] == "whole ***\n***\n"
    assert failed["error"]["message"] == "cannot use ***"
    assert changed["output"] is True
    assert rotated == {"secrets": 1}
    assert as_before["output"] is True
    assert (gone["error"]["kind"], gone["error"]["type"]) == ("init_failed", "SecretNotFound")
    assert SECRET not in json.dumps([knows, failed, gone]) + lines
