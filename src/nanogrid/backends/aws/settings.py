"""What the AWS backend needs to know: names and addresses, read once at the edge."""

from collections.abc import Mapping

import msgspec

from nanogrid.backends.aws.slots import SETTLE_S
from nanogrid.errors import ConfigError

_VARIABLES = {
    "code_bucket": "NANOGRID_CODE_BUCKET",
    "functions_table": "NANOGRID_FUNCTIONS_TABLE",
    "runs_table": "NANOGRID_RUNS_TABLE",
    "queue_url": "NANOGRID_QUEUE_URL",
    "dead_letter_queue_url": "NANOGRID_DEAD_LETTER_QUEUE_URL",
    "redis_url": "NANOGRID_REDIS_URL",
    "vault_key": "NANOGRID_VAULT_KEY",
    "lease_s": "NANOGRID_LEASE_S",
    "max_backlog": "NANOGRID_MAX_BACKLOG",
    "region": "AWS_REGION",
    "endpoint_url": "AWS_ENDPOINT_URL",
}
_SHORTEST_LEASE_S = 1.0


class AwsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is. Each field can come from the environment, see `from_environment`."""

    region: str = "ap-northeast-2"
    code_bucket: str
    functions_table: str = "NanoGridFunctions"
    runs_table: str = "NanoGridRuns"
    queue_url: str
    dead_letter_queue_url: str
    #: `rediss://host:port`; `redis://` without TLS.
    redis_url: str
    #: Id, ARN or alias of the KMS key that seals secrets; empty where the grid keeps none.
    vault_key: str = ""
    #: How long a lease is held without a heartbeat, in seconds; SQS counts in whole ones.
    lease_s: float = 30.0
    #: Most tasks that may wait; more are refused with 429.
    max_backlog: int = 100_000
    #: How long no run of a limited function begins after Redis has lost its memory, in seconds.
    settle_s: float = SETTLE_S
    #: Where an emulator listens; empty for AWS itself.
    endpoint_url: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        if self.lease_s < _SHORTEST_LEASE_S:
            raise ConfigError(
                f"a lease of {self.lease_s} s is too short for SQS.", hint="Set NANOGRID_LEASE_S to 1 or more."
            )
        if not self.redis_url.startswith(("redis://", "rediss://")):
            raise ConfigError("NANOGRID_REDIS_URL is no redis:// or rediss:// address.")

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The names of the environment variables that it reads."""
        return frozenset(_VARIABLES.values())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "AwsSettings":
        """Settings from `NANOGRID_*`, `AWS_REGION` and `AWS_ENDPOINT_URL`.

        Raises `ConfigError` naming the variable that is missing or wrong.
        """
        values = {field: environ[name] for field, name in _VARIABLES.items() if environ.get(name)}
        for field in ("code_bucket", "queue_url", "dead_letter_queue_url", "redis_url"):
            if field not in values:
                raise ConfigError(f"{_VARIABLES[field]} is not set.", hint="`nanogrid aws status` prints its value.")
        try:
            return msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as exc:
            named = next((name for field, name in _VARIABLES.items() if f"$.{field}" in str(exc)), "A setting")
            raise ConfigError(f"{named} is wrong: {exc}.") from exc
