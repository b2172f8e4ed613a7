"""The hostile functions: one file each under `probes/`, all that is known of it in that file.

A probe's file is uploaded as it is. Its docstring says what it tries; `handler` tries it and returns its attempts as
`no: …` or `yes: …`, one `yes` being a hole. Some say more:

    SETTINGS   of the function, where the usual ones do not fit
    VARIANTS   ways to try it, each run by itself; the event says which
    ENDS       how a run may end, where it may do other than succeed
    judge      what else must be true of the ended run; returns the holes
    ONLY_COLD  there is nothing warm to attack
"""

import base64
import importlib.util
import io
import json
import platform
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from nanogrid.sandbox.syscall_numbers import numbers

FOLDER = Path(__file__).parent / "probes"
CATEGORIES = {
    1: "Read what is not yours",
    13: "Change what is not yours",
    22: "Kernel surface",
    29: "Exhaust",
    41: "Attack the runner's protocol",
}
USUAL = {"memoryMb": 128, "timeoutMs": 10_000}
#: Calm runs make a sandbox warm without doing harm.
MAIN = """
import probe

def handler(event, context):
    return "calm" if event["calm"] else probe.handler(event, context)
"""


@dataclass(frozen=True)
class Probe:
    number: int
    #: What it tries, in one sentence.
    title: str
    variant: str
    module: ModuleType = field(repr=False)

    @property
    def name(self) -> str:
        """Its function's name, and its test's."""
        return f"{Path(str(self.module.__file__)).stem}-{self.variant}".rstrip("-").replace(" ", "-").replace(",", "")

    @property
    def category(self) -> str:
        return CATEGORIES[max(first for first in CATEGORIES if first <= self.number)]

    @property
    def settings(self) -> dict[str, object]:
        return USUAL | getattr(self.module, "SETTINGS", {})

    @property
    def only_cold(self) -> bool:
        return getattr(self.module, "ONLY_COLD", False)

    def archive(self) -> str:
        """The upload, as base64 of a zip."""
        files = {
            "main.py": MAIN,
            "probe.py": Path(str(self.module.__file__)).read_text(),
            "attempts.py": (FOLDER / "attempts.py").read_text(),
            "syscalls.json": json.dumps(numbers(platform.machine())),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return base64.b64encode(buffer.getvalue()).decode()

    def holes(self, run: dict) -> list[str]:
        """What the ended run shows to be open."""
        ending = run["error"]["kind"] if run["error"] else run["status"]
        if ending not in getattr(self.module, "ENDS", ("succeeded",)):
            return [f"it ended as {ending}: {run['error'] or run['output']}"]
        judge = getattr(self.module, "judge", None)
        return [*_open(run["output"]), *(judge(run) if judge else [])]


def probes() -> list[Probe]:
    """All of them, by number and variant."""
    sys.path.insert(0, str(FOLDER))
    try:
        modules = [_load(path) for path in sorted(FOLDER.glob("p*.py"))]
    finally:
        sys.path.remove(str(FOLDER))
    return [
        Probe(
            number=int(module.__name__[1:3]), title=str(module.__doc__).split("\n")[0], variant=variant, module=module
        )
        for module in modules
        for variant in getattr(module, "VARIANTS", ("",))
    ]


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _open(output: object) -> list[str]:
    attempts = output.items() if isinstance(output, dict) else ()
    return [f"{name}: {result}" for name, result in attempts if not str(result).startswith("no")]
