"""Signature version 4 as the gateway verifies it: AWS' published vectors, botocore's own signer, and refusals."""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway_harness import opened
from nanogrid.api.message import Request
from nanogrid.gateway.lambda_api.refusals import Refusal
from nanogrid.gateway.lambda_api.signature import Scope, What, canonical, signature
from nanogrid.gateway.lambda_api.verification import Verification
from nanogrid.secret_store import SecretStore

EMPTY = hashlib.sha256(b"").hexdigest()
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "signed"),
    [
        # get-vanilla
        ("GET", "/", "", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        # post-vanilla
        ("POST", "/", "", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        # get-unreserved
        ("GET", f"/{UNRESERVED}", "", {}, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        # get-vanilla-query-order-key-case
        (
            *("GET", "/", "Param2=value2&Param1=value1", {}),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        # get-header-key-duplicate
        (
            *("GET", "/", "", {"my-header1": "value2,value2,value1"}),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        # get-header-value-multiline
        (
            *("GET", "/", "", {"my-header1": "value1,value2,value3"}),
            "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
        ),
        # get-slashes: what a path says twice is signed once
        ("GET", "//./x/..", "", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
)
def test_aws_published_vectors_come_out(method, path, query, headers, signed):
    headers = HOST | headers
    what = What(method=method, path=path, query=query, headers=headers, payload=EMPTY)
    scope = Scope(day="20150830", region="us-east-1", service="service")

    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    assert signature(secret, scope, AT, canonical(what, headers)) == signed


class Signing:
    """A ring with one key, and a request that botocore signs with it."""

    def __init__(self, grid, key, secret):
        self.grid, self.key, self.secret = grid, key, secret
        self.url = "http://grid.test/2015-03-31/functions/arn%3Aaws%3Ax/invocations?b=2&a=x%20y"

    def signed(self, *, presigned=False, region="eu-central-1", service="lambda", body=b"{}", headers=None):
        """The request as a server reads it; who presigns has no body to sign."""
        body = b"" if presigned else body
        asked = AWSRequest(method="POST", url=self.url, data=body, headers=headers or {})
        signer = SigV4QueryAuth if presigned else SigV4Auth
        signer(Credentials(self.key.access_key_id, self.secret), service, region).add_auth(asked)
        return self.request(asked.url, dict(asked.headers.items()), body)

    def request(self, url, headers, body):
        parts = urlsplit(url)
        lower = {name.lower(): value for name, value in headers.items()} | {"host": parts.netloc}
        return Request(
            id="req_1",
            method="POST",
            path="/2015-03-31/functions/arn:aws:x/invocations",
            raw_path=parts.path,
            params={},
            query=parts.query,
            headers=lower,
            body=body,
        )

    async def caller(self, request, **options):
        return await Verification(**options).caller(request, self.grid.key_ring)

    async def refusal(self, request, **options):
        with pytest.raises(Refusal) as caught:
            await self.caller(request, **options)
        return caught.value.code, caught.value.message


async def signing(grid):
    key, _, secret = await grid.key_ring.create("aws", tenant="acme", scopes=["run"], signs=True)
    return Signing(grid, key, secret)


def replaced(request, **fields):
    return Request(**({name: getattr(request, name) for name in request.__struct_fields__} | fields))


@pytest.mark.parametrize("presigned", [False, True])
async def test_what_botocore_signs_is_verified_and_says_who_and_where(presigned):
    async with opened() as grid:
        one = await signing(grid)
        caller = await one.caller(one.signed(presigned=presigned, headers={"X-Amz-Log-Type": "Tail  x"}))

    assert (caller.tenant, caller.region) == ("acme", "eu-central-1")
    assert caller.signatory.principal.name == one.key.key_id
    assert one.secret not in repr(caller)


@pytest.mark.parametrize("presigned", [False, True])
async def test_nothing_that_was_signed_can_be_another(presigned):
    async with opened() as grid:
        one = await signing(grid)
        asked = one.signed(presigned=presigned)
        others = [
            replaced(asked, body=b"{ }"),
            replaced(asked, method="DELETE"),
            replaced(asked, raw_path=asked.raw_path.replace("aws", "awt")),
            replaced(asked, query=asked.query.replace("b=2", "b=3")),
            replaced(asked, headers=dict(asked.headers) | {"host": "127.0.0.1"}),
        ]
        found = [(await one.refusal(other))[0] for other in others]

    assert found == ["InvalidSignatureException"] * 5


async def test_a_signature_holds_for_five_minutes_either_way():
    async with opened() as grid:
        one = await signing(grid)
        asked, now = one.signed(), datetime.now(UTC)
        await one.caller(asked, now=lambda: now + timedelta(minutes=4))
        await one.caller(asked, now=lambda: now - timedelta(minutes=4))
        late = await one.refusal(asked, now=lambda: now + timedelta(minutes=6))
        early = await one.refusal(asked, now=lambda: now - timedelta(minutes=6))

    assert late[1].startswith("Signature expired: ")
    assert early[1].startswith("Signature not yet current: ")


async def test_a_presigned_url_ends_when_it_says():
    async with opened() as grid:
        one = await signing(grid)
        asked, now = one.signed(presigned=True), datetime.now(UTC)
        await one.caller(asked, now=lambda: now + timedelta(minutes=59))
        late = await one.refusal(asked, now=lambda: now + timedelta(minutes=61))

    assert late[1].startswith("Signature expired: ")


async def test_a_payload_may_go_unsigned_if_that_is_signed_but_not_in_pieces():
    async with opened() as grid:
        one = await signing(grid)
        asked = one.signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
        await one.caller(replaced(asked, body=b"another"))
        streamed = await one.refusal(one.signed(headers={"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}))
        wrong = await one.refusal(one.signed(headers={"X-Amz-Content-SHA256": "0" * 64}))

    assert (streamed[0], wrong[0]) == ("IncompleteSignatureException", "InvalidSignatureException")
    assert "STREAMING" in streamed[1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        # nothing at all
        (lambda h: h.pop("authorization"), "MissingAuthenticationTokenException"),
        # a token of ours
        (lambda h: h.update(authorization="Bearer ngk_x"), "IncompleteSignatureException"),
        # nonsense
        (lambda h: h.update(authorization="AWS4-HMAC-SHA256 =,=,"), "IncompleteSignatureException"),
        (lambda h: h.update({"x-amz-date": "yesterday"}), "IncompleteSignatureException"),
        (lambda h: h.update({"x-amz-date": "99991231T235959Z"}), "IncompleteSignatureException"),
        # no hexadecimal digits, and not even ASCII
        (lambda h: h.update(authorization=h["authorization"][:-1] + "\xe9"), "InvalidSignatureException"),
        # a header that matters, and is not signed
        (lambda h: h.update({"x-amz-invocation-type": "Event"}), "InvalidSignatureException"),
        # temporary credentials
        (lambda h: h.update({"x-amz-security-token": "x"}), "UnrecognizedClientException"),
        # a signed header that is not there
        (lambda h: h.update(authorization=h["authorization"].replace("host;", "host;x;")), "InvalidSignatureException"),
        (lambda h: h.update(authorization=h["authorization"].replace("host;", "")), "InvalidSignatureException"),
    ],
)
async def test_what_is_no_signature_is_refused(change, code):
    async with opened() as grid:
        one = await signing(grid)
        asked = one.signed()
        headers = dict(asked.headers)
        change(headers)
        found = await one.refusal(replaced(asked, headers=headers))

    assert found[0] == code


async def test_a_key_signs_until_it_expires():
    async with opened() as grid:
        soon = datetime.now(UTC) + timedelta(hours=1)
        key, _, secret = await grid.key_ring.create("short", tenant="acme", scopes=["run"], expires_at=soon, signs=True)
        one = Signing(grid, key, secret)
        before = await one.caller(one.signed())
        grid.clock.now = lambda: soon
        after = await one.refusal(one.signed())

    assert before.tenant == "acme"
    assert after[0] == "UnrecognizedClientException"


async def test_other_services_and_days_do_not_count():
    async with opened() as grid:
        one = await signing(grid)
        service = await one.refusal(one.signed(service="s3x"))
        asked = one.signed()
        headers = dict(asked.headers)
        day = asked.headers["x-amz-date"][:8]
        headers["authorization"] = headers["authorization"].replace(f"/{day}/", "/20010101/")
        other_day = await one.refusal(replaced(asked, headers=headers))

    assert "correct service: 'lambda'" in service[1]
    assert other_day[1].startswith("Date in Credential scope")


async def test_secrets_lie_sealed_and_outlive_a_restart():
    async with opened() as grid:
        one = await signing(grid)
        files = b"".join(path.read_bytes() for path in grid.folder.glob("nanogrid.db*"))
        await grid.key_ring.refresh()
        caller = await one.caller(one.signed())

    assert caller.tenant == "acme"
    assert one.secret.encode() not in files
    assert one.key.access_key_id.encode() in files
    assert (len(one.key.access_key_id), len(one.secret)) == (20, 40)


async def test_keys_still_sign_after_the_vaults_key_was_rotated_and_a_restart():
    async with opened() as grid:
        one = await signing(grid)
        before = one.signed()
        store = SecretStore(grid.backend.record_store, grid.backend.vault, grid.clock)
        await store.rotate(also=grid.key_ring.reseal)
        grid.key_ring._signatories.clear()
        same_process = await one.caller(before)
        await grid.key_ring.refresh()
        after_restart = await one.caller(one.signed())
        await grid.key_ring.revoke(one.key.key_id, tenant="acme")
        revoked = await one.refusal(one.signed())

    assert same_process == after_restart
    assert revoked[0] == "UnrecognizedClientException"


async def test_nobody_unknown_makes_the_gateway_read_a_body():
    async def receive():
        raise AssertionError("the body was asked for")

    sent = []

    async def send(message):
        sent.append(message)

    async with opened() as grid:
        one = await signing(grid)
        asked = one.signed()
        headers = dict(asked.headers)
        headers["authorization"] = headers["authorization"].replace(one.key.access_key_id, "NGAKNOBODY")
        scope = {
            "type": "http",
            "method": "POST",
            "path": asked.path,
            "raw_path": asked.raw_path.encode(),
            "query_string": asked.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await grid.gateway(scope, receive, send)

    assert sent[0]["status"] == 403
    assert (b"x-amzn-errortype", b"UnrecognizedClientException") in sent[0]["headers"]


@pytest.mark.parametrize("expires", ["0", "604801", "x", "000000001999999", "-1"])
async def test_a_presigned_url_holds_for_a_week_at_most(expires):
    async with opened() as grid:
        one = await signing(grid)
        asked = one.signed(presigned=True)
        found = await one.refusal(replaced(asked, query=asked.query.replace("Expires=3600", f"Expires={expires}")))

    assert found[0] == "IncompleteSignatureException"
