"""The description is generated from the table, complete, and consistent in itself."""

import json
import re
from collections.abc import Iterator

from gateway_harness import serving
from nanogrid.api.openapi import document
from nanogrid.api.routes import ROUTES

DOCUMENT = document(ROUTES, "1.2.3")


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (item for key, item in value.items() if key == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def operations() -> dict[tuple[str, str], dict]:
    return {(method.upper(), path): row for path, item in DOCUMENT["paths"].items() for method, row in item.items()}


def test_the_document_is_openapi_3_1_with_its_version():
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_every_route_of_the_table_is_described_and_nothing_else():
    assert set(operations()) == {(m, route.path.replace("+}", "}")) for route in ROUTES for m in route.methods}


def test_operation_ids_are_unique():
    ids = [row["operationId"] for row in operations().values()]

    assert len(ids) == len(set(ids))


def test_every_reference_resolves():
    schemas = DOCUMENT["components"]["schemas"]

    found = set(references(DOCUMENT))
    assert found
    assert {name.removeprefix("#/components/schemas/") for name in found} <= set(schemas)


def test_every_variable_of_a_path_is_a_required_parameter():
    for (_, path), row in operations().items():
        named = {item["name"] for item in row.get("parameters", []) if item["in"] == "path" and item["required"]}

        assert named == set(re.findall(r"{(\w+)}", path))


def test_every_operation_has_a_good_answer_and_problems():
    for row in operations().values():
        problems = [item for status, item in row["responses"].items() if status == "default" or int(status) >= 400]

        assert any(status.startswith("2") for status in row["responses"])
        assert all("application/problem+json" in item["content"] for item in problems)


def test_only_public_operations_need_no_token():
    open_ids = {row["operationId"] for row in operations().values() if row.get("security") == []}

    assert open_ids == {route.operation_id for route in ROUTES if route.public}


def test_limits_and_unknown_fields_are_in_the_schemas():
    deployment = DOCUMENT["components"]["schemas"]["Deployment"]

    assert deployment["additionalProperties"] is False
    assert deployment["required"] == ["runtime", "name"]
    assert (deployment["properties"]["memoryMb"]["minimum"], deployment["properties"]["memoryMb"]["maximum"]) == (
        128,
        10_240,
    )


async def test_the_document_is_served_without_a_token():
    async with serving() as (_, client):
        client.headers.pop("authorization")
        answer = await client.get("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content) == document(ROUTES, "0.0.0")


async def test_the_page_names_every_operation_and_loads_nothing():
    async with serving() as (_, client):
        page = await client.get("/docs")

    assert all(f'id="{route.operation_id}"' in page.text for route in ROUTES)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|src=|@import|https?://", page.text)
