"""Returns what would burst whoever opens it: a zip bomb, deep nesting, seven megabytes, a vast number."""

import base64
import io
import zipfile

VARIANTS = ("zip", "deep", "large", "number", "half a character", "not a number")
ENDS = ("succeeded", "result_too_large", "result_not_serializable", "exception")
SETTINGS = {"memoryMb": 512, "timeoutMs": 15000}


def handler(event, context):
    ways = {"zip": zip_bomb, "deep": deep, "large": lambda: "x" * 7_000_000, "number": lambda: 10**5000}
    ways |= {"half a character": lambda: "\ud800", "not a number": lambda: float("nan")}
    return ways[event["variant"]]()


def zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 50_000_000)
    return base64.b64encode(buffer.getvalue()).decode()


def deep():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def judge(run):
    accepted = run["status"] == "succeeded"
    return ["the output was passed on in another form"] if accepted and not isinstance(run["output"], str) else []
