"""A worker's settings that only matter on an EC2 instance."""

from collections.abc import Mapping

import msgspec

from nanogrid.errors import ConfigError
from nanogrid.model import Record

_PREFIX = "NANOGRID_"
#: The variables of AWS's own tools, so that a worker and they agree on where the instance metadata are.
_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_DISABLED = "AWS_EC2_METADATA_DISABLED"


class InstanceSettings(Record, frozen=True, kw_only=True):
    """Each field but the metadata's can come from `NANOGRID_<FIELD>`."""

    #: The Auto Scaling group that the instance belongs to.
    auto_scaling_group: str = "nanogrid-worker-asg"
    #: The group's hook that holds a terminating instance until its worker says that it is done.
    lifecycle_hook: str = "nanogrid-worker-drain"
    #: Where /health/live, /health/ready and /metrics answer, on 127.0.0.1; 0 takes a free port.
    health_port: int = 9464
    #: How long the worker must have been without a task before the group may choose its instance again, in seconds.
    idle_s: float = 30.0
    #: Where the instance metadata service answers; empty where it is not to be asked.
    metadata_url: str = "http://169.254.169.254"

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The names of the environment variables that it reads and that are NanoGrid's own."""
        return frozenset(_PREFIX + field.upper() for field in cls.__struct_fields__ if field != "metadata_url")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "InstanceSettings":
        """As the environment says. Raises `ConfigError` naming the setting."""
        own = cls.variables()
        values: dict[str, str] = {k.removeprefix(_PREFIX).lower(): v for k, v in environ.items() if k in own}
        if environ.get(_DISABLED, "").lower() == "true":
            values["metadata_url"] = ""
        elif environ.get(_ENDPOINT):
            values["metadata_url"] = environ[_ENDPOINT].rstrip("/")
        camel = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        try:
            return msgspec.convert({camel[k]: v for k, v in values.items()}, cls, strict=False)
        except msgspec.ValidationError as exc:
            raise ConfigError(f"a setting of the worker is wrong: {exc}.") from exc
