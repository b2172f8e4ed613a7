"""The promises of `RecordStore`."""

import asyncio
from collections import Counter

import msgspec
import pytest
from msgspec import Raw

from nanogrid.errors import InvalidField, MalformedRequest, RevisionConflict

ONE, TWO = Raw(b'{"n":1}'), Raw(b'{"n":2}')


async def names(store, **query):
    page = await store.list_records("alias", **({"limit": 100} | query))
    return [record.name for record in page.items]


async def test_what_was_put_is_read_as_it_was_put(bench):
    value = Raw(msgspec.json.encode({"text": "\u2603 <&>", "n": 1.5, "none": None}))
    async with bench.open() as backend:
        put = await backend.record_store.put("alias", "t/fn#live", value, revision=None)
        got = await backend.record_store.get("alias", "t/fn#live")

    assert got == put
    assert (got.kind, got.name, bytes(got.value)) == ("alias", "t/fn#live", bytes(value))


async def test_what_was_put_survives_a_crash(bench):
    async with bench.open() as backend:
        put = await backend.record_store.put("alias", "a", ONE, revision=None)
        after = bench.crashed()
    async with after.open() as backend:
        assert await backend.record_store.get("alias", "a") == put


async def test_nothing_is_found_under_another_kind_or_name(bench):
    async with bench.open() as backend:
        await backend.record_store.put("alias", "a", ONE, revision=None)

        assert await backend.record_store.get("key", "a") is None
        assert await backend.record_store.get("alias", "A") is None


async def test_each_put_has_a_revision_of_its_own_and_the_next_one_names_it(bench):
    async with bench.open() as backend:
        first = await backend.record_store.put("alias", "a", ONE, revision=None)
        second = await backend.record_store.put("alias", "a", TWO, revision=first.revision)
        found = await backend.record_store.get("alias", "a")

    assert found == second
    assert first.revision != second.revision


async def test_a_put_that_saw_another_revision_is_refused_and_changes_nothing(bench):
    async with bench.open() as backend:
        store = backend.record_store
        first = await store.put("alias", "a", ONE, revision=None)
        second = await store.put("alias", "a", TWO, revision=first.revision)
        for revision in (None, first.revision, "other"):
            with pytest.raises(RevisionConflict):
                await store.put("alias", "a", ONE, revision=revision)
        with pytest.raises(RevisionConflict):
            await store.put("alias", "absent", ONE, revision=first.revision)

        assert await store.get("alias", "a") == second
        assert await store.get("alias", "absent") is None


async def test_of_racing_puts_one_wins(bench):
    async with bench.open() as backend:
        put = backend.record_store.put
        made = await asyncio.gather(*(put("alias", "a", ONE, revision=None) for _ in range(10)), return_exceptions=True)
        (first,) = [result for result in made if not isinstance(result, Exception)]
        changed = await asyncio.gather(
            *(put("alias", "a", TWO, revision=first.revision) for _ in range(10)), return_exceptions=True
        )

    assert Counter(map(type, made)) == {type(first): 1, RevisionConflict: 9}
    assert Counter(map(type, changed)) == {type(first): 1, RevisionConflict: 9}


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(bench):
    async with bench.open() as backend:
        await backend.record_store.put("alias", "a", ONE, revision=None)
        for _ in range(2):
            await backend.record_store.delete("alias", "a")
        found = await backend.record_store.get("alias", "a")
        listed = await names(backend.record_store)

    assert (found, listed) == (None, [])


async def test_a_delete_that_saw_another_revision_is_refused(bench):
    async with bench.open() as backend:
        store = backend.record_store
        first = await store.put("alias", "a", ONE, revision=None)
        second = await store.put("alias", "a", TWO, revision=first.revision)
        with pytest.raises(RevisionConflict):
            await store.delete("alias", "a", revision=first.revision)
        kept = await store.get("alias", "a")
        await store.delete("alias", "a", revision=second.revision)

        assert kept == second
        assert await store.get("alias", "a") is None
        await store.delete("alias", "a", revision=second.revision)


async def test_a_name_used_anew_does_not_answer_to_an_old_revision(bench):
    async with bench.open() as backend:
        store = backend.record_store
        old = await store.put("alias", "a", ONE, revision=None)
        await store.delete("alias", "a")
        new = await store.put("alias", "a", ONE, revision=None)
        with pytest.raises(RevisionConflict):
            await store.put("alias", "a", TWO, revision=old.revision)

        assert await store.get("alias", "a") == new


async def test_a_listing_has_one_kind_and_prefix_in_order_of_name(bench):
    async with bench.open() as backend:
        store = backend.record_store
        for name in ("t1/b", "t1/a", "t1/B", "t1", "t10/a", "t2/a", "t1/~", "t1/a#x"):
            await store.put("alias", name, ONE, revision=None)
        await store.put("key", "t1/c", ONE, revision=None)

        assert await names(store, prefix="t1/") == ["t1/B", "t1/a", "t1/a#x", "t1/b", "t1/~"]
        assert await names(store) == ["t1", "t1/B", "t1/a", "t1/a#x", "t1/b", "t1/~", "t10/a", "t2/a"]


async def test_a_listing_goes_on_page_by_page_whatever_happens_between(bench):
    async with bench.open() as backend:
        store = backend.record_store
        for name in "abcdef":
            await store.put("alias", f"p/{name}", ONE, revision=None)
        first = await store.list_records("alias", prefix="p/", limit=2)
        await store.delete("alias", "p/b")
        await store.put("alias", "p/bb", ONE, revision=None)
        second = await store.list_records("alias", prefix="p/", limit=3, cursor=first.next_cursor)
        third = await store.list_records("alias", prefix="p/", limit=3, cursor=second.next_cursor)

    pages = [[record.name for record in page.items] for page in (first, second, third)]
    assert pages == [["p/a", "p/b"], ["p/bb", "p/c", "p/d"], ["p/e", "p/f"]]
    assert third.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "%%", "bm90IG9mIGl0", "4oiC"])
async def test_a_foreign_cursor_is_refused(bench, cursor):
    async with bench.open() as backend:
        with pytest.raises(MalformedRequest):
            await backend.record_store.list_records("alias", prefix="p/", limit=2, cursor=cursor)


@pytest.mark.parametrize(
    ("kind", "name"), [("", "a"), ("Alias", "a"), ("a b", "a"), ("alias", ""), ("alias", "a b"), ("alias", "a\n")]
)
async def test_a_kind_or_name_that_is_none_is_refused(bench, kind, name):
    async with bench.open() as backend:
        store = backend.record_store
        for call in (store.get(kind, name), store.delete(kind, name), store.put(kind, name, ONE, revision=None)):
            with pytest.raises(InvalidField):
                await call


async def test_names_and_values_go_up_to_their_limits_and_no_further(bench):
    name, value = "n" * 512, Raw(b'"' + b"v" * (128 * 1024 - 2) + b'"')
    async with bench.open() as backend:
        store = backend.record_store
        put = await store.put("alias", name, value, revision=None)
        with pytest.raises(InvalidField):
            await store.put("alias", name + "n", ONE, revision=None)
        with pytest.raises(InvalidField):
            await store.put("alias", "a", Raw(bytes(value) + b" "), revision=None)

        assert await store.get("alias", name) == put
        assert await names(store) == [name]
