"""The machine that `nanogrid doctor` looks at: files, commands, and who may run them."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TIMEOUT_S = 10.0
#: Who stands for the users of sandboxes when root asks: nobody.
_NOBODY = 65_534


class Machine:
    """A machine, as far as it is looked at."""

    def __init__(
        self, environ: Mapping[str, str], *, root: Path = Path("/"), release: str | None = None, uid: int | None = None
    ) -> None:
        """`root` is where /proc, /sys and /run are; the rest is asked from the system where it is not given."""
        self.environ = environ
        self.root = root
        self.release = platform.release() if release is None else release
        self.uid = os.geteuid() if uid is None else uid

    def read(self, path: str) -> str | None:
        """A file of the system; None where there is none, or none for us."""
        try:
            return (self.root / path).read_text().strip()
        except OSError:
            return None

    def which(self, command: str) -> str | None:
        """Where a command is."""
        return shutil.which(command, path=self.environ.get("PATH"))

    def output(self, *arguments: str, nobody: bool = False) -> tuple[int, str]:
        """Exit code and output of a command; with `nobody` and as root, run by an unprivileged user."""
        drop: dict[str, Any] = (
            {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if nobody and self.uid == 0 else {}
        )
        try:
            done = subprocess.run(
                arguments,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PATH": self.environ.get("PATH", "")},
                cwd="/",
                timeout=_TIMEOUT_S,
                check=False,
                text=True,
                errors="replace",
                **drop,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            return 127, str(exc)
        return done.returncode, done.stdout.strip()
