"""What the instances of the played group see of AWS: the metadata service, and the Auto Scaling API.

Each instance has the metadata service under a path of its own, `/<instance id>`; the API is at `/`.
"""

import secrets
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec

from nanogrid.cloud.loopback import Asked, Said, serving
from nanogrid.cloud.rehearsal.group import Group, Member, State

_TOKEN_HEADER = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_NAMESPACE = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
_NOTHING = Said(HTTPStatus.NOT_FOUND)


class Front:
    """Answers for one group."""

    def __init__(self, group: Group, region: str) -> None:
        """See `open_front`."""
        self._group = group
        self._region = region
        self._tokens: set[str] = set()

    async def reply(self, asked: Asked) -> Said:
        """For `cloud.loopback.serving`."""
        if asked.method == "POST" and asked.path == "/":
            return self._called(dict(urllib.parse.parse_qsl(asked.body.decode())))
        _, instance_id, path = (*asked.path.split("/", 2), "", "")[:3]
        member = self._group.members.get(instance_id)
        if member is None:
            return _NOTHING
        if (asked.method, path) == ("PUT", "latest/api/token"):
            return self._new_token()
        if asked.headers.get(_TOKEN_HEADER) not in self._tokens:
            return Said(HTTPStatus.UNAUTHORIZED)
        text = self._metadata(member, path.removeprefix("latest/meta-data/"))
        return _NOTHING if text is None else Said(body=text.encode())

    def forget_tokens(self) -> None:
        """As if the metadata service had been started again."""
        self._tokens.clear()

    def _new_token(self) -> Said:
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        return Said(body=token.encode())

    def _metadata(self, member: Member, name: str) -> str | None:
        match name:
            case "instance-id":
                return member.instance_id
            case "placement/region":
                return self._region
            case "autoscaling/target-lifecycle-state":
                return "InService" if member.state is State.IN_SERVICE else "Terminated"
            case "spot/instance-action" if member.spot_notice is not None:
                return msgspec.json.encode({"action": "terminate", "time": member.spot_notice}).decode()
        return None

    def _called(self, parameters: Mapping[str, str]) -> Said:
        action = parameters.get("Action", "")
        instance_id = parameters.get("InstanceId", parameters.get("InstanceIds.member.1", ""))
        match action:
            case "CompleteLifecycleAction":
                done = self._group.complete(instance_id)
            case "RecordLifecycleActionHeartbeat":
                done = self._group.keep_waiting(instance_id)
            case "SetInstanceProtection":
                done = self._group.protect(instance_id, protected=parameters.get("ProtectedFromScaleIn") == "true")
            case _:
                return _refused("InvalidAction", f"{action} is not played here")
        return _granted(action) if done else _refused("ValidationError", f"nothing to do that to on {instance_id}")


@asynccontextmanager
async def open_front(group: Group, region: str, *, port: int = 0) -> AsyncIterator[tuple[Front, str]]:
    """Serve as long as the context lasts; the front, and the URL under which it answers."""
    front = Front(group, region)
    async with serving(front.reply, port=port) as taken:
        yield front, f"http://127.0.0.1:{taken}"


def _granted(action: str) -> Said:
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result/>'
        f"<ResponseMetadata><RequestId>played</RequestId></ResponseMetadata></{action}Response>"
    )
    return Said(body=body.encode(), media_type="text/xml")


def _refused(code: str, message: str) -> Said:
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>played</RequestId></ErrorResponse>"
    )
    return Said(HTTPStatus.BAD_REQUEST, body.encode(), "text/xml")
