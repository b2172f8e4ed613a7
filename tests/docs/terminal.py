"""A terminal for pictures: runs a command on a pseudo terminal, and draws what it shows as SVG."""

import io
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path
from subprocess import Popen

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_COLUMNS, _LINES = 104, 50
#: What rich would have a reader's browser fetch from elsewhere, and its comments.
_FONTS = re.compile(r"@font-face\s*\{.*?\}|<!--.*?-->", re.DOTALL)
_THEME = TerminalTheme(
    (16, 24, 24),
    (226, 237, 236),
    [(16, 24, 24), (255, 154, 144), (99, 210, 151), (239, 189, 107), (125, 170, 240), (200, 160, 240), (79, 209, 197)],
    [(148, 170, 168)],
)


def shown(command: str, *, folder: Path, environment: Mapping[str, str]) -> str:
    """What the terminal shows of the command, its colours included."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    everything = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(_COLUMNS)}
    with Popen(["bash", "-c", command], cwd=folder, env=everything, stdin=its, stdout=its, stderr=its) as process:  # noqa: S607
        os.close(its)
        pieces = list(iter(lambda: _read(ours), b""))
        process.wait()
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def picture(title: str, steps: list[tuple[str, str]]) -> str:
    """Commands and what they showed, as SVG that needs nothing from elsewhere."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command, output in steps:
        console.print(Text.assemble(("$ ", "bold cyan"), (command, "bold")), soft_wrap=True)
        console.print(Text.from_ansi(output.rstrip("\n")), soft_wrap=False)
    # The last line is cut at its feet.
    console.print()
    drawn = console.export_svg(title=title, theme=_THEME, unique_id="terminal")
    return re.sub(r"[ \t]+\n", "\n", _FONTS.sub("", drawn).replace("Fira Code", "ui-monospace")).rstrip() + "\n"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the last program has left the terminal
        return b""
