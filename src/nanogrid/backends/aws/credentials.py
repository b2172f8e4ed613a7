"""Where credentials come from: the environment, the container's endpoint, or the instance's metadata (IMDSv2)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from nanogrid.backends.aws.http_client import HttpClient, origin_of
from nanogrid.backends.aws.signer import Credentials
from nanogrid.clock import Clock
from nanogrid.errors import StoreUnavailable

_METADATA = "http://169.254.169.254"
_CONTAINER = "http://169.254.170.2"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
#: Renewed so long before they end.
_MARGIN = timedelta(minutes=10)
_OK = 200
_TIMEOUT_S = 2.0


class _Issued(msgspec.Struct):
    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: datetime


class CredentialSource:
    """Credentials, renewed before they end; however many ask, one request renews them."""

    def __init__(self, environ: Mapping[str, str], http: HttpClient, clock: Clock) -> None:
        """Nothing is asked for yet."""
        self._environ = environ
        self._http = http
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: Credentials | None = None

    async def get(self) -> Credentials:
        """Valid credentials. Raises `StoreUnavailable` where there are none."""
        known = self._known
        if known is not None and self._lasts(known, _MARGIN):
            return known
        async with self._lock:
            if self._known is known:
                self._known = await self._renewed(known)
        return self._known  # type: ignore[return-value]  # set by whoever held the lock

    def forget(self, refused: Credentials) -> None:
        """A service refused them: ask anew."""
        if self._known is refused and refused.expires_at is not None:
            self._known = None

    async def _renewed(self, known: Credentials | None) -> Credentials:
        try:
            return await self._source()()
        except (OSError, msgspec.DecodeError, StoreUnavailable) as exc:
            # Late news is no reason to stop while the old ones still hold.
            if known is not None and self._lasts(known, timedelta(0)):
                return known
            raise StoreUnavailable(
                f"no AWS credentials could be found: {exc}",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
            ) from exc

    def _lasts(self, credentials: Credentials, margin: timedelta) -> bool:
        return credentials.expires_at is None or credentials.expires_at - margin > self._clock.now()

    def _source(self) -> Callable[[], Awaitable[Credentials]]:
        """The first that the environment speaks of, in the order of the SDKs."""
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID"):
            return self._from_environment
        if any(environ.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI") for kind in ("RELATIVE", "FULL")):
            return self._from_container
        return self._from_instance

    async def _from_environment(self) -> Credentials:
        environ = self._environ
        key, secret = environ["AWS_ACCESS_KEY_ID"], environ.get("AWS_SECRET_ACCESS_KEY", "")
        return Credentials(key, secret, environ.get("AWS_SESSION_TOKEN", ""))

    async def _from_container(self) -> Credentials:
        environ = self._environ
        relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = _CONTAINER + relative if relative else environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if path := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = (await asyncio.to_thread(Path(path).read_text)).strip()
        return _decoded(await self._ask("GET", url, {"authorization": token} if token else {}))

    async def _from_instance(self) -> Credentials:
        base = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _METADATA).rstrip("/")
        life = {"x-aws-ec2-metadata-token-ttl-seconds": "300"}
        token = await self._ask("PUT", f"{base}/latest/api/token", life)
        headers = {"x-aws-ec2-metadata-token": token.decode()}
        role = await self._ask("GET", base + _ROLE_PATH, headers)
        return _decoded(await self._ask("GET", base + _ROLE_PATH + role.decode().split("\n")[0].strip(), headers))

    async def _ask(self, method: str, url: str, headers: dict[str, str]) -> bytes:
        target = "/" + url.split("/", 3)[3]
        answer = await self._http.exchange(origin_of(url), method, target, headers, timeout_s=_TIMEOUT_S)
        if answer.status != _OK:
            raise StoreUnavailable(f"{url} answered {answer.status}.")
        return answer.body


def _decoded(body: bytes) -> Credentials:
    issued = msgspec.json.decode(body, type=_Issued)
    return Credentials(issued.AccessKeyId, issued.SecretAccessKey, issued.Token, issued.Expiration.astimezone(UTC))
