"""The SDK: `AsyncClient`, its blocking face `Client`, and what they return and raise."""

from nanogrid.client.asynchronous import AsyncClient, Handle
from nanogrid.client.blocking import BlockingHandle, Client
from nanogrid.client.errors import (
    ConnectionFailed,
    FunctionFailed,
    RunCancelled,
    RunDead,
    RunUnsuccessful,
    WaitTimedOut,
)
from nanogrid.client.records import (
    AliasInfo,
    ArtifactInfo,
    DeadLetterInfo,
    FunctionInfo,
    KeyInfo,
    LogEntry,
    NewKey,
    QuotaInfo,
    RunInfo,
    ScheduleInfo,
    SecretInfo,
)

__all__ = [
    "AliasInfo",
    "ArtifactInfo",
    "AsyncClient",
    "BlockingHandle",
    "Client",
    "ConnectionFailed",
    "DeadLetterInfo",
    "FunctionFailed",
    "FunctionInfo",
    "Handle",
    "KeyInfo",
    "LogEntry",
    "NewKey",
    "QuotaInfo",
    "RunCancelled",
    "RunDead",
    "RunInfo",
    "RunUnsuccessful",
    "ScheduleInfo",
    "SecretInfo",
    "WaitTimedOut",
]
