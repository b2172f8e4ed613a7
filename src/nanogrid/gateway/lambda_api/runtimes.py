"""What Lambda calls a runtime, and what this grid has for it."""

import re

from nanogrid.gateway.lambda_api.refusals import Refusal, invalid

_NODE = re.compile(r"nodejs\d+\.x")
_PYTHON = re.compile(r"python3\.\d+")


def native(runtime: str) -> str:
    """What this grid calls it. Raises `Refusal` where it has nothing of the kind."""
    if _PYTHON.fullmatch(runtime):
        return runtime
    if _NODE.fullmatch(runtime):
        return "nodejs"
    raise unavailable(runtime, "python3.x and nodejs*.x")


def unavailable(runtime: str, offered: str) -> Refusal:
    """The refusal of a runtime that is not here."""
    return invalid(f"The runtime parameter of {runtime[:40]} is not supported by this grid; it offers: {offered}.")


def shown(asked: str, own: str) -> str:
    """How a function's runtime is told: as it was asked for, as long as it is still that."""
    if asked and (asked == own or (own == "nodejs" and _NODE.fullmatch(asked))):
        return asked
    return own
