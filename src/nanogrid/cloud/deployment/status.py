"""What there is to know about a deployed grid at a glance."""

from datetime import datetime
from typing import Any

from nanogrid.cloud.deployment.account import Account, plainly
from nanogrid.cloud.deployment.stacks import Stacks, StackState
from nanogrid.model import Record

_ALARMS = "nanogrid-"


class Alarm(Record, frozen=True, kw_only=True):
    """One alarm of the stack."""

    name: str
    state: str
    means: str
    since: datetime | None = None


class WorkerInstance(Record, frozen=True, kw_only=True):
    """One instance of the workers' group."""

    id: str
    state: str
    health: str


class Backlog(Record, frozen=True, kw_only=True):
    """What the queues hold."""

    waiting: int
    in_flight: int
    delayed: int
    #: In SQS' own dead-letter queue; a worker looks after them.
    given_up: int


class GridStatus(Record, frozen=True, kw_only=True):
    """Everything that `nanogrid aws status` shows."""

    region: str
    account: str
    stack: StackState | None
    alarms: list[Alarm] = []
    workers: list[WorkerInstance] = []
    backlog: Backlog | None = None


def grid_status(account: Account) -> GridStatus:
    """The status now. Raises what `plainly` raises."""
    with plainly():
        stack = Stacks(account, lambda _: None).state()
        if stack is None or "QueueUrl" not in stack.outputs:
            return GridStatus(region=account.region, account=account.id, stack=stack)
        return GridStatus(
            region=account.region,
            account=account.id,
            stack=stack,
            alarms=_alarms(account.client("cloudwatch")),
            workers=_workers(account.client("autoscaling"), stack.outputs["WorkerAsg"]),
            backlog=_backlog(account.client("sqs"), stack.outputs),
        )


def _alarms(cloudwatch: Any) -> list[Alarm]:
    found = cloudwatch.describe_alarms(AlarmNamePrefix=_ALARMS)["MetricAlarms"]
    return [
        Alarm(
            name=one["AlarmName"],
            state=one["StateValue"],
            means=one.get("AlarmDescription", ""),
            since=one.get("StateUpdatedTimestamp"),
        )
        for one in found
    ]


def _workers(autoscaling: Any, group: str) -> list[WorkerInstance]:
    groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return [
        WorkerInstance(id=one["InstanceId"], state=one["LifecycleState"], health=one["HealthStatus"])
        for found in groups
        for one in found["Instances"]
    ]


def _backlog(sqs: Any, outputs: dict[str, str]) -> Backlog:
    names = ["", "NotVisible", "Delayed"]
    wanted = [f"ApproximateNumberOfMessages{name}" for name in names]
    queue = sqs.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=wanted)["Attributes"]
    dead = sqs.get_queue_attributes(QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=wanted[:1])["Attributes"]
    waiting, in_flight, delayed = (int(queue.get(name, 0)) for name in wanted)
    return Backlog(waiting=waiting, in_flight=in_flight, delayed=delayed, given_up=int(dead.get(wanted[0], 0)))
