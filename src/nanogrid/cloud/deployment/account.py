"""One AWS account in one region, and its refusals in NanoGrid's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for it
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from nanogrid.errors import ConfigError, Forbidden, NanoGridError, PlatformError, Unauthorized

_WRONG_CREDENTIALS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}
)
_NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OptInRequired"})
_LOG_IN = "Log in as for the AWS command line: `aws configure`, `aws sso login`, or AWS_PROFILE."


class Account:
    """Clients of one account in one region."""

    def __init__(self, session: boto3.Session, region: str, *, endpoint_url: str | None = None) -> None:
        """`endpoint_url` is that of an emulator. Raises what `plainly` raises where nobody knows the credentials."""
        self._session = session
        self._endpoint_url = endpoint_url
        self.region = region
        with plainly():
            self.id: str = self.client("sts").get_caller_identity()["Account"]

    @property
    def emulated(self) -> bool:
        """Whether it is no account at AWS."""
        return self._endpoint_url is not None

    def client(self, service: str) -> Any:
        """A client of the service."""
        config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)
        return self._session.client(service, self.region, endpoint_url=self._endpoint_url, config=config)


def open_account(region: str, *, profile: str | None = None, endpoint_url: str | None = None) -> Account:
    """The account of the credentials that boto3 finds. Raises what `plainly` raises."""
    with plainly():
        session = boto3.Session(profile_name=profile, region_name=region)
        if region not in session.get_available_regions("cloudformation") and endpoint_url is None:
            raise ConfigError(f"there is no region {region!r}.", hint="It looks like ap-northeast-2.")
    return Account(session, region, endpoint_url=endpoint_url)


@contextmanager
def plainly() -> Iterator[None]:
    """Translates what boto3 raises. Raises `ConfigError`, `Unauthorized`, `Forbidden`, `PlatformError`."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, SSOError) as exc:
        raise Unauthorized("there are no AWS credentials here.", hint=_LOG_IN) from exc
    except ProfileNotFound as exc:
        raise ConfigError(f"{exc}.", hint="`aws configure list-profiles` names those that there are.") from exc
    except ConnectionError as exc:
        raise PlatformError(f"AWS cannot be reached: {exc}.", hint="Look at the network and at the region.") from exc
    except ClientError as exc:
        raise refusal(exc) from exc
    except BotoCoreError as exc:
        raise ConfigError(f"the AWS client is not set up: {exc}.", hint=_LOG_IN) from exc


def refusal(exc: ClientError) -> NanoGridError:
    """What a service refused, as an error of ours."""
    error = exc.response.get("Error", {})
    code, message = error.get("Code", "?"), error.get("Message", str(exc))
    if code in _WRONG_CREDENTIALS:
        return Unauthorized(f"AWS does not take these credentials: {message}", hint=_LOG_IN)
    if code in _NOT_ALLOWED:
        hint = "Deploying needs somebody who may make networks, roles, tables and instances: an administrator."
        return Forbidden(f"AWS does not allow {exc.operation_name}: {message}", hint=hint)
    return PlatformError(f"AWS refused {exc.operation_name}: {message} ({code})")


def code_of(exc: ClientError) -> str:
    """The refusal's code."""
    code: str = exc.response.get("Error", {}).get("Code", "")
    return code
