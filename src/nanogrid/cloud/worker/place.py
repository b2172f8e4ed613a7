"""Finds out whether a worker runs on an EC2 instance."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

from nanogrid.backends.aws.client import AwsClient
from nanogrid.backends.aws.credentials import CredentialSource
from nanogrid.backends.aws.http_client import HttpClient
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
async def open_instance(
    settings: InstanceSettings, clock: Clock, log: Log, *, environ: Mapping[str, str]
) -> AsyncIterator[Instance | None]:
    """The instance that this worker runs on; None on a machine that is not one. `environ` has the credentials."""
    if not settings.metadata_url:
        yield None
        return
    metadata = Metadata(settings.metadata_url, clock)
    try:
        with closing(HttpClient()) as http:
            found = await _found(metadata, log)
            if found is None:
                yield None
                return
            instance_id, region = found
            client = AwsClient(http, CredentialSource(environ, http, clock), clock, region=region)
            # AWS's own variable, so that a worker can be shown another group than AWS's.
            url = environ.get("AWS_ENDPOINT_URL_AUTO_SCALING") or f"https://autoscaling.{region}.amazonaws.com"
            group = AutoScaling(
                client.service("autoscaling", url),
                instance_id=instance_id,
                group=settings.auto_scaling_group,
                hook=settings.lifecycle_hook,
            )
            yield Instance(metadata, group, clock, log)
    finally:
        await metadata.close()


async def _found(metadata: Metadata, log: Log) -> tuple[str, str] | None:
    """Id and region of the instance; None where nobody says."""
    for tried in range(1, _TRIES + 1):
        try:
            instance_id, region = await metadata.instance_id(), await metadata.region()
        except PlatformError as exc:
            log.info("instance.absent", tried=tried, error=str(exc))
            continue
        log.info("instance.found", instance_id=instance_id, region=region)
        return instance_id, region
    return None
