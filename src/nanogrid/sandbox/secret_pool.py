"""A pool for where secrets are changed by other processes: it looks before it gives out what may know old ones."""

from nanogrid.model import Function, RunError
from nanogrid.ports import Claim, SandboxPool
from nanogrid.secret_store import SecretStore


class SecretPool(SandboxPool):
    """Another pool, whose sandboxes are those of a `SecretDriver`."""

    def __init__(self, pool: SandboxPool, secret_store: SecretStore) -> None:
        """A run of a function without secrets costs nothing more."""
        self._pool = pool
        self._secret_store = secret_store

    async def acquire(self, function: Function) -> Claim | RunError:
        """See the port. Raises `StoreUnavailable` where nobody can tell whether a secret has changed."""
        if function.secrets:
            await self._secret_store.look_for_changes(function)
        return await self._pool.acquire(function)

    def take(self, function: Function) -> Claim | None:
        """See the port: there is no time to look, so that nothing is taken which might be old."""
        return None if function.secrets else self._pool.take(function)

    def release(self, claim: Claim) -> None:
        """See the port."""
        self._pool.release(claim)

    def keeps(self, function_id: str) -> bool:
        """See the port."""
        return self._pool.keeps(function_id)

    def census(self) -> dict[str, int]:
        """See the port."""
        return self._pool.census()

    async def close(self) -> None:
        """See the port."""
        await self._pool.close()
