"""Takes tasks, runs them in sandboxes, publishes outcomes."""

from nanogrid.worker.direct import DirectRuns
from nanogrid.worker.warming import warm, warm_successor
from nanogrid.worker.worker import Worker

__all__ = ["DirectRuns", "Worker", "warm", "warm_successor"]
