"""What the local registry promises beyond the port: known functions cost no I/O, and ten thousand slow nothing down."""

import asyncio

from nanogrid.backends.local.database import open_database
from nanogrid.backends.local.registry import LocalRegistry
from nanogrid.backends.local.schema import shipped_schema
from records import some_function


async def test_known_functions_are_found_and_listed_without_the_database(tmp_path):
    functions = [some_function(f"f{number:03}") for number in range(100)]
    async with open_database(tmp_path / "test.db", shipped_schema()) as database:
        registry = LocalRegistry(database)
        await asyncio.gather(*map(registry.create, functions))
    # The database is closed: whatever answers now does so from memory.
    found = [await registry.get(function.function_id, 1) for function in functions]
    page = await registry.list_functions(limit=100)

    assert found == page.items == functions


async def test_ten_thousand_functions_are_there_after_a_restart(tmp_path):
    functions = [some_function(f"f{number:05}") for number in range(10_000)]
    async with open_database(tmp_path / "test.db", shipped_schema()) as database:
        await asyncio.gather(*map(LocalRegistry(database).create, functions))
    async with open_database(tmp_path / "test.db", shipped_schema()) as database:
        registry = LocalRegistry(database)
        await registry.load()
        found = [await registry.get(function.name) for function in functions]

    assert found == functions
