"""What the vault on AWS promises beside the port: who needs which right, and what a missing key looks like."""

import pytest

from aws_services import AwsServices
from nanogrid.backends.aws import open_aws
from nanogrid.clock import Clock
from nanogrid.cloud.emulator.recorder import read_calls
from nanogrid.errors import VaultLocked
from nanogrid.secret_store import SecretStore


@pytest.fixture
def settings(aws_services: AwsServices):
    with aws_services.stack() as settings:
        yield settings


async def test_who_sets_and_rotates_secrets_never_needs_to_open_one(aws_services, settings):
    async with open_aws(settings, Clock(), environ=aws_services.environ) as backend:
        store = SecretStore(backend.record_store, backend.vault, Clock())
        before = len(read_calls(aws_services.aws.calls))
        await store.put("key", "one", tenant="default")
        await store.put("key", "two", tenant="default")
        await store.rotate()
        asked = {call.target for call in read_calls(aws_services.aws.calls)[before:] if "Trent" in call.target}

    assert asked == {"TrentService.Encrypt", "TrentService.ReEncrypt"}


async def test_a_stack_without_a_key_keeps_no_secret_and_says_so(aws_services):
    with aws_services.stack(vault_key="") as settings:
        async with open_aws(settings, Clock(), environ=aws_services.environ) as backend:
            store = SecretStore(backend.record_store, backend.vault, Clock())
            with pytest.raises(VaultLocked, match="no vault"):
                await store.put("key", "value", tenant="default")
            listed = await store.list_secrets(tenant="default", limit=10, cursor=None)

    assert listed.items == []


async def test_a_key_that_was_disabled_is_named_with_what_it_should_have_opened(aws_services, settings):
    async with open_aws(settings, Clock(), environ=aws_services.environ) as backend:
        sealed = await backend.vault.seal(b"value", bound_to="default/key")
        kms = aws_services.client("kms")
        kms.disable_key(KeyId=settings.vault_key)
        with pytest.raises(VaultLocked, match=r"'default/key': kms Decrypt failed: DisabledException") as refused:
            await backend.vault.unseal(sealed, bound_to="default/key")
        kms.enable_key(KeyId=settings.vault_key)
        opened = await backend.vault.unseal(sealed, bound_to="default/key")

    assert "alias/nanogrid-vault" in (refused.value.hint or "")
    assert opened == b"value"


async def test_parts_of_two_sealings_do_not_open_as_one(aws_services, settings):
    async with open_aws(settings, Clock(), environ=aws_services.environ) as backend:
        one, other = [await backend.vault.seal(letter * 5000, bound_to="default/key") for letter in (b"a", b"b")]
        mixed = one[: len(one) // 2] + other[len(other) // 2 :]
        with pytest.raises(VaultLocked):
            await backend.vault.unseal(mixed, bound_to="default/key")
