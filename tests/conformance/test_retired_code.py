"""Code that nobody uses any more, on AWS: removed in the end, and never from under a function that has just got it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from aws_services import AwsServices, TurnedClock
from nanogrid.backends.aws import AwsBackend, open_aws
from nanogrid.backends.aws.retired_code import KEPT, RetiredCode
from nanogrid.change import Change
from nanogrid.clock import Clock
from nanogrid.errors import CodeNotFound, NameTaken
from nanogrid.ports import Registry
from nanogrid.resource_manager import ResourceManager

RUNTIME = "python3.11"
CODE = Change(runtime=RUNTIME, source="def handler(event, context):\n    return event\n")
LONG_S = (KEPT + timedelta(hours=1)).total_seconds()
#: As long as it takes to be sure that whoever stored code has named it, or never will.
NAMED_S = timedelta(hours=2).total_seconds()


class Grid:
    """A stack; its bucket, and whoever removes code, go by a clock that is turned by hand."""

    def __init__(self, backend: AwsBackend, clock: TurnedClock) -> None:
        self.backend, self.clock = backend, clock

    def process(self, registry: Registry | None = None) -> ResourceManager:
        """A resource manager as each environment of the Lambda has its own; with a registry of its own, if need be."""
        registry = registry or self.backend.registry
        return ResourceManager(
            registry,
            self.backend.code_store,
            self.backend.uploads,
            self.clock,
            runtimes=lambda: [RUNTIME],
            retire=self.retired(registry).retire,
        )

    def retired(self, registry: Registry | None = None) -> RetiredCode:
        bucket = self.backend.code_store._bucket
        return RetiredCode(bucket, registry or self.backend.registry, self.backend.record_store, self.clock)

    async def has(self, digest: str) -> bool:
        try:
            await self.backend.code_store.get(digest)
        except CodeNotFound:
            return False
        return True

    async def marks(self) -> list[str]:
        return [mark.name for mark in (await self.backend.record_store.list_records("retired-code", limit=10)).items]


class Meanwhile:
    """A registry with which something happens in another process, right after one of its calls."""

    def __init__(self, registry: Registry, call: str, happens: Callable[[], Awaitable[object]]) -> None:
        self._registry, self._call, self._happens = registry, call, happens

    def __getattr__(self, name: str):
        original = getattr(self._registry, name)

        async def then(*arguments: object, **options: object) -> object:
            result = await original(*arguments, **options)
            await self._happens()
            return result

        return then if name == self._call else original


@pytest.fixture
def opened(aws_services: AwsServices):
    @asynccontextmanager
    async def open_grid() -> AsyncIterator[Grid]:
        with aws_services.stack() as settings:
            # The backend's own chores would be done many times in a month: it goes by real time.
            async with open_aws(settings, Clock(), environ=aws_services.environ) as backend:
                yield Grid(backend, TurnedClock(aws_services.now))

    return open_grid


async def test_what_is_deployed_while_its_last_use_is_deleted_keeps_its_code(opened):
    async with opened() as grid:
        first = await grid.process().deploy("first", CODE)
        other = grid.process()
        meanwhile = Meanwhile(grid.backend.registry, "delete", lambda: other.deploy("second", CODE))
        await grid.process(meanwhile).delete("first")
        at_once = await grid.has(first.code_sha256)
        await grid.clock.advance(LONG_S)
        await grid.retired().sweep()

        assert (at_once, await grid.has(first.code_sha256)) == (True, True)
        assert await grid.marks() == []


async def test_what_is_stored_while_a_failed_deployment_takes_its_code_back_stays(opened):
    async with opened() as grid:
        await grid.process().deploy("taken", Change(runtime=RUNTIME, source="def handler(*_): pass\n"))
        other = grid.process()
        meanwhile = Meanwhile(grid.backend.registry, "uses", lambda: other.deploy("second", CODE))
        with pytest.raises(NameTaken):
            await grid.process(meanwhile).deploy("taken", CODE)
        second = await other.get("second")

        assert await grid.has(second.code_sha256)


async def test_what_is_stored_at_the_moment_of_the_removal_stays(opened):
    """The removal has seen that nobody uses the code; only then is it deployed again."""
    async with opened() as grid:
        function = await grid.process().deploy("first", CODE)
        await grid.process().delete("first")
        await grid.clock.advance(LONG_S)
        other = grid.process()
        meanwhile = Meanwhile(grid.backend.registry, "uses", lambda: other.deploy("second", CODE))
        await grid.retired(meanwhile).sweep()

        assert await grid.has(function.code_sha256)
        assert (await other.get("second")).code_sha256 == function.code_sha256


async def test_what_was_stored_a_moment_before_the_removal_stays_until_it_can_have_been_named(opened):
    async with opened() as grid:
        function = await grid.process().deploy("first", CODE)
        code = await grid.backend.code_store.get(function.code_sha256)
        await grid.process().delete("first")
        await grid.clock.advance(LONG_S)
        await grid.backend.code_store.put(code)
        await grid.retired().sweep()
        stored = await grid.has(function.code_sha256)
        await grid.clock.advance(NAMED_S)
        await grid.retired().sweep()

        assert (stored, await grid.has(function.code_sha256)) == (True, False)
        assert await grid.marks() == []


async def test_code_that_nobody_uses_is_there_for_a_month_and_then_gone_in_every_version(opened, aws_services):
    async with opened() as grid:
        function = await grid.process().deploy("first", CODE)
        await grid.process().deploy("second", CODE)
        await grid.process().delete("first")
        none = await grid.marks()
        await grid.process().delete("second")
        await grid.clock.advance(LONG_S / 2)
        await grid.retired().sweep()
        half = await grid.has(function.code_sha256)
        await grid.clock.advance(LONG_S / 2)
        await grid.retired().sweep()
        bucket = grid.backend.code_store._bucket._prefix.strip("/")
        versions = aws_services.client("s3").list_object_versions(Bucket=bucket, Prefix="code/").get("Versions", [])

        assert (none, half) == ([], True)
        assert (versions, await grid.marks()) == ([], [])


async def test_code_that_is_used_again_and_deleted_again_has_its_month_again(opened):
    async with opened() as grid:
        function = await grid.process().deploy("first", CODE)
        await grid.process().delete("first")
        await grid.clock.advance(LONG_S / 2)
        await grid.process().deploy("first", CODE)
        await grid.process().delete("first")
        await grid.clock.advance(LONG_S / 2)
        await grid.retired().sweep()

        assert await grid.has(function.code_sha256)


async def test_a_deletion_removes_what_others_left_a_month_ago(opened):
    async with opened() as grid:
        function = await grid.process().deploy("first", CODE)
        await grid.process().delete("first")
        await grid.clock.advance(LONG_S)
        await grid.retired().retire(function.code_sha256[0] + "0" * 63)

        assert not await grid.has(function.code_sha256)
