"""The one place that knows which adapter stands behind which port: a file for each thing that is wired."""

from nanogrid.backends.local.backup import back_up
from nanogrid.bootstrap.grid import Started, open_grid, serve
from nanogrid.bootstrap.restoring import restore

__all__ = ["Started", "back_up", "open_grid", "restore", "serve"]
