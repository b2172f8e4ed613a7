"""The stack at CloudFormation: its state, a change that is looked at before it is made, and waiting for either."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from nanogrid.cloud.deployment.account import Account, plainly
from nanogrid.cloud.stack import STACK
from nanogrid.errors import Conflict, PlatformError
from nanogrid.model import Record

#: Seconds between two looks.
Pause = Callable[[float], None]
_LOOK_S = 3.0
_NOTHING = ("didn't contain changes", "No updates are to be performed")
#: States out of which no change leads.
_STUCK = {
    "UPDATE_ROLLBACK_FAILED": "In the CloudFormation console, choose `Continue update rollback`; then deploy again.",
    "ROLLBACK_FAILED": "Look at its events in the CloudFormation console; then `nanogrid aws destroy`.",
    "DELETE_FAILED": "`nanogrid aws destroy` tries again; its events say what is in the way.",
}
#: What is left of a first deploy that failed or was called off: it has nothing, and has to go before the next.
_EMPTY = frozenset({"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"})


class StackState(Record, frozen=True, kw_only=True):
    """The stack as it is."""

    status: str
    reason: str = ""
    outputs: dict[str, str] = {}
    parameters: dict[str, str] = {}

    @property
    def moving(self) -> bool:
        """Whether something is being done to it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class Change(Record, frozen=True, kw_only=True):
    """One line of a plan."""

    action: str
    name: str
    kind: str
    #: Whether what is there is thrown away for it: `True`, `False`, or `Conditional` where only doing it tells.
    replacement: str = "False"


class Plan(Record, frozen=True, kw_only=True):
    """A change set that has not been executed."""

    id: str
    creates: bool
    changes: list[Change]


class Event(Record, frozen=True, kw_only=True):
    """Something that happened to a resource."""

    id: str
    name: str
    kind: str
    status: str
    reason: str = ""


class Stacks:
    """Looks at the stack and changes it."""

    def __init__(self, account: Account, pause: Pause) -> None:
        """`pause` sleeps for so many seconds."""
        self._cloudformation = account.client("cloudformation")
        self._pause = pause

    def state(self) -> StackState | None:
        """The stack; None where there is none."""
        try:
            found = self._cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        except ClientError as exc:
            if "does not exist" in str(exc):
                return None
            raise
        stack = next(one for one in found if one["StackStatus"] != "DELETE_COMPLETE")
        return StackState(
            status=stack["StackStatus"],
            reason=stack.get("StackStatusReason", ""),
            outputs={one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
            parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])},
        )

    def plan(self, template: str, parameters: Mapping[str, str], *, name: str) -> Plan | None:
        """What the template would change; None where that is nothing. Raises `Conflict` where it cannot be changed."""
        state = self._changeable()
        made = self._cloudformation.create_change_set(
            StackName=STACK,
            ChangeSetName=name,
            ChangeSetType="UPDATE" if state else "CREATE",
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
            # What `destroy` kept is taken back, by its name.
            ImportExistingResources=True,
        )
        change_set = made["Id"]
        pages = self._described(change_set)
        status, reason = pages[0]["Status"], pages[0].get("StatusReason", "")
        if status == "FAILED" and any(text in reason for text in _NOTHING):
            self._cloudformation.delete_change_set(ChangeSetName=change_set)
            return None
        if status == "FAILED":
            raise PlatformError(f"CloudFormation cannot plan this change: {reason}")
        changes = [_change(one["ResourceChange"]) for page in pages for one in page["Changes"]]
        return Plan(id=change_set, creates=state is None, changes=changes)

    def discard(self, plan: Plan) -> None:
        """Forget a plan, and the empty stack that a first one made."""
        self._cloudformation.delete_change_set(ChangeSetName=plan.id)
        if plan.creates:
            self._cloudformation.delete_stack(StackName=STACK)

    def execute(self, plan: Plan) -> Iterator[Event]:
        """Make the change, telling what happens meanwhile. Raises `PlatformError` where it was rolled back."""
        seen = self._seen()
        self._cloudformation.execute_change_set(ChangeSetName=plan.id)
        yield from self._until_settled(seen)

    def delete(self) -> Iterator[Event]:
        """Remove the stack, telling what happens meanwhile. Raises `PlatformError` where something stays."""
        seen = self._seen()
        self._cloudformation.delete_stack(StackName=STACK)
        yield from self._until_settled(seen)

    def _changeable(self) -> StackState | None:
        """The stack that a change begins from; None for a first one."""
        state = self.state()
        if state is None:
            return None
        if state.moving:
            raise Conflict(f"the stack is {state.status}.", hint="`nanogrid aws status` tells when it has settled.")
        if state.status in _STUCK:
            raise Conflict(f"the stack is {state.status}: {state.reason}", hint=_STUCK[state.status])
        if state.status not in _EMPTY:
            return state
        for _ in self.delete():
            pass
        return None

    def _described(self, change_set: str) -> list[dict[str, Any]]:
        """All pages of a change set that is no longer being made."""
        while True:
            first = self._cloudformation.describe_change_set(ChangeSetName=change_set)
            if first["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            self._pause(1.0)
        pages = [first]
        while token := pages[-1].get("NextToken"):
            pages.append(self._cloudformation.describe_change_set(ChangeSetName=change_set, NextToken=token))
        return pages

    def _until_settled(self, seen: set[str]) -> Iterator[Event]:
        failure, begun = "", False
        while True:
            # The state before the events: whatever led to it is among them then. And no state counts that was read
            # before the first event: it may be the one from before.
            state = self.state()
            fresh = self._new_events(seen)
            for event in fresh:
                failure = failure or (event.reason if event.status.endswith("_FAILED") else "")
            yield from fresh
            if state is None or (begun and not state.moving):
                break
            begun = begun or bool(fresh)
            self._pause(_LOOK_S)
        if state is not None and ("ROLLBACK" in state.status or state.status.endswith("_FAILED")):
            why = failure or state.reason or "its events say why"
            raise PlatformError(
                f"the stack is {state.status}: {why}", hint=_STUCK.get(state.status, "Nothing is lost.")
            )

    def _new_events(self, seen: set[str]) -> list[Event]:
        events = self._events()
        fresh = [event for event in reversed(events) if event.id not in seen]
        seen |= {event.id for event in fresh}
        return fresh

    def _seen(self) -> set[str]:
        return {event.id for event in self._events()}

    def _events(self) -> list[Event]:
        try:
            with plainly():
                pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK)
                return [_event(one) for page in pages for one in page["StackEvents"]]
        except PlatformError:
            # A stack that is gone has no events any more.
            return []


def _change(told: dict[str, Any]) -> Change:
    return Change(
        action=told["Action"],
        name=told["LogicalResourceId"],
        kind=told["ResourceType"],
        replacement=told.get("Replacement", "False"),
    )


def _event(told: dict[str, Any]) -> Event:
    return Event(
        id=told["EventId"],
        name=told["LogicalResourceId"],
        kind=told["ResourceType"],
        status=told["ResourceStatus"],
        reason=told.get("ResourceStatusReason", ""),
    )
