"""The backend for one machine: a folder, SQLite and memory. Open it with `open_local`."""

from nanogrid.backends.local.backend import LocalBackend, open_local, open_secrets

__all__ = ["LocalBackend", "open_local", "open_secrets"]
