"""Stands between a grid and its AWS, and lets it do what it reserves the right to.

SQS and DynamoDB throttle; SQS delivers twice or late; a call is carried out, and its answer is lost on the way.
"""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx

from nanogrid.cloud.loopback import Asked, Said, serving

_THROTTLED = {
    "AmazonSQS": "com.amazonaws.sqs#ThrottlingException",
    "DynamoDB": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
}
#: Headers that belong to one connection, not to the request.
_OF_THE_CONNECTION = {"host", "content-length", "connection", "transfer-encoding"}
#: What a load balancer of theirs says when whoever stood behind it has gone.
_LOST = Said(HTTPStatus.SERVICE_UNAVAILABLE, b"{}", "application/x-amz-json-1.0")


def _throttled(kind: str) -> Said:
    body = json.dumps({"__type": kind, "message": "Rate exceeded"}).encode()
    return Said(HTTPStatus.BAD_REQUEST, body, "application/x-amz-json-1.0")


class AwsShim:
    """Passes everything on to the endpoint."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self._endpoint = endpoint
        self._dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.url = ""
        #: The share of the calls that are refused, for now, by service.
        self.throttled = dict.fromkeys(_THROTTLED, 0.0)
        #: The share of the calls that are carried out, and whose answer nobody hears.
        self.unanswered = 0.0
        #: The share of the batches that are sent a second time, at once or some seconds late.
        self.doubled = 0.0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AwsShim"]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with (
            httpx.AsyncClient(base_url=self._endpoint, timeout=60, limits=limits) as self._http,
            serving(self._reply) as port,
        ):
            self.url = f"http://127.0.0.1:{port}"
            yield self

    def heal(self) -> None:
        self.throttled = dict.fromkeys(_THROTTLED, 0.0)
        self.doubled = self.unanswered = 0.0

    async def _reply(self, asked: Asked) -> Said:
        called = asked.headers.get("x-amz-target", "")
        service = next((name for name in _THROTTLED if called.startswith(name)), None)
        if service is not None and self._dice.random() < self.throttled[service]:
            return _throttled(_THROTTLED[service])
        if called == "AmazonSQS.SendMessageBatch" and self._dice.random() < self.doubled:
            await self._pass_on(asked, self._once_more(asked.body))
        said = await self._pass_on(asked, asked.body)
        return _LOST if self._dice.random() < self.unanswered else said

    def _once_more(self, body: bytes) -> bytes:
        batch = json.loads(body)
        for entry in batch["Entries"]:
            entry["DelaySeconds"] = self._dice.choice([0, 0, 1, 3])
        return json.dumps(batch).encode()

    async def _pass_on(self, asked: Asked, body: bytes) -> Said:
        headers = {name: value for name, value in asked.headers.items() if name not in _OF_THE_CONNECTION}
        try:
            answer = await self._http.request(asked.method, asked.path, headers=headers, content=body)
        except httpx.TransportError as exc:
            return Said(HTTPStatus.SERVICE_UNAVAILABLE, str(exc).encode())
        return Said(answer.status_code, answer.content, answer.headers.get("content-type", "text/plain"))
