"""AWS Signature Version 4, as who checks it sees it: what was signed, by whom, and what the signature has to be."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from nanogrid.model import Record

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED = "UNSIGNED-PAYLOAD"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"


class Scope(Record, frozen=True, kw_only=True):
    """For which day, region and service a signature is."""

    day: str
    region: str
    service: str

    def __str__(self) -> str:
        """As it is signed."""
        return f"{self.day}/{self.region}/{self.service}/{TERMINATOR}"


class Signed(Record, frozen=True, kw_only=True):
    """A signature, and what was said about it."""

    access_key_id: str
    scope: Scope
    at: datetime
    #: The signed headers' names, in small letters.
    names: list[str]
    signature: str
    #: For how many seconds it holds, where it came in the query; 0 where in a header.
    expires_s: int = 0


class What(Record, frozen=True, kw_only=True):
    """What is signed: a request, as it is sent."""

    method: str
    #: As it stands in the request: percent-encoded once.
    path: str
    query: str
    headers: Mapping[str, str]
    #: The hash of the body in hexadecimal digits, or what stands for it.
    payload: str


def canonical(what: What, names: Iterable[str]) -> str:
    """The request in the one form that both sides sign."""
    names = sorted(names)
    lines = "".join(f"{name}:{' '.join(what.headers[name].split())}\n" for name in names)
    parts = (what.method, _path(what.path), _query(what.query), lines, ";".join(names), what.payload)
    return "\n".join(parts)


def signature(secret: str, scope: Scope, at: datetime, canonical_request: str) -> str:
    """What the holder of the secret signs this request with."""
    key = f"AWS4{secret}".encode()
    for part in (scope.day, scope.region, scope.service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical_request.encode("utf-8", "surrogateescape")).hexdigest()
    text = f"{ALGORITHM}\n{at.strftime(TIME_FORMAT)}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def presigned_query(access_key_id: str, secret: str, scope: Scope, at: datetime, what: What, expires_s: int) -> str:
    """The query under which anybody may send this request, to the signed host, for so many seconds."""
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{access_key_id}/{scope}",
        "X-Amz-Date": at.strftime(TIME_FORMAT),
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": "host",
    }
    own = "&".join(f"{name}={quote(value, safe=_UNRESERVED)}" for name, value in parameters.items())
    query = f"{what.query}&{own}" if what.query else own
    text = canonical(
        What(method=what.method, path=what.path, query=query, headers=what.headers, payload=what.payload), ["host"]
    )
    return f"{query}&X-Amz-Signature={signature(secret, scope, at, text)}"


def parsed_time(text: str) -> datetime:
    """A moment as signatures have it. Raises `ValueError`."""
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)


def _path(path: str) -> str:
    """Every service but S3 signs the path encoded a second time, without dots and doubled slashes."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    whole = "/" + "/".join(kept)
    if kept and path.endswith(("/", "/.", "/..")):
        whole += "/"
    return quote(whole, safe="/" + _UNRESERVED)


def _query(query: str) -> str:
    """Sorted, encoded in one way, and without the signature itself."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")


def _encoded(text: str) -> str:
    return quote(unquote(text, errors="surrogateescape"), safe=_UNRESERVED, errors="surrogateescape")
