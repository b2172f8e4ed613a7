"""Traces of runs for OpenTelemetry: wrappers around gateway, queue and pool, and nothing where they are not wanted."""

from nanogrid.telemetry.telemetry import Telemetry, open_telemetry

__all__ = ["Telemetry", "open_telemetry"]
