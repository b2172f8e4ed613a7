"""The instance metadata service, version 2: what an EC2 instance can learn of itself."""

from datetime import datetime
from http import HTTPStatus

import httpx
import msgspec

from nanogrid.clock import Clock
from nanogrid.errors import PlatformError
from nanogrid.model import Record

_TOKEN_S = 21_600
#: The service is a hop away; who does not answer in this time is not there.
_TIMEOUT_S = 2.0


class SpotAction(Record, frozen=True):
    """What will happen to a spot instance, and when."""

    action: str
    time: datetime


class Metadata:
    """Asks the service that stands behind one URL."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Sends nothing yet. Close it with `close`."""
        # A proxy from the environment has no business between an instance and itself.
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=False)
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    async def instance_id(self) -> str:
        """The instance's id. Raises `PlatformError`."""
        return await self._get("instance-id") or ""

    async def region(self) -> str:
        """Where it runs. Raises `PlatformError`."""
        return await self._get("placement/region") or ""

    async def target_state(self) -> str:
        """The state that the Auto Scaling group wants the instance in, such as `InService` or `Terminated`; or empty.

        Raises `PlatformError`.
        """
        return await self._get("autoscaling/target-lifecycle-state") or ""

    async def spot_action(self) -> SpotAction | None:
        """The notice that a spot instance gets two minutes before it goes. Raises `PlatformError`."""
        text = await self._get("spot/instance-action")
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=SpotAction)
        except msgspec.ValidationError as exc:
            raise PlatformError(f"the spot notice cannot be read: {text[:200]!r}.") from exc

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, path: str) -> str | None:
        """The text under the path; None where there is none."""
        try:
            answer = await self._asked(path)
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                # The token has been forgotten by the other side.
                self._renew_at = 0.0
                answer = await self._asked(path)
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            return answer.raise_for_status().text.strip()
        except httpx.HTTPError as exc:
            reason = str(exc) or type(exc).__name__
            raise PlatformError(f"the instance metadata do not answer ({reason}).") from exc

    async def _asked(self, path: str) -> httpx.Response:
        if self._clock.monotonic() >= self._renew_at:
            await self._renew()
        return await self._http.get(f"/latest/meta-data/{path}", headers={"X-aws-ec2-metadata-token": self._token})

    async def _renew(self) -> None:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_S)}
        answer = await self._http.put("/latest/api/token", headers=headers)
        self._token = answer.raise_for_status().text.strip()
        self._renew_at = self._clock.monotonic() + _TOKEN_S / 2
