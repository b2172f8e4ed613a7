"""What is asked of the grid, and what must come of it: every answer is known beforehand."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

#: Marks each execution in a file outside where it can, waits, and answers with what the oracle knows.
SOURCE = """
import hashlib, os, time

def handler(event, context):
    if marks := os.environ.get("MARKS"):
        descriptor = os.open(marks, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{event['token']}\\n".encode())
        os.close(descriptor)
    time.sleep(event["ms"] / 1000)
    if event["fails"]:
        raise ValueError(event["token"])
    return {"token": event["token"], "digest": hashlib.sha256(event["token"].encode()).hexdigest()}
"""
#: name -> settings. What somebody kills from outside looks like a fault of the function; its policy tries again.
FUNCTIONS = {
    "steady": {"retries": 8, "timeoutMs": 60_000},
    "flawed": {"retries": 0, "timeoutMs": 60_000},
}
#: How long a run works, in milliseconds.
_WORKS_MS = (1, 40)
_FLAWED_SHARE, _SYNC_SHARE, _KEYED_SHARE = 0.05, 0.15, 0.5


@dataclass(frozen=True)
class Request:
    """One thing to ask for."""

    token: str
    function: str
    ms: int
    #: Waits for the outcome, for a moment.
    sync: bool
    #: Has an idempotency key, so that it can be asked again until somebody answers.
    keyed: bool

    @property
    def input(self) -> dict:
        return {"token": self.token, "ms": self.ms, "fails": self.function == "flawed"}


def requests(seed: int) -> Iterator[Request]:
    """Requests without end, the same for the same seed."""
    dice = random.Random(seed + 1)  # noqa: S311 - to be repeated, not to be secret
    number = 0
    while True:
        number += 1
        sync = dice.random() < _SYNC_SHARE
        yield Request(
            token=f"{seed}-{number}",
            function="flawed" if dice.random() < _FLAWED_SHARE else "steady",
            ms=dice.randint(*_WORKS_MS),
            sync=sync,
            keyed=not sync and dice.random() < _KEYED_SHARE,
        )


def right(record: dict, token: str, *, may_be_killed: bool) -> bool:
    """Whether the ended run is as the oracle says; `may_be_killed` where somebody ended sandboxes from outside."""
    error = record["error"] or {}
    if (
        may_be_killed
        and error.get("kind") == "exited"
        and (record["mode"] == "sync" or record["functionName"] == "flawed")
    ):
        return True
    if record["functionName"] == "flawed":
        return record["status"] == "failed" and (error["kind"], error["message"]) == ("exception", token)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return record["status"] == "succeeded" and record["output"] == {"token": token, "digest": digest}
