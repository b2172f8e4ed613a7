"""NanoGrid runs people's functions: upload code once, run it by name, isolated."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanogrid.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> Any:
    # The SDK brings an HTTP library along, which neither a grid nor its start should wait for.
    if name in ("AsyncClient", "Client"):
        from nanogrid import client  # noqa: PLC0415

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
