"""Why a run waits: the first of the reasons, in the order in which they hold a task up."""

from collections.abc import Callable
from datetime import timedelta

from nanogrid.api.explain.facts import Facts
from nanogrid.api.explain.records import Account, Limit, QueuePlace, Reason, Step, TasksAhead
from nanogrid.model import MAX_PLATFORM_FAILURES, Function, Place, Run

_TITLE = "Why it waits"
_NO_PLACE = "its place in the queue: the queue of this grid tells nobody where a task is"


def waiting(facts: Facts) -> Account:
    """Why it waits."""
    told = next(account for reason in _REASONS if (account := reason(facts)) is not None)
    return Account(
        reason=told.reason,
        title=_TITLE,
        why=told.why,
        limit=told.limit,
        queue=_queue(facts),
        next=[*told.next, *_always(facts.run)],
        unknown=[_NO_PLACE] if facts.standing is None and facts.worker is None else [],
    )


def _told(reason: Reason, why: str, *, limit: Limit | None = None, steps: tuple[Step, ...] = ()) -> Account:
    return Account(reason=reason, title=_TITLE, why=why, limit=limit, next=list(steps))


def _retry_pause(facts: Facts) -> Account | None:
    run, function = facts.run, facts.function
    if not run.retried or not _pauses(facts):
        return None
    failed = f"Its last try failed ({run.error.type}: {run.error.message})" if run.error else "Its last try failed"
    tries = function.retries if function else run.retried
    limit = Limit(name="retries", value=tries, unit="tries", used=run.retried)
    logs = Step(text="See what it wrote when it failed.", command=f"nanogrid logs {run.run_id}")
    why = f"{failed}; it is tried again {_when(facts)}. This will be retry {run.retried} of {tries}."
    return _told(Reason.RETRY_PAUSE, why, limit=limit, steps=(logs,))


def _given_back(facts: Facts) -> Account | None:
    if facts.standing is None or facts.standing.place is not Place.DELAYED:
        return None
    why = (
        f"A worker gave it back: the platform failed at it, or its function was running as often as it may. It is "
        f"tried again {_when(facts)}; after {MAX_PLATFORM_FAILURES} failures of the platform it is a dead letter."
    )
    return _told(Reason.GIVEN_BACK, why)


def _function_limit(facts: Facts) -> Account | None:
    function = facts.function
    leased = facts.standing.function_leased if facts.standing else 0
    running = max(facts.function_running, leased - _own_lease(facts))
    if function is None or not function.concurrency or running < function.concurrency:
        return None
    limit = Limit(name="concurrency", value=function.concurrency, unit="runs", used=running)
    why = f"{function.name} may have {_counted(function.concurrency, 'run')} at once, and that many are under way."
    return _told(Reason.FUNCTION_LIMIT, why, limit=limit, steps=(_more_at_once(function),))


def _more_at_once(function: Function) -> Step:
    command = f"nanogrid configure {function.name} --concurrency {function.concurrency * 2}"
    return Step(text="Let more of them run at once, if the machine has room.", command=command)


def _tenant_limit(facts: Facts) -> Account | None:
    most = facts.quota.concurrent_runs
    leased = facts.standing.tenant_leased if facts.standing else 0
    running = max(facts.tenant_running, leased - _own_lease(facts))
    if not most or running < most:
        return None
    limit = Limit(name="concurrentRuns", value=most, unit="runs", used=running)
    why = f"The tenant {facts.run.tenant} may have {_counted(most, 'run')} under way, and that many are."
    ask = Step(text="See the quota; the grid's owner can raise it.", command="nanogrid quota")
    return _told(Reason.TENANT_LIMIT, why, limit=limit, steps=(ask,))


def _no_room(facts: Facts) -> Account | None:
    worker = facts.worker
    if not _is_leased(facts) or worker is None or worker.starting or not worker.busy:
        return None
    limit = Limit(name="NANOGRID_MEMORY_BUDGET_MB", value=worker.memory_mb, unit="MB")
    why = (
        f"A worker has it, and no further sandbox has room: {_counted(worker.busy, 'sandbox', 'sandboxes')} are at "
        f"work, and all sandboxes together may occupy {worker.memory_mb} MB."
    )
    more = Step(text="Give the grid more memory for sandboxes, or let functions need less: see `nanogrid tune`.")
    return _told(Reason.NO_ROOM, why, limit=limit, steps=(more,))


def _starting(facts: Facts) -> Account | None:
    if not _is_leased(facts):
        return None
    return _told(Reason.SANDBOX_STARTING, "A worker has it, and makes a sandbox ready for it.")


def _worker_full(facts: Facts) -> Account | None:
    worker = facts.worker
    if worker is None or worker.held < worker.max_running:
        return None
    limit = Limit(name="NANOGRID_MAX_RUNNING", value=worker.max_running, unit="tasks", used=worker.held)
    why = f"The worker holds {worker.held} tasks, which is as many as it may; the next is taken when one ends."
    more = Step(text="Let it hold more, if the machine has room: start the grid with a larger NANOGRID_MAX_RUNNING.")
    return _told(Reason.WORKER_FULL, why, limit=limit, steps=(more,))


def _no_worker(facts: Facts) -> Account | None:
    depth = facts.depth
    if facts.worker or facts.standing or depth is None or depth.in_flight or not depth.visible:
        return None
    why = (
        f"{_counted(depth.visible, 'task')} wait, and no worker seems to hold any: a machine is being started, or none "
        "can be. The queue counts approximately, so this may be a moment old."
    )
    look = Step(text="See whether there are workers, and what they say.", command="nanogrid aws status")
    return _told(Reason.NO_WORKER, why, steps=(look,))


def _others_first(facts: Facts) -> Account | None:
    ahead = sum(one.tasks for one in facts.standing.ahead) if facts.standing else 0
    waiting_ = facts.depth.visible if facts.depth else 0
    if ahead:
        return _told(Reason.OTHERS_FIRST, f"{_counted(ahead, 'task')} come first; functions take turns.")
    if facts.standing is None and waiting_ > 1:
        return _told(Reason.OTHERS_FIRST, f"About {waiting_} tasks wait in the grid's queue; functions take turns.")
    return None


def _about_to_begin(_: Facts) -> Account:
    return _told(Reason.ABOUT_TO_BEGIN, "Nothing holds it up: a worker is about to take it.")


_REASONS: tuple[Callable[[Facts], Account | None], ...] = (
    _retry_pause,
    _given_back,
    _function_limit,
    _tenant_limit,
    _no_room,
    _starting,
    _worker_full,
    _no_worker,
    _others_first,
    _about_to_begin,
)


def _pauses(facts: Facts) -> bool:
    """Whether a failed run waits for its next try, as far as can be told."""
    return facts.standing is None or facts.standing.place is Place.DELAYED


def _is_leased(facts: Facts) -> bool:
    return facts.standing is not None and facts.standing.place is Place.LEASED


def _own_lease(facts: Facts) -> int:
    """The task's own lease is none that it waits for."""
    return int(_is_leased(facts))


def _when(facts: Facts) -> str:
    if facts.standing is None or facts.standing.due_in_s is None:
        return "after a pause, which grows with each try"
    return f"in {max(0.0, facts.standing.due_in_s):.1f} s"


def _queue(facts: Facts) -> QueuePlace | None:
    standing = facts.standing
    if standing is None or standing.place is Place.LEASED:
        return None
    own = [one for one in standing.ahead if one.tenant == facts.run.tenant]
    foreign = sum(one.tasks for one in standing.ahead) - sum(one.tasks for one in own)
    ahead_of = [TasksAhead(function_name=facts.names.get(one.function_id), tasks=one.tasks) for one in own]
    ahead_of.sort(key=lambda one: -one.tasks)
    due_at = None if standing.due_in_s is None else facts.now + timedelta(seconds=standing.due_in_s)
    return QueuePlace(
        ahead=sum(one.tasks for one in standing.ahead),
        ahead_of=[*ahead_of, *([TasksAhead(tasks=foreign)] if foreign else [])],
        due_at=due_at,
    )


def _always(run: Run) -> list[Step]:
    return [
        Step(text="Wait: it is kept, and runs when its turn comes."),
        Step(text="Cancel it, if nobody needs it any more.", command=f"nanogrid cancel {run.run_id}"),
    ]


def _counted(count: int, noun: str, several: str = "") -> str:
    return f"{count} {noun if count == 1 else several or noun + 's'}"
