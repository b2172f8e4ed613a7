"""The one place that knows which adapter stands behind which port: a file for each thing that is wired."""

from nanogrid.bootstrap.grid import Started, open_grid, serve

__all__ = ["Started", "open_grid", "serve"]
