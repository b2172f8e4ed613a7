"""The promises of `Registry`."""

import asyncio
from collections import Counter

import pytest
from msgspec import structs

from nanogrid.errors import FunctionNotFound, MalformedRequest, NameTaken, RevisionConflict
from records import digest_of, some_function


def next_version(function, **changes):
    return structs.replace(function, version=function.version + 1, **changes)


async def test_a_created_function_is_found_by_id_and_by_name(bench):
    function = some_function("hello", environment={"A": "1"})
    async with bench.open() as backend:
        await backend.registry.create(function)
        found = [await backend.registry.get(reference) for reference in (function.function_id, "hello")]

    assert found == [function, function]


@pytest.mark.parametrize("reference", ["nobody", "fn_00000000000000000000000000"])
async def test_an_unknown_function_raises(bench, reference):
    async with bench.open() as backend:
        for call in (backend.registry.get, backend.registry.versions, backend.registry.delete):
            with pytest.raises(FunctionNotFound):
                await call(reference)
        with pytest.raises(FunctionNotFound):
            await backend.registry.update(some_function(function_id=reference, version=2))


async def test_a_taken_name_is_refused_and_nothing_of_it_stays(bench):
    first, second = some_function("hello"), some_function("hello", code_sha256=digest_of(b"other"))
    async with bench.open() as backend:
        await backend.registry.create(first)
        with pytest.raises(NameTaken):
            await backend.registry.create(second)
        found = await backend.registry.get("hello")
        used = await backend.registry.uses(second.code_sha256)

    assert (found, used) == (first, False)


async def test_of_racing_creates_with_one_name_one_wins(bench):
    async with bench.open() as backend:
        racing = [backend.registry.create(some_function("hello")) for _ in range(10)]
        results = await asyncio.gather(*racing, return_exceptions=True)
        page = await backend.registry.list_functions(limit=10)

    assert Counter(map(type, results)) == {type(None): 1, NameTaken: 9}
    assert len(page.items) == 1


async def test_an_update_makes_the_latest_version_and_keeps_the_one_before(bench):
    first = some_function()
    second = next_version(first, memory_mb=512)
    async with bench.open() as backend:
        await backend.registry.create(first)
        await backend.registry.update(second)
        latest = await backend.registry.get("hello")
        by_version = [await backend.registry.get("hello", version) for version in (1, 2)]
        versions = await backend.registry.versions(first.function_id)

    assert latest == second
    assert by_version == [first, second]
    assert versions == [second, first]


async def test_an_unknown_version_raises(bench):
    async with bench.open() as backend:
        await backend.registry.create(some_function())

        for version in (0, 2):
            with pytest.raises(FunctionNotFound):
                await backend.registry.get("hello", version)


@pytest.mark.parametrize("version", [1, 3])
async def test_an_update_that_does_not_follow_the_latest_is_refused(bench, version):
    function = some_function()
    async with bench.open() as backend:
        await backend.registry.create(function)
        with pytest.raises(RevisionConflict):
            await backend.registry.update(structs.replace(function, version=version, memory_mb=256))
        latest = await backend.registry.get("hello")

    assert latest == function


async def test_of_racing_updates_one_wins(bench):
    function = some_function()
    async with bench.open() as backend:
        await backend.registry.create(function)
        racing = [backend.registry.update(next_version(function, memory_mb=200 + n)) for n in range(10)]
        results = await asyncio.gather(*racing, return_exceptions=True)
        versions = await backend.registry.versions(function.function_id)

    assert Counter(map(type, results)) == {type(None): 1, RevisionConflict: 9}
    assert [version.version for version in versions] == [2, 1]


async def test_a_listing_gives_the_latest_versions_in_order_of_name(bench):
    functions = [some_function(name) for name in ("b", "a", "C")]
    second = next_version(functions[0])
    async with bench.open() as backend:
        for function in functions:
            await backend.registry.create(function)
        await backend.registry.update(second)
        page = await backend.registry.list_functions(limit=10)

    assert page.items == [functions[2], functions[1], second]
    assert page.next_cursor is None


async def test_the_cursor_continues_a_listing_whatever_happened_between(bench):
    names = ["a", "b", "c", "d", "e"]
    async with bench.open() as backend:
        functions = {name: some_function(name) for name in names}
        for function in functions.values():
            await backend.registry.create(function)
        first = await backend.registry.list_functions(limit=2)
        await backend.registry.delete(functions["b"].function_id)
        second = await backend.registry.list_functions(limit=2, cursor=first.next_cursor)
        third = await backend.registry.list_functions(limit=2, cursor=second.next_cursor)

    assert [[item.name for item in page.items] for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert third.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "!", "bm90IGEgbmFtZSE", "ä", "AAAA"])
async def test_a_foreign_cursor_is_refused(bench, cursor):
    async with bench.open() as backend:
        with pytest.raises(MalformedRequest):
            await backend.registry.list_functions(limit=10, cursor=cursor)


async def test_a_deleted_function_is_gone_with_its_versions(bench):
    function = some_function()
    async with bench.open() as backend:
        await backend.registry.create(function)
        await backend.registry.update(next_version(function))
        await backend.registry.delete(function.function_id)

        for reference, version in (("hello", None), (function.function_id, None), (function.function_id, 1)):
            with pytest.raises(FunctionNotFound):
                await backend.registry.get(reference, version)


async def test_the_name_of_a_deleted_function_is_free_at_once(bench):
    first, second = some_function(), some_function()
    async with bench.open() as backend:
        await backend.registry.create(first)
        await backend.registry.delete(first.function_id)
        await backend.registry.create(second)
        found = await backend.registry.get("hello")

    assert found == second


async def test_delete_returns_the_code_that_nobody_uses_any_more(bench):
    shared, own = digest_of(b"shared"), digest_of(b"own")
    doomed = some_function("doomed", code_sha256=own)
    async with bench.open() as backend:
        await backend.registry.create(doomed)
        await backend.registry.update(next_version(doomed, code_sha256=shared))
        await backend.registry.create(some_function("other", code_sha256=shared))
        unused = await backend.registry.delete(doomed.function_id)
        used = [await backend.registry.uses(digest) for digest in (shared, own)]

    assert unused == [own]
    assert used == [True, False]


async def test_code_of_an_older_version_is_in_use(bench):
    first = some_function()
    async with bench.open() as backend:
        await backend.registry.create(first)
        await backend.registry.update(next_version(first, code_sha256=digest_of(b"new")))

        assert await backend.registry.uses(first.code_sha256)


async def test_functions_survive_a_crash(bench):
    first = some_function()
    second = next_version(first, timeout_ms=5)
    async with bench.open() as backend:
        await backend.registry.create(first)
        await backend.registry.update(second)
        after = bench.crashed()
    async with after.open() as backend:
        found = [await backend.registry.get("hello"), await backend.registry.get(first.function_id, 1)]

    assert found == [second, first]


async def test_a_cancelled_create_leaves_memory_and_disk_agreed(bench):
    function = some_function()
    async with bench.open() as backend:
        creating = asyncio.create_task(backend.registry.create(function))
        await asyncio.sleep(0)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
    async with bench.open() as backend:
        on_disk = await backend.registry.list_functions(limit=10)

        assert on_disk.items in ([], [function])


# Tenants


async def test_each_tenant_has_names_of_its_own(bench):
    ours, theirs = some_function("hello"), some_function("hello", tenant="acme")
    async with bench.open() as backend:
        for function in (ours, theirs):
            await backend.registry.create(function)
        with pytest.raises(NameTaken):
            await backend.registry.create(some_function("hello", tenant="acme"))
        found = [await backend.registry.get("hello"), await backend.registry.get("hello", tenant="acme")]
        listed = [
            (await backend.registry.list_functions(tenant=tenant, limit=10)).items
            for tenant in ("default", "acme", "nobody")
        ]

    assert found == [ours, theirs]
    assert listed == [[ours], [theirs], []]


async def test_what_another_tenant_has_is_not_found_just_as_what_never_was(bench):
    theirs = some_function("hello", tenant="acme")
    second = next_version(theirs)
    never = some_function().function_id
    async with bench.open() as backend:
        await backend.registry.create(theirs)
        await backend.registry.update(second)
        texts = []
        for reference in (theirs.function_id, never):
            with pytest.raises(FunctionNotFound) as refused:
                await backend.registry.get(reference, 1)
            texts.append(str(refused.value).replace(reference, "ID"))
        by_id = await backend.registry.get(theirs.function_id, 1, tenant="acme")

    assert texts[0] == texts[1]
    assert by_id == theirs


async def test_a_tenants_functions_outlive_a_restart_and_their_deletion_frees_their_names(bench):
    theirs = some_function("hello", tenant="acme")
    async with bench.open() as backend:
        await backend.registry.create(theirs)
    async with bench.open() as backend:
        assert await backend.registry.get("hello", tenant="acme") == theirs
        await backend.registry.delete(theirs.function_id)
        with pytest.raises(FunctionNotFound):
            await backend.registry.get("hello", tenant="acme")
        again = some_function("hello", tenant="acme")
        await backend.registry.create(again)
        assert (await backend.registry.list_functions(tenant="acme", limit=10)).items == [again]
