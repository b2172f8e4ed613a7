"""The bucket: objects by key, on S3."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from nanogrid.backends.aws.client import Call, Service
from nanogrid.backends.aws.faults import AwsError

_NOT_FOUND = 404
#: A large object on a slow line.
_TIMEOUT_S = 120.0
_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


class ObjectVersion(NamedTuple):
    """One version of an object."""

    id: str
    put_at: datetime


class Bucket:
    """One bucket of S3. All methods raise `AwsError` for what nobody expects."""

    def __init__(self, service: Service, prefix: str = "") -> None:
        """`prefix` goes before each path: `/bucket` where the address does not name the bucket."""
        self._service = service
        self._prefix = prefix

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object; in the place of what was there."""
        headers = {"content-type": "application/octet-stream"}
        await self._service.call(Call("PutObject", "PUT", self._path(key), headers, content, timeout_s=_TIMEOUT_S))

    async def get(self, key: str) -> bytes | None:
        """The object; None where there is none."""
        try:
            answer = await self._service.call(Call("GetObject", "GET", self._path(key), {}, timeout_s=_TIMEOUT_S))
        except AwsError as exc:
            if exc.status == _NOT_FOUND:
                return None
            raise
        return answer.body

    async def has(self, key: str) -> bool:
        """Whether there is an object under the key."""
        return await self.version(key) is not None

    async def version(self, key: str) -> ObjectVersion | None:
        """Which version of the object is the current one; None where there is no object."""
        try:
            answer = await self._service.call(Call("HeadObject", "HEAD", self._path(key), {}))
        except AwsError as exc:
            if exc.status == _NOT_FOUND:
                return None
            raise
        put_at = parsedate_to_datetime(answer.headers["last-modified"])
        return ObjectVersion(answer.headers.get("x-amz-version-id", "null"), put_at)

    async def delete(self, key: str) -> None:
        """Forget an object; an absent one is no error."""
        await self._service.call(Call("DeleteObject", "DELETE", self._path(key), {}))

    async def delete_version(self, key: str, version: ObjectVersion) -> None:
        """Forget this version for good; what was put later stays. A version that is gone is no error."""
        query = f"versionId={quote(version.id, safe='')}"
        await self._service.call(Call("DeleteObject", "DELETE", self._path(key), {}, query=query))

    async def address(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        *,
        valid_s: int,
        parameters: Mapping[str, str] = _NO_PARAMETERS,
    ) -> str:
        """A URL under which anybody may do this, with these headers and parameters, for so many seconds."""
        return await self._service.presigned(method, self._path(key), headers, valid_s=valid_s, parameters=parameters)

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}"
