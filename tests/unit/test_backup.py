"""A backup is a grid's whole state at one moment; restoring is exact, or it leaves nothing."""

import asyncio
import shutil
import tarfile

import pytest
from typer.testing import CliRunner

from clocks import ManualClock
from nanogrid.backends.local import open_local
from nanogrid.backends.local.backup import back_up, restore
from nanogrid.backends.local.vault import merged_keys
from nanogrid.bootstrap.restoring import restore as restore_and_look
from nanogrid.cli.exits import ExitCode
from nanogrid.cli.main import make_app
from nanogrid.errors import ConfigError
from nanogrid.key_ring import KeyRing
from nanogrid.secret_store import SecretStore
from records import DEAD, SUCCEEDED, some_function, some_run, some_task


async def fill(backend):
    """A function with its code, an ended run, and one that waits."""
    digest = await backend.code_store.put(b"the code")
    function = some_function(code_sha256=digest)
    await backend.registry.create(function)
    ended, waiting = (some_run(function_id=function.function_id) for _ in range(2))
    for run in (ended, waiting):
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(function.function_id, run_id=run.run_id), durable=True)
    (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
    await backend.run_store.finish(lease.task.run_id, lease.attempt, SUCCEEDED)
    await backend.task_queue.ack(lease)
    return function, ended, waiting


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "token").write_text("secret\n")
    return folder


async def test_what_was_backed_up_while_the_grid_ran_is_what_the_restored_grid_has(tmp_path, data):
    async with open_local(data, ManualClock()) as backend:
        function, ended, waiting = await fill(backend)
        await back_up(data, tmp_path / "backup")
        await backend.registry.create(some_function("later"))
    await restore(tmp_path / "backup", tmp_path / "new")
    async with open_local(tmp_path / "new", ManualClock()) as backend:
        functions = (await backend.registry.list_functions(limit=10)).items
        code = await backend.code_store.get(function.code_sha256)
        outcome = await backend.run_store.get(ended.run_id)
        leases = await backend.task_queue.receive(limit=10, wait_s=0)

    assert (functions, code, outcome.output) == ([function], b"the code", SUCCEEDED.output)
    assert waiting.run_id in [lease.task.run_id for lease in leases]
    assert (tmp_path / "new" / "token").read_text() == "secret\n"


async def test_dead_letters_are_in_the_backup(tmp_path, data):
    run = some_run()
    async with open_local(data, ManualClock()) as backend:
        await backend.run_store.accept(run, durable=True)
        await backend.task_queue.send(some_task(run_id=run.run_id), durable=True)
        (lease,) = await backend.task_queue.receive(limit=1, wait_s=0)
        await backend.run_store.finish(run.run_id, lease.attempt, DEAD)
        await backend.dead_letters.bury(lease, "broken")
    await back_up(data, tmp_path / "backup")
    await restore(tmp_path / "backup", tmp_path / "new")
    async with open_local(tmp_path / "new", ManualClock()) as backend:
        (letter,) = (await backend.dead_letters.list_letters(limit=10)).items

    assert (letter.run_id, letter.reason) == (run.run_id, "broken")


async def test_keys_and_their_backups_are_readable_by_their_owner_only(tmp_path, data):
    async with open_local(data, ManualClock()):
        await back_up(data, tmp_path / "backup")
    await restore(tmp_path / "backup", tmp_path / "new")

    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "backup", tmp_path / "new/token")] == [0, 0]


async def test_what_belongs_to_one_start_or_one_machine_is_left_out(tmp_path, data):
    async with open_local(data, ManualClock()):
        (data / "address").touch()
        (data / "workspace-folder").touch()
        manifest = await back_up(data, tmp_path / "backup")

    assert sorted(manifest.files) == ["nanogrid.db", "token"]


async def test_a_backup_replaces_nothing_and_leaves_nothing_beside(tmp_path, data):
    async with open_local(data, ManualClock()):
        (tmp_path / "backup").write_text("precious")
        with pytest.raises(ConfigError, match="exists already"):
            await back_up(data, tmp_path / "backup")

    assert (tmp_path / "backup").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


async def test_where_there_is_no_grid_there_is_no_backup(tmp_path):
    with pytest.raises(ConfigError, match="there is no grid"):
        await back_up(tmp_path, tmp_path / "backup")

    assert list(tmp_path.iterdir()) == []


# Restoring


async def backed_up(tmp_path, data):
    async with open_local(data, ManualClock()) as backend:
        await fill(backend)
        await back_up(data, tmp_path / "backup")
    return tmp_path / "backup"


async def test_a_folder_that_is_not_empty_is_refused(tmp_path, data):
    backup = await backed_up(tmp_path, data)
    with pytest.raises(ConfigError, match="is not empty"):
        await restore(backup, data)


async def test_an_empty_folder_is_taken(tmp_path, data):
    backup = await backed_up(tmp_path, data)
    (tmp_path / "new").mkdir()
    await restore(backup, tmp_path / "new")

    assert (tmp_path / "new" / "nanogrid.db").exists()


def cut_off(backup):
    backup.write_bytes(backup.read_bytes()[:-20_000])


def flip(backup):
    """Change one byte of the code archive."""
    backup.write_bytes(backup.read_bytes().replace(b"the code", b"the Code"))


def leave(backup):
    with tarfile.open(backup, "a") as archive:
        archive.addfile(tarfile.TarInfo("more"))


def escape(backup):
    with tarfile.open(backup, "a") as archive:
        archive.addfile(tarfile.TarInfo("../escaped"))


def link(backup):
    member = tarfile.TarInfo("token2")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(backup, "a") as archive:
        archive.addfile(member)


def be_something_else(backup):
    backup.write_bytes(b"precious " * 10_000)


@pytest.mark.parametrize("damage", [cut_off, flip, leave, escape, link, be_something_else])
async def test_a_damaged_backup_is_refused_and_nothing_is_left_of_it(tmp_path, data, damage):
    backup = await backed_up(tmp_path, data)
    shutil.rmtree(data)
    damage(backup)
    with pytest.raises(ConfigError, match="no whole backup"):
        await restore(backup, tmp_path / "new")

    assert list(tmp_path.iterdir()) == [backup]


# Secrets


def secrets(backend):
    return SecretStore(backend.record_store, backend.vault, ManualClock())


async def with_secrets(data):
    async with open_local(data, ManualClock()) as backend:
        for name in ("one", "two"):
            await secrets(backend).put(name, f"value {name}", tenant="acme")
        ring = KeyRing(backend.record_store, ManualClock(), owner_digest="", vault=backend.vault)
        await ring.create("boto3", tenant="acme", scopes=["run"], signs=True)


async def test_a_restored_grid_opens_its_secrets(tmp_path, data):
    await with_secrets(data)
    await back_up(data, tmp_path / "backup")
    restored = await restore_and_look(tmp_path / "backup", tmp_path / "new")
    async with open_local(tmp_path / "new", ManualClock()) as backend:
        values = await secrets(backend).values(some_function(tenant="acme", secrets={"ONE": "one"}))

    assert (restored.locked_secrets, restored.locked_keys) == ([], [])
    assert values == {"ONE": "value one"}


async def test_what_the_backup_has_no_key_for_is_named_and_the_rest_is_restored(tmp_path, data):
    await with_secrets(data)
    key = (data / "vault.key").read_bytes()
    (data / "vault.key").unlink()
    await back_up(data, tmp_path / "backup")
    restored = await restore_and_look(tmp_path / "backup", tmp_path / "new")
    (tmp_path / "new" / "vault.key").write_bytes(key)
    async with open_local(tmp_path / "new", ManualClock()) as backend:
        opened_with_the_key = await secrets(backend).locked()

    assert restored.locked_secrets == ["acme/one", "acme/two"]
    assert [name.partition("/")[0] for name in restored.locked_keys] == ["acme"]
    assert opened_with_the_key == []


async def test_a_backup_in_the_middle_of_rotations_opens_every_secret_in_it(tmp_path, data):
    await with_secrets(data)
    locked = []
    async with open_local(data, ManualClock()) as backend:
        ring = KeyRing(backend.record_store, ManualClock(), owner_digest="", vault=backend.vault)
        store = secrets(backend)
        for number in range(5):
            making = asyncio.create_task(back_up(data, tmp_path / f"backup-{number}"))
            while not making.done():
                await store.rotate(also=ring.reseal)
            await making
            restored = await restore_and_look(tmp_path / f"backup-{number}", tmp_path / f"new-{number}")
            locked += restored.locked_secrets + restored.locked_keys

    assert locked == []


def test_the_key_before_the_database_was_copied_is_kept_with_the_one_after():
    old, new = b"o" * 32, b"n" * 32

    assert merged_keys(new, old) == new + old
    assert merged_keys(new + old, old) == new + old
    assert merged_keys(old, b"") == merged_keys(b"", old) == old
    assert merged_keys(b"damaged", old) == b"damaged"


# The command line


def test_the_commands_say_what_they_did_and_what_was_wrong(tmp_path, data):
    async def once():
        async with open_local(data, ManualClock()):
            pass

    asyncio.run(once())
    target, new = str(tmp_path / "backup"), str(tmp_path / "new")
    app, call = make_app(environ={}), CliRunner().invoke
    done = call(app, ["backup", target, "--data", str(data)])
    again = call(app, ["backup", target, "--data", str(data)])
    restored = call(app, ["restore", target, "--data", new])

    assert done.exit_code == restored.exit_code == ExitCode.OK
    assert "2 files" in done.stdout
    assert f"{new}: as it was on" in restored.stdout
    assert again.exit_code == ExitCode.USAGE
    assert "exists already" in again.stderr


def test_a_restore_says_which_secrets_are_locked_and_what_to_do(tmp_path, data):
    asyncio.run(with_secrets(data))
    (data / "vault.key").write_bytes(b"k" * 32)
    app, call = make_app(environ={}), CliRunner().invoke
    call(app, ["backup", str(tmp_path / "backup"), "--data", str(data)])
    restored = call(app, ["restore", str(tmp_path / "backup"), "--data", str(tmp_path / "new")])

    assert restored.exit_code == ExitCode.OK
    assert "2 secrets cannot be read" in restored.stderr
    assert "vault.key does not open them: acme/one, acme/two." in restored.stderr
    assert "nanogrid secrets set NAME" in restored.stderr
    assert "cannot sign any more" in restored.stderr
