"""Finds out who signed a request: in a header, or in the query of a presigned URL.

What can be said without the body is checked before one is read: nobody unknown makes the gateway keep a byte.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from nanogrid.api.message import Request
from nanogrid.errors import Unauthorized
from nanogrid.gateway.lambda_api.caller import Caller
from nanogrid.gateway.lambda_api.refusals import Refusal
from nanogrid.gateway.lambda_api.signature import (
    ALGORITHM,
    TERMINATOR,
    TIME_FORMAT,
    UNSIGNED,
    Scope,
    Signed,
    What,
    canonical,
    parsed_time,
    signature,
)
from nanogrid.key_ring import KeyRing, Signatory

SERVICE = "lambda"
#: By how much a client's clock may be wrong.
_SKEW = timedelta(minutes=5)
_LONGEST_S = 7 * 24 * 3600
_FORBIDDEN = 403
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SECONDS = re.compile(r"[0-9]{1,6}\Z")
#: No clock is further away; times beyond could not be reckoned with.
_YEARS = range(2000, 2200)
_CREDENTIAL_PARTS = 5


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class Verification:
    """Verifies signatures against a ring of keys."""

    def __init__(self, *, service: str = SERVICE, now: Callable[[], datetime] = utc_now) -> None:
        """`service` is whose requests are taken; no other's signature counts."""
        self._service = service
        self._now = now

    async def check(self, request: Request, key_ring: KeyRing) -> None:
        """Refuse whom nobody knows, and what is too old or too new. Raises `Refusal`."""
        await self._admitted(request, key_ring)

    async def caller(self, request: Request, key_ring: KeyRing) -> Caller:
        """Who has signed this very request. Raises `Refusal`."""
        signed, signatory = await self._admitted(request, key_ring)
        what = What(
            method=request.method,
            path=request.raw_path or request.path,
            query=request.query,
            headers=request.headers,
            payload=_payload(request),
        )
        expected = signature(signatory.secret, signed.scope, signed.at, canonical(what, signed.names))
        if not hmac.compare_digest(expected.encode(), signed.signature.encode()):
            raise _invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details."
            )
        return Caller(signatory=signatory, region=signed.scope.region)

    async def _admitted(self, request: Request, key_ring: KeyRing) -> tuple[Signed, Signatory]:
        signed = _read(request)
        if "x-amz-security-token" in request.headers or "X-Amz-Security-Token=" in request.query:
            raise _unknown("This grid has no temporary credentials: its keys sign without a session token.")
        try:
            signatory = await key_ring.signatory(signed.access_key_id)
        except Unauthorized as exc:
            raise _unknown() from exc
        self._check_scope(signed)
        self._check_time(signed)
        _check_names(signed, request.headers)
        return signed, signatory

    def _check_scope(self, signed: Signed) -> None:
        if signed.scope.service != self._service:
            raise _invalid(f"Credential should be scoped to correct service: '{self._service}'.")
        if signed.scope.day != f"{signed.at:%Y%m%d}":
            raise _invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")

    def _check_time(self, signed: Signed) -> None:
        now, at = self._now(), signed.at
        last = at + (timedelta(seconds=signed.expires_s) if signed.expires_s else _SKEW)
        if now > last:
            raise _invalid(f"Signature expired: {_shown(at)} is now earlier than {_shown(now - (last - at))}.")
        if at > now + _SKEW:
            raise _invalid(f"Signature not yet current: {_shown(at)} is still later than {_shown(now + _SKEW)}.")


def _read(request: Request) -> Signed:
    """The signature, wherever it is. Raises `Refusal`."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(authorization, request.headers)
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    if "X-Amz-Algorithm" in parameters:
        return _from_query(parameters)
    raise Refusal("MissingAuthenticationTokenException", _FORBIDDEN, "Missing Authentication Token", typed=False)


def _from_header(authorization: str, headers: Mapping[str, str]) -> Signed:
    algorithm, _, rest = authorization.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if algorithm != ALGORITHM:
        raise _incomplete(f"This grid reads {ALGORITHM} signatures, and none by {algorithm[:40]!r}.")
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    access_key_id, scope = _credential(fields["Credential"])
    return Signed(
        access_key_id=access_key_id,
        scope=scope,
        at=_time(headers.get("x-amz-date", "")),
        names=fields["SignedHeaders"].split(";"),
        signature=fields["Signature"],
    )


def _from_query(parameters: Mapping[str, str]) -> Signed:
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete(f"This grid reads {ALGORITHM} signatures only.")
    for name in ("X-Amz-Credential", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"):
        if not parameters.get(name):
            raise _incomplete(f"AWS query-string parameters must include '{name}'.")
    expires = parameters["X-Amz-Expires"]
    if not (_SECONDS.match(expires) and 0 < int(expires) <= _LONGEST_S):
        raise _incomplete(f"X-Amz-Expires must be from 1 to {_LONGEST_S} seconds.")
    access_key_id, scope = _credential(parameters["X-Amz-Credential"])
    return Signed(
        access_key_id=access_key_id,
        scope=scope,
        at=_time(parameters.get("X-Amz-Date", "")),
        names=parameters["X-Amz-SignedHeaders"].split(";"),
        signature=parameters["X-Amz-Signature"],
        expires_s=int(expires),
    )


def _credential(text: str) -> tuple[str, Scope]:
    parts = text.split("/")
    if len(parts) != _CREDENTIAL_PARTS or parts[-1] != TERMINATOR or not all(parts):
        raise _incomplete(f"Credential must be KEY/YYYYMMDD/REGION/SERVICE/{TERMINATOR}.")
    access_key_id, day, region, service, _ = parts
    return access_key_id, Scope(day=day, region=region, service=service)


def _time(text: str) -> datetime:
    try:
        at = parsed_time(text)
    except ValueError:
        at = None
    if at is None or at.year not in _YEARS:
        raise _incomplete("X-Amz-Date must be there, as in 20261126T120000Z.")
    return at


def _check_names(signed: Signed, headers: Mapping[str, str]) -> None:
    """What a signature must cover, and that it covers nothing that is not there."""
    missing = sorted(name for name in signed.names if name not in headers)
    if missing:
        raise _invalid(f"The signed header {missing[0][:80]!r} is not in the request.")
    needed = {"host", *(name for name in headers if name.startswith("x-amz-"))}
    unsigned = sorted(needed.difference(signed.names))
    if unsigned:
        raise _invalid(f"The header {unsigned[0][:80]!r} must be signed.")


def _payload(request: Request) -> str:
    """The body's hash, as it must have been signed. Raises `Refusal` where another one was announced."""
    announced = request.headers.get("x-amz-content-sha256")
    if announced == UNSIGNED:
        return UNSIGNED
    digest = hashlib.sha256(request.body).hexdigest()
    if announced is None or announced == digest:
        return digest
    if _DIGEST.match(announced):
        raise _invalid("The body does not have the hash that x-amz-content-sha256 says.")
    raise _incomplete(f"This grid does not read bodies signed as {announced[:60]}: sign the whole body's hash.")


def _shown(at: datetime) -> str:
    return at.strftime(TIME_FORMAT)


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidSignatureException", _FORBIDDEN, message, typed=False)


def _incomplete(message: str) -> Refusal:
    return Refusal("IncompleteSignatureException", 400, message, typed=False)


def _unknown(message: str = "The security token included in the request is invalid.") -> Refusal:
    return Refusal("UnrecognizedClientException", _FORBIDDEN, message, typed=False)
