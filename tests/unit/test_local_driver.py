"""How cells are started and ended, whatever their walls; tried with all kinds."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from cells import new_inmate, open_test_machine, started_driver
from nanogrid.errors import RuntimeUnavailable, SandboxUnavailable
from nanogrid.model import Network
from nanogrid.sandbox.interpreters import find_interpreters
from nanogrid.sandbox.local_cell import LocalCell
from nanogrid.sandbox.process import ProcessCell, ProcessDriver
from waiting import until

any_kind = pytest.mark.parametrize("kind", ["bubblewrap", "zygote", "process"])


@any_kind
async def test_a_cancelled_create_leaves_nothing(kind: str) -> None:
    async with started_driver(kind) as driver:
        creating = asyncio.create_task(driver.create(driver.runtimes()[0], Network.NONE))
        await until(lambda: driver._cells)
        creating.cancel()
        await asyncio.wait([creating])

        await until(lambda: not driver._cells)
        assert _listing(driver._machine.workspace.slots) == []


@any_kind
async def test_many_cells_leave_no_descriptor_behind(kind: str) -> None:
    async with started_driver(kind) as driver:
        await _create_and_kill(driver)
        before = _open_descriptors()
        for _ in range(5):
            await _create_and_kill(driver)

        assert _open_descriptors() == before


@any_kind
async def test_an_unknown_runtime_is_refused_with_what_there_is(kind: str) -> None:
    async with started_driver(kind) as driver:
        with pytest.raises(RuntimeUnavailable, match=r"It offers: .*command"):
            await driver.create("cobol", Network.NONE)


@any_kind
async def test_a_runtime_that_dies_at_once_is_an_error_with_its_last_words(kind: str) -> None:
    program = "import sys; sys.exit('I give up')"
    async with started_driver(kind, machine={"program": program}) as driver:
        with pytest.raises(SandboxUnavailable, match="I give up"):
            await driver.create(driver.runtimes()[0], Network.NONE)

        assert not driver._cells


async def test_a_cell_that_the_kernel_takes_long_to_end_gives_back_its_slot_all_the_same(tmp_path: Path) -> None:
    driver = await lingering_driver(tmp_path)
    cell = (await new_inmate(driver)).cell
    await cell.kill()
    assert driver._cells == {cell}

    cell.lingers = False
    await until(lambda: not driver._cells)
    assert _listing(driver._machine.workspace.slots) == []
    cell.close_ends()
    await driver.close()


async def test_a_driver_is_closed_though_a_cell_does_not_end(tmp_path: Path) -> None:
    driver = await lingering_driver(tmp_path)
    cell = (await new_inmate(driver)).cell
    await driver.close()

    await until(lambda: cell._removal.over)
    assert driver._cells == {cell}
    cell.close_ends()


class LingeringCell(ProcessCell):
    """Its processes are gone, but not as far as anybody can tell."""

    lingers = True

    async def end_processes(self) -> bool:
        return await super().end_processes() and not self.lingers


class LingeringDriver(ProcessDriver):
    """Starts cells that linger."""

    def launch(self, *args):
        return partial(LingeringCell, *super().launch(*args).args)


async def lingering_driver(data: Path) -> LingeringDriver:
    machine = open_test_machine(data)
    offer = find_interpreters(machine.identities.reader, search_path="")
    driver = LingeringDriver(machine, offer, _bare)
    await driver.start()
    return driver


def _bare(cell: LocalCell) -> LocalCell:
    return cell


async def _create_and_kill(driver) -> None:
    inmate = await new_inmate(driver)
    await inmate.cell.kill()
    inmate.cell.close_ends()


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _listing(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
