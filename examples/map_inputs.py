"""Runs one function over 1,000 inputs and adds up what comes back.

nanogrid deploy examples/crunch.py
python examples/map_inputs.py
"""

import time

from nanogrid import Client

INPUTS = [{"limit": 1_000 + n, "pieces": 1} for n in range(1_000)]


def main():
    with Client() as grid:
        began = time.monotonic()
        # Outputs come in the order of the inputs, while others still run; nothing is kept that is not needed.
        primes = sum(answer["primes"] for answer in grid.map("crunch", INPUTS, concurrency=16))
        print(f"{len(INPUTS)} runs counted {primes} primes in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
