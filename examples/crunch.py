"""Some honest work for a processor, asynchronous on the outside: counts primes in pieces."""

import asyncio


async def handler(event, context):
    limit, pieces = event["limit"], event.get("pieces", 4)
    step = limit // pieces
    counts = await asyncio.gather(*(count(i * step, (i + 1) * step) for i in range(pieces)))
    return {"below": limit, "primes": sum(counts)}


async def count(low, high):
    await asyncio.sleep(0)
    return sum(1 for n in range(max(low, 2), high) if all(n % d for d in range(2, int(n**0.5) + 1)))
