"""What a worker needs of its EC2 instance: when to leave, and how to leave without cutting off a run."""

from nanogrid.cloud.worker.attendance import Attendance
from nanogrid.cloud.worker.instance import Instance
from nanogrid.cloud.worker.settings import InstanceSettings

__all__ = ["Attendance", "Instance", "InstanceSettings"]
