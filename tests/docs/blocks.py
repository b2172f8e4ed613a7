"""Reads the code blocks of a page, and runs them as its reader would: one shell, from top to bottom."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grid import StartedGrid

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?```(?P<info>[^\n`]+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r'title="([^"]+)"')
_HEREDOC = re.compile(r"<<'?(\w+)'?")
#: Ends what one command wrote, and carries its exit status.
_END = "\x1e"


@dataclass
class Block:
    """One fenced block; `reason` says why it is not run."""

    language: str
    body: str
    title: str = ""
    reason: str = ""


@dataclass
class Command:
    """One line (or more) at a prompt, and what the page shows below it."""

    text: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = found["info"].partition(" ")
        title = _TITLE.search(rest)
        yield Block(language, found["body"], title[1] if title else "", found["reason"] or "")


def commands(body: str) -> list[Command]:
    """The commands of a `console` block: what follows `$ `, with its continuations."""
    found: list[Command] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("$ "):
            found.append(Command(_whole(line[2:], lines)))
        elif found and line.strip():
            found[-1].shown.append(line)
    return found


def _whole(text: str, lines: Iterator[str]) -> str:
    while text.endswith("\\"):
        text += "\n" + next(lines)
    if here := _HEREDOC.search(text):
        while not text.endswith(f"\n{here[1]}"):
            text += "\n" + next(lines)
    return text


def matches(shown: str, line: str) -> bool:
    """Whether the line is what the page shows, `…` for anything. White space differs in a pipe."""
    wanted = ".*".join(map(re.escape, "".join(shown.split()).split("…")))
    return re.fullmatch(wanted, "".join(line.split())) is not None


def _use(block: Block, file: str) -> str:
    """What is done with a block that is no console: it becomes the file that it is titled with, or a program to run."""
    if not block.title:
        return f"python {file}"
    return f"mkdir -p {Path(block.title).parent} && cp {file} {block.title}"


def reader_environment(folder: Path, grid: StartedGrid) -> dict[str, str]:
    """The environment of somebody at home in the folder, who uses the grid."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("NANOGRID_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "NANOGRID_URL": grid.url,
        "NANOGRID_TOKEN": grid.token,
        "TOKEN": grid.token,
        "COLUMNS": "200",
    }


class Reader:
    """Somebody who follows a page in a folder of his own, with a grid that runs already."""

    def __init__(self, folder: Path, grid: StartedGrid) -> None:
        self._folder = folder
        self._address = grid.url.removeprefix("http://")
        self._environment = reader_environment(folder, grid)
        for name in (".venv", "examples", "LICENSE"):
            target = Path(sys.prefix) if name == ".venv" else ROOT / name
            (folder / name).symlink_to(target)

    async def follow(self, page: Path) -> int:
        """Do what the page says; how many blocks were run or written. Raises `AssertionError` where it is not so."""
        steps: list[Command] = []
        count = 0
        for number, block in enumerate(blocks(page)):
            if block.reason:
                continue
            count += 1
            if block.language == "console":
                steps += commands(block.body)
            elif block.title or block.language == "python":
                (self._folder / f"block_{number}.py").write_text(block.body)
                steps.append(Command(_use(block, f"block_{number}.py")))
        await self._run(steps)
        return count

    async def _run(self, steps: list[Command]) -> None:
        script = "".join(f"{step.text}\nprintf '{_END}%d\\n' $?\n" for step in steps)
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            script.replace("localhost:8080", self._address).replace("127.0.0.1:8080", self._address),
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        written = (await shell.communicate())[0].decode()
        pieces = re.split(f"{_END}(\\d+)\n", written)
        assert len(pieces) == 2 * len(steps) + 1, f"the shell ended early:\n{written}"
        for step, output, status in zip(steps, pieces[::2], pieces[1::2], strict=False):
            assert status == "0", f"$ {step.text}\n{output}\nended with {status}"
            rest = iter(output.splitlines())
            for shown in step.shown:
                assert any(matches(shown, line) for line in rest), f"$ {step.text}\nlacks {shown!r}:\n{output}"
