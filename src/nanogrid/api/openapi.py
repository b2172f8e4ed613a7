"""OpenAPI 3.1, generated from the route table and from the structs that the handlers read and write."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from nanogrid import errors
from nanogrid.api.errors import Problem, status_of
from nanogrid.api.message import ANY_TYPE, EVENTS, JSON, PROBLEM
from nanogrid.api.route import ANY, Route
from nanogrid.errors import NanoGridError

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"{(\w+)\+?}")
_VARIABLES = {
    "/functions": "A function's id or name.",
    "/runs": "`id`: a run's id; `path`: a file's path in its output folder.",
    "/dead-letters": "A dead run's id.",
    "/keys": "A key's id.",
    "/secrets": "A secret's name.",
    "/uploads": "The archive's sha-256, as 64 hexadecimal digits.",
    "/schedules": "A schedule's name.",
    "/fn": "`name`: a function's name or id; `path`: what it sees as the path, with any number of slashes.",
}
#: What server-sent events carry, by the method that asks for them.
_EVENTS = {
    "GET": "One LogLine per event.",
    "POST": "`part`: a value that the handler yielded; `bytes`: such bytes, base64; last `run`: the ended run.",
}
_HEADERS: dict[str, Json] = {
    "Prefer": {
        "description": "RFC 7240: `respond-async` answers at once, `wait=N` after N seconds at most.",
        "schema": {"type": "string"},
        "example": "wait=10",
    },
    "Idempotency-Key": {
        "description": "Requests with the same key and body are one run; kept for a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "Traceparent": {
        "description": "W3C: the trace that the run belongs to; the function is told it.",
        "schema": {"type": "string"},
        "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
}


def document(routes: Iterable[Route], version: str) -> Json:
    """The whole description."""
    routes = list(routes)
    schemas, components = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        operations = paths.setdefault(route.path.replace("+}", "}"), {})
        operations |= {method.lower(): _operation(route, method, schemas) for method in route.methods}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NanoGrid",
            "version": version,
            "summary": "Run people's functions: upload code once, run it by name, isolated.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def encoded(description: Json) -> bytes:
    """The description as JSON text, indented for people."""
    return msgspec.json.format(msgspec.json.encode(description), indent=2)


def refusals(route: Route) -> list[type[NanoGridError]]:
    """Every error that a request for this route may be answered with, by status."""
    found: list[type[NanoGridError]] = [*route.refusals]
    if not route.public:
        found += [errors.Unauthorized, errors.ScopeMissing, errors.PlatformError]
    if route.query is not None:
        found += [errors.MalformedRequest, errors.InvalidField]
    if route.body is not None:
        found += [errors.MalformedRequest, errors.SlowRequest, errors.TooLarge, errors.UnsupportedMediaType]
        found += [errors.InvalidField, errors.TooManyRequests]
    return sorted(set(found), key=lambda kind: (status_of(kind), kind.code))


def _schemas(routes: list[Route]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """For each type of the table its schema, and the components these refer to."""
    types = [kind for route in routes for kind in (route.body, route.answer) if kind is not None]
    unique = list(dict.fromkeys([*types, Problem]))
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REFERENCE)
    return dict(zip(unique, schemas, strict=True)), components


def _operation(route: Route, method: str, schemas: dict[Any, Json]) -> Json:
    suffix = method.capitalize() if route.method == ANY else ""
    operation: Json = {"operationId": route.operation_id + suffix, "summary": route.summary}
    if parameters := [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {media_type: {"schema": schemas[route.body]} for media_type in route.body_media_types}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.max_body and method != "GET":
        operation["requestBody"] = {"content": {ANY_TYPE: {"schema": {"type": "string"}}}}
    operation["responses"] = _good_answers(route, schemas) | _bad_answers(route, schemas)
    if route.public:
        operation["security"] = []
    if route.guests:
        operation["security"] = [{"token": []}, {}]
    return operation


def _path_parameters(route: Route) -> list[Json]:
    meaning = next((text for prefix, text in _VARIABLES.items() if route.path.startswith(prefix + "/")), "")
    return [
        {"name": name, "in": "path", "required": True, "description": meaning, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[Json]:
    """A query's struct, field by field."""
    if route.query is None:
        return []
    _, components = msgspec.json.schema_components([route.query], ref_template=_REFERENCE)
    properties: Json = components[route.query.__name__]["properties"]
    # None stands for an absent field; in a query there is no null.
    plain = {name: schema.get("anyOf", [schema])[0] for name, schema in properties.items()}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in plain.items()]


def _header_parameters(route: Route) -> list[Json]:
    return [{"name": name, "in": "header", **_HEADERS[name]} for name in route.headers]


def _good_answers(route: Route, schemas: dict[Any, Json]) -> Json:
    return {str(status): _good_answer(route, status, schemas) for status in route.statuses}


def _good_answer(route: Route, status: int, schemas: dict[Any, Json]) -> Json:
    answer: Json = {"description": HTTPStatus(status).phrase}
    if status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        address = {"description": "Where it can be read.", "schema": {"type": "string"}}
        answer["headers"] = {"Location": address}
    if status != HTTPStatus.NO_CONTENT:
        answer["content"] = {
            media_type: _content(route, media_type, schemas) for media_type in route.answer_media_types
        }
    return answer


def _content(route: Route, media_type: str, schemas: dict[Any, Json]) -> Json:
    if media_type == JSON:
        return {"schema": schemas[route.answer] if route.answer is not None else {"type": "object"}}
    return {"schema": {"type": "string", "description": _EVENTS[route.method]}} if media_type == EVENTS else {}


def _bad_answers(route: Route, schemas: dict[Any, Json]) -> Json:
    """One answer for each status, naming its codes."""
    codes: dict[int, list[str]] = {}
    for kind in refusals(route):
        codes.setdefault(status_of(kind), []).append(f"`{kind.code}`")
    content = {PROBLEM: {"schema": schemas[Problem]}}
    named: Json = {
        str(status): {"description": f"{HTTPStatus(status).phrase}: {', '.join(names)}", "content": content}
        for status, names in codes.items()
    }
    return named | {"default": {"description": "Any other refusal.", "content": content}}
