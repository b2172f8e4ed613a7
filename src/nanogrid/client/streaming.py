"""What the SDK does about functions that yield."""

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec

from nanogrid.client.channel import Channel
from nanogrid.client.errors import ConnectionFailed
from nanogrid.client.messages import decoded, run_body
from nanogrid.client.records import RunInfo
from nanogrid.model import Mode

_EVENTS = "text/event-stream"

Wait = Callable[[str], Awaitable[RunInfo]]


async def parts(channel: Channel, name: str, input_: Any, wait: Wait) -> AsyncGenerator[Any, None]:
    """What the function yields, while it does; `wait` waits for a run that has not ended."""
    body, seen, ended = run_body(name, input_, Mode.SYNC), False, None
    async with channel.answering("/run", body, {"Accept": _EVENTS}) as response:
        if _EVENTS not in response.headers.get("content-type", ""):
            await response.aread()
            ended = decoded(response, RunInfo)
        else:
            async for event, data in _events(response):
                if event == "run":
                    ended = msgspec.json.decode(data, type=RunInfo)
                else:
                    seen = True
                    yield base64.b64decode(json.loads(data)) if event == "bytes" else json.loads(data)
    if ended is None:
        raise ConnectionFailed(f"the stream from {channel.url} broke off.", hint="Look at `nanogrid runs`.")
    if not ended.status.ended:
        ended = await wait(ended.run_id)
    output = ended.result()
    for part in () if seen else output if ended.streamed else (output,):
        yield part


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """Each server-sent event's name and data; every one of ours has one line of each."""
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, line.removeprefix("data: ")
