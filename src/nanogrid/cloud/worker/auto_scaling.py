"""What an instance says to its Auto Scaling group."""

from collections.abc import Mapping
from urllib.parse import urlencode

from nanogrid.backends.aws.client import Call, Service
from nanogrid.backends.aws.faults import AwsError
from nanogrid.errors import PlatformError

_VERSION = "2011-01-01"
_FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


class AutoScaling:
    """The group, as one instance speaks to it. Every method raises `PlatformError`."""

    def __init__(self, service: Service, *, instance_id: str, group: str, hook: str) -> None:
        """`service` is the Auto Scaling API; `hook` is the group's hook that holds terminating instances."""
        self._service = service
        self._instance_id = instance_id
        self._group = group
        self._hook = hook

    async def keep_waiting(self) -> None:
        """Ask the hook for its full time again, from now."""
        await self._call("RecordLifecycleActionHeartbeat", self._hooked)

    async def go_on(self) -> None:
        """Say that the instance may be terminated."""
        await self._call("CompleteLifecycleAction", {**self._hooked, "LifecycleActionResult": "CONTINUE"})

    async def protect(self, *, protected: bool) -> None:
        """Say whether scale-in may choose the instance."""
        parameters = {
            "AutoScalingGroupName": self._group,
            "InstanceIds.member.1": self._instance_id,
            "ProtectedFromScaleIn": str(protected).lower(),
        }
        await self._call("SetInstanceProtection", parameters)

    @property
    def _hooked(self) -> dict[str, str]:
        return {
            "AutoScalingGroupName": self._group,
            "LifecycleHookName": self._hook,
            "InstanceId": self._instance_id,
        }

    async def _call(self, action: str, parameters: Mapping[str, str]) -> None:
        body = urlencode({"Action": action, "Version": _VERSION, **parameters}).encode()
        try:
            await self._service.call(Call(action, "POST", "/", _FORM, body))
        except AwsError as exc:
            raise PlatformError(f"Auto Scaling refused {action}: {exc}") from exc
