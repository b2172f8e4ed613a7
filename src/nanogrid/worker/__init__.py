"""Takes tasks, runs them in sandboxes, publishes outcomes."""

from nanogrid.worker.worker import Worker

__all__ = ["Worker"]
