"""Functions written for AWS Lambda, read from `tests/contract/handlers`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANDLERS = Path(__file__).parent / "contract" / "handlers"


@dataclass(frozen=True)
class ContractCase:
    """One function, an event, and what it makes of it."""

    name: str
    #: The folder that is the function's code; event and expectation lie beside it and do no harm.
    folder: Path
    #: `python` or `nodejs`.
    language: str
    handler: str
    event: Any
    #: `{"output": …}`, or `{"error": {"kind", "type", "message"}}`.
    expected: dict[str, Any]


def contract_cases() -> list[ContractCase]:
    """All of them, by name."""
    return [_read(event.parent) for event in sorted(HANDLERS.glob("*/event.json"))]


def _read(folder: Path) -> ContractCase:
    is_python = (folder / "lambda_function.py").exists()
    return ContractCase(
        name=folder.name,
        folder=folder,
        language="python" if is_python else "nodejs",
        handler="lambda_function.lambda_handler" if is_python else "index.handler",
        event=json.loads((folder / "event.json").read_text()),
        expected=json.loads((folder / "expected.json").read_text()),
    )
