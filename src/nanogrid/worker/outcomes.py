"""What becomes of a sandbox's reply: the outcome that is stored, and what the run cost."""

from datetime import datetime

from nanogrid.clock import milliseconds
from nanogrid.model import Outcome, Run, RunStatus, Usage
from nanogrid.ports import Claim, Reply


def usage_of(reply: Reply, claim: Claim, started: Run, enqueued_at: datetime) -> Usage:
    """What the attempt cost; `started` is the run as it began."""
    queued = (started.started_at or started.created_at) - enqueued_at
    return Usage(
        queued_ms=milliseconds(queued.total_seconds()),
        cold_start=claim.cold,
        init_ms=claim.init_ms,
        duration_ms=reply.duration_ms,
        peak_memory_mb=reply.peak_memory_mb,
    )


def outcome_of(reply: Reply, usage: Usage) -> Outcome:
    """How the attempt ended."""
    status = RunStatus.SUCCEEDED if reply.error is None else RunStatus.FAILED
    return Outcome(
        status=status,
        output=reply.output,
        streamed=reply.streamed,
        output_truncated=reply.output_truncated,
        error=reply.error,
        logs=reply.logs,
        artifacts=reply.artifacts,
        usage=usage,
    )
