"""Commands about who may do what: keys and quotas."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from nanogrid.cli.durations import duration_ms, in_words
from nanogrid.cli.render import ago, print_fields, print_json, print_table, size
from nanogrid.cli.session import session_of
from nanogrid.client import KeyInfo, NewKey, QuotaInfo
from nanogrid.model import Scope

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Tenant = Annotated[str | None, typer.Option(help="Another tenant than the key's own; the grid's owner only.")]
_Limit = Annotated[int | None, typer.Option(min=0, help="0 for no limit.")]


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it, such as the program that will use it.")],
    scope: Annotated[
        list[Scope], typer.Option("--scope", "-s", help="What it may do. Repeatable; admin is everything.")
    ],
    function: Annotated[
        list[str] | None, typer.Option("--function", "-f", help="A function that it may run; no others. Repeatable.")
    ] = None,
    expires: Annotated[
        int | None, typer.Option(parser=duration_ms, metavar="TIME", help="When it ends, such as 12h or 90d from now.")
    ] = None,
    tenant: _Tenant = None,
    aws: Annotated[
        bool, typer.Option("--aws", help="Print what the AWS command line and SDKs sign with, as shell variables.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Make a key, and print its token, which nobody can tell again."""
    session = session_of(context)
    expires_at = None if expires is None else datetime.now(UTC) + timedelta(milliseconds=expires)
    with session.client() as client:
        url = client.url
        key = client.create_key(name, scopes=scope, functions=function, expires_at=expires_at, tenant=tenant, aws=aws)
    if as_json:
        print_json(key)
        return
    lines = _aws_variables(key, url) if aws else [key.token]
    for line in lines:
        session.out.print(line, soft_wrap=True)
    session.hint(f"Keep it now. To take it back: nanogrid keys revoke {key.key_id}")


def list_keys(context: typer.Context, tenant: _Tenant = None, as_json: _Json = False) -> None:
    """List keys, oldest first."""
    session = session_of(context)
    with session.client() as client:
        found = list(client.keys(tenant=tenant))
    if as_json:
        print_json(found)
    elif not found:
        session.hint("There are no keys besides the owner's token. Make one: nanogrid keys create NAME --scope run")
    else:
        headings = ["KEY", "NAME", "TENANT", "SCOPES", "FUNCTIONS", "EXPIRES", "CREATED"]
        print_table(session.out, headings, [_row(key) for key in found])


def revoke(
    context: typer.Context,
    key_ids: Annotated[list[str], typer.Argument(metavar="KEY...", help="Ids of keys.")],
    tenant: _Tenant = None,
) -> None:
    """Make keys open nothing any more."""
    session = session_of(context)
    with session.client() as client:
        for key_id in key_ids:
            client.revoke_key(key_id, tenant=tenant)
            session.out.print(f"Revoked {key_id}.")


def quota(
    context: typer.Context,
    tenant: _Tenant = None,
    functions: _Limit = None,
    code_mb: _Limit = None,
    concurrent_runs: _Limit = None,
    runs_per_minute: _Limit = None,
    backlog: _Limit = None,
    schedules: _Limit = None,
    schedule_interval: Annotated[
        int | None,
        typer.Option(parser=duration_ms, metavar="TIME", help="Shortest time between two due times, such as 15m."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show what a tenant may have and what it has; with a limit, set that one."""
    session = session_of(context)
    with session.client() as client:
        report = client.quota(tenant=tenant)
        asked = {
            "functions": functions,
            "code_bytes": None if code_mb is None else code_mb * 1_000_000,
            "concurrent_runs": concurrent_runs,
            "runs_per_minute": runs_per_minute,
            "backlog": backlog,
            "schedules": schedules,
            "schedule_interval_ms": schedule_interval,
        }
        if any(value is not None for value in asked.values()):
            limits = {name: getattr(report.quota, name) if value is None else value for name, value in asked.items()}
            report = client.set_quota(report.tenant, **limits)
    print_json(report) if as_json else print_fields(session.out, _fields(report))


def _aws_variables(key: NewKey, url: str) -> list[str]:
    """What AWS' tools need to find the grid and to sign; any region will do."""
    return [
        f"export AWS_ACCESS_KEY_ID={key.access_key_id}",
        f"export AWS_SECRET_ACCESS_KEY={key.secret_access_key}",
        f"export AWS_ENDPOINT_URL_LAMBDA={url}",
        "export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1",
    ]


def _row(key: KeyInfo) -> tuple[str, ...]:
    functions = "all" if key.functions is None else ", ".join(key.functions)
    expires = "never" if key.expires_at is None else key.expires_at.isoformat(timespec="minutes")
    return (key.key_id, key.name, key.tenant, ", ".join(key.scopes), functions, expires, ago(key.created_at))


def _fields(report: QuotaInfo) -> list[tuple[str, str]]:
    limit, used = report.quota, report.usage
    return [
        ("tenant", report.tenant),
        ("functions", f"{used.functions} of {limit.functions or 'any number'}"),
        ("code", f"{size(used.code_bytes)} of {size(limit.code_bytes) if limit.code_bytes else 'any size'}"),
        ("runs at once", str(limit.concurrent_runs or "any number")),
        ("runs per minute", str(limit.runs_per_minute or "any number")),
        ("backlog", str(limit.backlog or "any number")),
        ("schedules", f"{used.schedules} of {limit.schedules or 'any number'}"),
        ("schedule interval", in_words(limit.schedule_interval_ms) if limit.schedule_interval_ms else "any"),
    ]
