"""Hands secrets to the sandboxes of any driver, and takes them out of what comes back.

A sandbox that was loaded before a secret changed is not used again.
"""

from collections.abc import Coroutine
from typing import Any

from msgspec import structs

from nanogrid.errors import SecretNotFound
from nanogrid.model import ErrorKind, Function, Network, RunError
from nanogrid.ports import Invocation, LogSink, Outlet, Reply, Sandbox, SandboxDriver
from nanogrid.sandbox.masking import Mask
from nanogrid.secret_store import SecretStore


class SecretDriver(SandboxDriver):
    """Another driver, whose sandboxes know their function's secrets."""

    def __init__(self, driver: SandboxDriver, secret_store: SecretStore) -> None:
        """Everything but loading and what comes back is the driver's own."""
        self._driver = driver
        self._secret_store = secret_store

    async def start(self) -> None:
        """See the port."""
        await self._driver.start()

    async def create(self, runtime: str, network: Network) -> Sandbox:
        """See the port."""
        return _SecretSandbox(await self._driver.create(runtime, network), self._secret_store)

    def why_not(self, network: Network) -> str:
        """See the port."""
        return self._driver.why_not(network)

    def runtimes(self) -> list[str]:
        """See the port."""
        return self._driver.runtimes()

    async def close(self) -> None:
        """See the port."""
        await self._driver.close()


class _SecretSandbox(Sandbox):
    def __init__(self, sandbox: Sandbox, secret_store: SecretStore) -> None:
        self._sandbox = sandbox
        self._secret_store = secret_store
        self._mask: Mask | None = None
        #: Whose secrets it has, and which state of them; None without any.
        self._loaded: tuple[str, int] | None = None

    async def load(self, function: Function) -> RunError | None:
        if not function.secrets:
            return await self._sandbox.load(function)
        self._loaded = function.tenant, self._secret_store.changes(function.tenant)
        try:
            values = await self._secret_store.values(function)
        except SecretNotFound as exc:
            return RunError(kind=ErrorKind.INIT_FAILED, type="SecretNotFound", message=str(exc))
        self._mask = Mask(values.values()) or None
        error = await self._sandbox.load(structs.replace(function, environment=function.environment | values))
        return _masked(error, self._mask)

    def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Coroutine[Any, Any, Reply]:
        # No coroutine of its own where there is nothing to hide: this is on every run's way.
        if self._mask is None:
            return self._sandbox.invoke(invocation, on_log, outlet)
        return self._invoke_masked(invocation, on_log, outlet, self._mask)

    async def kill(self) -> None:
        await self._sandbox.kill()

    @property
    def reusable(self) -> bool:
        if self._loaded is None:
            return self._sandbox.reusable
        tenant, seen = self._loaded
        latest = self._secret_store.changes(tenant)
        return self._sandbox.reusable and seen == latest

    @property
    def memory_mb(self) -> float:
        return self._sandbox.memory_mb

    async def _invoke_masked(
        self, invocation: Invocation, on_log: LogSink | None, outlet: Outlet | None, mask: Mask
    ) -> Reply:
        sink = None if on_log is None else _MaskedSink(on_log, mask)
        try:
            reply = await self._sandbox.invoke(invocation, sink, outlet)
        finally:
            if sink is not None:
                sink.flush()
        logs = structs.replace(reply.logs, text=mask.text(reply.logs.text))
        return structs.replace(reply, logs=logs, error=_masked(reply.error, mask))


class _MaskedSink:
    """Passes on what a run writes, save for what may be the beginning of a value until the rest has come."""

    def __init__(self, sink: LogSink, mask: Mask) -> None:
        self._sink = sink
        self._mask = mask
        self._held = b""

    def __call__(self, data: bytes) -> None:
        data = self._mask.data(self._held + data)
        ready = len(data) - self._mask.begun(data)
        self._held = data[ready:]
        if ready:
            self._sink(data[:ready])

    def flush(self) -> None:
        if self._held:
            self._sink(self._held)
            self._held = b""


def _masked(error: RunError | None, mask: Mask | None) -> RunError | None:
    if error is None or mask is None:
        return error
    return structs.replace(
        error,
        type=mask.text(error.type),
        message=mask.text(error.message),
        stack_trace=[mask.text(line) for line in error.stack_trace],
    )
