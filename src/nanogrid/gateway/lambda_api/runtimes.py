"""What Lambda calls a runtime, and what this grid has for it."""

import re

from nanogrid.gateway.lambda_api.refusals import Refusal, invalid

_NODE = re.compile(r"nodejs\d+\.x")
_PROVIDED = ("provided", "provided.al2", "provided.al2023")
_PYTHON = re.compile(r"python3\.\d+")


def native(runtime: str) -> str:
    """What this grid calls it. Raises `Refusal` where it has nothing of the kind."""
    if _PYTHON.fullmatch(runtime):
        return runtime
    if _NODE.fullmatch(runtime):
        return "nodejs"
    if runtime in _PROVIDED:
        return "provided"
    raise unavailable(runtime, "python3.x, nodejs*.x and provided*")


def unavailable(runtime: str, offered: str) -> Refusal:
    """The refusal of a runtime that is not here."""
    return invalid(f"The runtime parameter of {runtime[:40]} is not supported by this grid; it offers: {offered}.")


def shown(asked: str, own: str) -> str:
    """How a function's runtime is told: as it was asked for, as long as it is still that."""
    fits = asked == own or (own == "nodejs" and _NODE.fullmatch(asked)) or (own == "provided" and asked in _PROVIDED)
    if asked and fits:
        return asked
    return own
