"""The library, from deploy to destroy. Each function takes a path, a mapping or keyword arguments, or a Config."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dstk_runner.config import Config
from dstk_runner.errors import DstkError
from dstk_runner.events import Event, OnEvent
from dstk_runner.outcome import find_troubles, read_deployment, read_failures
from dstk_runner.results import Check, Deployment, Failure, Logs, Plan, Receipt, Resource, explain_nothing
from dstk_runner.session import Request, add_to_run, call_roll_after, open_request, run_for

__all__ = [
    "NO_CLASS",
    "deploy",
    "destroy",
    "doctor",
    "explain_failure",
    "find_deployed",
    "find_gone",
    "find_obstacles",
    "open_session",
    "plan",
    "read_logs",
    "rotate",
    "start",
    "status",
    "stop",
]

#: What is destroyed is what carries the tag, whoever is in the roster, which may be lost or wrong by then.
NO_CLASS: Mapping[str, Any] = {"roster": "", "students": []}


def deploy(
    config: Request = None,
    *,
    limit: Iterable[str] = (),
    prune: bool = False,
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Deployment:
    """Make the deployment as the configuration says. What is there already is kept; nothing is made twice.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        limit: logins; only these students are served. Empty means all.
        prune: remove who is no longer in the roster, after their work has been archived on this machine.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration, such as `roster`; they win over the file and the environment.

    Returns:
        The notebooks and the failures. A failure of a host or a student is a result, not an exception.

    Raises:
        ConfigError: the request was wrong; nothing was touched.
        BusyError: another run of this deployment is going on on this machine.
        Interrupted: Ctrl-C. The next `deploy` finishes the job.
        DstkError: AWS could not be asked.
    """
    from dstk_runner.pruning import Pruned
    from dstk_runner.pruning import prune as prune_class
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, add_to_run(overrides, limit, prune), on_event) as wanted, hold_lock(wanted, "up") as run:
        log = new_log(wanted, "up")
        pruned = Pruned()
        if wanted.prune:
            # first, so that who is new finds free seats and quotas
            pruned = prune_class(wanted, lambda: run_for("prune", wanted, on_event, log, run_id=run), log)
            wanted = replace(wanted, prune=False)
        made = Deployment(deployment=wanted.deployment, region=wanted.region)
        failures = find_obstacles(wanted, on_event)
        if not failures:
            result = run_for("site", wanted, on_event, log, run_id=run)
            made = read_deployment(wanted, result, call_roll_after(wanted), log)
        return replace(made, failures=(*pruned.failures, *failures, *made.failures), pruned=pruned.archives)


def status(
    config: Request = None, *, limit: Iterable[str] = (), on_event: OnEvent | None = None, **overrides: Any
) -> Deployment:
    """Look at the deployment, and change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.resources import find_kept
    from dstk_runner.roll import call_roll
    from dstk_runner.state import new_log

    with open_request(config, add_to_run(overrides, limit), on_event) as wanted:
        roll = call_roll(wanted)
        kept = find_kept(deployment=wanted.deployment, region=wanted.region)
        if not roll.hosts:
            return Deployment(deployment=wanted.deployment, region=wanted.region, kept=kept)
        log = new_log(wanted, "status")
        seen = read_deployment(wanted, run_for("status", wanted, on_event, log), roll, log)
        return replace(seen, failures=(*seen.failures, *find_troubles(seen.notebooks)), kept=kept, changed=0)


def rotate(
    config: Request = None, *, limit: Iterable[str] = (), on_event: OnEvent | None = None, **overrides: Any
) -> Deployment:
    """Make passwords and logins anew: who is logged in is not any more. Takes and raises what `deploy` does.

    Handouts of before name passwords that are no longer good.
    """
    from dstk_runner.roll import call_roll
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, add_to_run(overrides, limit), on_event) as wanted, hold_lock(wanted, "rotate") as run:
        roll = call_roll(wanted)
        if not roll.hosts:
            nothing = explain_nothing(wanted, stage="rotate")
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=(nothing,))
        log = new_log(wanted, "rotate")
        return read_deployment(wanted, run_for("rotate", wanted, on_event, log, run_id=run), roll, log)


def stop(
    config: Request = None, *, limit: Iterable[str] = (), on_event: OnEvent | None = None, **overrides: Any
) -> Deployment:
    """Stop the hosts: disks and what is on them stay, and cost. Takes and raises what `deploy` does.

    A host on which others sit than those of `limit` goes on, and is a failure of each of them.

    Returns:
        The notebooks whose hosts are stopped, and the failures.
    """
    # where nobody is named all hosts are stopped, whoever else sits there
    return _turn("stop", config, add_to_run(overrides, limit), on_event, everybody=True)


def start(
    config: Request = None, *, limit: Iterable[str] = (), on_event: OnEvent | None = None, **overrides: Any
) -> Deployment:
    """Start hosts that are stopped, and serve who sits there, nobody new. Takes and raises what `deploy` does.

    Returns:
        The notebooks, whose addresses may be others than before.
    """
    return _turn("start", config, add_to_run(overrides, limit), on_event, everybody=False)


def _turn(
    name: str, config: Request, overrides: Mapping[str, Any], on_event: OnEvent | None, *, everybody: bool
) -> Deployment:
    """Run a playbook, for everybody whom the limit leaves or only for those who have a seat, and read what it told."""
    from dstk_runner.roll import call_roll
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, overrides, on_event) as wanted, hold_lock(wanted, name) as run:
        roll = call_roll(wanted)
        seated = [login for login in roll.students if any(login in there for there in roll.hosts.values())]
        chosen = tuple(login for login in seated if not wanted.limit or login in wanted.limit)
        if not chosen:
            nothing = explain_nothing(wanted, stage=name)
            return Deployment(deployment=wanted.deployment, region=wanted.region, failures=(nothing,))
        log = new_log(wanted, name)
        seated_only = replace(wanted, limit=chosen)
        result = run_for(name, wanted if everybody else seated_only, on_event, log, run_id=run)
        return read_deployment(seated_only, result, call_roll_after(wanted), log)


def plan(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Plan:
    """Say what `deploy` would do, and what stands against it; change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.state import new_log

    with open_request(config, overrides, on_event) as wanted:
        checks = _check(wanted, on_event)
        known = Plan(deployment=wanted.deployment, region=wanted.region, checks=checks, failures=_failures_of(checks))
        if known.failures:
            return known
        existing = _find(wanted)
        log = new_log(wanted, "plan")
        result = run_for("plan", wanted, on_event, log, check=True)
        return replace(
            known,
            changes=tuple(dict.fromkeys(result.changes)),
            existing=existing,
            image=result.stats.get("dstk_image", {}),
            network=result.stats.get("dstk_network", {}),
            hosts=result.stats.get("dstk_hosts", {}),
            failures=read_failures(wanted, result, call_roll_after(wanted), log),
            log=log,
        )


def find_deployed(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> tuple[Resource, ...]:
    """Return all that carries the tag; `Resource.stays` tells what is kept. Takes and raises what `deploy` does."""
    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted:
        return _find(wanted)


def find_gone(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Mapping[str, str]:
    """Return whom `deploy(prune=True)` would remove, with the instance of each. Takes and raises what `deploy` does."""
    from dstk_runner.roll import call_roll

    with open_request(config, overrides, on_event) as wanted:
        return call_roll(wanted).gone


def destroy(
    config: Request = None,
    *,
    delete_data: bool = False,
    final_backup: bool = True,
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Receipt:
    """Delete all that carries the deployment's tag but the volumes with homes and their backups, then look again.

    Args:
        config: as `deploy` takes it.
        delete_data: delete the volumes with homes as well.
        final_backup: take a snapshot of each before; it stays, and costs, until somebody deletes it.
        on_event: as `deploy` takes it.
        **overrides: as `deploy` takes them.

    Returns:
        What is gone, what was kept, and what is left; a failure is a result, not an exception.

    Raises:
        ConfigError, BusyError, Interrupted, DstkError: as `deploy` does.
    """
    from dstk_runner.state import forget_hosts, hold_lock, new_log

    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted, hold_lock(wanted, "destroy") as run:
        before = _find(wanted)
        if all(resource.stays(delete_data=delete_data) for resource in before) and not _has_expiry(wanted):
            forget_hosts(wanted)
            return Receipt(deployment=wanted.deployment, region=wanted.region, kept=before)
        log = new_log(wanted, "destroy")
        roll = call_roll_after(wanted)
        extra = {"dstk_delete_data": delete_data, "dstk_final_backup": final_backup}
        result = run_for("destroy", wanted, on_event, log, run_id=run, extra=extra)
        kept, left = _find_left(wanted, delete_data=delete_data, patience=10.0 if result.rc == 0 else 0.0)
        if not left:
            forget_hosts(wanted)
        ids = {resource.id for resource in (*kept, *left)}
        return Receipt(
            deployment=wanted.deployment,
            region=wanted.region,
            gone=tuple(resource for resource in before if resource.id not in ids),
            kept=kept,
            left=left,
            images=_find_images(wanted),
            failures=read_failures(wanted, result, roll, log),
            log=log,
        )


def doctor(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> tuple[Check, ...]:
    """Check all that a deployment needs, each with its remedy; change nothing. Takes and raises what `deploy` does."""
    from dstk_runner.checks import run_checks

    with open_request(config, overrides, on_event) as wanted:
        _tell(on_event, "check")
        return run_checks(wanted, everything=True)


def read_logs(config: Request = None, *, lines: int = 100, on_event: OnEvent | None = None, **overrides: Any) -> Logs:
    """Read the last lines of every notebook's logs. Takes and raises what `deploy` does."""
    from dstk_runner.roll import call_roll
    from dstk_runner.state import find_logs, new_log

    with open_request(config, overrides, on_event) as wanted:
        runs = tuple(find_logs(wanted))
        found = Logs(deployment=wanted.deployment, region=wanted.region, runs=runs)
        roll = call_roll(wanted)
        if not roll.hosts:
            return found
        log = new_log(wanted, "logs")
        result = run_for("logs", wanted, on_event, log, extra={"jupyter_container_log_lines": lines})
        rows: Mapping[str, Mapping[str, list[str]]] = result.stats.get("dstk_logs", {})
        hosts = {host: {name: tuple(texts) for name, texts in logs.items()} for host, logs in rows.items()}
        return replace(found, hosts=hosts, failures=read_failures(wanted, result, roll, log))


def find_obstacles(config: Config, on_event: OnEvent | None) -> tuple[Failure, ...]:
    """Return what stands against making hosts; what is wrong with the request itself is raised."""
    return _failures_of(_check(config, on_event))


def _check(config: Config, on_event: OnEvent | None) -> tuple[Check, ...]:
    """Run the checks that `up` needs; what is wrong with the request itself is raised."""
    from dstk_runner.checks import find_mistakes, run_checks

    _tell(on_event, "check")
    checks = run_checks(config)
    mistakes = find_mistakes(checks)
    if mistakes:
        raise mistakes
    return checks


def _failures_of(checks: tuple[Check, ...]) -> tuple[Failure, ...]:
    failed = [check for check in checks if check.status == "fail"]
    return tuple(Failure(stage="check", task=check.name, message=check.message, fix=check.fix) for check in failed)


def _find(config: Config) -> tuple[Resource, ...]:
    from dstk_runner.resources import find_resources

    return find_resources(deployment=config.deployment, region=config.region)


def _has_expiry(config: Config) -> bool:
    from dstk_runner.resources import has_expiry

    return has_expiry(deployment=config.deployment, region=config.region)


def _find_images(config: Config) -> tuple[Resource, ...]:
    """Find the baked images, which outlive deployments; a receipt is none the worse for not knowing them."""
    from dstk_runner.resources import find_baked

    with contextlib.suppress(DstkError):
        return find_baked(config.region)
    return ()


def _find_left(
    config: Config, *, delete_data: bool, patience: float
) -> tuple[tuple[Resource, ...], tuple[Resource, ...]]:
    """Look again until nothing is left but what stays: AWS's answers lag a few seconds behind its deeds."""
    deadline = time.monotonic() + patience
    while True:
        found = _find(config)
        left = tuple(resource for resource in found if not resource.stays(delete_data=delete_data))
        if not left or time.monotonic() > deadline:
            return tuple(resource for resource in found if resource not in left), left
        time.sleep(1)


def _tell(on_event: OnEvent | None, stage: str) -> None:
    if on_event:
        on_event(Event(stage=stage))


def open_session(config: Config, on_event: OnEvent | None = None) -> contextlib.AbstractContextManager[Config]:
    """Let this process speak to the configuration's target, for what is not a run: `dstk ssh`."""
    return open_request(config, {}, on_event)


def explain_failure(error: DstkError, *, stage: str) -> tuple[Failure, ...]:
    """Return an exception as the failures of a document; a wrong request has one for each mistake."""
    mistakes = getattr(error, "mistakes", ())
    if mistakes:
        return tuple(
            Failure(stage=stage, task=m.field or None, message=": ".join(filter(None, (m.where, m.message))), fix=m.fix)
            for m in mistakes
        )
    return (Failure(stage=stage, message=error.message, fix=error.fix),)
