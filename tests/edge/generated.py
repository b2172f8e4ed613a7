"""Requests made from the OpenAPI document: most of them nearly right, each wrong in its own way."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

Json = dict[str, Any]

#: A function that every grid under test has; nothing here deletes it.
KEPT = "hello"
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"]
#: Stands for the grid's token in a case, so that cases can be shown and repeated.
TOKEN_HERE = "{TOKEN}"

_WELL_KNOWN = {
    "functionId": KEPT,
    "runtime": "python3",
    "handler": "main.handler",
    "source": "def handler(event, context):\n    return event\n",
}
_NAMES = st.sampled_from([KEPT, "other", "third", "run_" + "0" * 26, "fn_" + "0" * 26, "..", "a/b", "\0", "\u2025", ""])
_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\ud800", "\0", "\r\n", "\u2028", "\x1b[2J", "é" * 300, "x" * 10_000, "-1", "1e999", "NaN", "null"]
    ),
)
_NUMBERS = st.one_of(
    st.integers(-10, 100),
    st.sampled_from(
        [2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1.5, 1e308, -0.0, float("nan"), float("inf")]
    ),
)
_JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)),
    max_leaves=8,
)
#: What a header's value can hold: no line ends, or it would be another header.
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, blacklist_characters="\x7f"), max_size=40)
_ODD_HEADERS = st.one_of(
    st.sampled_from(
        [
            ("authorization", "Bearer wrong"),
            ("authorization", "Basic eDp5"),
            ("host", "evil.test"),
            ("host", "[::1"),
            ("host", ""),
            ("origin", "https://evil.test"),
            ("origin", "null"),
            ("expect", "100-continue"),
            ("expect", "the unexpected"),
            ("connection", "close"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("content-encoding", "gzip"),
            ("content-type", "application/json; charset=utf-16"),
            ("content-type", "multipart/form-data; boundary="),
            ("content-type", "multipart/form-data; boundary*=x''%ff"),
            ("content-type", "text/plain"),
            ("accept", "text/html;q=x"),
            ("range", "bytes=0-1"),
            ("if-none-match", "*"),
            ("x-http-method-override", "DELETE"),
            ("x-forwarded-for", "127.0.0.1"),
            ("prefer", "wait=0"),
            ("prefer", "respond-async, wait=99999999999"),
            ("prefer", 'wait="1"; foo, ,,=;'),
            ("idempotency-key", "k" * 256),
            ("x-huge", "x" * 17_000),
            ("x-larger", "x" * 70_000),
        ]
    ),
    st.tuples(st.from_regex(r"x-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True), _VALUES),
)


class Described(dict[str, Any]):
    """An OpenAPI document that does not fill a failure's report."""

    def __repr__(self) -> str:
        return "DOCUMENT"


@dataclass(frozen=True)
class Case:
    """One request, with its framing still to be done."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    chunks: bool = False

    def encoded(self, token: str) -> bytes:
        """As it goes over the wire."""
        rows = [f"{name}: {value}" for name, value in self.headers]
        body = self.body or b""
        if self.body is not None:
            rows.append("transfer-encoding: chunked" if self.chunks else f"content-length: {len(body)}")
        if self.chunks and self.body is not None:
            pieces = [body[:7], body[7:]]
            body = b"".join(b"%x;a=b\r\n%b\r\n" % (len(p), p) for p in pieces if p) + b"0\r\nx-trailer: y\r\n\r\n"
        head = "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *rows, "", ""])
        return head.replace(TOKEN_HERE, token).encode("latin-1") + body


def values(schema: Json, document: Json) -> st.SearchStrategy[Any]:
    """What the schema allows, and every now and then what it does not."""
    return st.sampled_from([True] * 15 + [False]).flatmap(lambda good: _allowed(schema, document) if good else _JUNK)


def _allowed(schema: Json, document: Json) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: _allowed(document["components"]["schemas"][name], document))
    if "anyOf" in schema:
        return st.one_of([_allowed(one, document) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema, document)


def _of_type(schema: Json, document: Json) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if kind == "object":
        return _objects(schema, document)
    if kind == "string":
        return _strings(schema)
    if kind == "integer":
        least, most = schema.get("minimum", -5), schema.get("maximum", 2**31)
        inside = st.one_of(st.integers(least, most), st.sampled_from([least, most]))
        return st.one_of(inside, inside, inside, st.sampled_from([least - 1, most + 1]))
    return {"boolean": st.booleans(), "null": st.none()}.get(str(kind), _JUNK)


def _strings(schema: Json) -> st.SearchStrategy[str]:
    if schema.get("contentEncoding") == "base64":
        return st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())
    if "pattern" in schema:
        return st.one_of(st.from_regex(schema["pattern"]), _NAMES, _TEXTS)
    most = schema.get("maxLength", 50)
    return st.one_of(
        _NAMES,
        st.sampled_from(
            ["python3", "nodejs", "command", "main.handler", "def handler(event, context):\n    return 1\n"]
        ),
        st.text(max_size=min(most, 50)),
        st.sampled_from(["x" * (most + 1)] if most <= 100_000 else [""]),
    )


def _objects(schema: Json, document: Json) -> st.SearchStrategy[Json]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not properties:
        return st.dictionaries(_TEXTS, values(schema.get("additionalProperties") or {}, document), max_size=3)
    fields = {name: _field(name, one, document) for name, one in properties.items()}

    def chosen(names: list[str]) -> st.SearchStrategy[Json]:
        return st.fixed_dictionaries({name: fields[name] for name in names})

    optional = st.lists(st.sampled_from(sorted(properties)), max_size=3, unique=True)
    # A deployment without code leads nowhere, though the schema cannot say so.
    needed = {*required, "source"} if "source" in properties and "name" in required else {*required}
    missing = st.sampled_from([[]] * 9 + [sorted(needed)[:1]])
    known = st.builds(lambda more, less: sorted({*needed, *more} - {*less}), optional, missing).flatmap(chosen)
    unknown = st.sampled_from([{}] * 15 + [{"x": 1}, {"": None}, {"Name": ""}, {"\0": []}])
    return st.builds(lambda a, b: a | b, known, unknown)


def _field(name: str, schema: Json, document: Json) -> st.SearchStrategy[Any]:
    """Mostly what leads further, for the few fields on which all else depends."""
    good = _WELL_KNOWN.get(name)
    return st.one_of([st.just(good)] * 3 + [_NAMES, _JUNK]) if good else values(schema, document)


def _json_bodies(schema: Json, document: Json) -> st.SearchStrategy[bytes]:
    """Documents, and what is nearly one."""

    def spoilt(value: Any, how: int, place: int) -> bytes:
        text = json.dumps(value, ensure_ascii=how % 2 == 0)
        whole = text.encode(errors="surrogatepass")
        return [
            *[whole] * 13,
            whole[: place % (len(whole) + 1)],  # truncated
            text.encode("utf-16", errors="surrogatepass"),
            text.encode("latin-1", errors="replace"),
            b"\xef\xbb\xbf" + whole,
            whole + whole,
            b"[" * 600 + whole + b"]" * 600,
            b"[" * 100_000,
            b'{"a":' * 501 + whole + b"}" * 501,
            whole.replace(b"{", b'{"functionId":"x",', 1),  # a key twice
            whole.replace(b":", b"=", 1),
            whole[: place % (len(whole) + 1)] + b"\xff" + whole[place % (len(whole) + 1) :],
        ][how]

    return st.builds(spoilt, values(schema, document), st.integers(0, 23), st.integers(0, 1000))


def _multipart_bodies(schema: Json, document: Json) -> st.SearchStrategy[bytes]:
    names = [*document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"], "", "x", 'a"b']
    dispositions = st.sampled_from(
        ['form-data; name="{}"', 'form-data; name="{}"; filename="../x"', "form-data; name*=utf-8''{}", "form-data",
         "attachment; name={}", "form-data; name*=bogus''{}%ff", 'form-data; name="{}']
    )  # fmt: skip
    contents = st.one_of(st.binary(max_size=30), st.just(b"python3"), st.just(b'{"A":"b"}'), st.just(b"x" * 70_000))
    parts = st.lists(st.tuples(dispositions, st.sampled_from(names), contents), max_size=14)

    def joined(drawn: list[tuple[str, str, bytes]], end: bytes) -> bytes:
        rows = [
            f"--XX\r\ncontent-disposition: {how.format(name)}\r\n\r\n".encode() + content + b"\r\n"
            for how, name, content in drawn
        ]
        return b"".join(rows) + end

    return st.builds(joined, parts, st.sampled_from([b"--XX--\r\n", b"--XX--\r\n", b"--XX", b"", b"--XY--\r\n"]))


def _operations(document: Json) -> list[tuple[str, str]]:
    """Path and method; those with more to be wrong come more often."""
    return [
        (path, method)
        for path, operations in sorted(document["paths"].items())
        for method, operation in sorted(operations.items())
        for _ in range(1 + len(operation.get("parameters", [])) + 6 * ("requestBody" in operation))
    ]


@st.composite
def cases(draw: st.DrawFn, document: Json) -> Case:
    """One request for one of the document's operations."""
    path, method = draw(st.sampled_from(_operations(document)))
    operation = document["paths"][path][method]
    target, headers = path, [("host", "127.0.0.1"), ("authorization", f"Bearer {TOKEN_HERE}")]
    pairs = []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            name = draw(_NAMES)
            name = "other" if method == "delete" and name == KEPT else name
            target = target.replace(f"{{{parameter['name']}}}", quote(name, safe=draw(st.sampled_from(["", "/."]))))
        elif parameter["in"] == "query" and draw(st.booleans()):
            value = draw(values(parameter["schema"], document))
            pairs.append(f"{parameter['name']}={quote(_query_text(value), errors='surrogatepass')}")
        elif parameter["in"] == "header" and draw(st.booleans()):
            headers.append((parameter["name"], draw(_VALUES)))
    pairs += draw(
        st.lists(st.sampled_from(["x=1", "=", "&&", "limit=1", "%ff=%fe", "a" * 9000, "follow=1"]), max_size=1)
    )
    target = draw(st.sampled_from(["", "", "", "http://127.0.0.1", "http://evil.test:80"])) + target
    body, media_type = _body(draw, operation, document)
    headers += [("content-type", media_type)] if media_type else []
    headers += draw(st.one_of(st.just([]), st.just([]), st.lists(_ODD_HEADERS, max_size=2)))
    return Case(
        method=draw(st.sampled_from([method.upper()] * 40 + METHODS)),
        target="?".join([target, *(["&".join(pairs)] if pairs else [])]),
        headers=headers * (30 if draw(st.integers(0, 60)) == 60 else 1),
        body=body,
        chunks=draw(st.booleans()),
    )


def _body(draw: st.DrawFn, operation: Json, document: Json) -> tuple[bytes | None, str]:
    content = operation.get("requestBody", {}).get("content")
    if content is None:
        return draw(st.sampled_from([None, None, None, b"", b"{}", b"x" * 5000])), ""
    media_type = draw(st.sampled_from(sorted(content)))
    schema = content[media_type]["schema"]
    if media_type.startswith("multipart"):
        return draw(_multipart_bodies(schema, document)), f"{media_type}; boundary=XX"
    return draw(_json_bodies(schema, document)), media_type


def _query_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


#: What makes two readers disagree about where a request ends.
_TRICKS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\xff", b"\x0b", b"%2f", b';a="\n', b"x: y\r\n z\r\n",
    b"0\r\n\r\n", b"\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff\r\n", b"CONNECT ", b"HTTP/1.0", b"HTTP/0.9",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n", b"Expect: 100-continue\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Connection: close\r\n", b" HTTP/1.1\r\nx: ", b"GET http://evil.test/ HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]  # fmt: skip


@st.composite
def spoilt_bytes(draw: st.DrawFn, document: Json, token: str) -> bytes:
    """One to three requests in a row, their bytes tampered with."""
    data = b"".join(case.encoded(token) for case in draw(st.lists(cases(document), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 3))):
        # Mostly near the beginning, where the heads are.
        place = min(draw(st.integers(0, 400)), len(data))
        trick, length = draw(st.sampled_from(_TRICKS)), draw(st.integers(0, 30))
        how = draw(st.sampled_from(["insert", "insert", "replace", "delete", "repeat", "cut"]))
        data = {
            "insert": data[:place] + trick + data[place:],
            "replace": data[:place] + trick + data[place + len(trick) :],
            "delete": data[:place] + data[place + length :],
            "repeat": data[:place] + data[place : place + length] * 2 + data[place + length :],
            "cut": data[: len(data) - place],
        }[how]
    return data
