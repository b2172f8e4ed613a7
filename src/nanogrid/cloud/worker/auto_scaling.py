"""What an instance says to its Auto Scaling group."""

import asyncio
from collections.abc import Callable

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from nanogrid.errors import PlatformError

_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


class AutoScaling:
    """The group, as one instance speaks to it. Every method raises `PlatformError`."""

    def __init__(self, *, region: str, instance_id: str, group: str, hook: str) -> None:
        """`hook` is the group's hook that holds terminating instances. Where and as whom, AWS's own variables say."""
        self._client = Session().create_client("autoscaling", region_name=region, config=_CONFIG)
        self._instance_id = instance_id
        self._hooked = {"AutoScalingGroupName": group, "LifecycleHookName": hook, "InstanceId": instance_id}
        self._group = group

    async def keep_waiting(self) -> None:
        """Ask the hook for its full time again, from now."""
        await _called(lambda: self._client.record_lifecycle_action_heartbeat(**self._hooked))

    async def go_on(self) -> None:
        """Say that the instance may be terminated."""
        await _called(lambda: self._client.complete_lifecycle_action(**self._hooked, LifecycleActionResult="CONTINUE"))

    async def protect(self, *, protected: bool) -> None:
        """Say whether scale-in may choose the instance."""
        await _called(
            lambda: self._client.set_instance_protection(
                AutoScalingGroupName=self._group, InstanceIds=[self._instance_id], ProtectedFromScaleIn=protected
            )
        )


async def _called(call: Callable[[], object]) -> None:
    """Make the call in a thread: the client has no asynchronous form, and it is made a few times a minute."""
    try:
        await asyncio.to_thread(call)
    except (BotoCoreError, ClientError) as exc:
        raise PlatformError(f"Auto Scaling refused or did not answer: {exc}") from exc
