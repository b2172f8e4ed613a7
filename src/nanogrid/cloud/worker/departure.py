"""Why a worker leaves, and how long it may take."""

import enum

from nanogrid.model import Record

#: AWS holds a terminating instance for 48 hours at most, longer than any run may take.
SCALE_IN_GRACE_S = 48 * 3600.0
#: A spot instance goes two minutes after its notice. By then its leases must be back on the queue.
SPOT_GRACE_S = 105.0
#: What is left of the notice after the grace, for giving leases back.
SPOT_MARGIN_S = 10.0


class Reason(enum.StrEnum):
    """Why a worker leaves."""

    #: SIGTERM or SIGINT.
    SIGNAL = "signal"
    #: The Auto Scaling group takes the instance out; its hook waits as long as the worker asks it to.
    SCALE_IN = "scale_in"
    #: AWS takes a spot instance back.
    SPOT = "spot_interruption"


class Departure(Record, frozen=True):
    """One reason to leave."""

    reason: Reason
    #: How long running functions may take to end; what has not by then goes back to the queue, in seconds.
    grace_s: float
