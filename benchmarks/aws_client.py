"""What a message costs on the client's side of SQS, in milliseconds of processor time.

A process of its own answers each call with the same bytes, so that nothing but the client is measured; 1 kB of input,
plain HTTP. Run it with `python benchmarks/aws_client.py [messages]`; `--check` fails where a figure is above its limit.
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection

import msgspec
import uvloop
from msgspec import Raw

from nanogrid.backends.aws import AwsSettings, open_aws
from nanogrid.clock import Clock
from nanogrid.identifiers import new_function_id, new_run_id
from nanogrid.model import Lease, Task
from nanogrid.ports import TaskQueue

#: Milliseconds of processor time for a message.
LIMITS = {"send": 0.1, "receive + delete": 0.15, "send, one at a time": 1.0}
_SENDERS = 64
_BATCH = 10


def _task() -> Task:
    return Task(
        run_id=new_run_id(),
        function_id=new_function_id(),
        version=1,
        mode="async",
        input=Raw(b'"' + b"x" * 1022 + b'"'),
        enqueued_at=datetime.now(UTC),
    )


def _answers() -> dict[bytes, bytes]:
    message = {
        "MessageId": "m" * 36,
        "ReceiptHandle": "h" * 180,
        "MD5OfBody": "0" * 32,
        "Body": msgspec.json.encode({"task": _task()}).decode(),
        "Attributes": {"ApproximateReceiveCount": "1"},
    }
    done = {"Successful": [{"Id": str(n)} for n in range(_BATCH)], "Failed": []}
    counts = {f"ApproximateNumberOfMessages{name}": "0" for name in ("", "Delayed", "NotVisible")}
    return {
        b"AmazonSQS.ReceiveMessage": msgspec.json.encode({"Messages": [message] * _BATCH}),
        b"AmazonSQS.SendMessageBatch": msgspec.json.encode(done),
        b"AmazonSQS.DeleteMessageBatch": msgspec.json.encode(done),
        b"AmazonSQS.GetQueueAttributes": msgspec.json.encode({"Attributes": counts}),
    }


class _Canned(asyncio.Protocol):
    """Answers each request by its target, as soon as it is whole."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = {
            target: b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            for target, body in answers.items()
        }
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, blank, body = self._held.partition(b"\r\n\r\n")
        if not blank:
            return
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) >= int(fields[b"content-length"]):
            self._held = b""
            self._transport.write(self._answers[fields[b"x-amz-target"]])  # type: ignore[attr-defined]


def _serve(port: Connection) -> None:
    async def serve() -> None:
        answers = _answers()
        server = await asyncio.get_running_loop().create_server(lambda: _Canned(answers), "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


async def _cost(count: int, work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of this process's processor time for each of so many messages."""
    began = time.process_time()
    await work()
    return (time.process_time() - began) * 1000 / count


async def _send(queue: TaskQueue, tasks: list[Task], senders: int) -> None:
    rest = iter(tasks)

    async def send_some() -> None:
        for task in rest:
            await queue.send(task, durable=True)

    await asyncio.gather(*(send_some() for _ in range(senders)))


async def _take(queue: TaskQueue, count: int) -> None:
    """As a worker with free slots does: receive, then delete each on its own, together."""
    taken = 0
    while taken < count:
        leases: list[Lease] = await queue.receive(limit=_BATCH * 5, wait_s=1)
        await asyncio.gather(*(queue.ack(lease) for lease in leases))
        taken += len(leases)


async def _measure(port: int, count: int) -> dict[str, float]:
    settings = AwsSettings(
        code_bucket="b", queue_url="q", dead_letter_queue_url="d", redis_url="redis://127.0.0.1:1",
        endpoint_url=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    environ = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    tasks = [_task() for _ in range(count)]
    async with open_aws(settings, Clock(), environ=environ) as backend:
        queue = backend.task_queue
        await _send(queue, tasks[:200], _SENDERS)
        await _take(queue, 200)
        return {
            "send": await _cost(count, lambda: _send(queue, tasks, _SENDERS)),
            "receive + delete": await _cost(count, lambda: _take(queue, count)),
            "send, one at a time": await _cost(count // 10, lambda: _send(queue, tasks[: count // 10], 1)),
        }


def main() -> int:
    """Print the figures; with `--check`, 1 where one is above its limit."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    costs = uvloop.run(_measure(ours.recv(), numbers[0] if numbers else 20_000))
    server.terminate()
    for name, cost in costs.items():
        print(f"{name:22} {cost:.3f} ms of processor time a message (limit {LIMITS[name]})")
    return int("--check" in sys.argv and any(cost > LIMITS[name] for name, cost in costs.items()))


if __name__ == "__main__":
    sys.exit(main())
