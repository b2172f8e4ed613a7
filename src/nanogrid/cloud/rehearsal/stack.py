"""Deploys the shipped template onto the emulated AWS, by the same steps as `nanogrid aws deploy`."""

import asyncio
import time

import boto3

from nanogrid.cloud.deployment.account import Account, plainly
from nanogrid.cloud.deployment.artifact_store import ArtifactStore
from nanogrid.cloud.deployment.artifacts import lambda_archive
from nanogrid.cloud.deployment.distributions import Target, this_python
from nanogrid.cloud.deployment.stacks import Plan as StackPlan
from nanogrid.cloud.deployment.stacks import Stacks
from nanogrid.cloud.deployment.token_store import TokenStore
from nanogrid.cloud.deployment.vault_key import VaultKey
from nanogrid.cloud.emulator import EmulatedAws
from nanogrid.cloud.stack import VAULT_KEY, template_for
from nanogrid.errors import PlatformError
from nanogrid.model import Record

#: What stands in the outputs' place in a worker's environment file, see the launch template.
_VARIABLES = {
    "NANOGRID_CODE_BUCKET": "CodeBucket",
    "NANOGRID_FUNCTIONS_TABLE": "FunctionsTable",
    "NANOGRID_RUNS_TABLE": "RunsTable",
    "NANOGRID_QUEUE_URL": "QueueUrl",
    "NANOGRID_DEAD_LETTER_QUEUE_URL": "DeadLetterQueueUrl",
    "NANOGRID_REDIS_URL": "RedisUrl",
}


class Deployed(Record, frozen=True, kw_only=True):
    """The stack as it stands."""

    #: Where the API answers, and with which token.
    url: str
    token: str
    outputs: dict[str, str]
    resources: int

    @property
    def queue_url(self) -> str:
        """Where the tasks wait."""
        return self.outputs["QueueUrl"]

    @property
    def worker_environment(self) -> dict[str, str]:
        """What tells a worker where everything is."""
        told = {name: self.outputs[output] for name, output in _VARIABLES.items()}
        return told | {"NANOGRID_VAULT_KEY": VAULT_KEY}


async def deploy_stack(aws: EmulatedAws, *, runtimes: list[str], lease_s: float) -> Deployed:
    """Make the stack. Raises `PlatformError` where it does not come to stand."""
    with plainly():
        return await asyncio.to_thread(_deploy, aws, runtimes, lease_s)


def _deploy(aws: EmulatedAws, runtimes: list[str], lease_s: float) -> Deployed:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=aws.region)  # noqa: S106
    account = Account(session, aws.region, endpoint_url=aws.endpoint)
    store, stacks = ArtifactStore(account), Stacks(account, _pause)
    archive = lambda_archive(Target(python=this_python()))
    store.open()
    store.put(archive)
    VaultKey(account).ensure()
    parameters = {
        "ArtifactBucket": store.bucket,
        "LambdaKey": archive.key,
        # Its workers are processes of this machine, and need no bundle.
        "WorkerKey": "worker/none.tar.gz",
        "PythonVersion": this_python(),
        "Runtimes": ",".join(runtimes),
        "RedisTls": "false",
        "LeaseSeconds": str(round(lease_s)),
    }
    plan = _planned(stacks, template_for(account.id, aws.region), parameters)
    token = TokenStore(account).renew()
    for _ in stacks.execute(plan):
        pass
    state = stacks.state()
    if state is None or state.status != "CREATE_COMPLETE":
        raise PlatformError(f"the stack is {state.status if state else 'gone'}.")
    # The emulator answers under a path where AWS has a host name for each API.
    api_id = state.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
    return Deployed(
        url=f"{aws.endpoint}/_aws/execute-api/{api_id}/$default",
        token=token,
        outputs=state.outputs,
        resources=len(plan.changes),
    )


def _pause(seconds: float) -> None:
    """Everything is quicker here than where the pauses are meant for."""
    time.sleep(seconds / 20)


def _planned(stacks: Stacks, template: str, parameters: dict[str, str]) -> StackPlan:
    plan = stacks.plan(template, parameters, name="rehearsal")
    if plan is None:
        raise PlatformError("the stack has nothing to deploy.")
    return plan
