"""JSON that is broken, hostile or odd: refused in a sentence, or passed on exactly; never a fault of ours."""

import pytest

from gateway_harness import serving

JSON = {"content-type": "application/json"}


def run_with(value: bytes) -> bytes:
    return b'{"functionId":"hello","input":' + value + b"}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "ends too early"),
        (b"{", "ends too early"),
        (run_with(b"NaN"), "byte"),
        (run_with(b"-Infinity"), "byte"),
        (run_with(b"01"), "byte"),
        (run_with(b"'a'"), "byte"),
        (run_with(b'"a\nb"'), "byte"),  # a raw line feed in a text
        (run_with(b'"\\x41"'), "byte"),
        (run_with(b"[1,]"), "byte"),
        (run_with(b"1") + b"{}", "byte"),  # two documents
        (run_with(b'"\\ud800"'), "surrogate"),  # half of a pair
        (run_with(b'"\xff"'), "UTF-8 at byte"),
        (run_with(b'"\xed\xa0\x80"'), "UTF-8 at byte"),  # a surrogate as UTF-8
        (b'{"functionId":"\xff"}', "UTF-8 at byte"),
        (b"\xef\xbb\xbf" + run_with(b"1"), "byte order mark"),
        (run_with(b"1").decode().encode("utf-16"), "UTF-8"),
        (run_with(b"1").decode().encode("utf-16-le"), "byte"),
        (run_with(b"[" * 501 + b"]" * 501), "nested"),
        (run_with(b"[" * 100_000 + b"]" * 100_000), "nested"),
        (run_with(b'{"a":' * 100_000), "nested"),
        (b"[" * 100_000, "nested"),
        (run_with(b"[" * 3_000_000), "nested"),
    ],
)
async def test_what_is_no_json_is_a_400_that_says_why(body, text):
    async with serving() as (_, client):
        answer = await client.post("/run", content=body, headers=JSON)

    assert answer.status_code == 400, answer.text
    assert text in answer.json()["detail"]
    assert answer.json()["code"] == "malformed"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"[]", "$"),
        (b"null", "$"),
        (b'"hello"', "$"),
        (b'{"functionId":1}', "$.functionId"),
        (b'{"functionId":null}', "$.functionId"),
        (b'{"functionId":""}', "$.functionId"),
        (b'{"input":1}', "$.functionId"),
        (b'{"functionId":"hello","mode":"later"}', "$.mode"),
        (b'{"functionId":"hello","timeout":1}', "$.timeout"),
        (b'{"functionId":"hello","Input":1}', "$.Input"),
        (b'{"functionId":"hello","\\u0000":1}', "$.\0"),
    ],
)
async def test_json_of_the_wrong_shape_is_a_422_that_names_the_place(body, path):
    async with serving() as (_, client):
        answer = await client.post("/run", content=body, headers=JSON)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "value",
    [
        b"1e999",  # valid JSON; what it means is the runtime's business
        b"1" * 5001,
        b"-0.0",
        b'{"a":1,"a":2}',  # duplicate keys inside the input
        b'"\\ud83d\\ude00 \xf0\x9f\x98\x80 \\u2028"',
        b" [ 1 ,\n2 ] ",
        b"[" * 499 + b"]" * 499,  # with the body's own brace: the deepest
        b'"' + b"[{" * 1000 + b'"',  # brackets in a text do not nest
        b'"\\"[[\\\\"',
        b"[" + b"{}," * 5000 + b"{}]",  # wide is not deep
    ],
)
async def test_a_valid_input_reaches_the_function_byte_by_byte(value):
    async with serving(idle=True) as (grid, client):
        headers = JSON | {"prefer": "respond-async"}
        answer = await client.post("/run", content=run_with(value), headers=headers)
        task = await grid.take()

    assert answer.status_code == 202, answer.text
    assert bytes(task.input).strip() == value.strip()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),  # what a foreign page could send without asking
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_only_json_in_utf8_is_read(content_type, status):
    async with serving() as (_, client):
        answer = await client.post("/run", content=run_with(b"1"), headers={"content-type": content_type})

    assert answer.status_code == status


async def test_a_compressed_body_is_refused():
    async with serving() as (_, client):
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        answer = await client.post("/run", content=b"\x1f\x8b", headers=headers)

    assert answer.status_code == 415
