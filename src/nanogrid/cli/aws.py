"""`nanogrid aws`: the same grid in an AWS account, made and looked after."""

import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanogrid.cli import aws_view as view
from nanogrid.cli.exits import ExitCode
from nanogrid.cli.render import print_json
from nanogrid.cli.session import Session, session_of
from nanogrid.cloud.stack import DEFAULT_REGION
from nanogrid.errors import ConfigError

if TYPE_CHECKING:
    from nanogrid.cloud.deployment.account import Account

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Region = Annotated[
    str | None, typer.Option(help=f"The region; AWS_REGION if not given, and {DEFAULT_REGION} if that is not set.")
]
Profile = Annotated[str | None, typer.Option(help="The profile of the AWS credentials; AWS_PROFILE if not given.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def deploy(
    context: typer.Context,
    region: Region = None,
    profile: Profile = None,
    instance: Annotated[str | None, typer.Option(help="Type of the workers; t3.medium at first.")] = None,
    redis_node: Annotated[str | None, typer.Option(help="Type of the Redis node; cache.t4g.micro at first.")] = None,
    log_days: Annotated[int | None, typer.Option(help="How long logs are kept; 30 days at first.")] = None,
    runtimes: Annotated[str | None, typer.Option(help="What functions may ask for, best first.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Images of the sandboxes, as `docker save` wrote them; else workers build them.")
    ] = None,
    new_token: Annotated[bool, typer.Option("--new-token", help="Take the token back and make another.")] = False,
    yes: Yes = False,
) -> None:
    """Make the grid in your AWS account, or bring it to this version: shows what it would do and cost, then asks."""
    session = session_of(context)
    account = _account(session, region, profile)
    from nanogrid.cloud.deployment.deploy import Deployment, Wanted  # noqa: PLC0415 - boto3 is an optional extra
    from nanogrid.cloud.deployment.distributions import choose_target  # noqa: PLC0415 - likewise

    wanted = Wanted(
        target=choose_target(emulated=account.emulated),
        instance=instance,
        redis_node=redis_node,
        log_days=log_days,
        runtimes=runtimes,
        images=images,
        new_token=new_token,
    )
    deployment = Deployment(account, _pause(account))
    session.hint("Building what Lambdas and workers start from …")
    prepared = deployment.prepare(wanted)
    view.print_plan(session.out, account, prepared)
    if (prepared.plan or new_token) and not _agreed(yes, "Deploy?", lambda: deployment.discard(prepared)):
        raise typer.Exit(ExitCode.FAILED)
    view.print_events(session.out, deployment.carry_out(prepared, wanted))
    view.print_deployed(session.out, deployment.finish(prepared))


def status(
    context: typer.Context,
    region: Region = None,
    profile: Profile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the grid in AWS: stack, alarms, workers, backlog."""
    session = session_of(context)
    account = _account(session, region, profile)
    from nanogrid.cloud.deployment.status import grid_status  # noqa: PLC0415 - boto3 is an optional extra

    found = grid_status(account)
    if as_json:
        print_json(found)
    else:
        view.print_status(session.out, found)
    if found.stack is None:
        raise typer.Exit(ExitCode.NOT_FOUND)


def destroy(
    context: typer.Context,
    region: Region = None,
    profile: Profile = None,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete functions, code, runs and tokens, too, for good.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove the grid from AWS. Data stays, and a later deploy takes it back, unless --delete-data is said."""
    session = session_of(context)
    account = _account(session, region, profile)
    from nanogrid.cloud.deployment.destroy import Removal  # noqa: PLC0415 - boto3 is an optional extra

    removal = Removal(account, _pause(account))
    there, kept = removal.exists(), removal.kept()
    if not there and not (delete_data and kept):
        session.out.print(f"There is no grid in {account.region}.")
        return
    view.print_removal(session.out, account, kept, there=there, delete_data=delete_data)
    if not _agreed(yes, "Destroy?", lambda: None):
        raise typer.Exit(ExitCode.FAILED)
    if there:
        view.print_events(session.out, removal.carry_out())
    if delete_data:
        for name in removal.delete_data():
            session.out.print(f"deleted {name}")
    session.out.print("The grid is gone." if delete_data else "The grid is gone; its data stays.")


def logs(
    context: typer.Context,
    source: Annotated[
        list[str] | None, typer.Argument(help="api, resource-manager, dispatcher, worker; all of them if not given.")
    ] = None,
    region: Region = None,
    profile: Profile = None,
    since: Annotated[str, typer.Option(help="How far back, such as 15m, 2h, 1d.")] = "15m",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C.")] = False,
) -> None:
    """Show what the platform itself logs in AWS. What functions write is in `nanogrid logs`."""
    session = session_of(context)
    start = datetime.now(UTC) - _duration(since)
    account = _account(session, region, profile)
    from nanogrid.cloud.deployment.logs import LogReader, Source  # noqa: PLC0415 - boto3 is an optional extra

    try:
        sources = [Source(name) for name in source or list(Source)]
    except ValueError as exc:
        raise ConfigError(f"{exc}.", hint=f"Choose from: {', '.join(Source)}.") from exc
    reader = LogReader(account, _pause(account))
    for event in reader.follow(sources, start) if follow else reader.read(sources, start):
        view.print_log_event(session.out, event)


def _account(session: Session, region: str | None, profile: str | None) -> "Account":
    try:
        from nanogrid.cloud.deployment.account import open_account  # noqa: PLC0415 - boto3 is an optional extra
    except ImportError as exc:
        raise ConfigError("the AWS client is not installed.", hint="pip install 'nanogrid[aws]'") from exc
    endpoint = session.environ.get("AWS_ENDPOINT_URL") or None
    return open_account(region or _region(session.environ), profile=profile, endpoint_url=endpoint)


def _region(environ: Mapping[str, str]) -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def _pause(account: "Account") -> Callable[[float], None]:
    """AWS takes minutes, an emulator takes none."""
    return (lambda seconds: time.sleep(seconds / 30)) if account.emulated else time.sleep


def _agreed(yes: bool, question: str, otherwise: Callable[[], None]) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        otherwise()
        raise ConfigError("nobody is there to agree.", hint="Say --yes where a program asks.")
    if typer.confirm(question):
        return True
    otherwise()
    return False


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise ConfigError(f"{text!r} is no duration.", hint="It looks like 15m, 2h or 1d.")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
