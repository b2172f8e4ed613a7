"""Calls to AWS: signed, tried again where that helps, answered with bytes or an error in NanoGrid's words."""

import random
from collections.abc import Mapping
from typing import NamedTuple

from nanogrid.backends.aws.connection import Answer
from nanogrid.backends.aws.credentials import CredentialSource
from nanogrid.backends.aws.faults import AwsError, refusal
from nanogrid.backends.aws.http_client import HttpClient, Origin, origin_of
from nanogrid.backends.aws.signer import Credentials, Signer
from nanogrid.clock import Clock
from nanogrid.errors import StoreUnavailable

_ATTEMPTS = 5
#: Longest pause before the second try; it doubles up to the last, in seconds.
_FIRST_PAUSE_S = 0.05
_LAST_PAUSE_S = 2.0
_FIRST_REFUSAL = 300


class Call(NamedTuple):
    """One request to a service."""

    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: str = ""
    timeout_s: float = 10.0


class AwsClient:
    """What all services have in common."""

    def __init__(self, http: HttpClient, credentials: CredentialSource, clock: Clock, *, region: str) -> None:
        """Nothing is connected yet."""
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._region = region

    def service(self, name: str, url: str) -> "Service":
        """The service of that name, at that address."""
        return Service(self._http, self._credentials, self._clock, Signer(name, self._region), name, origin_of(url))


class Service:
    """One service of AWS."""

    def __init__(
        self,
        http: HttpClient,
        credentials: CredentialSource,
        clock: Clock,
        signer: Signer,
        name: str,
        origin: Origin,
    ) -> None:
        """See `AwsClient.service`."""
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._signer = signer
        self._name = name
        self.origin = origin

    async def call(self, call: Call) -> Answer:
        """Send it, again where a refusal is passing. Raises `AwsError`; `StoreUnavailable` where nobody answers."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._try(call)
            except AwsError as exc:
                if not exc.passing:
                    raise
            except StoreUnavailable:
                pass
            # Full jitter: those who were refused together do not come back together.
            pause = min(_LAST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))
            await self._clock.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        return await self._try(call)

    async def presigned(
        self, method: str, path: str, headers: dict[str, str], *, valid_s: int, parameters: Mapping[str, str]
    ) -> str:
        """A URL under which anybody may send this request for so many seconds."""
        credentials = await self._credentials.get()
        query = self._signer.query(
            credentials,
            self._clock.now(),
            method=method,
            host=self.origin.authority,
            path=path,
            headers=headers,
            valid_s=valid_s,
            parameters=parameters,
        )
        return f"{'https' if self.origin.secure else 'http'}://{self.origin.authority}{path}?{query}"

    async def _try(self, call: Call) -> Answer:
        credentials = await self._credentials.get()
        target = f"{call.path}?{call.query}" if call.query else call.path
        try:
            answer = await self._http.exchange(
                self.origin, call.method, target, self._signed(call, credentials), call.body, timeout_s=call.timeout_s
            )
        except OSError as exc:
            why = str(exc) or type(exc).__name__
            raise StoreUnavailable(
                f"{self._name} {call.operation} got no answer from {self.origin.host}: {why}.",
                hint="Look at the network's routes and endpoints; it is tried again.",
            ) from exc
        if answer.status < _FIRST_REFUSAL:
            return answer
        error = refusal(self._name, call.operation, answer)
        if error.stale_credentials:
            self._credentials.forget(credentials)
        raise error

    def _signed(self, call: Call, credentials: Credentials) -> dict[str, str]:
        return self._signer.headers(
            credentials,
            self._clock.now(),
            method=call.method,
            host=self.origin.authority,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=call.body,
        )


class JsonService:
    """A service that takes operations as JSON."""

    def __init__(self, service: Service, prefix: str, *, version: str = "1.0") -> None:
        """`prefix` goes before the operation in the target, such as `AmazonSQS`; `version` is of AWS's JSON."""
        self._service = service
        self._prefix = prefix
        self._content_type = f"application/x-amz-json-{version}"

    async def call(self, operation: str, body: bytes, *, timeout_s: float = 10.0) -> bytes:
        """The answer's JSON. Raises as `Service.call`."""
        headers = {"content-type": self._content_type, "x-amz-target": f"{self._prefix}.{operation}"}
        answer = await self._service.call(Call(operation, "POST", "/", headers, body, timeout_s=timeout_s))
        return answer.body
