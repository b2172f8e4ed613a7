"""Handlers about resource policies: kept and told as AWS would; who may run a function is decided by keys."""

import uuid
from typing import Any

import msgspec
from msgspec import Raw

from nanogrid.api.message import Answer
from nanogrid.gateway.lambda_api.call import Call, Shape
from nanogrid.gateway.lambda_api.references import reference, resolved
from nanogrid.gateway.lambda_api.refusals import Refusal, conflict, not_found, precondition_failed
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.model import Function, Record, StoredRecord

_MOST_BYTES = 20 * 1024
_NAMESPACE = uuid.UUID("c2a1d2b4-33d9-4f0e-8a55-5f4a1f7d1b90")


class Permission(Shape, frozen=True, kw_only=True):
    """`AddPermission`."""

    statement_id: str | None = None
    action: str | None = None
    principal: str | None = None
    source_arn: str | None = None
    source_account: str | None = None
    event_source_token: str | None = None
    function_url_auth_type: str | None = None
    invoked_via_function_url: bool | None = None
    principal_org_id: str | None = msgspec.field(name="PrincipalOrgID", default=None)
    revision_id: str | None = None


class _Policy(Record, frozen=True, kw_only=True):
    """The statements of one function, or of one version or alias of it."""

    statements: list[dict[str, Any]] = []


async def add_permission(call: Call) -> Answer:
    """Add a statement."""
    asked = call.body(Permission)
    constraints = Constraints()
    for member in ("statement_id", "action", "principal"):
        constraints.given(_CAMEL[member], getattr(asked, member))
    constraints.matches("statementId", asked.statement_id, r"([a-zA-Z0-9-_]+)")
    constraints.length("statementId", asked.statement_id, 100)
    constraints.matches("action", asked.action, r"(lambda:[*]|lambda:[a-zA-Z]+|[*])")
    constraints.check()
    function, arn, place = await _place(call)
    record, policy = await _policy(call, function, place)
    _check_revision(asked.revision_id, record)
    if any(one["Sid"] == asked.statement_id for one in policy.statements):
        raise conflict(
            f"The statement id ({asked.statement_id}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    statement = _statement(asked, arn)
    await _keep(call, function, place, record, [*policy.statements, statement])
    return call.answer({"Statement": msgspec.json.encode(statement).decode()}, status=201)


async def remove_permission(call: Call) -> Answer:
    """Take a statement away."""
    function, _, place = await _place(call)
    record, policy = await _policy(call, function, place)
    wanted = call.params["StatementId"]
    left = [one for one in policy.statements if one["Sid"] != wanted]
    if len(left) == len(policy.statements):
        raise not_found(f"Statement {wanted[:100]} is not found in resource policy.")
    _check_revision(call.queried("RevisionId"), record)
    await _keep(call, function, place, record, left)
    return call.answer(status=204)


async def get_policy(call: Call) -> Answer:
    """All statements, as a policy."""
    function, _, place = await _place(call)
    record, policy = await _policy(call, function, place)
    if record is None or not policy.statements:
        raise not_found("The resource you requested does not exist.")
    document = {"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}
    return call.answer({"Policy": msgspec.json.encode(document).decode(), "RevisionId": _revision_id(record)})


async def _place(call: Call) -> tuple[Function, str, str]:
    """The function, the ARN that a statement is about, and where statements about it are kept."""
    found = reference(call)
    function, _ = await resolved(call, found)
    qualifier = "" if found.latest else found.qualifier
    return function, call.caller.function_arn(function.name, qualifier), f"policy/{qualifier}"


async def _policy(call: Call, function: Function, place: str) -> tuple[StoredRecord | None, _Policy]:
    record = await call.services.annotations.get(function.function_id, place)
    return record, _Policy() if record is None else msgspec.json.decode(record.value, type=_Policy)


async def _keep(
    call: Call, function: Function, place: str, record: StoredRecord | None, statements: list[dict[str, Any]]
) -> None:
    value = msgspec.json.encode(_Policy(statements=statements))
    if len(value) > _MOST_BYTES:
        raise Refusal(
            "PolicyLengthExceededException", 400, f"The final policy size is bigger than the limit ({_MOST_BYTES})."
        )
    revision = record.revision if record else None
    await call.services.annotations.put(function.function_id, place, Raw(value), revision=revision)


def _statement(asked: Permission, arn: str) -> dict[str, Any]:
    statement = {
        "Sid": asked.statement_id,
        "Effect": "Allow",
        "Principal": _principal(asked.principal or ""),
        "Action": asked.action,
        "Resource": arn,
    }
    equals = {
        "AWS:SourceAccount": asked.source_account,
        "lambda:EventSourceToken": asked.event_source_token,
        "lambda:FunctionUrlAuthType": asked.function_url_auth_type,
        "aws:PrincipalOrgID": asked.principal_org_id,
    }
    condition: dict[str, Any] = {}
    if given := {name: value for name, value in equals.items() if value is not None}:
        condition["StringEquals"] = given
    if asked.source_arn is not None:
        condition["ArnLike"] = {"AWS:SourceArn": asked.source_arn}
    if asked.invoked_via_function_url is not None:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(asked.invoked_via_function_url).lower()}
    return statement | ({"Condition": condition} if condition else {})


def _principal(principal: str) -> Any:
    if principal == "*":
        return principal
    if principal.isdecimal():
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return {"AWS" if principal.startswith("arn:") else "Service": principal}


def _check_revision(asked: str | None, record: StoredRecord | None) -> None:
    if asked and (record is None or asked != _revision_id(record)):
        raise precondition_failed()


def _revision_id(record: StoredRecord) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{record.name}/{record.revision}"))


_CAMEL = {"statement_id": "statementId", "action": "action", "principal": "principal"}
