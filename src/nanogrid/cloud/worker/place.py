"""Finds out whether a worker runs on an EC2 instance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nanogrid.clock import Clock
from nanogrid.cloud.worker.auto_scaling import AutoScaling
from nanogrid.cloud.worker.instance import Instance
from nanogrid.cloud.worker.metadata import Metadata
from nanogrid.cloud.worker.settings import InstanceSettings
from nanogrid.errors import PlatformError
from nanogrid.observe import Log

#: An instance that has just started may not reach its metadata at once.
_TRIES = 3


@asynccontextmanager
async def open_instance(settings: InstanceSettings, clock: Clock, log: Log) -> AsyncIterator[Instance | None]:
    """The instance that this worker runs on; None on a machine that is not one."""
    if not settings.metadata_url:
        yield None
        return
    metadata = Metadata(settings.metadata_url, clock)
    try:
        yield await _found(metadata, settings, clock, log)
    finally:
        await metadata.close()


async def _found(metadata: Metadata, settings: InstanceSettings, clock: Clock, log: Log) -> Instance | None:
    for tried in range(1, _TRIES + 1):
        try:
            instance_id, region = await metadata.instance_id(), await metadata.region()
        except PlatformError as exc:
            log.info("instance.absent", tried=tried, error=str(exc))
            continue
        log.info("instance.found", instance_id=instance_id, region=region)
        group = AutoScaling(
            region=region, instance_id=instance_id, group=settings.auto_scaling_group, hook=settings.lifecycle_hook
        )
        return Instance(metadata, group, clock, log)
    return None
