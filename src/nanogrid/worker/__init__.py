"""Takes tasks, runs them in sandboxes, publishes outcomes."""

from nanogrid.worker.direct import DirectRuns
from nanogrid.worker.outlet import RunOutlet
from nanogrid.worker.warming import warm, warm_successor
from nanogrid.worker.worker import Worker

__all__ = ["DirectRuns", "RunOutlet", "Worker", "warm", "warm_successor"]
