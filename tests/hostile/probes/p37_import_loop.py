"""Never ends while it is imported."""

import os

ENDS = ("init_failed", "timed_out")
SETTINGS = {"timeoutMs": 700, "environment": {"ATTACK_AT_IMPORT": "1"}}
ONLY_COLD = True

while os.environ.get("ATTACK_AT_IMPORT"):
    pass


def handler(event, context):
    return {}
