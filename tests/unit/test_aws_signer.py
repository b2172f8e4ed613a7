"""Our signatures are botocore's, case by case."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from nanogrid.backends.aws.signer import Credentials, Signer

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
JSON = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}

CASES = [
    # service, region, method, path, headers, body, session token
    ("sqs", "ap-northeast-2", "POST", "/", JSON, b'{"QueueUrl":"q"}', ""),
    ("sqs", "ap-northeast-2", "POST", "/", JSON, '{"text":"\u2603"}'.encode(), "token+/="),
    ("dynamodb", "us-east-1", "POST", "/", JSON, b"", ""),
    ("s3", "eu-west-1", "PUT", "/code/ab12", {"content-type": "application/octet-stream"}, b"\x00\xff", ""),
    ("s3", "eu-west-1", "GET", "/code/ab12", {}, b"", "token"),
]


def signed_at(request):
    """When botocore signed; it asks for the time itself."""
    return datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize(("service", "region", "method", "path", "headers", "body", "token"), CASES)
def test_a_signed_request_is_signed_as_botocore_signs_it(service, region, method, path, headers, body, token):
    request = AWSRequest(method=method, url=f"https://h.example.com{path}", headers=dict(headers), data=body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(BotocoreCredentials(KEY, SECRET, token or None), service, region).add_auth(request)
    ours = Signer(service, region).headers(
        Credentials(KEY, SECRET, token),
        signed_at(request),
        method=method,
        host="h.example.com",
        path=path,
        headers=headers,
        body=body,
    )

    assert ours["authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize("token", ["", "token+/="])
@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("PUT", {"content-length": "5"})])
def test_an_address_is_signed_as_botocore_signs_it(method, headers, token):
    request = AWSRequest(method=method, url="https://h.example.com/code/ab12", headers=dict(headers))
    S3SigV4QueryAuth(BotocoreCredentials(KEY, SECRET, token or None), "s3", "eu-west-1", expires=900).add_auth(request)
    query = Signer("s3", "eu-west-1").query(
        Credentials(KEY, SECRET, token),
        signed_at(request),
        method=method,
        host="h.example.com",
        path="/code/ab12",
        headers=headers,
        valid_s=900,
    )

    assert parse_qs(query) == parse_qs(urlsplit(request.url).query)


def test_a_day_s_key_is_not_used_on_the_next():
    credentials, signer = Credentials(KEY, SECRET), Signer("sqs", "us-east-1")
    request = {"method": "POST", "host": "h", "path": "/", "headers": {}, "body": b""}
    next_day = NOW.replace(day=26)
    signer.headers(credentials, NOW, **request)

    fresh = Signer("sqs", "us-east-1").headers(credentials, next_day, **request)
    assert signer.headers(credentials, next_day, **request) == fresh


def test_credentials_do_not_show_their_secret():
    assert SECRET not in repr(Credentials(KEY, SECRET, "session"))
