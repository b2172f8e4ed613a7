"""How `nanogrid aws` shows plans, progress and states."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from nanogrid.cli.render import ago, clean_line, counted, print_fields, print_table
from nanogrid.cloud.deployment import prices

if TYPE_CHECKING:
    from nanogrid.cloud.deployment.account import Account
    from nanogrid.cloud.deployment.deploy import Deployed, Prepared
    from nanogrid.cloud.deployment.logs import LogEvent
    from nanogrid.cloud.deployment.stacks import Event, Plan
    from nanogrid.cloud.deployment.status import GridStatus

_ACTIONS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "<", "Dynamic": "?"}
_STYLES = {"+": "green", "~": "yellow", "-": "red", "<": "cyan", "?": "yellow"}
_REPLACEMENTS = {"True": "  replaced", "Conditional": "  perhaps replaced"}
#: The template's defaults, for the estimate before a first deploy.
_INSTANCE, _NODE = "t3.medium", "cache.t4g.micro"


def print_plan(console: Console, account: "Account", prepared: "Prepared") -> None:
    """What would change, and what the whole costs."""
    console.print(f"Account {account.id}, region {account.region}.")
    if prepared.plan is None:
        console.print("Nothing to change.")
        return
    _print_changes(console, prepared.plan)
    _print_estimate(console, prepared.parameters)


def _print_changes(console: Console, plan: "Plan") -> None:
    made = [change for change in plan.changes if plan.creates and change.action == "Add"]
    if made:
        kinds = Counter(change.kind.removeprefix("AWS::") for change in made)
        console.print(f"\nThis makes {counted(len(made), 'resource')}:\n")
        print_table(console, ["resource", "number"], [(kind, str(count)) for kind, count in sorted(kinds.items())])
    touched = [change for change in plan.changes if change not in made]
    if touched:
        console.print(f"\nThis touches {counted(len(touched), 'resource')}:\n")
    for change in touched:
        sign = _ACTIONS.get(change.action, "?")
        note = "  taken back" if sign == "<" else _REPLACEMENTS.get(change.replacement, "")
        line = Text.assemble((f"{sign} ", _STYLES[sign]), change.name, (f"  {change.kind}{note}", "dim"))
        console.print(line, soft_wrap=True)


def _print_estimate(console: Console, parameters: dict[str, str]) -> None:
    instance = parameters.get("WorkerInstanceType", _INSTANCE)
    lines = prices.estimate(instance, parameters.get("RedisNodeType", _NODE), prices.Usage())
    total = sum(line.dollars for line in lines)
    console.print(f"\nAbout {total:.0f} US dollars a month:\n")
    print_table(
        console, ["for", "dollars", "assuming"], [(one.what, f"{one.dollars:7.2f}", one.assumption) for one in lines]
    )
    console.print(
        f"\nList prices of {prices.PRICED_REGION}, {prices.PRICED_ON}, without tax and free tiers; each further worker "
        f"adds {prices.worker_month(instance):.0f}.\n",
        style="dim",
        soft_wrap=True,
    )


def print_events(console: Console, events: Iterable["Event"]) -> None:
    """Each step as it is made."""
    started = time.monotonic()
    for event in events:
        if event.status.endswith("_IN_PROGRESS"):
            continue
        bad = event.status.endswith("FAILED") or "ROLLBACK" in event.status
        style = "red" if bad else "green" if event.status.endswith("COMPLETE") else ""
        elapsed = f"{time.monotonic() - started:5.0f} s  "
        reason = f"  {clean_line(event.reason)}" if bad and event.reason else ""
        console.print(Text.assemble((elapsed, "dim"), (event.status.ljust(16), style), f"  {event.name}{reason}"))


def print_deployed(console: Console, deployed: "Deployed") -> None:
    """How the grid is reached."""
    console.print(Text.assemble("\nThe grid answers at ", (deployed.url, "bold cyan")), soft_wrap=True)
    if deployed.token is None:
        console.print("The token is the one that it had; `nanogrid aws deploy --new-token` makes another.", style="dim")
        return
    console.print("Its token is shown this once:\n")
    console.print(f"  {deployed.token}\n", style="bold", soft_wrap=True)
    console.print(f"  nanogrid login {deployed.url}", soft_wrap=True)
    console.print("\nThe first worker needs some two minutes more: `nanogrid aws status` shows it.", style="dim")


def print_status(console: Console, found: "GridStatus") -> None:
    """All that is known at a glance."""
    if found.stack is None:
        console.print(f"There is no grid in {found.region} (account {found.account}).")
        return
    fields: list[tuple[str, str | Text]] = [("stack", f"{found.stack.status} {found.stack.reason}".strip())]
    fields += [
        ("address", found.stack.outputs.get("ApiUrl", "")),
        ("region", f"{found.region}, account {found.account}"),
    ]
    if found.backlog is not None:
        waits = found.backlog
        fields.append(("backlog", f"{waits.waiting} waiting, {waits.in_flight} in flight, {waits.delayed} delayed"))
        fields.append(("given up", f"{waits.given_up} in the dead-letter queue"))
    print_fields(console, fields)
    console.print()
    print_table(console, ["worker", "state", "health"], [(one.id, one.state, one.health) for one in found.workers])
    console.print()
    rows = [
        (
            one.name,
            Text(one.state, style=_alarm_style(one.name, one.state)),
            ago(one.since) if one.since else "",
            one.means,
        )
        for one in found.alarms
    ]
    print_table(console, ["alarm", "state", "since", "means"], rows)


def print_removal(console: Console, account: "Account", kept: list[str], *, there: bool, delete_data: bool) -> None:
    """What goes and what stays."""
    console.print(f"Account {account.id}, region {account.region}.")
    if there:
        console.print("The stack goes: network, queues, Redis, Lambdas, API, workers. Tasks that wait are lost.")
    if kept:
        fate = "are deleted for good" if delete_data else "stay, and the next deploy takes them back"
        console.print(f"These {fate}: {', '.join(kept)}.", style="bold red" if delete_data else "", soft_wrap=True)


def print_log_event(console: Console, event: "LogEvent") -> None:
    """One line of the platform's log."""
    head = f"{event.at:%H:%M:%S} {event.source.value} "
    console.print(Text.assemble((head, "dim"), clean_line(event.text)), soft_wrap=True)


def _alarm_style(name: str, state: str) -> str:
    """An idle grid is nothing to worry about."""
    return "red" if state == "ALARM" and name == "nanogrid-stuck" else ""
