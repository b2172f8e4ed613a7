"""Brings the stack to what is wanted: first what would change, then the change, then how to reach the grid."""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from nanogrid.cloud.deployment.account import Account, plainly
from nanogrid.cloud.deployment.artifact_store import ArtifactStore
from nanogrid.cloud.deployment.artifacts import Artifact, lambda_archive, worker_bundle
from nanogrid.cloud.deployment.distributions import Target
from nanogrid.cloud.deployment.stacks import Event, Pause, Plan, Stacks
from nanogrid.cloud.deployment.token_store import TokenStore
from nanogrid.cloud.deployment.vault_key import VaultKey
from nanogrid.cloud.deployment.wheels import Fetch, fetch_wheels
from nanogrid.cloud.stack import TOKENS_PARAMETER, VAULT_KEY, template_for
from nanogrid.errors import ConfigError
from nanogrid.model import Record


class Wanted(Record, frozen=True, kw_only=True):
    """What was asked for. Whatever is None stays as the stack has it, or as the template has it."""

    target: Target
    instance: str | None = None
    redis_node: str | None = None
    log_days: int | None = None
    runtimes: str | None = None
    #: What `docker save` wrote of the sandboxes' images; without it, workers build them.
    images: Path | None = None
    #: Take the tokens back and make a new one.
    new_token: bool = False


class Prepared(Record, frozen=True, kw_only=True):
    """Everything that a deployment is made of, before anything of it is done."""

    artifacts: list[Artifact]
    parameters: dict[str, str]
    #: None where the stack is already as wanted.
    plan: Plan | None
    #: Whether a token has to be made.
    needs_token: bool


class Deployed(Record, frozen=True, kw_only=True):
    """How the grid is reached."""

    url: str
    #: Only where it was made now.
    token: str | None
    outputs: dict[str, str]


class Deployment:
    """One `nanogrid aws deploy`."""

    def __init__(self, account: Account, pause: Pause, *, fetch: Fetch = fetch_wheels) -> None:
        """Nothing is asked or done yet."""
        self._account = account
        self._fetch = fetch
        self._stacks = Stacks(account, pause)
        self._artifacts = ArtifactStore(account)
        self._tokens = TokenStore(account)
        self._vault_key = VaultKey(account)

    def prepare(self, wanted: Wanted) -> Prepared:
        """Build the artifacts, and ask CloudFormation what would change. Raises `ConfigError`, `Conflict`."""
        artifacts = [lambda_archive(wanted.target, fetch=self._fetch), worker_bundle(wanted.target, fetch=self._fetch)]
        with plainly():
            state = self._stacks.state()
            parameters = self._parameters(wanted, artifacts, dict(state.parameters) if state else {})
            template = template_for(self._account.id, self._account.region)
            plan = self._stacks.plan(template, parameters, name=f"deploy-{secrets.token_hex(6)}")
            needs_token = wanted.new_token or not self._tokens.digests()
        return Prepared(artifacts=artifacts, parameters=parameters, plan=plan, needs_token=needs_token)

    def discard(self, prepared: Prepared) -> None:
        """Leave everything as it is."""
        if prepared.plan is not None:
            with plainly():
                self._stacks.discard(prepared.plan)

    def carry_out(self, prepared: Prepared, wanted: Wanted) -> Iterator[Event]:
        """Upload what is missing and make the change. Raises `PlatformError` where it was rolled back."""
        with plainly():
            self._vault_key.ensure()
            self._artifacts.open()
            for artifact in prepared.artifacts:
                self._artifacts.put(artifact)
            if wanted.images is not None:
                self._artifacts.put_file(prepared.parameters["ImagesKey"], wanted.images)
            if prepared.plan is not None:
                yield from self._stacks.execute(prepared.plan)

    def finish(self, prepared: Prepared) -> Deployed:
        """Make the token where there is none, and tell how the grid is reached."""
        with plainly():
            token = self._tokens.renew() if prepared.needs_token else None
            state = self._stacks.state()
        outputs = state.outputs if state else {}
        return Deployed(url=outputs.get("ApiUrl", ""), token=token, outputs=outputs)

    def _parameters(self, wanted: Wanted, artifacts: list[Artifact], present: dict[str, str]) -> dict[str, str]:
        """The parameters that are to be given; the image of the machine is always AWS's latest."""
        present.pop("WorkerImageId", None)
        lambdas, workers = artifacts
        chosen = {
            "WorkerInstanceType": wanted.instance,
            "RedisNodeType": wanted.redis_node,
            "LogRetentionDays": None if wanted.log_days is None else str(wanted.log_days),
            "Runtimes": wanted.runtimes,
            "ImagesKey": _images_key(wanted.images),
        }
        return (
            present
            | {key: value for key, value in chosen.items() if value is not None}
            | {
                "ArtifactBucket": self._artifacts.bucket,
                "LambdaKey": lambdas.key,
                "WorkerKey": workers.key,
                "PythonVersion": wanted.target.python,
                "TokensParameter": TOKENS_PARAMETER,
                "VaultKey": VAULT_KEY,
                # An emulator's Redis has no certificate.
                "RedisTls": "false" if self._account.emulated else "true",
            }
        )


def _images_key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return f"worker/images-{hashlib.file_digest(file, 'sha256').hexdigest()}.tar"
    except OSError as exc:
        raise ConfigError(f"the images in {path} cannot be read: {exc.strerror}.") from exc
