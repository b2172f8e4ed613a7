"""A tool for an agent: each session has a sandbox of its own, in which code that a model wrote is run.

python examples/code_sandbox/agent.py
"""

import uuid
from pathlib import Path

from nanogrid import Client
from nanogrid.client import FunctionFailed

FUNCTION = Path(__file__).parent / "function"


class Session:
    """One conversation's sandbox. What a piece of code defines, the next one finds."""

    def __init__(self, grid, *, timeout_ms=5_000, memory_mb=256):
        self.grid = grid
        self.name = f"sandbox-{uuid.uuid4().hex[:12]}"
        # One run at a time, so that it is always the same sandbox; no network, which is the default.
        grid.deploy(FUNCTION, name=self.name, timeout_ms=timeout_ms, memory_mb=memory_mb, concurrency=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.grid.delete(self.name)

    def execute(self, code):
        """What the model is told about its code, as text. Never raises for what the code does."""
        try:
            result = self.grid.run(self.name, {"code": code})
        except FunctionFailed as failed:
            # Out of time, out of memory, or the process is gone; so are the variables.
            return f"The code was stopped: {failed.message} All variables are lost."
        parts = [result["output"], result["error"] or "", result["value"] or ""]
        return "\n".join(part.rstrip() for part in parts if part) or "(no output)"


#: What a model might write, one piece after the other.
PIECES = [
    "import statistics\nprices = [3.2, 7.9, 4.5, 12.0]\nprint('read', len(prices), 'prices')",
    "statistics.mean(prices)",
    "prices[99]",
    "import urllib.request\nurllib.request.urlopen('http://example.com', timeout=2)",
    "while True: pass",
    "2 ** 100",
]


def main():
    with Client() as grid, Session(grid, timeout_ms=1_000) as session:
        for piece in PIECES:
            print(f">>> {piece}\n{session.execute(piece)}\n")


if __name__ == "__main__":
    main()
