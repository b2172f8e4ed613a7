"""What a function is called in a request: a name, a partial or a whole ARN, each perhaps with a version or an alias."""

import re

from nanogrid.errors import FunctionNotFound
from nanogrid.gateway.lambda_api.call import Call
from nanogrid.gateway.lambda_api.notes import is_published
from nanogrid.gateway.lambda_api.refusals import Refusal, invalid, no_function, not_found
from nanogrid.gateway.lambda_api.validation import Constraints
from nanogrid.identifiers import is_function_name
from nanogrid.model import Function, Record

LATEST = "$LATEST"
_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


class Reference(Record, frozen=True, kw_only=True):
    """A function's name, and which of its versions is meant."""

    name: str
    #: A version's number, an alias, `$LATEST`, or empty.
    qualifier: str = ""

    @property
    def latest(self) -> bool:
        """Whether it is the version that still changes."""
        return self.qualifier in ("", LATEST)

    @property
    def version(self) -> int | None:
        """The version's number, where that is what qualifies it."""
        return int(self.qualifier) if self.qualifier.isdecimal() else None


def reference(call: Call, *, text: str = "", qualifier: str | None = None) -> Reference:
    """The function in the path (or in `text`), qualified there or by the query. Raises `Refusal`."""
    text = text or call.params["FunctionName"]
    match = _REFERENCE.fullmatch(text)
    if match is None:
        constraints = Constraints()
        constraints.matches("functionName", text, _PATTERN)
        constraints.check()
        raise invalid(f"{text[:200]!r} is no function's name.")
    _check_place(call, text, match["region"], match["account"])
    asked = call.queried("Qualifier") if qualifier is None else qualifier
    own = match["qualifier"] or ""
    if asked and own and asked != own:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    found = Reference(name=match["name"], qualifier=asked or own)
    if not is_function_name(found.name):
        raise no_function(call.caller.function_arn(found.name, found.qualifier))
    return found


async def latest(call: Call) -> Function:
    """The function in the path, where no single version of it can be meant. Raises `Refusal`, `FunctionNotFound`."""
    found = reference(call)
    if not found.latest:
        raise invalid(f"{call.operation.name} is about a whole function: leave the qualifier out.")
    return await function_of(call, found.name)


async def function_of(call: Call, name: str, qualifier: str = "") -> Function:
    """The latest version of the function. Raises `Refusal`."""
    try:
        return await call.services.resource_manager.get(name, tenant=call.tenant)
    except FunctionNotFound as exc:
        raise no_function(call.caller.function_arn(name, qualifier)) from exc


async def resolved(call: Call, found: Reference) -> tuple[Function, Function]:
    """The latest version of the function, and the very version that is meant. Raises `Refusal`."""
    function = await function_of(call, found.name, found.qualifier)
    if found.latest:
        return function, function
    number = found.version
    if number is None:
        try:
            return function, await call.services.aliases.resolve(f"{found.name}:{found.qualifier}", call.tenant)
        except FunctionNotFound as exc:
            arn = call.caller.function_arn(found.name, found.qualifier)
            raise not_found(f"Cannot find alias arn: {arn}") from exc
    if not await is_published(call, function, number):
        raise no_function(call.caller.function_arn(found.name, found.qualifier))
    return function, await call.services.resource_manager.get(function.function_id, number, tenant=call.tenant)


def _check_place(call: Call, text: str, region: str | None, account: str | None) -> None:
    if region is not None and region != call.caller.region:
        raise not_found(f"Functions from '{region}' are not reachable in this region ('{call.caller.region}')")
    if account is not None and account != call.caller.account:
        raise Refusal(
            "AccessDeniedException",
            403,
            f"User: {call.caller.user_arn} is not authorized to perform: lambda:{call.operation.name} "
            f"on resource: {text[:200]}",
            typed=False,
        )
