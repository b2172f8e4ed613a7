"""`nanogrid worker`: takes the grid's tasks on a machine of its own."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.console import Console

from nanogrid import config
from nanogrid.cli.render import print_fields
from nanogrid.cli.session import session_of
from nanogrid.errors import ConfigError
from nanogrid.model import DEFAULT_MEMORY_MB

if TYPE_CHECKING:
    from nanogrid.bootstrap.worker import WorkerStarted

#: How long functions may go on after SIGTERM; what takes longer runs again elsewhere.
_GRACE_S = 300.0


def worker(
    context: typer.Context,
    sandbox: Annotated[
        str | None, typer.Option(help="docker, bubblewrap, or process: without isolation. Docker if not given.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option(min=1, help="Most tasks at once; as many as the memory holds if not given.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds code and sandboxes.")] = None,
    log_format: Annotated[str | None, typer.Option(help="human or json.")] = None,
) -> None:
    """Take tasks from a grid on AWS and run them, until Ctrl-C, SIGTERM, a scale-in or a spot notice.

    Where the grid is, the environment says: NANOGRID_QUEUE_URL and so on, as the stack sets them on its instances. What
    runs is finished before it ends, or given back to the queue.
    """
    session = session_of(context)
    try:
        # Only workers need what speaks to AWS; it is an optional part of the installation.
        from nanogrid.backends.aws import AwsSettings  # noqa: PLC0415
        from nanogrid.bootstrap.worker import serve_worker  # noqa: PLC0415
        from nanogrid.cloud.worker import InstanceSettings  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigError(f"{exc.name} is not installed.", hint="pip install 'nanogrid[aws]'") from exc
    settings = config.load(
        session.environ,
        {"sandbox": sandbox, "max_running": slots, "data": data, "log_format": log_format},
        defaults={"sandbox": "docker", "max_running": _slots(), "grace_s": _GRACE_S},
        elsewhere=AwsSettings.variables() | InstanceSettings.variables(),
    )
    aws, place = AwsSettings.from_environment(session.environ), InstanceSettings.from_environment(session.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_worker(settings, aws, place, on_ready=lambda started: print_started(session.out, started)))


def print_started(console: Console, started: "WorkerStarted") -> None:
    """What the worker is, and where it can be asked how it is."""
    console.print("NanoGrid worker takes tasks.", style="bold")
    print_fields(
        console,
        [
            ("queue", started.queue),
            ("slots", str(started.slots)),
            ("sandbox", started.sandbox),
            ("runtimes", ", ".join(started.runtimes)),
            ("instance", "EC2" if started.on_instance else "none: neither scale-in nor spot notices are watched for"),
            ("health", f"{started.health_url}/health/ready"),
        ],
    )
    for note in started.notes:
        console.print(note, style="yellow")
    # Whoever started us through a pipe waits for these lines.
    console.file.flush()


def _slots() -> int:
    """As many of the smallest functions as half the memory holds: what would wait for memory is left to others."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    return max(1, memory_mb // 2 // DEFAULT_MEMORY_MB)
