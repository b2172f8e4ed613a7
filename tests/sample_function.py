"""One function's record, for tests that need any."""

from datetime import UTC, datetime

from nanogrid.model import Function

_NOW = datetime(2025, 1, 1, tzinfo=UTC)
FUNCTION = Function(
    function_id="fn_1",
    name="hello",
    version=1,
    code_sha256="0" * 64,
    code_size=1,
    created_at=_NOW,
    updated_at=_NOW,
    runtime="python3.11",
    handler="main.handler",
    environment={"COLOUR": "blue"},
)
