"""AWS Signature Version 4: proves to a service who sends a request."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_NONE: Mapping[str, str] = MappingProxyType({})


class Credentials(NamedTuple):
    """Who signs."""

    access_key: str
    secret_key: str
    #: Goes with temporary credentials.
    token: str = ""
    #: When they end, aware; None where they don't.
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key[:4]}..., expires_at={self.expires_at})"


class Signer:
    """Signs requests to one service in one region."""

    def __init__(self, service: str, region: str) -> None:
        """`service` is its name in the scope of signatures, such as `sqs`."""
        self._service = service
        self._region = region
        #: The key of a day takes four hashes; it is made once.
        self._key: tuple[Credentials | None, str, bytes] = (None, "", b"")

    def headers(
        self,
        credentials: Credentials,
        now: datetime,
        *,
        method: str,
        host: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: str = "",
    ) -> dict[str, str]:
        """The headers with date and signature added. Names come in small letters, path and query as they are sent."""
        date, digest = now.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
        signed = headers | {"host": host, "x-amz-date": date}
        if self._service == "s3":
            signed["x-amz-content-sha256"] = digest
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed)
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{digest}"
        signature = self._signature(credentials, date, canonical)
        scope = f"{credentials.access_key}/{self._scope(date)}"
        del signed["host"]
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return signed

    def query(
        self,
        credentials: Credentials,
        now: datetime,
        *,
        method: str,
        host: str,
        path: str,
        headers: dict[str, str],
        valid_s: int,
        parameters: Mapping[str, str] = _NONE,
    ) -> str:
        """The query string under which anybody may send this request for so many seconds, with these headers.

        `parameters` are the request's own.
        """
        date = now.strftime("%Y%m%dT%H%M%SZ")
        signed = headers | {"host": host}
        names = sorted(signed)
        signed_parameters = {
            **parameters,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope(date)}",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(valid_s),
            "X-Amz-SignedHeaders": ";".join(names),
        }
        if credentials.token:
            signed_parameters["X-Amz-Security-Token"] = credentials.token
        query = "&".join(f"{name}={quote(signed_parameters[name], safe='-_.~')}" for name in sorted(signed_parameters))
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{_UNSIGNED}"
        return f"{query}&X-Amz-Signature={self._signature(credentials, date, canonical)}"

    def _scope(self, date: str) -> str:
        return f"{date[:8]}/{self._region}/{self._service}/aws4_request"

    def _signature(self, credentials: Credentials, date: str, canonical: str) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{date}\n{self._scope(date)}\n{digest}"
        return hmac.digest(self._day_key(credentials, date[:8]), text.encode(), "sha256").hex()

    def _day_key(self, credentials: Credentials, day: str) -> bytes:
        known, known_day, key = self._key
        if known is not credentials or known_day != day:
            key = f"AWS4{credentials.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (credentials, day, key)
        return key
