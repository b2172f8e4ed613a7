"""The owners' tokens at SSM: their digests, encrypted there."""

import msgspec

from nanogrid.backends.aws import AwsSettings
from nanogrid.backends.aws.client import AwsClient, Call
from nanogrid.backends.aws.faults import AwsError
from nanogrid.errors import StoreUnavailable


class _Parameter(msgspec.Struct):
    Value: str


class _Told(msgspec.Struct):
    Parameter: _Parameter


class Owners:
    """Who holds the tokens that `nanogrid aws deploy` made."""

    def __init__(self, client: AwsClient, settings: AwsSettings, name: str) -> None:
        """`name` is that of the parameter."""
        self._ssm = client.service("ssm", settings.endpoint_url or f"https://ssm.{settings.region}.amazonaws.com")
        self._name = name

    async def names(self) -> dict[str, str]:
        """The owners' names by the digests of their tokens. Raises `StoreUnavailable`."""
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
        body = msgspec.json.encode({"Name": self._name, "WithDecryption": True})
        try:
            answer = await self._ssm.call(Call("GetParameter", "POST", "/", headers, body))
        except AwsError as exc:
            raise StoreUnavailable(f"the tokens in {self._name} cannot be read: {exc}") from exc
        return msgspec.json.decode(msgspec.json.decode(answer.body, type=_Told).Parameter.Value, type=dict[str, str])
